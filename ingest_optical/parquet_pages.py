"""What the pages of a Parquet column claim, read from their headers and not from the footer.

Arrow takes memory for what a page header says, and a page of ten bytes can say two billion equal
values. The footer repeats the sums, but nothing makes it tell the truth. Headers are structs in
Thrift's compact protocol (parquet-format, ``PageHeader``; thrift-compact-protocol).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, BinaryIO

MAX_PAGES = 10_000
"""Most pages of a column in a row group; real ones have some ten."""

MAX_HEADER_BYTES = 2**16
"""Longest page header: its statistics repeat the least and the greatest text."""

_MAX_DEPTH = 8
_UNCOMPRESSED_SIZE, _COMPRESSED_SIZE = 2, 3
_DATA_PAGES, _N_VALUES = (5, 8), 1
"""Fields of ``PageHeader``; data pages of version 1 and 2 begin with their number of values."""

_TRUE, _FALSE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 8, 9, 10, 12
_INTEGERS = (4, 5, 6)
_WIDTHS = {_TRUE: 1, _FALSE: 1, 3: 1, 7: 8}
"""Bytes of values that stand in a list: truth values, bytes, doubles."""


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
        n_values += sum(
            header.structs[n].number(_N_VALUES) for n in _DATA_PAGES if n in header.structs
        )
        n_bytes += header.number(_UNCOMPRESSED_SIZE)
        at += length + header.number(_COMPRESSED_SIZE)
    return Claim(n_values, n_bytes)


@dataclass(frozen=True, slots=True)
class _Struct:
    """The integers of a struct and the structs inside it, by the number of their field."""

    numbers: dict[int, int] = field(default_factory=dict)
    structs: dict[int, _Struct] = field(default_factory=dict)

    def number(self, field_id: int) -> int:
        """Integer of a field that must be there, 0 or more."""
        number = self.numbers.get(field_id, -1)
        if number < 0:
            raise ValueError(f"field {field_id} of a page header must be 0 or more")
        return number


def _header_at(file: BinaryIO, at: int) -> tuple[_Struct, int]:
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

    def struct(self, depth: int) -> _Struct:
        if depth > _MAX_DEPTH:
            raise ValueError("a page header must not nest")
        found = _Struct()
        field_id = 0
        while head := self._byte():
            field_id = field_id + (head >> 4) if head >> 4 else self._integer()
            kind = head & 0x0F
            if kind in _INTEGERS:
                found.numbers[field_id] = self._integer()
            elif kind == _STRUCT:
                found.structs[field_id] = self.struct(depth + 1)
            elif kind not in (_TRUE, _FALSE):  # which have no bytes of their own
                self._pass_over(kind, depth)
        return found

    def _pass_over(self, kind: int, depth: int) -> None:
        if kind in _INTEGERS:
            self._varint()
        elif kind == _STRUCT:
            self.struct(depth + 1)
        elif kind in (_LIST, _SET):
            self._list(depth)
        elif kind == _BINARY:
            self._skip(self._varint())
        elif kind in _WIDTHS:
            self._skip(_WIDTHS[kind])
        else:
            raise ValueError(f"a page header must be of known types, got {kind}")

    def _list(self, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ValueError("a page header must not nest")
        head = self._byte()
        for _ in range(head >> 4 if head >> 4 < 15 else self._varint()):
            self._pass_over(head & 0x0F, depth + 1)

    def _skip(self, n: int) -> None:
        self.at += n
        if self.at > len(self._data):
            raise IndexError(self.at)

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
