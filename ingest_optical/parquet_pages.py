"""What the pages of a Parquet file claim to hold, before Arrow takes memory for it.

A page of ten bytes can say two billion equal values. The footer repeats the sums of its pages, but
nothing makes it tell the truth. So the headers themselves are read (parquet-format, ``PageHeader``
and ``FileMetaData``), and not by pyarrow, which ends the process on some broken footers.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import BinaryIO

from ingest_optical.thrift import Value, read_struct

MAX_FOOTER_BYTES = 16 * 2**20
"""Longest footer that is read; that of 107 Rubin alerts in one row group has 0.1 MB."""

MAX_PAGES = 10_000
"""Most pages of a column in a row group; real ones have some ten."""

MAX_HEADER_BYTES = 2**16
"""Longest page header: its statistics repeat the least and the greatest text."""

_TRAILER_BYTES = 8
_ROW_GROUPS, _COLUMNS, _META_DATA = 4, 1, 3
_PATH, _COMPRESSED, _DATA_OFFSET, _DICTIONARY_OFFSET = 3, 7, 9, 11
_PAGE_INFLATED, _PAGE_STORED, _PAGE_N_VALUES = 2, 3, 1
_DATA_PAGES = (5, 8)
"""Numbers of fields; data pages of version 1 and 2 begin with their number of values."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the columns of a row group claim to hold.

    Attributes
    ----------
    n_values
        Number of values in all columns.
    largest_bytes
        Bytes of the largest column, inflated.
    """

    n_values: int
    largest_bytes: int


def claims_of(file: BinaryIO, columns: Set[str]) -> list[Claim]:
    """What each row group of a Parquet file claims, in some columns and all that is inside them.

    Raises
    ------
    ValueError
        A footer or a page header that is none, or too many pages.
    """
    return [
        _claim_of([_claimed(file, chunk) for chunk in _chunks(group) if _name(chunk) in columns])
        for group in _list(_footer(file), _ROW_GROUPS)
    ]


def _claim_of(columns: list[tuple[int, int]]) -> Claim:
    return Claim(sum(n for n, _ in columns), max((size for _, size in columns), default=0))


def _footer(file: BinaryIO) -> Value:
    end = file.seek(0, 2) - _TRAILER_BYTES
    file.seek(max(end, 0))
    size = int.from_bytes(file.read(4), "little")
    if not 0 < size <= min(end, MAX_FOOTER_BYTES):
        raise ValueError(f"a Parquet footer must have at most {MAX_FOOTER_BYTES} bytes, got {size}")
    file.seek(end - size)
    return read_struct(file.read(size))[0]


def _chunks(group: Value) -> list[Value]:
    return [_field(column, _META_DATA) for column in _list(group, _COLUMNS)]


def _name(chunk: Value) -> str:
    path = _list(chunk, _PATH)
    return path[0].decode(errors="replace") if path and isinstance(path[0], bytes) else ""


def _claimed(file: BinaryIO, chunk: Value) -> tuple[int, int]:
    """Number of values and inflated bytes of the pages of one column."""
    at = _number(chunk, _DATA_OFFSET)
    if isinstance(chunk, dict) and chunk.get(_DICTIONARY_OFFSET):
        at = min(at, _number(chunk, _DICTIONARY_OFFSET))
    end = at + _number(chunk, _COMPRESSED)
    n_values = n_bytes = n_pages = 0
    while at < end:
        n_pages += 1
        if n_pages > MAX_PAGES:
            raise ValueError(f"a column must have at most {MAX_PAGES} pages in a row group")
        file.seek(at)
        header, length = read_struct(file.read(MAX_HEADER_BYTES))
        n_values += sum(_number(header[n], _PAGE_N_VALUES) for n in _DATA_PAGES if n in header)
        n_bytes += _number(header, _PAGE_INFLATED)
        at += length + _number(header, _PAGE_STORED)
    return n_values, n_bytes


def _field(struct: Value, number: int) -> Value:
    value = struct.get(number) if isinstance(struct, dict) else None
    if value is None:
        raise ValueError(f"field {number} of a Parquet header must be present")
    return value


def _number(struct: Value, number: int) -> int:
    value = _field(struct, number)
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"field {number} of a Parquet header must be 0 or more")
    return value


def _list(struct: Value, number: int) -> list[Value]:
    value = _field(struct, number)
    if not isinstance(value, list):
        raise ValueError(f"field {number} of a Parquet header must be a list")
    return value
