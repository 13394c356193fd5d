"""Rows of place and time in memory, in runs sorted by place: which of them lie in a region?

A look back asks millions of rows for those in some ranges of the sky and some days. Sorted by
:mod:`index_29 <skymaps.healpix>` a range is found by two binary searches, and its rows stand side
by side. So rows are kept by the day of their latest moment, those of a day in a few sorted runs,
each at least twice as long as the next: days that are not asked for are skipped, a batch costs a
sort of its own, and each row is sorted again a few times at most.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skymaps.healpix import END_29

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

BYTES_A_ROW, BYTES_AN_INTERVAL = 24, 32
"""Memory of a row of one moment, and of one that lasts; while a day's runs are merged, those of
that day twice."""

FORGOTTEN_AT_ONCE = 0.125
"""Share of the bound that is let go when it is passed, so that few batches pay for it."""

_SPAN_S = 86_400.0

_MANY_RANGES = 8
"""Rows a range below which it is quicker to look the rows up in the ranges than the reverse."""


class SkyRuns:
    """Rows in memory: place, first and last moment, id.

    What is found depends on the rows alone, not on the batches in which they came or on their
    order. One thread may add and forget at a time; any number may ask meanwhile, and find each
    row of a batch that is being added, or not.

    Parameters
    ----------
    max_rows
        Bound on the rows; past it those go whose last moment is the oldest. None: no bound.

    Attributes
    ----------
    complete_since_unix_s
        Of moments since then nothing was forgotten.
    """

    def __init__(self, max_rows: int | None = None) -> None:
        if max_rows is not None and max_rows < 1:
            raise ValueError(f"max_rows must be 1 or more, got {max_rows}")
        self.complete_since_unix_s = -np.inf
        self._max_rows = max_rows
        self._days: dict[float, tuple[_Run, ...]] = {}

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs())

    @property
    def n_bytes(self) -> int:
        """Memory of all columns."""
        return sum(run.n_bytes for run in self._runs())

    def add(
        self,
        index_29: ArrayLike,
        last_unix_s: ArrayLike,
        ids: ArrayLike,
        first_unix_s: ArrayLike | None = None,
    ) -> None:
        """Add rows; columns of shape ``(n,)``.

        Parameters
        ----------
        index_29
            Order-29 NESTED index of the place.
        last_unix_s, first_unix_s
            Last and first moment; without the first one a row is of one moment.
        ids
            What is found of a row: 64-bit numbers, in the caller's own meaning.

        Raises
        ------
        ValueError
            Columns of different lengths, an index that is none, a time that is not finite, a
            first moment after the last one.
        """
        rows = _Run.of(index_29, last_unix_s, ids, first_unix_s)
        rows = rows.taken(np.flatnonzero(rows.last_unix_s >= self.complete_since_unix_s))
        for day, some in _by_day(rows):
            self._days[day] = _merged((*self._days.get(day, ()), some.by_place()))
        if self._max_rows is not None and len(self) > self._max_rows:
            kept = self._max_rows - int(FORGOTTEN_AT_ONCE * self._max_rows)
            self._forget_all_but(kept)

    def find(self, ranges: NDArray[np.int64], since_unix_s: float, until_unix_s: float) -> Indices:
        """Ids, rising, of the rows in a region and a time; an id comes as often as it was added.

        Parameters
        ----------
        ranges
            Half-open, in ``index_29``, sorted and disjoint; shape ``(n, 2)``.
        since_unix_s, until_unix_s
            The last moment is not before the one, the first moment not after the other.

        Raises
        ------
        ValueError
            Ranges that are not sorted and disjoint, or a time of which rows were forgotten.
        """
        bounds = np.asarray(ranges, dtype=np.int64).reshape(-1, 2)
        lo, hi = np.ascontiguousarray(bounds[:, 0]), np.ascontiguousarray(bounds[:, 1])
        if (lo > hi).any() or (lo[1:] < hi[:-1]).any():
            raise ValueError("ranges must be sorted and disjoint")
        days = list(self._days.items())
        # Asked for only now: rows that are gone from these days were called forgotten before.
        if since_unix_s < self.complete_since_unix_s:
            known = self.complete_since_unix_s
            raise ValueError(f"rows are complete since {known}, asked for since {since_unix_s}")
        earliest = _day_of(since_unix_s)
        found = [
            run.found(lo, hi, since_unix_s, until_unix_s)
            for day, runs in days
            if day >= earliest
            for run in runs
        ]
        return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *found]))

    def forget_before(self, unix_s: float) -> None:
        """Let the rows go whose last moment is before another one."""
        if unix_s <= self.complete_since_unix_s:
            return
        self.complete_since_unix_s = unix_s
        for day, runs in list(self._days.items()):
            if day > _day_of(unix_s):
                continue
            kept = (run.taken(np.flatnonzero(run.last_unix_s >= unix_s)) for run in runs)
            left = _merged(tuple(run for run in kept if len(run)))
            if left:
                self._days[day] = left
            else:
                del self._days[day]

    def _forget_all_but(self, n: int) -> None:
        """Let the oldest rows go, at least so many that ``n`` stay."""
        n_oldest = len(self) - n
        for day in sorted(self._days):
            times = np.concatenate([run.last_unix_s for run in self._days[day]])
            if n_oldest <= len(times):
                newest_gone = np.partition(times, n_oldest - 1)[n_oldest - 1]
                self.forget_before(float(np.nextafter(newest_gone, np.inf)))
                return
            n_oldest -= len(times)

    def _runs(self) -> list[_Run]:
        return [run for runs in list(self._days.values()) for run in runs]


@dataclass(frozen=True, slots=True)
class _Run:
    """Rows in columns; a row of one moment has its two times in one array."""

    index_29: Indices
    first_unix_s: Floats
    last_unix_s: Floats
    ids: Indices
    earliest_unix_s: float = field(init=False)
    latest_unix_s: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "earliest_unix_s", self.first_unix_s.min(initial=np.inf))
        object.__setattr__(self, "latest_unix_s", self.last_unix_s.max(initial=-np.inf))

    @classmethod
    def of(
        cls,
        index_29: ArrayLike,
        last_unix_s: ArrayLike,
        ids: ArrayLike,
        first_unix_s: ArrayLike | None,
    ) -> _Run:
        place = np.array(index_29, dtype=np.int64, ndmin=1)
        last = np.array(last_unix_s, dtype=np.float64, ndmin=1)
        first = last if first_unix_s is None else np.array(first_unix_s, np.float64, ndmin=1)
        number = np.array(ids, dtype=np.int64, ndmin=1)
        if any(column.shape != (len(place),) for column in (place, first, last, number)):
            raise ValueError("columns must have one value a row")
        if not ((place >= 0) & (place < END_29)).all():
            raise ValueError(f"an index must lie in [0, {END_29})")
        if not (np.isfinite(first).all() and np.isfinite(last).all()):
            raise ValueError("times must be finite")
        if (first > last).any():
            raise ValueError("a first moment must not be after the last one")
        return cls(place, first, last, number)

    def __len__(self) -> int:
        return len(self.index_29)

    @property
    def n_bytes(self) -> int:
        is_of_moments = self.first_unix_s is self.last_unix_s
        return len(self) * (BYTES_A_ROW if is_of_moments else BYTES_AN_INTERVAL)

    def taken(self, rows: Indices) -> _Run:
        if len(rows) == len(self) and (rows[1:] > rows[:-1]).all():
            return self
        last = self.last_unix_s[rows]
        is_of_moments = self.first_unix_s is self.last_unix_s
        first = last if is_of_moments else self.first_unix_s[rows]
        return _Run(self.index_29[rows], first, last, self.ids[rows])

    def by_place(self) -> _Run:
        # Not a stable sort, which takes five times as long: what is found is sorted by id.
        return self.taken(np.argsort(self.index_29))

    def found(self, lo: Indices, hi: Indices, since_unix_s: float, until_unix_s: float) -> Indices:
        """Ids of the rows in ranges and a time, in any order."""
        if self.latest_unix_s < since_unix_s or self.earliest_unix_s > until_unix_s:
            return np.empty(0, dtype=np.int64)
        place = self.index_29
        # The ranges from the first that ends behind the first row to the last that begins before
        # the last row: of a visit, few.
        begin = np.searchsorted(hi, place[0], side="right")
        end = np.searchsorted(lo, place[-1], side="right")
        if begin >= end:
            return np.empty(0, dtype=np.int64)
        rows = _rows_in(place, lo[begin:end], hi[begin:end])
        in_time = self.last_unix_s[rows] >= since_unix_s
        in_time &= self.first_unix_s[rows] <= until_unix_s
        return self.ids[rows[in_time]]


def _rows_in(place: Indices, lo: Indices, hi: Indices) -> Indices:
    """Rows of sorted places that lie in sorted, disjoint ranges."""
    if len(place) < _MANY_RANGES * len(lo):
        nth = np.searchsorted(lo, place, side="right") - 1
        return np.flatnonzero((nth >= 0) & (place < hi[nth]))
    start, stop = np.searchsorted(place, lo), np.searchsorted(place, hi)
    n_rows = stop - start
    before = np.cumsum(n_rows) - n_rows
    return np.asarray(np.repeat(start - before, n_rows) + np.arange(n_rows.sum()))


def _day_of(unix_s: float) -> float:
    return float(np.floor(unix_s / _SPAN_S))


def _by_day(rows: _Run) -> list[tuple[float, _Run]]:
    """Rows of each day of their last moment."""
    if not len(rows.last_unix_s):
        return []
    days = np.floor(rows.last_unix_s / _SPAN_S)
    if days.min() == days.max():
        return [(float(days[0]), rows)]
    order = np.argsort(days)
    days = days[order]
    ends = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
    return [(float(days[a]), rows.taken(order[a:b])) for a, b in pairwise(ends)]


def _merged(runs: tuple[_Run, ...]) -> tuple[_Run, ...]:
    """Runs of one day, each at least twice as long as the next one."""
    left = sorted(runs, key=len, reverse=True)
    nth = len(left) - 1
    while nth > 0:
        if len(left[nth - 1]) >= 2 * len(left[nth]):
            nth -= 1
            continue
        left[nth - 1 : nth + 1] = [_joined(left[nth - 1], left[nth])]
        # A longer run may now be too near to those before it, and stand behind them.
        left.sort(key=len, reverse=True)
        nth = len(left) - 1
    return tuple(left)


def _joined(a: _Run, b: _Run) -> _Run:
    last = np.concatenate([a.last_unix_s, b.last_unix_s])
    are_of_moments = a.first_unix_s is a.last_unix_s and b.first_unix_s is b.last_unix_s
    first = last if are_of_moments else np.concatenate([a.first_unix_s, b.first_unix_s])
    place = np.concatenate([a.index_29, b.index_29])
    return _Run(place, first, last, np.concatenate([a.ids, b.ids])).by_place()
