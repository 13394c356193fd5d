"""One binary table out of the bytes of a FITS file, streamed within bounds, gzip or not.

Only what HEALPix files need (FITS standard 4.0, sections 3, 4 and 7.3): fixed-length columns of
floats and whole numbers. Nothing is allocated on a header's word alone; a gzip file is inflated
piece by piece, so that 1.5 MB that stand for 400 MB cost a few MB at a time.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymaps.errors import SkyMapError
from skymaps.fits_header import BLOCK, MAX_COLUMNS, Header

MAX_HEADER_BLOCKS = 400
"""Longest header that is read: 14,400 cards; the longest real one, with its history, has 200."""

MAX_HDUS = 64
CHUNK_PIXELS = 4**9
CHUNK_BYTES = 16 * 2**20
"""How much of a table is in memory at a time; a row longer than this is refused."""

MAX_INFLATION = 1_032
"""Most that deflate can expand (zlib's own figure): a header that promises more is a lie."""

_GZIP = b"\x1f\x8b"
_INFLATE_STEP = 65_536
_BYTES_OF = dict(zip("LBAIJKEDCMPQ", (1, 1, 1, 2, 4, 8, 4, 8, 8, 16, 8, 16), strict=True))
_NUMPY_OF = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_UNSIGNED_ZERO = {"J": "2147483648", "K": "9223372036854775808"}


class _Stream:
    """The bytes of a file in order, inflated on the way if need be, and never too many."""

    def __init__(self, data: bytes, max_bytes: int) -> None:
        self._data, self._at = memoryview(data), 0
        self._max_bytes = self._left = max_bytes
        self._inflate = zlib.decompressobj(wbits=31) if data[:2] == _GZIP else None
        self._tail = b""

    def expect(self, n: int) -> None:
        """Refuse ``n`` further bytes if they cannot come, before anything is made of them."""
        if n > self._left:
            raise SkyMapError(f"a FITS file holds at most {self._max_bytes} bytes", n)
        gzip = self._inflate is not None
        if n > (MAX_INFLATION * len(self._data) if gzip else len(self._data) - self._at):
            raise SkyMapError("a FITS file is not cut short", f"{n} bytes declared")

    def take(self, n: int) -> bytes:
        """Next ``n`` bytes."""
        pieces, missing = [], n
        while missing:
            piece = self.some(missing)
            if not piece:
                raise SkyMapError("a FITS file is not cut short", f"{missing} bytes missing")
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def table(self, n: int) -> bytes | memoryview:
        """Next ``n`` bytes; not copied where the file has them as they are."""
        if self._inflate is not None or n > min(self._left, len(self._data) - self._at):
            return self.take(n)
        self._at, self._left = self._at + n, self._left - n
        return self._data[self._at - n : self._at]

    def skip(self, n: int) -> None:
        """Pass over ``n`` bytes."""
        while n:
            n -= len(self.take(min(n, CHUNK_BYTES)))

    def drain(self) -> None:
        """Inflate the rest: a gzip file ends with its length and checksum."""
        while self._inflate is not None and self.some(CHUNK_BYTES):
            pass

    def some(self, n: int) -> bytes:
        """At least one and at most ``n`` bytes; none at the end."""
        piece = self._plain(n) if self._inflate is None else self._inflated(self._inflate, n)
        if len(piece) > self._left:
            raise SkyMapError(f"a FITS file holds at most {self._max_bytes} bytes")
        self._left -= len(piece)
        return piece

    def _plain(self, n: int) -> bytes:
        piece = bytes(self._data[self._at : self._at + n])
        self._at += len(piece)
        return piece

    def _inflated(self, inflate: zlib._Decompress, n: int) -> bytes:
        piece = b""
        while not piece:
            if inflate.eof:  # a gzip file may have several members
                self._tail = inflate.unused_data or self._plain(_INFLATE_STEP)
                if not self._tail.startswith(_GZIP):
                    return b""
                self._inflate = inflate = zlib.decompressobj(wbits=31)
            self._tail = self._tail or self._plain(_INFLATE_STEP)
            if not self._tail:
                raise SkyMapError("a gzip file is not cut short")
            try:
                piece = inflate.decompress(self._tail, n)
            except zlib.error as error:
                raise SkyMapError("a gzip file can be inflated", str(error)) from error
            self._tail = inflate.unconsumed_tail
        return piece


@dataclass(frozen=True, slots=True)
class Column:
    """Where a column lies in a row, and how it is written.

    Attributes
    ----------
    code, repeat
        ``TFORM``'s letter, and how many values a row has.
    offset
        First byte in the row.
    unit, zero, scale
        ``TUNIT``, ``TZERO`` and ``TSCAL`` as written; empty if absent.
    """

    code: str
    repeat: int
    offset: int
    unit: str
    zero: str
    scale: str


@dataclass(frozen=True, slots=True)
class Table:
    """A binary table whose rows are still in the stream: they can be read once.

    Attributes
    ----------
    columns
        By name, in capitals.
    """

    header: Header
    columns: dict[str, Column]
    n_rows: int
    row_bytes: int
    _stream: _Stream

    def whole(self, keyword: str) -> int:
        """Value of a keyword that must be a whole number, 0 or more."""
        return self.header.whole(keyword)

    def chunks(self, names: list[str]) -> Iterator[list[NDArray[np.int64] | NDArray[np.float64]]]:
        """Columns chunk by chunk, vectors flattened: in each chunk one native array a name."""
        columns = [self.columns[name] for name in names]
        form = np.dtype(
            {
                "names": names,
                "formats": [_form(name, self.columns[name]) for name in names],
                "offsets": [column.offset for column in columns],
                "itemsize": self.row_bytes,
            }
        )
        wide = max(column.repeat for column in columns)
        rows = max(min(CHUNK_PIXELS // wide, CHUNK_BYTES // self.row_bytes), 1)
        rows = 1 << (rows.bit_length() - 1)  # so that families of sibling cells stay together
        for first in range(0, self.n_rows, rows):
            n = min(rows, self.n_rows - first)
            data = self._stream.table(n * self.row_bytes)
            if self._is_plain(columns):
                yield self._transposed(data, columns)
                continue
            chunk = np.frombuffer(data, form)
            yield [_native(chunk[name], self.columns[name]) for name in names]
        self._stream.drain()

    def _is_plain(self, columns: list[Column]) -> bool:
        """Whether a row is a row of a matrix: eight bytes a value, each in its place."""
        return self.row_bytes % 8 == 0 and all(
            c.code in "KD" and c.repeat == 1 and c.offset % 8 == 0 and not _is_unsigned(c)
            for c in columns
        )

    def _transposed(
        self, data: bytes | memoryview, columns: list[Column]
    ) -> list[NDArray[np.int64] | NDArray[np.float64]]:
        rows = np.frombuffer(data, ">i8").reshape(-1, self.row_bytes // 8)
        places = [column.offset // 8 for column in columns]
        if places != list(range(rows.shape[1])):
            rows = rows[:, places]
        # One pass turns the bytes around and the rows into columns.
        native = rows.T.astype(np.int64, order="C")
        return [
            one.view(np.float64) if column.code == "D" else one
            for one, column in zip(native, columns, strict=True)
        ]


def open_table(data: bytes, wanted: frozenset[str], max_bytes: int) -> Table:
    """Open the first binary table that has one of the ``wanted`` columns.

    Raises
    ------
    SkyMapError
        Bytes that are no FITS file, break a rule of the standard or exceed a bound.
    """
    stream = _Stream(data, max_bytes)
    header = _header(stream, "SIMPLE  =", "the data are a FITS file, gzip or not")
    for _ in range(MAX_HDUS):
        size = header.data_bytes()
        if header.text("XTENSION") == "BINTABLE":
            columns = _columns(header)
            if wanted & columns.keys():
                n_rows, row_bytes = header.whole("NAXIS2"), header.whole("NAXIS1")
                stream.expect(n_rows * row_bytes)
                return Table(header, columns, n_rows, row_bytes, stream)
        stream.expect(size)
        stream.skip(-(-size // BLOCK) * BLOCK)
        header = _header(stream, "XTENSION=", f"a sky map has a column of {sorted(wanted)}")
    raise SkyMapError(f"a FITS file has its table among the first {MAX_HDUS} parts")


def _header(stream: _Stream, start: str, rule: str) -> Header:
    """Read one header unit that begins with the card ``start``; ``rule`` is broken otherwise."""
    first = stream.some(BLOCK)
    if not first.startswith(start.encode()):
        raise SkyMapError(rule, first[:40])
    block = first + stream.take(BLOCK - len(first))
    header = Header()
    for _ in range(MAX_HEADER_BLOCKS):
        if header.read(block):
            return header
        block = stream.take(BLOCK)
    raise SkyMapError(f"a FITS header ends within {MAX_HEADER_BLOCKS} blocks")


def _columns(header: Header) -> dict[str, Column]:
    """Columns of a table by name, checked to fill its rows."""
    n = header.whole("TFIELDS")
    if n > MAX_COLUMNS:
        raise SkyMapError(f"TFIELDS is at most {MAX_COLUMNS}", n)
    columns: dict[str, Column] = {}
    offset = 0
    for i in range(1, n + 1):
        told = header.text(f"TFORM{i}")
        form = re.match(r"([0-9]{0,9})([LXBAIJKEDCMPQ])", told)
        if not form:
            raise SkyMapError(f"TFORM{i} is a format of the FITS standard", told)
        repeat, code = int(form[1] or 1), form[2]
        name = header.text(f"TTYPE{i}").upper()
        unit, zero, scale = (header.text(f"{key}{i}") for key in ("TUNIT", "TZERO", "TSCAL"))
        columns.setdefault(name, Column(code, repeat, offset, unit, zero, scale))
        offset += (repeat + 7) // 8 if code == "X" else repeat * _BYTES_OF[code]
    row_bytes = header.whole("NAXIS1")
    if offset != row_bytes or not 0 < row_bytes <= CHUNK_BYTES:
        raise SkyMapError(
            f"the columns of a FITS table fill NAXIS1, at most {CHUNK_BYTES} bytes",
            (offset, row_bytes),
        )
    return columns


def _form(name: str, column: Column) -> tuple[str, tuple[int]]:
    if column.code not in _NUMPY_OF or not column.repeat:
        raise SkyMapError(f"column {name} holds numbers of fixed length", column.code)
    try:
        plain = float(column.zero or 0) == 0.0 and float(column.scale or 1) == 1.0
    except ValueError:
        plain = False
    if not plain and not _is_unsigned(column):
        raise SkyMapError(f"column {name} has no TZERO, TSCAL", (column.zero, column.scale))
    return _NUMPY_OF[column.code], (column.repeat,)


def _is_unsigned(column: Column) -> bool:
    # The standard's way to write unsigned numbers; real maps have UNIQ so.
    return column.zero == _UNSIGNED_ZERO.get(column.code) and column.scale in ("", "1", "1.0")


def _native(values: NDArray[np.generic], column: Column) -> NDArray[np.int64] | NDArray[np.float64]:
    flat = values.reshape(-1)
    if column.code in "ED":
        with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
            return flat.astype(np.float64)
    whole = flat.astype(np.int64)
    if not _is_unsigned(column):
        return whole
    return whole ^ np.int64(-(2**63)) if column.code == "K" else whole + np.int64(2**31)
