"""Rows of an archive about a position and of some nights; no more is read than may hold one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from correlator.alert import Alert
from correlator.errors import MalformedPacketError
from correlator.wire import alerts_of_json, to_json
from skymaps.healpix import MAX_ORDER, ranges_of_cap, separation_deg
from storage.archive import DATA_SETS, NIGHT, SURVIVORS
from storage.archive.alert_columns import COLUMNS, alerts_of
from storage.archive.errors import ArchiveError
from storage.archive.hats import night_folder, nights_of, partitions_of
from storage.sky_runs import INDEX, Partition

_PLACE = ("ra_deg", "dec_deg")

_ALERTS_AT_ONCE = 64
"""Rows that are alerts at a time."""

_MOST_CELLS_ORDER, _LEAST_CELLS_ORDER = 12, 4
"""Orders of the cells that a cone is covered with: 0.9 arcmin to 4 deg."""


class Cone(NamedTuple):
    """A circle on the sky; ICRS, the edge included."""

    ra_deg: float
    dec_deg: float
    radius_deg: float

    def ranges(self) -> NDArray[np.int64]:
        """Order-29 ranges of cells that it may touch, shape ``(n, 2)``."""
        order = _LEAST_CELLS_ORDER
        while order < _MOST_CELLS_ORDER and 58.6 / 2**order > self.radius_deg / 4.0:
            order += 1
        return ranges_of_cap(*self, order)

    def holds(self, rows: pa.Table) -> NDArray[np.bool_]:
        """Which rows lie in it."""
        ra, dec = (rows.column(name).to_numpy() for name in _PLACE)
        off_deg = separation_deg(ra, dec, self.ra_deg, self.dec_deg)
        return np.asarray(off_deg <= self.radius_deg)


def cone_of(ra_deg: float, dec_deg: float, radius_deg: float) -> Cone:
    """A cone.

    Raises
    ------
    ArchiveError
        There is none such.
    """
    if not (0.0 <= ra_deg <= 360.0 and -90.0 <= dec_deg <= 90.0 and 0.0 < radius_deg <= 180.0):
        rule = "a cone has RA in [0, 360], dec in [-90, 90] and a radius in (0, 180] deg"
        raise ArchiveError("cone", rule, (ra_deg, dec_deg, radius_deg))
    return Cone(ra_deg, dec_deg, radius_deg)


@dataclass
class Touched:
    """What was read: nights, files and row groups, and how many there are of those nights."""

    n_nights: int = 0
    n_files: int = 0
    n_groups: int = 0
    n_rows: int = 0


class Selection:
    """Rows of one data set of an archive.

    Parameters
    ----------
    root
        Folder of the archive.
    data_set
        ``night`` or ``survivors``.
    cone
        Where they lie; None for the whole sky.
    nights
        First and last night, both counted; None for all.
    columns
        Which columns; None for all.

    Raises
    ------
    ArchiveError
        There is no catalogue of those nights, or a column that no night has.
    """

    def __init__(
        self,
        root: Path,
        data_set: str,
        cone: Cone | None = None,
        nights: tuple[str, str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> None:
        if data_set not in DATA_SETS:
            raise ArchiveError(root, f"a data set is one of {', '.join(DATA_SETS)}", data_set)
        first, last = nights or ("", "~")
        chosen = [n for n in nights_of(root, data_set) if first <= n <= last]
        if not chosen:
            rule = f"an archive has a catalogue of {data_set} of the nights that are asked for"
            raise ArchiveError(root, rule, nights)
        self._folders = [night_folder(root, data_set, night) for night in chosen]
        self._cone = cone
        self._ranges = cone.ranges() if cone else None
        # A later night may have more columns: of features, of what an alert has.
        whole = pa.unify_schemas([_schema_of(folder) for folder in self._folders])
        if columns is not None and (unknown := set(columns) - set(whole.names)):
            raise ArchiveError(root, "every column is one of the archive's", sorted(unknown))
        names = whole.names if columns is None else columns
        self.schema = pa.schema([whole.field(name) for name in names])
        self.touched = Touched()

    def tables(self) -> Iterator[pa.Table]:
        """The rows, a row group at a time, by night and place."""
        for folder in self._folders:
            self.touched.n_nights += 1
            for cell in partitions_of(folder):
                if self._may_hold(*_ends(cell)):
                    yield from self._tables_of(folder / cell.file)

    def _tables_of(self, path: Path) -> Iterator[pa.Table]:
        self.touched.n_files += 1
        try:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                wanted = [*self.schema.names, *_PLACE] if self._cone else self.schema.names
                known = [n for n in file.schema_arrow.names if n in wanted]
                for group in range(file.num_row_groups):
                    lo, hi = _least_and_greatest(file, group)
                    if self._may_hold(lo, hi + 1):
                        self.touched.n_groups += 1
                        yield from self._chosen(file.read_row_group(group, known))
        except (pa.ArrowException, OSError) as error:
            raise ArchiveError(path, "its files are as they were written", error) from error

    def _chosen(self, rows: pa.Table) -> Iterator[pa.Table]:
        if self._cone is not None:
            rows = rows.filter(pa.array(self._cone.holds(rows)))
        if len(rows):
            self.touched.n_rows += len(rows)
            columns = [
                rows.column(field.name).cast(field.type)
                if field.name in rows.column_names
                else pa.nulls(len(rows), field.type)
                for field in self.schema
            ]
            yield pa.table(columns, schema=self.schema)

    def _may_hold(self, lo: int, hi: int) -> bool:
        """Whether the cone touches cells from one order-29 index to before another."""
        if self._ranges is None:
            return True
        at = int(np.searchsorted(self._ranges[:, 1], lo, side="right"))
        return at < len(self._ranges) and int(self._ranges[at, 0]) < hi


def _schema_of(folder: Path) -> pa.Schema:
    path = folder / "dataset" / "_common_metadata"
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise ArchiveError(path, "a catalogue says what its columns are", error) from error


def _ends(cell: Partition) -> tuple[int, int]:
    return cell.pixel << (2 * (MAX_ORDER - cell.order)), cell.end_29


def _least_and_greatest(file: pq.ParquetFile, group: int) -> tuple[int, int]:
    """Of the indices of a row group, by its statistics: the index is the first column."""
    said = file.metadata.row_group(group).column(0)
    if said.path_in_schema != INDEX or said.statistics is None:
        raise pa.ArrowInvalid(f"its first column is {INDEX}, with statistics")
    return said.statistics.min, said.statistics.max


def data_set_of(path: Path) -> str | None:
    """Whose rows a Parquet file has; None for one that no archive wrote, or that is none."""
    try:
        names = set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return None
    return next((d for d in reversed(DATA_SETS) if _TELLING[d] <= names), None)


_TELLING = {
    NIGHT: {INDEX, "survey", "alert_id", "gate", "rejections"},
    SURVIVORS: {INDEX, "survey", "alert_id", "gate", "history", "scores"},
}


def survivors_in(path: Path) -> Iterator[Alert]:
    """The alerts of a file of survivors, in its order, as they passed the gate.

    Raises
    ------
    ArchiveError
        It cannot be read, or its rows are none.
    """
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            known = file.schema_arrow.names
            columns = [column.name for column in COLUMNS if column.name in known]
            for batch in file.iter_batches(_ALERTS_AT_ONCE, columns=columns, use_threads=False):
                alerts = alerts_of(pa.Table.from_batches([batch]))
                # Read once more as their receivers will: a damaged row must not get so far.
                yield from alerts_of_json((to_json(a), f"{path} {a.alert_id}") for a in alerts)
    except (
        pa.ArrowException, MalformedPacketError, OSError, AttributeError, KeyError, TypeError,
        ValueError,
    ) as error:  # fmt: skip
        raise ArchiveError(path, "its files are as they were written", error) from error
