"""Files of published catalogues, chunk by chunk: text, Parquet, FITS and SQLite.

Only the columns that a mapping names are read, and never a whole file.
"""

from __future__ import annotations

import csv
import sqlite3
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from storage.catalogs.errors import CatalogError
from storage.catalogs.mapping import Mapping, Names

CHUNK_ROWS = 250_000
"""Rows that are in memory at once."""

_BLOCK_BYTES = 8 * 2**20
"""Text that is in memory at once, and the longest line."""

_HEADER_BYTES, _HEADER_LINES = 2**20, 5_000
"""A header comes that early (the comments of Gaia's ECSV files have a thousand lines)."""

_NULLS = ["", " ", "null", "NULL", "nan", "NaN", "None", "N/A", "--", "-"]

_UNREADABLE = (
    *(OSError, ValueError, TypeError, LookupError, EOFError, RuntimeError),
    *(csv.Error, sqlite3.Error, zipfile.BadZipFile),
)
"""What the readers raise of a file that is broken, or none of its kind."""

Refuse = Callable[[str, str], None]
"""Told of a row that cannot be read at all: the rule that it breaks, and the row."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a file.

    Attributes
    ----------
    first_row
        Number of the first of them among the file's rows, from 1 on.
    columns
        Arrow arrays by the file's names; numbers as they are, or as text.
    """

    first_row: int
    columns: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def read_chunks(path: Path, mapping: Mapping, refuse: Refuse) -> Iterator[Chunk]:
    """The columns that a mapping names, some rows at a time.

    Raises
    ------
    CatalogError
        The file is of no kind that is known, cannot be read, or lacks a column for the coordinates.
    """
    name = path.name.lower()
    kind = next((kind for suffix, kind in _KINDS.items() if name.endswith(suffix)), None)
    if kind is None:
        if name.endswith((".fits.gz", ".fit.gz")):
            raise CatalogError(path, "a FITS file is not packed: it would have to be read whole")
        raise CatalogError(path, f"a catalogue's file ends in {', '.join(_KINDS)}")
    try:
        first_row = 1
        for columns in kind(path, mapping, refuse):
            chunk = Chunk(first_row, columns)
            first_row += len(chunk)
            if len(chunk):
                yield chunk
    except CatalogError:
        raise
    except _UNREADABLE as error:
        raise CatalogError(path, "a catalogue's file can be read", error) from error


def wanted_columns(path: Path, has: Sequence[str], mapping: Mapping) -> list[str]:
    """Columns of a file that a mapping wants, of those that it has.

    Raises
    ------
    CatalogError
        There is none for the coordinates.
    """
    for wanted in (mapping.ra, mapping.dec):
        if chosen(wanted, has) is None:
            rule = f"the mapping {mapping.name} wants a column {' or '.join(wanted)}"
            raise CatalogError(path, rule, ", ".join(has))
    every = [mapping.ra, mapping.dec, mapping.id, mapping.type]
    every += [names for one in mapping.values.values() for names in (one.column, one.over)]
    found = (chosen(names, has) for names in every)
    return list(dict.fromkeys(name for name in found if name is not None))


def chosen(names: Names, has: Sequence[str]) -> str | None:
    """The first of some names that a file has."""
    return next((name for name in names if name in has), None)


Columns = Iterator[dict[str, pa.Array]]


def _parquet(path: Path, mapping: Mapping, refuse: Refuse) -> Columns:
    del refuse
    with closing(pq.ParquetFile(path, pre_buffer=False)) as file:
        names = wanted_columns(path, file.schema_arrow.names, mapping)
        for batch in file.iter_batches(CHUNK_ROWS, columns=names):
            yield {name: batch.column(name) for name in names}


def _fits(path: Path, mapping: Mapping, refuse: Refuse) -> Columns:
    del refuse
    from astropy.io import fits  # slow to import

    with fits.open(path, memmap=True, lazy_load_hdus=True) as units:
        table = next((unit for unit in units if isinstance(unit, fits.BinTableHDU)), None)
        if table is None:
            raise CatalogError(path, "a FITS file of a catalogue has a binary table")
        names = wanted_columns(path, table.columns.names, mapping)
        for begin in range(0, len(table.data), CHUNK_ROWS):
            rows = table.data[begin : begin + CHUNK_ROWS]
            yield {name: _of_fits(rows.field(name)) for name in names}


def _of_fits(values: Any) -> pa.Array:
    array = np.asarray(values)
    if array.dtype.kind in "US":
        return pa.array([str(text).strip() or None for text in np.char.strip(array)], pa.string())
    return pa.array(array.astype(array.dtype.newbyteorder("=")))


def _sqlite(path: Path, mapping: Mapping, refuse: Refuse) -> Columns:
    del refuse
    if mapping.table is None:
        raise CatalogError(path, f"the mapping {mapping.name} names the table of an SQLite file")
    table = mapping.table.replace('"', '""')
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        cursor = database.execute(f'SELECT * FROM "{table}" LIMIT 0')  # noqa: S608
        names = wanted_columns(path, [column[0] for column in cursor.description], mapping)
        listed = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
        cursor = database.execute(f'SELECT {listed} FROM "{table}"')  # noqa: S608
        while rows := cursor.fetchmany(CHUNK_ROWS):
            yield {
                name: pa.array(values)
                for name, values in zip(names, zip(*rows, strict=True), strict=True)
            }


def _text(path: Path, mapping: Mapping, refuse: Refuse) -> Columns:
    delimiter = mapping.delimiter or _delimiter_of(path)
    with _opened(path) as stream:
        header = _header(path, stream.read(_HEADER_BYTES), delimiter, mapping)
    names = wanted_columns(path, header.names, mapping)

    def skip(row: Any) -> str:
        refuse(f"a row has {row.expected_columns} columns", str(row.text or row.actual_columns))
        return "skip"

    with _opened(path) as stream:
        reader = pa_csv.open_csv(
            stream,
            read_options=pa_csv.ReadOptions(
                block_size=_BLOCK_BYTES, column_names=header.names, skip_rows=header.n_lines,
                use_threads=False,
            ),
            parse_options=pa_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=skip),
            convert_options=pa_csv.ConvertOptions(
                include_columns=names, column_types=dict.fromkeys(names, pa.string()),
                null_values=_NULLS, strings_can_be_null=True, quoted_strings_can_be_null=True,
            ),
        )  # fmt: skip
        for batch in reader:
            yield {name: batch.column(name) for name in names}


@dataclass(frozen=True, slots=True)
class _Header:
    """Names of the columns of a text file, and the lines up to the end of its header."""

    names: list[str]
    n_lines: int


def _header(path: Path, begin: bytes, delimiter: str, mapping: Mapping) -> _Header:
    """The first line that names a column for each coordinate, else what the mapping says."""
    lines = begin.decode(errors="replace").removeprefix("\N{BOM}").split("\n")[:_HEADER_LINES]
    for number, line in enumerate(lines):
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
        if all(chosen(wanted, cells) for wanted in (mapping.ra, mapping.dec)):
            return _Header(_distinct(cells), number + 1)
    if not mapping.columns:
        wanted = " and ".join(" or ".join(names) for names in (mapping.ra, mapping.dec))
        rule = f"the mapping {mapping.name} wants a header with {wanted} in the first MB"
        raise CatalogError(path, rule)
    return _Header(list(mapping.columns), 0)


def _distinct(names: list[str]) -> list[str]:
    """Names with a number after those that were there before."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}.{seen[name]}")
    return found


def _delimiter_of(path: Path) -> str:
    return "\t" if ".tsv" in path.name.lower() else ","


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The bytes of a text file, unpacked as they come."""
    name = path.name.lower()
    if name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            if len(archive.namelist()) != 1:
                raise CatalogError(path, "a zip has one file", ", ".join(archive.namelist()))
            with archive.open(archive.namelist()[0]) as member:
                yield pa.PythonFile(member, mode="r")
        return
    packed = "gzip" if name.endswith(".gz") else None
    with pa.input_stream(str(path), compression=packed) as stream:
        yield stream


_KINDS: dict[str, Callable[[Path, Mapping, Refuse], Columns]] = {
    ".parquet": _parquet,
    ".fits": _fits,
    ".fit": _fits,
    ".db": _sqlite,
    ".sqlite": _sqlite,
    **{
        f"{suffix}{packed}": _text
        for suffix in (".csv", ".tsv", ".txt", ".dat", ".ecsv")
        for packed in ("", ".gz", ".zip")
    },
}
"""How a file is read, by how its name ends."""
