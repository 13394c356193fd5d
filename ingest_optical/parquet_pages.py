"""What the pages of a Parquet column claim, read from their headers and not from the footer.

Arrow takes memory for what a page header says, and a page of ten bytes can say two billion equal
values. The footer repeats the sums, but nothing makes it tell the truth. Headers are structs in
Thrift's compact protocol (parquet-format, ``PageHeader``; thrift-compact-protocol).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

MAX_PAGES = 10_000
"""Most pages of a column in a row group; real ones have some ten."""

MAX_HEADER_BYTES = 2**16
"""Longest page header: its statistics repeat the least and the greatest text."""

_MAX_DEPTH = 8
_UNCOMPRESSED_SIZE, _COMPRESSED_SIZE = 2, 3
_DATA_PAGES, _N_VALUES = (5, 8), 1
"""Fields of ``PageHeader``; data pages of version 1 and 2 begin with their number of values."""

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS = (4, 5, 6)

_Fields = dict[int, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """Number of values in the data pages of a column, and bytes of all its pages inflated."""

    n_values: int
    n_bytes: int


def claim_of(file: BinaryIO, chunk: Any) -> Claim:
    """What the pages of a column chunk claim.

    Parameters
    ----------
    file
        The Parquet file.
    chunk
        ``pyarrow.parquet.ColumnChunkMetaData``.

    Raises
    ------
    ValueError
        A page header that is none, or too many pages.
    """
    at = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        at = min(at, chunk.dictionary_page_offset)
    end = at + chunk.total_compressed_size
    n_values = n_bytes = n_pages = 0
    while at < end:
        n_pages += 1
        if n_pages > MAX_PAGES:
            raise ValueError(f"a column must have at most {MAX_PAGES} pages in a row group")
        header, length = _header_at(file, at)
        sizes = header.get(_COMPRESSED_SIZE, -1), header.get(_UNCOMPRESSED_SIZE, -1)
        counts = [
            header[n].get(_N_VALUES, 0) for n in _DATA_PAGES if isinstance(header.get(n), dict)
        ]
        if min(*sizes, *counts, 0) < 0:
            raise ValueError("a page header must have sizes and counts of 0 or more")
        n_values += sum(counts)
        n_bytes += sizes[1]
        at += length + sizes[0]
    return Claim(n_values, n_bytes)


def _header_at(file: BinaryIO, at: int) -> tuple[_Fields, int]:
    file.seek(at)
    reader = _Reader(file.read(MAX_HEADER_BYTES))
    try:
        return reader.struct(0), reader.at
    except IndexError:
        raise ValueError("a page header must be whole") from None


class _Reader:
    """Thrift's compact protocol: integers and structs are kept, all else is passed over."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def struct(self, depth: int) -> _Fields:
        if depth > _MAX_DEPTH:
            raise ValueError("a page header must not nest")
        fields: _Fields = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            fields[number] = self._value(head & 0x0F, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return None
        if kind in _INTEGERS:
            return self._integer()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self._list(depth)
        width = {_BYTE: 1, _DOUBLE: 8}.get(kind)
        if width is None and kind == _BINARY:
            width = self._varint()
        if width is None:
            raise ValueError(f"a page header must be of known types, got {kind}")
        self.at += width
        return None

    def _list(self, depth: int) -> None:
        head = self._byte()
        n = head >> 4 if head >> 4 < 15 else self._varint()
        for _ in range(n):
            # In a list a truth value has a byte of its own.
            kind = head & 0x0F
            self._value(_BYTE if kind in (_TRUE, _FALSE) else kind, depth + 1)

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number of a page header must fit 64 bits")

    def _byte(self) -> int:
        byte = self._data[self.at]
        self.at += 1
        return byte
