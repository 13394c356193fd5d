"""Rows of an archive into a file, a row group at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from correlator.errors import ConfigurationError
from storage.archive.reading import Selection

FORMATS = (".csv", ".parquet")


def check_out(out: Path) -> None:
    """Refuse a file that could not be written, before the work and not after it.

    Raises
    ------
    ConfigurationError
        Another ending than .csv or .parquet, or no such folder.
    """
    if out.suffix not in FORMATS:
        raise ConfigurationError(f"--out {out}: {' or '.join(FORMATS)} expected")
    if not out.parent.is_dir():
        raise ConfigurationError(f"--out {out}: there is no folder {out.parent}")


def write_rows(selection: Selection, out: Path) -> int:
    """Write what was selected; how many rows.

    In CSV lists, structs and maps are JSON. The file has its name when it is whole.
    """
    n_rows = 0
    half = out.with_name(f".half-{out.name}")
    try:
        with _writing(half, selection.schema) as write:
            for table in selection.tables():
                write(table)
                n_rows += len(table)
        half.replace(out)
    finally:
        half.unlink(missing_ok=True)
    return n_rows


@contextmanager
def _writing(out: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    if out.suffix == ".parquet":
        with pq.ParquetWriter(out, schema, compression="zstd") as writer:
            yield writer.write_table
        return
    flat = pa.schema([pa.field(f.name, _flat_type(f.type)) for f in schema])
    with pa.csv.CSVWriter(out, flat) as writer:
        yield lambda table: writer.write_table(_flat(table, flat))


def _flat_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_nested(kind) else kind


def _flat(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = []
    for column in table.columns:
        if pa.types.is_nested(column.type):
            texts = [None if v is None else orjson.dumps(_plain(v)).decode() for v in
                     column.to_pylist()]  # fmt: skip
            columns.append(pa.array(texts, pa.string()))
        else:
            columns.append(column)
    return pa.table(columns, schema=schema)


def _plain(value: object) -> object:
    """A map, which Arrow gives as pairs, as an object."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(each, tuple) for each in value):
            return {name: _plain(each) for name, each in value}
        return [_plain(each) for each in value]
    return value
