"""Building a catalogue: files of any size into sorted Parquet, one file a HEALPix cell.

First the rows are read, chunk by chunk, each chunk sorted into a run on disk. Then the cells are
chosen, from how many entries are where, and filled one after the other, going through all runs at
once. Memory holds a chunk, then a part of each run and one cell.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.catalogs.description import Description, Refusal, write_description
from storage.catalogs.entries import Refused, entries_of, schema_of
from storage.catalogs.errors import CatalogError
from storage.catalogs.mapping import Mapping
from storage.catalogs.tables import read_chunks
from storage.sky_runs import Partition, Runs, RunSizes

MOST_ROWS = 262_144
"""Entries of a file, unless more are in one cell of the finest order."""

FINEST_ORDER = 8
"""No file holds less than one cell of that order (14 arcmin)."""

_RUN_BATCH_ROWS = 8_192
"""Rows of each run that are in memory at once."""

MOST_RUNS = 100
"""So many runs become one: each is an open file, and a batch in memory."""


def build_catalog(
    root: Path,
    name: str,
    files: Sequence[Path],
    mapping: Mapping,
    *,
    release: str | None = None,
    most_rows: int = MOST_ROWS,
) -> Description:
    """Read files into a new version of a catalogue, which is then the current one.

    The version follows from the entries alone: not from the order of rows and files, nor from how
    they are packed. Nothing is changed in a version that is there, and nothing half done is left.

    Parameters
    ----------
    root
        Folder of all catalogues.
    name
        Of the catalogue: letters, digits, ``-`` and ``_``.
    release
        What the files are, in words: ``DR3``.
    most_rows
        Entries of a file, about.

    Raises
    ------
    CatalogError
        A file cannot be read, or there is no entry in any.
    """
    if not name or not name.replace("-", "").replace("_", "").isalnum():
        raise CatalogError(name, "the name of a catalogue has letters, digits, - and _")
    home = root / name
    home.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".building-", dir=home))
    try:
        refused = Refused()
        (scratch / "runs").mkdir()
        sizes = RunSizes(_RUN_BATCH_ROWS, MOST_RUNS)
        runs = Runs(scratch / "runs", schema_of(mapping), FINEST_ORDER, sizes)
        for path in files:
            for chunk in read_chunks(path, mapping, _teller(path, refused)):
                runs.add(entries_of(chunk, mapping, path, refused))
        if not runs.counts.any():
            rules = "; ".join(f"{rule}: {n}" for rule, n in refused.n_rows.items())
            raise CatalogError(name, "a catalogue has entries", rules or "no row")
        built = scratch / "catalog"
        partitions, n_bytes, content = _filled(built, runs, most_rows)
        description = Description(
            name=name, version=content[:12], title=mapping.title, licence=mapping.licence,
            mapping=mapping.name, epoch_year=mapping.epoch_year,
            radius_arcsec=mapping.radius_arcsec, release=release,
            sources=[(path.name, _sha256(path)) for path in files],
            n_rows=int(runs.counts.sum()), memory_bytes=n_bytes,
            refused=[Refusal(rule, n, refused.first[rule]) for rule, n in refused.n_rows.items()],
            values=list(mapping.values), partitions=partitions,
        )  # fmt: skip
        write_description(built, description)
        _put(built, home, description.version)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return description


def _teller(path: Path, refused: Refused) -> Any:
    return lambda rule, row: refused.add(rule, f"{path.name}: {row}")


def _put(built: Path, home: Path, version: str) -> None:
    """Move a version to its place, unless it is there, and make it the current one."""
    place = home / version
    if not place.exists():
        built.rename(place)
    pointer = home / f".current-{os.getpid()}"
    pointer.write_text(version)
    pointer.replace(home / "current")


def _filled(folder: Path, runs: Runs, most_rows: int) -> tuple[list[Partition], int, str]:
    """Write the cells; which they are, their memory [bytes], and the hash of all entries."""
    content = [hashlib.sha256(column.encode()) for column in runs.schema.names]
    partitions, n_bytes = [], 0
    for partition, entries in runs.cells(runs.paths, most_rows):
        partitions.append(partition)
        n_bytes += entries.nbytes
        path = folder / partition.file
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(entries, path, compression="zstd", row_group_size=2**16)
        for known, column in zip(content, entries.columns, strict=True):
            known.update(_bytes_of(column))
    whole = hashlib.sha256(b"".join(known.digest() for known in content))
    return partitions, n_bytes, whole.hexdigest()


def _bytes_of(column: pa.ChunkedArray) -> bytes:
    """Bytes that stand for a column, whatever Arrow or Parquet makes of it."""
    if pa.types.is_string(column.type):
        texts = ("\x00" if text is None else text for text in column.to_pylist())
        return "".join(f"{text}\x1f" for text in texts).encode()
    if pa.types.is_integer(column.type):
        return bytes(column.to_numpy().astype("<i8").tobytes())
    return bytes(pc.fill_null(column, np.nan).to_numpy().astype("<f8").tobytes())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
