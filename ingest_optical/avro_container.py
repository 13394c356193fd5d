"""Avro object containers: the header that a packet brings, and its blocks of records."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import cramjam

from correlator.errors import MalformedAlertError

MAGIC = b"Obj\x01"
"""First bytes of an object container (Avro 1.11 specification)."""

MAX_PACKET_BYTES = 16 * 2**20
"""Largest packet that is read. Rubin's topic takes 10 MB; a real packet has less than 0.6 MB."""

_SYNC_BYTES = 16
_CRC_BYTES = 4
_MAX_VARINT_BYTES = 10
_ONE = b"\x02"
"""The number one in Avro."""

_MAX_HEADER_ENTRIES = 64

MAX_HEADER_BYTES = 2**19
"""Largest header that is remembered; a real one has up to 41 kB."""

_MAX_HEADERS = 16
"""Headers that are remembered; a survey changes its schema less than once a year."""


@dataclass(frozen=True, slots=True, eq=False)
class _Header:
    """What stands before the sync marker: the bytes themselves and what they say."""

    data: bytes
    schema_json: bytes
    codec: bytes


_headers: list[_Header] = []
"""Headers seen, the last one first. A packet that begins with the same bytes has the same header,
and the one schema object, whose hash is known."""


@dataclass(frozen=True, slots=True)
class Block:
    """Records of a container: their number, and the bytes that hold them from begin to end."""

    count: int
    data: bytes
    begin: int
    end: int
    next_at: int


class Body(NamedTuple):
    """The Avro bytes of one record with the JSON of the schema that wrote them.

    Attributes
    ----------
    data, begin, end
        Bytes that hold the record, where it begins, and where it ends (None: with them).
    """

    schema_json: bytes
    data: bytes
    begin: int = 0
    end: int | None = None

    @property
    def until(self) -> int:
        """Where the record ends."""
        return len(self.data) if self.end is None else self.end


def usual_body(data: bytes) -> Body | None:
    """The record of a container as surveys send it, quickly; None for one to be looked at closely.

    That is: a header that was seen before, no compression, one record in one block, nothing after.
    """
    header = _known_header(data)
    if header is None or header.codec != b"null":
        return None
    sync_at = len(header.data)
    at, end = sync_at + _SYNC_BYTES, len(data) - _SYNC_BYTES
    if data[at : at + 1] != _ONE or data[end:] != data[sync_at:at]:
        return None
    size, shift = 0, 0
    for byte in data[at + 1 : at + 1 + _MAX_VARINT_BYTES]:
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    # A size is written as twice itself.
    if size != 2 * (end - at - 1):
        return None
    return Body(header.schema_json, data, at + 1, end)


def _known_header(data: bytes) -> _Header | None:
    """The header that a container begins with, if it was seen before."""
    for n, header in enumerate(tuple(_headers)):
        if data.startswith(header.data):
            if n:  # the next packet will have it too
                _headers[:] = [header, *(other for other in _headers if other is not header)]
            return header
    return None


def container_of(schema_json: bytes, record: bytes) -> bytes:
    """A container with one record; the same bytes for the same record."""
    entries = (b"avro.codec", b"null"), (b"avro.schema", schema_json)
    header = b"".join(_varint(len(part)) + part for entry in entries for part in entry)
    sync = hashlib.md5(record, usedforsecurity=False).digest()
    head = MAGIC + _varint(len(entries)) + header + _varint(0) + sync
    return head + _varint(1) + _varint(len(record)) + record + sync


class Container:
    """The header of an object container and access to its blocks."""

    def __init__(self, data: bytes, packet: str) -> None:
        self._data = data
        self._packet = packet
        if data[:4] != MAGIC:
            raise self._broken("an Avro container must begin with Obj1", data[:4])
        header = _known_header(data) or self._new_header()
        self.schema_json = header.schema_json
        self._codec = header.codec
        at = len(header.data)
        self._sync = self._slice(at, _SYNC_BYTES)
        self.blocks_at = at + _SYNC_BYTES

    def block(self, at: int) -> Block:
        """The block that begins at a place; without a copy where it is not compressed."""
        count, at = self._long(at)
        size, at = self._long(at)
        self._check_length(at, size)
        end = at + size
        if self._slice(end, _SYNC_BYTES) != self._sync:
            raise self._broken("a block must end with the container's sync marker", end)
        if count < 0:
            raise self._broken("a block must hold a number of records", count)
        next_at = end + _SYNC_BYTES
        if self._codec == b"null":
            return Block(count, self._data, at, end, next_at)
        inflated = self._unpacked(self._data[at:end])
        return Block(count, inflated, 0, len(inflated), next_at)

    def with_one_record(self, record: bytes) -> bytes:
        """The container with this record alone."""
        stored = _PACKED[self._codec](record)
        head = self._data[: self.blocks_at]
        return head + _varint(1) + _varint(len(stored)) + stored + self._sync

    def _new_header(self) -> _Header:
        entries, at = self._header()
        codec = entries.get(b"avro.codec", b"null")
        if codec not in _PACKED:
            raise self._broken("the Avro codec must be null, deflate or snappy", codec)
        header = _Header(self._data[:at], entries.get(b"avro.schema", b""), codec)
        if len(header.data) <= MAX_HEADER_BYTES:
            _headers.insert(0, header)
            del _headers[_MAX_HEADERS:]
        return header

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
        self._check_length(at, size)
        return self._data[at : at + size]

    def _check_length(self, at: int, size: int) -> None:
        # Before slicing: a broken length must cost nothing.
        if not 0 <= size <= len(self._data) - at:
            raise self._broken("a length must lie inside the packet", size)

    def _long(self, at: int) -> tuple[int, int]:
        first = self._data[at : at + 1]
        if first and first[0] < 0x80:
            return (first[0] >> 1) ^ -(first[0] & 1), at + 1
        value = 0
        for i, byte in enumerate(self._data[at : at + _MAX_VARINT_BYTES]):
            value |= (byte & 0x7F) << (7 * i)
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1), at + i + 1
        raise self._broken("a length must be an Avro long", at)

    def _unpacked(self, stored: bytes) -> bytes:
        return self._unsnapped(stored) if self._codec == b"snappy" else self._inflated(stored)

    def _unsnapped(self, stored: bytes) -> bytes:
        """A block of Snappy's raw form, which says its length, and the CRC-32 of its content."""
        packed, said = stored[:-_CRC_BYTES], stored[-_CRC_BYTES:]
        try:
            size = cramjam.snappy.decompress_raw_len(packed)
            if size > MAX_PACKET_BYTES:
                raise self._broken(f"a block must unfold to at most {MAX_PACKET_BYTES} bytes", size)
            block = bytes(cramjam.snappy.decompress_raw(packed, output_len=size))
        except cramjam.DecompressionError as problem:
            raise self._broken("a snappy block must unfold", str(problem)) from problem
        if _crc(block) != said:
            raise self._broken("a snappy block must have the CRC-32 that it says", said)
        return block

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


def _snapped(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data)) + _crc(data)


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(_CRC_BYTES, "big")


_PACKED: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"null": bytes,
    b"deflate": _deflated,
    b"snappy": _snapped,
}
"""How a block is written in each codec that we read (Avro 1.11 specification)."""


def _varint(value: int) -> bytes:
    """A count or a size that is not negative as an Avro long."""
    rest = value << 1
    encoded = bytearray()
    while rest >= 0x80:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)
