"""Sorting more rows by place than memory holds, and cutting them into HEALPix cells.

Rows come chunk by chunk, each chunk is sorted into a run on disk, and all runs are gone through at
once. Memory holds a chunk, then two batches of each run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from skymaps.healpix import MAX_ORDER, coarsen

INDEX = "_healpix_29"
"""Column of the order-29 NESTED index, named as HATS names it."""


class Partition(msgspec.Struct, frozen=True):
    """One file: the entries of one HEALPix cell.

    Attributes
    ----------
    order, pixel
        The cell, NESTED.
    n_rows
        Entries in it.
    """

    order: int
    pixel: int
    n_rows: int

    @property
    def file(self) -> str:
        """Where it is below the catalogue's folder, as HATS lays catalogues out."""
        folder = self.pixel // 10_000 * 10_000
        return f"dataset/Norder={self.order}/Dir={folder}/Npix={self.pixel}.parquet"

    @property
    def end_29(self) -> int:
        """The first order-29 index after the cell."""
        return (self.pixel + 1) << (2 * (MAX_ORDER - self.order))


@dataclass(frozen=True, slots=True)
class RunSizes:
    """What bounds the memory of a sort.

    Attributes
    ----------
    batch_rows
        Rows of each run that are in memory at once.
    most_runs
        So many runs become one: each is an open file, and a batch in memory.
    """

    batch_rows: int
    most_runs: int


@dataclass
class Runs:
    """What was read so far: sorted pieces on disk, and how many entries each cell has.

    Parameters
    ----------
    folder
        Where the pieces are; it is there, and empty.
    schema
        Columns of the entries, ``INDEX`` the first; the others decide between equals, in order.
    finest_order
        HEALPix order of the smallest cells that are counted.
    sizes
        What is in memory at once.
    """

    folder: Path
    schema: pa.Schema
    finest_order: int
    sizes: RunSizes
    counts: NDArray[np.int64] = field(init=False)
    merged: list[Path] = field(default_factory=list)
    latest: list[Path] = field(default_factory=list)
    _n_written: int = 0

    def __post_init__(self) -> None:
        self.counts = np.zeros(12 * 4**self.finest_order, dtype=np.int64)

    @property
    def paths(self) -> list[Path]:
        """The pieces."""
        return [*self.merged, *self.latest]

    def add(self, entries: pa.Table) -> None:
        """Some more entries, in any order."""
        if not len(entries):
            return
        self.latest.append(self._next_path())
        rows = in_sky_order(entries)
        pq.write_table(rows, self.latest[-1], row_group_size=self.sizes.batch_rows)
        count_cells(self.counts, entries.column(INDEX).to_numpy(), self.finest_order)
        if len(self.latest) >= self.sizes.most_runs:
            self._merge()

    def cells(self, paths: Sequence[Path], most_rows: int) -> Iterator[tuple[Partition, pa.Table]]:
        """Entries of some runs, sorted, cell by cell."""
        with ExitStack() as stack:
            readers = [stack.enter_context(closing(self.reader(path))) for path in paths]
            for cell in cells_of(self.counts, most_rows):
                pieces = [piece for reader in readers for piece in reader.below(cell.end_29)]
                entries = pa.Table.from_batches(pieces, self.schema)
                yield cell, in_sky_order(entries).combine_chunks()

    def blocks(self, paths: Sequence[Path]) -> Iterator[pa.Table]:
        """Entries of some runs, sorted, in blocks; those with one index are in one block.

        A block has at most two batches of each run, however many entries lie in one cell.
        """
        with ExitStack() as stack:
            readers = [stack.enter_context(closing(self.reader(path))) for path in paths]
            while True:
                # What comes before the end of every batch in memory is complete.
                ends = [end for reader in readers if (end := reader.last_29()) is not None]
                if not ends:
                    return
                pieces = [piece for reader in readers for piece in reader.below(min(ends) + 1)]
                entries = pa.Table.from_batches(pieces, self.schema)
                yield in_sky_order(entries).combine_chunks()

    def reader(self, path: Path) -> SkyReader:
        """Goes through one of the pieces."""
        return SkyReader(path, self.sizes.batch_rows)

    def _merge(self) -> None:
        path = self._next_path()
        with pq.ParquetWriter(path, self.schema) as writer:
            for entries in self.blocks(self.latest):
                writer.write_table(entries, row_group_size=self.sizes.batch_rows)
        for old in self.latest:
            old.unlink()
        self.merged.append(path)
        self.latest = []

    def _next_path(self) -> Path:
        self._n_written += 1
        return self.folder / f"{self._n_written}.parquet"


class SkyReader:
    """Goes once through a file that is in the order of the sky.

    Parameters
    ----------
    path
        Parquet, with ``INDEX``.
    batch_rows
        Rows in memory at once.
    """

    def __init__(self, path: Path, batch_rows: int) -> None:
        self._file = pq.ParquetFile(path, pre_buffer=False)
        self._batches: Iterator[pa.RecordBatch] = self._file.iter_batches(
            batch_rows, use_threads=False
        )
        self._rest: pa.RecordBatch | None = None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def last_29(self) -> int | None:
        """Index of the last entry in memory; None when there are no more."""
        if self._rest is None:
            self._rest = next(self._batches, None)
        return None if self._rest is None else int(self._rest.column(INDEX)[-1].as_py())

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


def count_cells(counts: NDArray[np.int64], index_29: NDArray[np.int64], order: int) -> None:
    """Add entries to the number of each cell of an order, in place."""
    which, count = np.unique(coarsen(index_29, order), return_counts=True)
    counts[which] += count


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


def in_sky_order(entries: pa.Table) -> pa.Table:
    """Entries by place; what decides between equals is whatever else they have."""
    return entries.sort_by([(name, "ascending") for name in entries.column_names])
