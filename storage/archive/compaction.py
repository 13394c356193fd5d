"""Making the catalogue of a night: what waits and what is there, each alert once, by place.

The same rows give the same files, in whatever order and parts they came.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from storage.archive import DATA_SETS, NIGHT, SURVIVORS
from storage.archive.disk import sync_folder
from storage.archive.errors import ArchiveError
from storage.archive.hats import GROUP_ROWS, night_folder, partitions_of, write_catalog
from storage.archive.parts import of_data_set, waiting_files
from storage.archive.tables import KEY, PART_SCHEMAS, completed, waiting_of
from storage.sky_runs import INDEX, Runs, RunSizes, count_cells

CHUNK_BYTES = 64 * 2**20
"""Rows that are sorted at once [bytes]."""

SIZES = {NIGHT: RunSizes(8_192, 16), SURVIVORS: RunSizes(256, 16)}
"""A batch of ``night`` has 2.5 MB, one of ``survivors`` 1.5 MB, and 5 MB where all have the longest
histories that the edge keeps. Of each run there are at most two, so 80 to 160 MB."""

FINEST_ORDER = 8
"""No file holds less than one cell of that order (14 arcmin)."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What became of a data set of a night.

    Attributes
    ----------
    n_rows
        Rows of the catalogue.
    n_repeated
        Rows that were there more than once, or whose alert was, and were left out.
    n_files
        Files with rows.
    """

    night: str
    data_set: str
    n_rows: int
    n_repeated: int
    n_files: int


def compact(root: Path, night: str, again: bool = False) -> list[Compacted]:
    """Make the catalogues of a night of all that waits and of those that are there.

    What is written meanwhile waits for the next time. A crash leaves the old catalogue or the new
    one, and what waited is taken away only when both new ones are there. Memory holds 16 bytes for
    each row, and of the rows what ``CHUNK_BYTES`` and ``SIZES`` say.

    Parameters
    ----------
    root
        Folder of the archive.
    night
        ``YYYYMMDD``.
    again
        Whether a catalogue is made anew of which nothing waits: with the features and scores of
        this release.

    Returns
    -------
    list
        One for each data set that was made; none when nothing waits.

    Raises
    ------
    ArchiveError
        Another compaction is under way, or a file cannot be read.
    """
    done = []
    with _alone(root):
        waiting = waiting_files(root, night)
        for data_set in DATA_SETS:
            place = night_folder(root, data_set, night)
            _recover(place)
            parts = list(of_data_set(waiting, data_set))
            if parts or (again and place.exists()):
                done.append(_compact(place, data_set, night, parts))
        for path in waiting:
            path.unlink()
    return done


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".compaction").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ArchiveError(root, "one compaction works on an archive at a time") from error
        yield


def _compact(place: Path, data_set: str, night: str, parts: Sequence[Path]) -> Compacted:
    for half in place.parent.glob(".building-*"):  # of one that was killed
        shutil.rmtree(half)
    scratch = place.parent / f".building-{uuid4().hex}"
    try:
        (scratch / "runs").mkdir(parents=True)
        runs = Runs(scratch / "runs", PART_SCHEMAS[data_set], FINEST_ORDER, SIZES[data_set])
        keys = _Keys()
        for chunk in _chunks(data_set, place, parts):
            keys.add(chunk)
            runs.add(chunk)
        merged = scratch / "merged.parquet"
        counts = _merged(runs, keys, merged)
        built = scratch / "catalog"
        with closing(runs.reader(merged)) as rows:
            cells = write_catalog(built, data_set, night, rows, counts)
        _publish(built, place)
    except (pa.ArrowException, KeyError, TypeError) as error:
        raise ArchiveError(place, "its files are as they were written", error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    n_rows = int(counts.sum())
    return Compacted(night, data_set, n_rows, keys.n_rows - n_rows, len(cells))


def _chunks(data_set: str, place: Path, parts: Sequence[Path]) -> Iterator[pa.Table]:
    """All rows as they wait, in tables of some size."""
    waiting: list[pa.Table] = []
    n_bytes = 0
    for table in _tables(data_set, place, parts):
        waiting.append(table)
        n_bytes += table.nbytes
        if n_bytes >= CHUNK_BYTES:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting, n_bytes = [], 0
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def _tables(data_set: str, place: Path, parts: Sequence[Path]) -> Iterator[pa.Table]:
    if place.exists():
        for cell in partitions_of(place):
            for final in _batches(place / cell.file, GROUP_ROWS[data_set]):
                yield waiting_of(data_set, final)
    for path in parts:
        for part in _batches(path, SIZES[data_set].batch_rows):
            yield completed(data_set, part)


def _batches(path: Path, n_rows: int) -> Iterator[pa.Table]:
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(n_rows, use_threads=False):
            yield pa.Table.from_batches([batch])


class _Keys:
    """Which alerts are there at two places: the same id with different contents."""

    def __init__(self) -> None:
        self._hashes: list[NDArray[np.int64]] = []
        self._indices: list[NDArray[np.int64]] = []
        self.n_rows = 0

    def add(self, rows: pa.Table) -> None:
        """Some more rows."""
        self._hashes.append(_hashes(rows))
        self._indices.append(rows.column(INDEX).to_numpy())
        self.n_rows += len(rows)

    def at_two_places(self) -> NDArray[np.int64]:
        """Hashes of the ids that have more than one place, and perhaps of a few others."""
        hashes, indices = np.concatenate(self._hashes), np.concatenate(self._indices)
        self._hashes, self._indices = [], []
        order = np.lexsort((indices, hashes))
        hashes, indices = hashes[order], indices[order]
        again = (hashes[1:] == hashes[:-1]) & (indices[1:] != indices[:-1])
        return np.unique(hashes[1:][again])


def _hashes(rows: pa.Table) -> NDArray[np.int64]:
    return np.array([hash(key) for key in _ids(rows)], dtype=np.int64)


def _ids(rows: pa.Table) -> Iterable[tuple[str, str]]:
    names = (rows.column(name).to_pylist() for name in KEY[1:])
    return zip(*names, strict=True)


def _merged(runs: Runs, keys: _Keys, path: Path) -> NDArray[np.int64]:
    """Write the rows of all runs into one, each alert once; how many each cell then has."""
    counts = np.zeros_like(runs.counts)
    moved = keys.at_two_places()
    seen: set[tuple[str, str]] = set()
    with pq.ParquetWriter(path, runs.schema) as writer:
        for block in runs.blocks(runs.paths):
            rows = block.filter(pa.array(_is_first(block)))
            if len(moved):
                rows = rows.filter(pa.array(_is_new(rows, moved, seen)))
            writer.write_table(rows, row_group_size=runs.sizes.batch_rows)
            count_cells(counts, rows.column(INDEX).to_numpy(), FINEST_ORDER)
    return counts


def _is_first(rows: pa.Table) -> NDArray[np.bool_]:
    """Whether the row before is of another alert."""
    first = np.ones(len(rows), dtype=bool)
    for name in KEY:
        column = rows.column(name)
        same = pc.equal(column.slice(1), column.slice(0, len(rows) - 1))
        first[1:] &= np.asarray(same, dtype=bool)
    first[1:] = ~first[1:]
    return first


def _is_new(
    rows: pa.Table, moved: NDArray[np.int64], seen: set[tuple[str, str]]
) -> NDArray[np.bool_]:
    """Whether an alert that has two places was not seen at another one."""
    new = np.ones(len(rows), dtype=bool)
    ids = list(_ids(rows))
    for at in np.flatnonzero(np.isin(_hashes(rows), moved)).tolist():
        new[at] = ids[at] not in seen
        seen.add(ids[at])
    return new


def _publish(built: Path, place: Path) -> None:
    """Put a catalogue into the place of another; between the two steps :func:`_recover` knows."""
    old = _old(place)
    if place.exists():
        place.rename(old)
    built.rename(place)
    sync_folder(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def _recover(place: Path) -> None:
    """Put back what a crash left between the two steps of :func:`_publish`."""
    old = _old(place)
    if not old.exists():
        return
    if place.exists():
        shutil.rmtree(old)
    else:
        old.rename(place)


def _old(place: Path) -> Path:
    return place.with_name(f".old-{place.name}")
