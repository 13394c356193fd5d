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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from skymaps.healpix import MAX_ORDER, coarsen
from storage.catalogs.description import Description, Partition, Refusal, write_description
from storage.catalogs.entries import INDEX, Refused, entries_of, schema_of
from storage.catalogs.errors import CatalogError
from storage.catalogs.mapping import Mapping
from storage.catalogs.tables import read_chunks

MOST_ROWS = 262_144
"""Entries of a file, unless more are in one cell of the finest order."""

FINEST_ORDER = 8
"""No file holds less than one cell of that order (14 arcmin)."""

_RUN_BATCH_ROWS = 8_192
"""Rows of each run that are in memory at once."""

MOST_RUNS = 100
"""So many runs become one: each is an open file, and a batch in memory."""


@dataclass
class _Runs:
    """What is read so far: sorted pieces on disk, and how many entries each cell has."""

    folder: Path
    schema: pa.Schema
    counts: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(12 * 4**FINEST_ORDER, dtype=np.int64)
    )
    merged: list[Path] = field(default_factory=list)
    latest: list[Path] = field(default_factory=list)
    _n_written: int = 0

    def add(self, entries: pa.Table) -> None:
        """Some more entries, in any order."""
        if not len(entries):
            return
        self.latest.append(self._next_path())
        pq.write_table(_sorted(entries), self.latest[-1], row_group_size=_RUN_BATCH_ROWS)
        cells = coarsen(entries.column(INDEX).to_numpy(), FINEST_ORDER)
        which, count = np.unique(cells, return_counts=True)
        self.counts[which] += count
        if len(self.latest) >= MOST_RUNS:
            self._merge()

    def cells(self, paths: Sequence[Path], most_rows: int) -> Iterator[tuple[Partition, pa.Table]]:
        """Entries of some runs, sorted, cell by cell."""
        with ExitStack() as stack:
            readers = [
                _Reader(stack.enter_context(closing(pq.ParquetFile(p, pre_buffer=False))))
                for p in paths
            ]
            for cell in cells_of(self.counts, most_rows):
                end = (cell.pixel + 1) << (2 * (MAX_ORDER - cell.order))
                pieces = [piece for reader in readers for piece in reader.below(end)]
                yield cell, _sorted(pa.Table.from_batches(pieces, self.schema)).combine_chunks()

    def _merge(self) -> None:
        path = self._next_path()
        with pq.ParquetWriter(path, self.schema) as writer:
            for _, entries in self.cells(self.latest, MOST_ROWS):
                writer.write_table(entries, row_group_size=_RUN_BATCH_ROWS)
        for old in self.latest:
            old.unlink()
        self.merged.append(path)
        self.latest = []

    def _next_path(self) -> Path:
        self._n_written += 1
        return self.folder / f"{self._n_written}.parquet"


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
        runs = _Runs(scratch / "runs", schema_of(mapping))
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


def _filled(folder: Path, runs: _Runs, most_rows: int) -> tuple[list[Partition], int, str]:
    """Write the cells; which they are, their memory [bytes], and the hash of all entries."""
    content = [hashlib.sha256(column.encode()) for column in runs.schema.names]
    partitions, n_bytes = [], 0
    for partition, entries in runs.cells([*runs.merged, *runs.latest], most_rows):
        partitions.append(partition)
        n_bytes += entries.nbytes
        path = folder / partition.file
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(entries, path, compression="zstd", row_group_size=2**16)
        for known, column in zip(content, entries.columns, strict=True):
            known.update(_bytes_of(column))
    whole = hashlib.sha256(b"".join(known.digest() for known in content))
    return partitions, n_bytes, whole.hexdigest()


def cells_of(counts: NDArray[np.int64], most_rows: int) -> list[Partition]:
    """The largest cells that hold so many entries at most, by place; empty ones are left out.

    Parameters
    ----------
    counts
        Entries of each cell of one order, shape ``(12 * 4**order,)``. Its cells are not divided.
    """
    found = []
    order = 0
    while len(counts) > 12 * 4**order:
        order += 1
    levels = [counts]
    for _ in range(order):
        levels.insert(0, levels[0].reshape(-1, 4).sum(axis=1))
    open_cells = np.arange(12)
    for level in range(order + 1):
        n_rows = levels[level][open_cells]
        whole = (n_rows <= most_rows) | (level == order)
        found += [
            Partition(level, int(pixel), int(n))
            for pixel, n in zip(open_cells[whole], n_rows[whole], strict=True)
            if n
        ]
        open_cells = (4 * open_cells[~whole][:, np.newaxis] + np.arange(4)).ravel()
    return sorted(found, key=lambda cell: cell.pixel << (2 * (MAX_ORDER - cell.order)))


class _Reader:
    """Goes once through a run, in the order of the sky."""

    def __init__(self, file: pq.ParquetFile) -> None:
        self._batches: Iterator[pa.RecordBatch] = file.iter_batches(
            _RUN_BATCH_ROWS, use_threads=False
        )
        self._rest: pa.RecordBatch | None = None

    def below(self, end: int) -> Iterable[pa.RecordBatch]:
        """What comes before an order-29 index and was not read yet."""
        while True:
            batch = self._rest if self._rest is not None else next(self._batches, None)
            if batch is None:
                return
            n = int(np.searchsorted(batch.column(INDEX).to_numpy(), end))
            if n:
                yield batch.slice(0, n)
            self._rest = batch.slice(n) if n < len(batch) else None
            if self._rest is not None:
                return


def _sorted(entries: pa.Table) -> pa.Table:
    """Entries by place; what decides between equals is whatever else they have."""
    return entries.sort_by([(name, "ascending") for name in entries.column_names])


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
