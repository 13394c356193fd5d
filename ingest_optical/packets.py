"""Files and folders to optical packets, one by one; what cannot be read says why."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson
import pyarrow as pa
from pyarrow import parquet

from correlator.errors import MalformedAlertError
from ingest_optical import json_text
from ingest_optical.avro import split_container
from ingest_optical.avro_container import MAGIC, MAX_PACKET_BYTES
from ingest_optical.parquet_pages import claims_of

SUFFIXES = (".avro", ".parquet", ".json", ".tar.gz", ".tgz", ".tar")
"""Files that may hold optical packets."""

MAX_FILE_BYTES = 2**30
"""Largest container file that is read into memory."""

MAX_JSON_MEMORY = 256 * 2**20
"""Most memory that a JSON file may become [B]: some 80 MB of alerts; more belongs into Parquet."""

MAX_GROWTH, FREE_GROWTH_BYTES = 64, 64 * 2**20
"""Packets of a file have at most ``MAX_GROWTH`` times its bytes and so many more. Real tables give
13 times; one long text in a dictionary could give a million times."""

MAX_ROW_BYTES, MAX_ROW_VALUES = 16 * 2**20, 1_000_000
"""Most that one row of a table may hold; the deepest Rubin row has 3.5 MB of JSON."""

MAX_CHUNK_BYTES, MAX_GROUP_VALUES = 128 * 2**20, 32_000_000
"""Most that a column of a row group may have, uncompressed, and a row group in all columns that are
read: runs of equal values take next to no bytes in a file, whatever their number."""

MAX_ARCHIVE_BYTES = 2**35
"""Most bytes read out of one archive: a ZTF night has 70 GB uncompressed in several archives."""

_EVIDENCE_BYTES = 2**16
"""What is kept of a file that holds no packet."""

_SMALL_CHUNK_BYTES = 4 * 2**20
"""A column that holds no more can have no row that is large."""

_MAX_TAR_NAME_BYTES = 2**16
"""Longest name or extended header of a member; tarfile reads them whole."""

_ROWS_AT_ONCE = 16
"""Rows of a table in memory at a time: a Rubin deep-field row takes some 10 MB as objects."""

_SURVEY_COLUMNS = frozenset(
    {
        *("schemavsn", "publisher", "objectId", "candid", "candidate", "prv_candidates"),
        "fp_hists",
        *("diaSourceId", "diaSource", "prvDiaSources", "prvDiaForcedSources"),
        *("diaObject", "ssSource", "observation_reason", "target_name", "lsst_schema_version"),
    }
)
"""The survey's part of a broker's row; the broker's additions and the images stay in the file."""

_ALERT_COLUMNS = (
    {"objectId", "candid", "candidate"},
    {"diaSource"},
    {"i:objectId", "i:candid", "i:jd"},
)
"""A table with one of these sets of columns holds alerts."""

_JSON_ALERTS = (*_ALERT_COLUMNS, {"diaSourcesList"}, {"alert", "UTC"})
"""A JSON object with one of these sets of fields is an alert; the last two are Lasair's."""


@dataclass(frozen=True, slots=True)
class RawPacket:
    """One optical packet as received.

    Attributes
    ----------
    name
        File (with row, record or member), or topic and offset: how a person finds it.
    survey
        ``ztf`` or ``lsst`` where the way that it came says so (a topic); else None.
    data
        The bytes: an Avro container with one record, a Confluent-framed record, or a JSON object.
        A row of a table becomes canonical JSON (sorted names, no broker columns, no images), which
        decodes like any packet, again and again.
    problem
        Why the reader found no packet in a file; decoding raises it. ``data`` is then the
        beginning of the file.
    """

    name: str
    survey: str | None
    data: bytes
    problem: str | None = None


def read_packets(path: Path) -> Iterator[RawPacket]:
    """The packets of a file, or of every packet file below a folder in sorted order.

    A file that holds no alert gives one packet with a ``problem``, so that nothing is lost in
    silence and the next file is still read.

    Raises
    ------
    OSError
        The path does not exist or may not be read.
    """
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            if file.name.endswith(SUFFIXES):
                yield from read_packets(file)
        return
    read = next((read for suffix, read in _READERS.items() if path.name.endswith(suffix)), None)
    if read is None:
        yield _no_packet(path, f"an optical packet file must end in one of {' '.join(SUFFIXES)}")
        return
    yield from _bounded(path, read(path))


def _bounded(path: Path, packets: Iterator[RawPacket]) -> Iterator[RawPacket]:
    """Packets until they are out of proportion to their file."""
    left = FREE_GROWTH_BYTES + MAX_GROWTH * path.stat().st_size
    for packet in packets:
        left -= len(packet.data)
        if left < 0:
            yield _no_packet(path, f"packets must have at most {MAX_GROWTH} times a file's bytes")
            return
        yield packet


def _no_packet(path: Path, problem: str, row: int | None = None) -> RawPacket:
    name = str(path) if row is None else f"{path}#{row}"
    with path.open("rb") as file:
        return RawPacket(name, None, file.read(_EVIDENCE_BYTES), problem)


def _said(problem: Exception) -> str:
    """A library's message in one line of a sensible length."""
    return f"{type(problem).__name__}: {' '.join(str(problem).split()):.200}"


def _read_avro(path: Path) -> Iterator[RawPacket]:
    if path.stat().st_size > MAX_FILE_BYTES:
        yield _no_packet(path, f"a file must have at most {MAX_FILE_BYTES} bytes")
        return
    yield from _avro_packets(path.read_bytes(), str(path))


def _avro_packets(data: bytes, name: str) -> Iterator[RawPacket]:
    """One packet for each record; the bytes as they are when there is only one."""
    if data[:4] != MAGIC:
        yield RawPacket(name, None, data)
        return
    records = split_container(data, name)
    held: list[bytes] = []
    n = 0
    try:
        for record in records:
            held.append(record)
            if len(held) > 1:
                yield RawPacket(f"{name}#{n}", None, held.pop(0))
                n += 1
    except MalformedAlertError as problem:
        if held:
            yield RawPacket(f"{name}#{n}", None, held.pop())
        said = problem.rule if problem.value is None else f"{problem.rule}, got {problem.value}"
        yield RawPacket(name, None, data[:MAX_PACKET_BYTES], said)
        return
    if n == 0:
        yield RawPacket(name, None, data)
    else:
        yield RawPacket(f"{name}#{n}", None, held.pop())


def _read_parquet(path: Path) -> Iterator[RawPacket]:
    try:
        yield from _table_packets(path)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as problem:
        yield _no_packet(path, f"a parquet file must be readable: {_said(problem)}")


def _table_packets(path: Path) -> Iterator[RawPacket]:
    with parquet.ParquetFile(path) as table:
        names = table.schema_arrow.names
        if not any(wanted <= set(names) for wanted in _ALERT_COLUMNS):
            yield _no_packet(
                path,
                "a table of alerts must have the columns objectId, candid and candidate (ZTF), "
                "diaSource (LSST) or i:objectId, i:candid and i:jd (Fink portal), got "
                f"{names[:8]!s:.200}",
            )
            return
        columns = [name for name in names if name in _SURVEY_COLUMNS or name.startswith("i:")]
        n = 0
        with path.open("rb") as file:
            claims = claims_of(file, set(columns))
        for group, claim in enumerate(claims):
            if claim.n_values > MAX_GROUP_VALUES or claim.largest_bytes > MAX_CHUNK_BYTES:
                yield _no_packet(
                    path,
                    f"a row group must have at most {MAX_GROUP_VALUES} values and "
                    f"{MAX_CHUNK_BYTES} bytes a column, "
                    f"got {claim.n_values} and {claim.largest_bytes}",
                )
                return
            at_once = _ROWS_AT_ONCE if claim.largest_bytes <= _SMALL_CHUNK_BYTES else 1
            for batch in table.iter_batches(at_once, row_groups=[group], columns=columns):
                for row in _rows(batch):
                    yield _row_packet(path, n, row)
                    n += 1


def _rows(batch: Any) -> Iterator[dict[str, object] | None]:
    """Rows as objects; None for one that is too large to become any."""
    if _fits(batch):
        yield from batch.to_pylist()
        return
    for i in range(batch.num_rows):
        row = batch.slice(i, 1)
        yield row.to_pylist()[0] if _fits(row) else None


def _fits(batch: Any) -> bool:
    return batch.nbytes <= MAX_ROW_BYTES and sum(map(_n_values, batch.columns)) <= MAX_ROW_VALUES


def _n_values(array: Any) -> int:
    """Number of values of a column, those inside lists and records included."""
    kind = array.type
    if pa.types.is_struct(kind):
        return sum(map(_n_values, array.flatten()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        return len(array) + _n_values(array.flatten())
    return len(array)


def _row_packet(path: Path, n: int, row: dict[str, object] | None) -> RawPacket:
    if row is None:
        problem = f"a row must have at most {MAX_ROW_VALUES} values and {MAX_ROW_BYTES} bytes"
        return _no_packet(path, problem, n)
    try:
        data = orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
    except TypeError as problem:  # bytes, decimals, too deep
        return _no_packet(path, f"a row must be as simple as JSON: {_said(problem)}", n)
    return RawPacket(f"{path}#{n}", None, data)


def _read_json(path: Path) -> Iterator[RawPacket]:
    most = min(MAX_FILE_BYTES, MAX_JSON_MEMORY)
    if path.stat().st_size > most:
        yield _no_packet(path, f"a JSON file must have at most {most} bytes")
        return
    data = path.read_bytes()
    if _json_memory(data) > MAX_JSON_MEMORY:
        yield _no_packet(path, f"a JSON file must take at most {MAX_JSON_MEMORY} bytes of memory")
        return
    try:
        content = json_text.loads(data)
    except json_text.JSONDecodeError as problem:
        yield _no_packet(path, f"a JSON file must be readable: {problem}")
        return
    rows = content if isinstance(content, list) else [content]
    if not any(isinstance(row, dict) and _is_alert(row) for row in rows):
        keys = list(rows[0])[:8] if rows and isinstance(rows[0], dict) else type(content).__name__
        yield _no_packet(
            path,
            f"a JSON alert must have candidate, diaSource or diaSourcesList, got {keys!s:.200}",
        )
    elif isinstance(content, dict):
        yield RawPacket(str(path), None, data)
    else:
        for n, row in enumerate(rows):
            yield _row_packet(path, n, row)


def _json_memory(data: bytes) -> int:
    """Most memory that a JSON document can become [B], by counting its punctuation."""
    return 240 * data.count(b"{") + 64 * data.count(b"[") + 64 * data.count(b",") + len(data)


def _is_alert(record: dict[str, object]) -> bool:
    return any(wanted <= set(record) for wanted in _JSON_ALERTS)


def _read_archive(path: Path) -> Iterator[RawPacket]:
    n_bytes, is_empty = 0, True
    most = min(MAX_ARCHIVE_BYTES, FREE_GROWTH_BYTES + MAX_GROWTH * path.stat().st_size)
    try:
        # As a stream: nothing is written, and a member is inflated once.
        with (
            path.open("rb") if path.name.endswith(".tar") else gzip.open(path) as plain,
            tarfile.open(fileobj=plain, mode="r|", tarinfo=_Member) as archive,
        ):
            for member in archive:
                n_bytes += member.size
                if n_bytes > most:
                    yield _no_packet(
                        path,
                        f"an archive must have at most {MAX_ARCHIVE_BYTES} bytes, "
                        f"and {MAX_GROWTH} times its file's",
                    )
                    return
                if member.isfile() and member.name.endswith(".avro"):
                    is_empty = False
                    yield from _member_packets(archive, member, f"{path}!{member.name}")
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as problem:
        yield _no_packet(path, f"an archive must be readable: {_said(problem)}")
        return
    if is_empty:
        yield _no_packet(path, "an archive of alerts must have members that end in .avro")


class _Member(tarfile.TarInfo):
    """A member whose header may not ask for memory: tarfile reads extended headers whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        is_extension = member.type not in tarfile.SUPPORTED_TYPES or member.type in _EXTENSIONS
        if member.size < 0 or (is_extension and member.size > _MAX_TAR_NAME_BYTES):
            raise tarfile.ReadError(f"a header of type {member.type!r} has {member.size} bytes")
        return member


_EXTENSIONS = frozenset(
    (
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    )
)


def _member_packets(
    archive: tarfile.TarFile, member: tarfile.TarInfo, name: str
) -> Iterator[RawPacket]:
    file = archive.extractfile(member)
    if file is None:
        return
    data = file.read(MAX_PACKET_BYTES + 1)
    if len(data) > MAX_PACKET_BYTES:
        problem = f"a member must have at most {MAX_PACKET_BYTES} bytes"
        yield RawPacket(name, None, data[:_EVIDENCE_BYTES], problem)
        return
    yield from _avro_packets(data, name)


_READERS: dict[str, Callable[[Path], Iterator[RawPacket]]] = {
    ".avro": _read_avro,
    ".parquet": _read_parquet,
    ".json": _read_json,
    ".tar.gz": _read_archive,
    ".tgz": _read_archive,
    ".tar": _read_archive,
}
