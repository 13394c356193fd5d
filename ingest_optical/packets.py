"""Files and folders to optical packets, one by one; what cannot be read says why."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pyarrow as pa
from pyarrow import parquet

from correlator.errors import MalformedAlertError
from ingest_optical.avro import MAGIC, MAX_PACKET_BYTES, split_container

SUFFIXES = (".avro", ".parquet", ".json", ".tar.gz", ".tgz")
"""Files that may hold optical packets."""

MAX_FILE_BYTES = 2**30
"""Largest container or JSON file that is read into memory."""

MAX_ARCHIVE_BYTES = 2**35
"""Most bytes read out of one archive: a ZTF night has 70 GB uncompressed in several archives."""

_EVIDENCE_BYTES = 2**16
"""What is kept of a file that holds no packet."""

_ROWS_AT_ONCE = 16
"""Rows of a table in memory at a time: a Rubin deep-field row takes some 10 MB as objects."""

_SURVEY_COLUMNS = frozenset(
    {
        *("schemavsn", "publisher", "objectId", "candid", "candidate", "prv_candidates"),
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
    yield from read(path)


def _no_packet(path: Path, problem: str) -> RawPacket:
    with path.open("rb") as file:
        return RawPacket(str(path), None, file.read(_EVIDENCE_BYTES), problem)


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
        table = parquet.ParquetFile(path)
    except pa.ArrowInvalid as problem:
        yield _no_packet(path, f"a parquet file must be readable: {problem}")
        return
    names = table.schema_arrow.names
    if not any(wanted <= set(names) for wanted in _ALERT_COLUMNS):
        yield _no_packet(
            path,
            "a table of alerts must have the columns objectId, candid and candidate (ZTF), "
            f"diaSource (LSST) or i:objectId, i:candid and i:jd (Fink portal), got {names[:8]}",
        )
        return
    columns = [name for name in names if name in _SURVEY_COLUMNS or name.startswith("i:")]
    n = 0
    for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns):
        for row in batch.to_pylist():
            yield RawPacket(f"{path}#{n}", None, orjson.dumps(row, option=orjson.OPT_SORT_KEYS))
            n += 1


def _read_json(path: Path) -> Iterator[RawPacket]:
    if path.stat().st_size > MAX_FILE_BYTES:
        yield _no_packet(path, f"a file must have at most {MAX_FILE_BYTES} bytes")
        return
    data = path.read_bytes()
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError as problem:
        yield _no_packet(path, f"a JSON file must be readable: {problem}")
        return
    rows = content if isinstance(content, list) else [content]
    if not any(isinstance(row, dict) and _is_alert(row) for row in rows):
        keys = list(rows[0])[:8] if rows and isinstance(rows[0], dict) else type(content).__name__
        yield _no_packet(path, f"a JSON alert must have candidate or diaSource, got {keys}")
    elif isinstance(content, dict):
        yield RawPacket(str(path), None, data)
    else:
        for n, row in enumerate(rows):
            yield RawPacket(f"{path}#{n}", None, orjson.dumps(row, option=orjson.OPT_SORT_KEYS))


def _is_alert(record: dict[str, object]) -> bool:
    return any(wanted <= set(record) for wanted in _ALERT_COLUMNS)


def _read_archive(path: Path) -> Iterator[RawPacket]:
    n_bytes = 0
    try:
        # As a stream: nothing is written, and a member is inflated once.
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                n_bytes += member.size
                if n_bytes > MAX_ARCHIVE_BYTES:
                    yield _no_packet(
                        path, f"an archive must have at most {MAX_ARCHIVE_BYTES} bytes"
                    )
                    return
                if member.isfile() and member.name.endswith(".avro"):
                    yield from _member_packets(archive, member, f"{path}!{member.name}")
    except (tarfile.TarError, EOFError, zlib.error, OSError) as problem:
        yield _no_packet(path, f"an archive must be readable: {type(problem).__name__}: {problem}")


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
}
