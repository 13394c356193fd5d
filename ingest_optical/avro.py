"""Avro bytes to records: object containers, Confluent framing, whole or only the first fields.

An Avro record is its fields one after the other. A writer schema that is cut after a field reads
up to that field and ignores the rest, 20 (ZTF) to 400 (Rubin deep field) times faster than
reading all; a *reader* schema would make fastavro slower instead.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import fastavro
from fastavro.schema import SchemaParseException

from correlator.errors import MalformedAlertError
from ingest_optical.avro_container import MAX_PACKET_BYTES, Body, Container, usual_body
from ingest_optical.avro_growth import rate_of
from ingest_optical.avro_pattern import Pattern, Wanted, pattern_of
from ingest_optical.avro_shape import check_shape
from ingest_optical.avro_values import JoinedRecord

CONFLUENT_MAGIC = b"\x00"
"""First byte of a Confluent-framed record; four bytes of schema id follow, big-endian."""

CONFLUENT_HEADER_BYTES = 5

MAX_RECORD_MEMORY = 160 * 2**20
"""Most memory that one record may become [B], and with it the time: some 3 s. Of a Rubin alert that
is a body of 3 MiB, five times the largest real one."""

MAX_SCHEMA_BYTES = 2**18
"""Largest embedded schema; a real one has 41 kB. Parsed ones are kept."""

UNDECODABLE = (
    EOFError,  # the bytes end inside a value
    IndexError,  # a union's branch or an enum's symbol that the schema has not
    KeyError,
    OverflowError,  # a date out of range
    TypeError,
    ValueError,  # a text that is not UTF-8, a length that is negative
)
"""What fastavro raises on broken bytes, found by mutating real packets and schemas at random."""

_NO_SCHEMA = (*UNDECODABLE, RecursionError, SchemaParseException)
"""What reading a broken schema raises."""


@dataclass(frozen=True, slots=True, eq=False)
class WriterSchema:
    """A parsed schema, whole or cut after a field.

    Attributes
    ----------
    name
        Full name of the record: ``ztf.alert``, ``lsst.v11_1.alert``.
    version
        The attribute ``version`` of the record, which ZTF sets.
    fields
        Names of all fields of the record, also those that are cut off.
    parsed
        What fastavro reads with.
    max_bytes
        Longest body that is decoded: a longer one could become :data:`MAX_RECORD_MEMORY`.
    """

    name: str
    version: str | None
    fields: tuple[str, ...]
    parsed: Mapping[str, object]
    max_bytes: int


class Reading(NamedTuple):
    """A record, or its beginning, and how far it was read.

    Attributes
    ----------
    record
        Fields and values.
    body, end
        The bytes that hold it, and where the next field begins.
    pattern
        What has read it; None: fastavro.
    """

    record: Mapping[str, object]
    body: Body
    end: int
    pattern: Pattern | None


def body_of_container(data: bytes, packet: str) -> Body:
    """The only record of an object container.

    Raises
    ------
    MalformedAlertError
        The container is too large, broken, or has not exactly one record.
    """
    check_size(data, packet)
    if (usual := usual_body(data)) is not None:
        return usual
    container = Container(data, packet)
    if container.blocks_at == len(data):
        raise MalformedAlertError(packet, "a packet must hold one record", "no block")
    block = container.block(container.blocks_at)
    if block.count != 1 or block.next_at != len(data):
        said = f"{block.count} in a block"
        raise MalformedAlertError(packet, "a packet must hold one record", said)
    return Body(container.schema_json, block.data, block.begin, block.end)


def split_container(data: bytes, packet: str) -> Iterator[bytes]:
    """Each record of a container as a container of its own, with the header as it is.

    Raises
    ------
    MalformedAlertError
        The container is broken; what came before was yielded.
    """
    container = Container(data, packet)
    schema = writer_schema(container.schema_json, packet)
    at = container.blocks_at
    while at < len(data):
        block = container.block(at)
        begin, at = block.begin, block.next_at
        for _ in range(block.count):
            stream = io.BytesIO(block.data[begin : min(begin + schema.max_bytes, block.end)])
            _read(stream, schema, packet)
            end = begin + stream.tell()
            yield container.with_one_record(block.data[begin:end])
            begin = end


def confluent_id(data: bytes, packet: str) -> int:
    """Schema id of a Confluent-framed record.

    Raises
    ------
    MalformedAlertError
        The frame is broken or too large.
    """
    check_size(data, packet)
    if data[:1] != CONFLUENT_MAGIC or len(data) < CONFLUENT_HEADER_BYTES:
        raise MalformedAlertError(packet, "a Confluent frame is 0x00 and a schema id", data[:5])
    return int.from_bytes(data[1:CONFLUENT_HEADER_BYTES], "big")


def check_size(data: bytes, packet: str, most: int = MAX_PACKET_BYTES) -> None:
    """Refuse a packet that is larger than a bound [B]."""
    if len(data) > most:
        raise MalformedAlertError(packet, f"a packet must have at most {most} bytes", len(data))


def read_body(
    body: Body,
    packet: str,
    through: tuple[str, ...] | None = None,
    wanted: Wanted | None = None,
    begun: Reading | None = None,
) -> Reading:
    """Read the record of a body.

    Parameters
    ----------
    body
        Bytes and schema.
    packet
        Name of the packet, for the errors.
    through
        Names of the fields that are needed: fields after the last of them are not read. None
        reads all.
    wanted
        What the caller will look at, where that is less than all: the record may then lack the
        rest. Read by a pattern if there is one, else by fastavro.
    begun
        A reading of the same body with the same ``wanted`` that ended earlier: it is gone on with
        where that can be.

    Raises
    ------
    MalformedAlertError
        The bytes do not follow the schema.
    """
    schema = writer_schema(body.schema_json, packet, through)
    until = body.until
    size = until - body.begin
    if size > schema.max_bytes:
        raise MalformedAlertError(
            packet, f"a body of this schema must have at most {schema.max_bytes} bytes", size
        )
    pattern = None if wanted is None else _pattern(schema, wanted)
    found = None if pattern is None else _read_by_pattern(pattern, body, begun)
    record, end = found or _read_by_fastavro(body, schema, packet)
    if end > until or (through is None and end != until):
        # Bytes of another schema can decode by chance, to wrong values; they rarely end together.
        raise MalformedAlertError(
            packet, "the record must end where the body ends", (end - body.begin, size)
        )
    return Reading(record, body, end, pattern if found else None)


def _read_by_pattern(
    pattern: Pattern, body: Body, begun: Reading | None
) -> tuple[Mapping[str, object], int] | None:
    before: tuple[Mapping[str, object], ...] = ()
    if begun is None or begun.pattern is None or not pattern.continues(begun.pattern):
        found = pattern.read(body.data, body.begin)
    else:
        before = (begun.record,)
        found = pattern.read(body.data, begun.end, begun.pattern)
    if found is None:
        return None
    parts = (*before, *found[0])
    return (parts[0] if len(parts) == 1 else JoinedRecord(parts)), found[1]


@lru_cache(maxsize=64)
def _pattern(schema: WriterSchema, wanted: Wanted) -> Pattern | None:
    return pattern_of(schema.parsed, wanted)


def _read_by_fastavro(
    body: Body, schema: WriterSchema, packet: str
) -> tuple[Mapping[str, object], int]:
    stream = io.BytesIO(body.data)  # no copy
    stream.seek(body.begin)
    record = _read(stream, schema, packet)
    return record, stream.tell()


def writer_schema(
    schema_json: bytes, packet: str, through: tuple[str, ...] | None = None
) -> WriterSchema:
    """A schema, parsed once and remembered by its whole text.

    Raises
    ------
    MalformedAlertError
        The text is no schema of a record, or one that small bytes could blow up.
    """
    try:
        return _parsed(schema_json, through)
    except _NO_SCHEMA as problem:
        raise MalformedAlertError(
            packet, "the Avro schema must be readable", f"{type(problem).__name__}: {problem}"
        ) from problem


# The whole text is the key. A hash of its beginning, or its length, would confuse two schemas
# that differ in one type; the text itself cannot collide, and it is hashed as fast.
@lru_cache(maxsize=32)
def _parsed(schema_json: bytes, through: tuple[str, ...] | None) -> WriterSchema:
    if len(schema_json) > MAX_SCHEMA_BYTES:
        raise ValueError(f"a schema must have at most {MAX_SCHEMA_BYTES} bytes")
    definition = json.loads(schema_json)
    if not isinstance(definition, dict) or definition.get("type") != "record":
        raise ValueError("a schema must be a record")
    check_shape(definition)
    names = tuple(field["name"] for field in definition["fields"])
    rate = rate_of(fastavro.parse_schema(definition))
    if through is not None:
        n_kept = 1 + max((i for i, name in enumerate(names) if name in through), default=-1)
        definition = {**definition, "fields": definition["fields"][:n_kept]}
    parsed = fastavro.parse_schema(definition)
    version = definition.get("version")
    return WriterSchema(
        name=str(parsed["name"]),
        version=version if isinstance(version, str) else None,
        fields=names,
        parsed=parsed,
        max_bytes=MAX_RECORD_MEMORY // rate,
    )


def _read(stream: io.BytesIO, schema: WriterSchema, packet: str) -> dict[str, object]:
    try:
        record = fastavro.schemaless_reader(stream, schema.parsed, None)
    except UNDECODABLE as problem:
        raise MalformedAlertError(
            packet, "the body must follow its Avro schema", f"{type(problem).__name__}: {problem}"
        ) from problem
    return dict(record)
