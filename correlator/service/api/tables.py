"""Rows as tables: CSV, ECSV, VOTable and Parquet, with units, UCDs and nulls."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.table import MaskedColumn, Table

from correlator.service.api.columns import Column, Columns, Kind, Row
from correlator.service.api.formats import Format

GROUP_ROWS = 16_384
"""Rows of a row group of Parquet: what memory holds of it."""

PORTION_CHARACTERS = 1_000_000
"""Characters of a column of an ECSV that are made at once: each row has the width of the longest
text."""

_ARROW = {
    Kind.TEXT: pa.string(),
    Kind.TIME: pa.string(),
    Kind.FLOAT: pa.float64(),
    Kind.INT: pa.int64(),
    Kind.BOOL: pa.bool_(),
}
_VOTABLE = {
    Kind.TEXT: "unicodeChar",
    Kind.TIME: "unicodeChar",
    Kind.FLOAT: "double",
    Kind.INT: "long",
    Kind.BOOL: "boolean",
}
_NUMPY = {Kind.FLOAT: np.float64, Kind.INT: np.int64, Kind.BOOL: np.bool_}

_LEAST = len("None")
"""Characters of a text in Parquet that are told at least: Astropy reads a null as that."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters by which a spreadsheet takes a text for a formula."""


def table_of(rows: Sequence[Row], columns: Columns, form: Format) -> bytes:
    """Rows that are all here, in any format but JSON."""
    match form:
        case Format.CSV | Format.NDJSON | Format.PARQUET:
            return b"".join(streamed([rows], columns, form))
        case Format.ECSV:
            return "".join(_ecsv(rows, columns)).encode()
        case Format.VOTABLE:
            content = io.BytesIO()
            astropy_table(rows, columns, is_fixed=False).write(
                content, format="votable", tabledata_format="binary2"
            )
            return content.getvalue()
    raise ValueError(f"no table is written as {form}")


def streamed(batches: Iterable[Sequence[Row]], columns: Columns, form: Format) -> Iterator[bytes]:
    """Rows as they come, piece by piece; memory holds a batch, of Parquet a row group."""
    match form:
        case Format.CSV:
            return _csv(batches, columns)
        case Format.NDJSON:
            return _ndjson(batches)
        case Format.PARQUET:
            return _parquet(batches, columns)
    raise ValueError(f"{form} is not streamed")


def astropy_table(rows: Sequence[Row], columns: Columns, *, is_fixed: bool = True) -> Table:
    """Rows as a table of Astropy; what is null is masked.

    Parameters
    ----------
    is_fixed
        Whether each text takes the place of the longest of its column.
    """
    table = Table()
    for column in columns:
        table[column.name] = _masked(column, column.values(rows), is_fixed=is_fixed)
    return table


def csv_of(rows: Iterable[Sequence[Any]], names: Sequence[str]) -> str:
    """A header and some rows; null is empty, and no text is a formula."""
    text = io.StringIO()
    # As RFC 4180 has it; with a plain "\n" a lone "\r" would not be quoted.
    writer = csv.writer(text, lineterminator="\r\n")
    if names:
        writer.writerow(names)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _ecsv(rows: Sequence[Row], columns: Columns) -> Iterator[str]:
    """Portions of rows, the first with the header, which is the same whatever the rows are."""
    header = _ecsv_of([], columns)
    yield header
    for portion in _portions(rows, columns):
        yield _ecsv_of(portion, columns).removeprefix(header)


def _ecsv_of(rows: Sequence[Row], columns: Columns) -> str:
    text = io.StringIO()
    astropy_table(rows, columns).write(text, format="ascii.ecsv")
    return text.getvalue()


def _portions(rows: Sequence[Row], columns: Columns) -> Iterator[Sequence[Row]]:
    """Rows in turn, so many that none of their columns has too many characters."""
    texts = [column.values(rows) for column in columns if column.kind not in _NUMPY]
    begin = longest = 0
    for n, values in enumerate(zip(*texts, strict=True)):
        length = max(len(value or "") for value in values)
        longest = max(longest, length)
        if n > begin and longest * (n - begin + 1) > PORTION_CHARACTERS:
            yield rows[begin:n]
            begin, longest = n, length
    yield rows[begin:]


def _csv(batches: Iterable[Sequence[Row]], columns: Columns) -> Iterator[bytes]:
    yield csv_of([], [column.name for column in columns]).encode()
    for batch in batches:
        cells = zip(*(column.values(batch) for column in columns), strict=True)
        yield csv_of(cells, ()).encode()


def _ndjson(batches: Iterable[Sequence[Row]]) -> Iterator[bytes]:
    for batch in batches:
        yield b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in batch)


class _Sink(io.RawIOBase):
    """What a writer wrote since somebody asked last."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        self._parts.append(bytes(part))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        said = b"".join(self._parts)
        self._parts.clear()
        return said


def _parquet(batches: Iterable[Sequence[Row]], columns: Columns) -> Iterator[bytes]:
    schema, sink, longest = _schema(columns), _Sink(), dict.fromkeys(_texts(columns), _LEAST)
    # Without a schema of Arrow's own: where there is one, what is added at the end is not read.
    with pq.ParquetWriter(
        pa.PythonFile(sink, "w"), schema, compression="zstd", store_schema=False
    ) as writer:
        waiting: list[pa.RecordBatch] = []
        for batch in batches:
            waiting.append(_arrow(batch, columns, schema, longest))
            if sum(part.num_rows for part in waiting) >= GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(waiting, schema))
                waiting.clear()
                yield sink.taken()
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, schema))
        writer.add_key_value_metadata(_told(columns, longest))
    yield sink.taken()


def _arrow(
    batch: Sequence[Row], columns: Columns, schema: pa.Schema, longest: dict[str, int]
) -> pa.RecordBatch:
    arrays = []
    for column in columns:
        values = column.values(batch)
        if column.name in longest:
            most = max((len(value) for value in values if value is not None), default=0)
            longest[column.name] = max(longest[column.name], most)
        arrays.append(pa.array(values, _ARROW[column.kind]))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _schema(columns: Columns) -> pa.Schema:
    return pa.schema([pa.field(column.name, _ARROW[column.kind]) for column in columns])


def _told(columns: Columns, longest: dict[str, int]) -> dict[str, str]:
    """What a file of Parquet says of its columns."""
    from astropy.table.meta import get_yaml_from_table

    return {
        # How Astropy writes units, and what its reader asks for,
        "table_meta_yaml": "\n".join(get_yaml_from_table(astropy_table([], columns))),
        **{f"table::len::{name}": str(length) for name, length in longest.items()},
        # and the Virtual Observatory: VOParquet 1.0, an IVOA note of 2025.
        "IVOA.VOTable-Parquet.version": "1.0",
        "IVOA.VOTable-Parquet.content": votable_fields(columns, longest),
    }


def votable_fields(columns: Columns, longest: dict[str, int]) -> str:
    """A VOTable of some columns without any data; of each text the length of the longest."""
    fields = "".join(_field(column, longest.get(column.name)) for column in columns)
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f"<RESOURCE><TABLE>{fields}</TABLE></RESOURCE></VOTABLE>"
    )


def _field(column: Column, length: int | None) -> str:
    said = {
        "name": column.name,
        "datatype": _VOTABLE[column.kind],
        "arraysize": "" if length is None else str(length),
        "unit": column.unit,
        "ucd": column.ucd,
    }
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in said.items() if value)
    return f"<FIELD{attributes}><DESCRIPTION>{escape(column.meaning)}</DESCRIPTION></FIELD>"


def _texts(columns: Columns) -> list[str]:
    return [column.name for column in columns if column.kind in {Kind.TEXT, Kind.TIME}]


def _masked(column: Column, values: list[Any], *, is_fixed: bool) -> MaskedColumn:
    mask = [value is None for value in values]
    if column.kind in _NUMPY:
        kind: Any = _NUMPY[column.kind]
        filled: Any = [_NOTHING[column.kind] if value is None else value for value in values]
    else:
        filled = ["" if value is None else value for value in values]
        kind = f"U{max(map(len, filled), default=1) or 1}"
        if not is_fixed and any(filled):
            # Astropy tells from the first what they are, so none is masked: empty is null here.
            kind, mask = object, [False] * len(mask)
    return MaskedColumn(
        np.array(filled, dtype=kind),
        mask=mask,
        unit=column.unit or None,
        description=column.meaning or None,
        meta={"ucd": column.ucd} if column.ucd else None,
    )


_NOTHING = {Kind.FLOAT: math.nan, Kind.INT: 0, Kind.BOOL: False}
