"""Avro bytes to records: object containers, Confluent framing, whole or only the first fields.

An Avro record is its fields one after the other. A writer schema that is cut after a field reads
up to that field and ignores the rest, 20 (ZTF) to 400 (Rubin deep field) times faster than
reading all; a *reader* schema would make fastavro slower instead.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import fastavro
from fastavro.schema import SchemaParseException

from correlator.errors import MalformedAlertError
from ingest_optical.avro_growth import rate_of
from ingest_optical.avro_shape import check_shape

MAGIC = b"Obj\x01"
"""First bytes of an object container (Avro 1.11 specification)."""

CONFLUENT_MAGIC = b"\x00"
"""First byte of a Confluent-framed record; four bytes of schema id follow, big-endian."""

CONFLUENT_HEADER_BYTES = 5

MAX_PACKET_BYTES = 16 * 2**20
"""Largest packet that is read. Rubin's topic takes 10 MB; a real packet has less than 0.6 MB."""

MAX_RECORD_MEMORY = 160 * 2**20
"""Most memory that one record may become [B], and with it the time: some 3 s. Of a Rubin alert that
is a body of 3 MiB, five times the largest real one."""

MAX_SCHEMA_BYTES = 2**18
"""Largest embedded schema; a real one has 41 kB. Parsed ones are kept."""

_SYNC_BYTES = 16
_MAX_VARINT_BYTES = 10
_MAX_HEADER_ENTRIES = 64

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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Body:
    """The Avro bytes of one record with the JSON of the schema that wrote them."""

    schema_json: bytes
    data: bytes


def body_of_container(data: bytes, packet: str) -> Body:
    """The only record of an object container.

    Raises
    ------
    MalformedAlertError
        The container is too large, broken, or has not exactly one record.
    """
    check_size(data, packet)
    container = _Container(data, packet)
    if container.blocks_at == len(data):
        raise MalformedAlertError(packet, "a packet must hold one record", "no block")
    count, block, at = container.block(container.blocks_at)
    if count != 1 or at != len(data):
        raise MalformedAlertError(packet, "a packet must hold one record", f"{count} in a block")
    return Body(container.schema_json, block)


def split_container(data: bytes, packet: str) -> Iterator[bytes]:
    """Each record of a container as a container of its own, with the header as it is.

    Raises
    ------
    MalformedAlertError
        The container is broken; what came before was yielded.
    """
    container = _Container(data, packet)
    schema = writer_schema(container.schema_json, packet)
    at = container.blocks_at
    while at < len(data):
        count, block, at = container.block(at)
        begin = 0
        for _ in range(count):
            stream = io.BytesIO(block[begin : begin + schema.max_bytes])
            _read(stream, schema, packet)
            end = begin + stream.tell()
            yield container.with_one_record(block[begin:end])
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


def decode_body(
    body: Body, packet: str, through: tuple[str, ...] | None = None
) -> dict[str, object]:
    """The record of a body.

    Parameters
    ----------
    body
        Bytes and schema.
    packet
        Name of the packet, for the errors.
    through
        Names of the fields that are needed: fields after the last of them are not read. None
        reads all.

    Raises
    ------
    MalformedAlertError
        The bytes do not follow the schema.
    """
    schema = writer_schema(body.schema_json, packet, through)
    if len(body.data) > schema.max_bytes:
        raise MalformedAlertError(
            packet,
            f"a body of this schema must have at most {schema.max_bytes} bytes",
            len(body.data),
        )
    stream = io.BytesIO(body.data)
    record = _read(stream, schema, packet)
    if through is None and stream.tell() != len(body.data):
        # Bytes of another schema can decode by chance, to wrong values; they rarely end together.
        raise MalformedAlertError(
            packet, "the record must end where the body ends", (stream.tell(), len(body.data))
        )
    return record


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


class _Container:
    """The header of an object container and access to its blocks."""

    def __init__(self, data: bytes, packet: str) -> None:
        self._data = data
        self._packet = packet
        if data[:4] != MAGIC:
            raise self._broken("an Avro container must begin with Obj1", data[:4])
        entries, at = self._header()
        self.schema_json = entries.get(b"avro.schema", b"")
        self._codec = entries.get(b"avro.codec", b"null")
        if self._codec not in (b"null", b"deflate"):
            raise self._broken("the Avro codec must be null or deflate", self._codec)
        self._sync = self._slice(at, _SYNC_BYTES)
        self.blocks_at = at + _SYNC_BYTES

    def block(self, at: int) -> tuple[int, bytes, int]:
        """Number of records, their bytes and where the next block begins."""
        count, at = self._long(at)
        size, at = self._long(at)
        stored = self._slice(at, size)
        at += size
        if self._slice(at, _SYNC_BYTES) != self._sync:
            raise self._broken("a block must end with the container's sync marker", at)
        if count < 0:
            raise self._broken("a block must hold a number of records", count)
        block = stored if self._codec == b"null" else self._inflated(stored)
        return count, block, at + _SYNC_BYTES

    def with_one_record(self, record: bytes) -> bytes:
        """The container with this record alone."""
        stored = record if self._codec == b"null" else _deflated(record)
        head = self._data[: self.blocks_at]
        return head + _varint(1) + _varint(len(stored)) + stored + self._sync

    def _header(self) -> tuple[dict[bytes, bytes], int]:
        entries: dict[bytes, bytes] = {}
        at = len(MAGIC)
        while True:
            count, at = self._long(at)
            if count == 0:
                return entries, at
            if count < 0:  # the Avro map's form with a size in bytes after the count
                _, at = self._long(at)
            if len(entries) + abs(count) > _MAX_HEADER_ENTRIES:
                raise self._broken("an Avro header must be short", count)
            for _ in range(abs(count)):
                key, at = self._bytes(at)
                entries[key], at = self._bytes(at)

    def _bytes(self, at: int) -> tuple[bytes, int]:
        size, at = self._long(at)
        return self._slice(at, size), at + size

    def _slice(self, at: int, size: int) -> bytes:
        # Compare before slicing: a broken length must cost nothing.
        if not 0 <= size <= len(self._data) - at:
            raise self._broken("a length must lie inside the packet", size)
        return self._data[at : at + size]

    def _long(self, at: int) -> tuple[int, int]:
        value = 0
        for i, byte in enumerate(self._data[at : at + _MAX_VARINT_BYTES]):
            value |= (byte & 0x7F) << (7 * i)
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1), at + i + 1
        raise self._broken("a length must be an Avro long", at)

    def _inflated(self, stored: bytes) -> bytes:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            block = inflater.decompress(stored, MAX_PACKET_BYTES + 1)
        except zlib.error as problem:
            raise self._broken("a deflated block must inflate", str(problem)) from problem
        if len(block) > MAX_PACKET_BYTES:
            raise self._broken(f"a block must inflate to at most {MAX_PACKET_BYTES} bytes")
        if not inflater.eof:
            raise self._broken("a deflated block must be complete", len(stored))
        return block

    def _broken(self, rule: str, value: object = None) -> MalformedAlertError:
        return MalformedAlertError(self._packet, rule, value)


def _deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


def _varint(value: int) -> bytes:
    """A count or a size that is not negative as an Avro long."""
    rest = value << 1
    encoded = bytearray()
    while rest >= 0x80:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)
