"""The join index: positions against the regions of all live localizations at once.

Immutable: made of the footprints of all regions, and made anew when one changes. A position's cell
of order 6 tells the regions that touch it; whole numbers tell the row of a map there, one
comparison whether a circle is near, and the localization's own formula the rest. So what it says
of a pair is what `Localization.match` says, to the last bit, and a pair is there if and only if
`SkyMatch.inside` is true.

Three ways give the same pairs in the same order: `match` with numpy, `match` compiled by numba
(optional: ``pip install multimessenger-correlator[fast]``), and `at` for one place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skymaps.circles import Circles
from skymaps.footprint import (
    BRANCHES,
    CIRCLE,
    INDEX_ORDER,
    INDEX_SHIFT,
    N_CELLS,
    NODE,
    NOTHING,
    OTHER,
    Footprint,
    branch_of,
)
from skymaps.healpix import Positions, components
from skymaps.localization import Localization, SkyMatch
from skymaps.place import index_29_at, vector_at

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SkyPairs:
    """Positions inside regions, by position, then by localization; arrays of shape ``(m,)``.

    Attributes
    ----------
    row
        Index into the positions.
    number
        Index into the localizations.
    match
        What the localization of a pair says of its position.
    """

    row: Indices
    number: Indices
    match: SkyMatch

    def __len__(self) -> int:
        return len(self.row)


class PlaceMatch(NamedTuple):
    """One pair of one place: the localization's number, and what it says, as in `SkyMatch`."""

    number: int
    probdensity_per_sr: float
    credible_level: float
    cell_probability: float


class Candidates(NamedTuple):
    """Pairs of a position and a region that share a cell: a row of a map there, or a shape."""

    row: Indices
    number: Indices
    place: Indices


@dataclass(frozen=True, slots=True, eq=False)
class SkyIndex:
    """Regions by cell: those of ``cell`` are entries ``first[cell]`` to ``first[cell + 1]``.

    Attributes
    ----------
    localizations, level
        What is indexed: their regions of one credible level.
    first
        Shape ``(n_cells + 1,)``.
    number, target
        Of each entry the localization, and what it has in the cell: see :class:`Footprint`.
    first_row, first_node
        Of each localization, into ``place`` and ``branch``.
    place
        Density, level and cell probability of the rows of all maps, shape ``(n, 3)``.
    """

    localizations: tuple[Localization, ...]
    level: float
    first: Indices
    number: Indices
    target: Indices
    first_row: Indices
    first_node: Indices
    branch: Indices
    place: NDArray[np.float64]
    circles: Circles

    @classmethod
    def of(cls, localizations: Sequence[Localization], level: float) -> SkyIndex:
        """Index of the regions of credible ``level``.

        Raises
        ------
        SkyMapError
            A level outside [0, 1].
        """
        return cls.of_footprints([Footprint.of(one, level) for one in localizations], level)

    @classmethod
    def of_footprints(cls, footprints: Sequence[Footprint], level: float) -> SkyIndex:
        """Index of footprints that were made at ``level``.

        Raises
        ------
        ValueError
            A footprint of another level.
        """
        if any(one.level != level for one in footprints):
            raise ValueError(f"footprints of level {level} are expected")
        number = np.repeat(np.arange(len(footprints)), [len(one.cell) for one in footprints])
        # numpy sorts 16-bit numbers by radix.
        cell = np.concatenate([np.empty(0, np.uint16), *(one.cell for one in footprints)])
        by_cell = np.argsort(cell, kind="stable")
        targets = [np.empty(0, np.int32), *(one.target for one in footprints)]
        localizations = tuple(one.localization for one in footprints)
        return cls(
            localizations,
            level,
            _begins(np.bincount(cell, minlength=N_CELLS)),
            number[by_cell].astype(np.int32),
            np.concatenate(targets)[by_cell],
            _begins([len(one.row) for one in footprints])[:-1],
            _begins([len(one.branch) for one in footprints])[:-1],
            np.concatenate([np.empty((0, BRANCHES), np.int32), *(f.branch for f in footprints)]),
            np.concatenate([np.empty((0, 3)), *(one.row for one in footprints)]),
            Circles.of(localizations, level),
        )

    def match(self, positions: Positions, *, compiled: bool = False) -> SkyPairs:
        """Every pair of a position inside the region of a localization.

        Parameters
        ----------
        positions
            Places with their order-29 indices, which are believed.
        compiled
            Whether numba looks for the pairs; it is imported, and compiled once, at the first
            time (see :func:`skymaps.compiled.candidates`).

        Raises
        ------
        ImportError
            ``compiled``, and numba is not installed.
        """
        found = self._compiled(positions) if compiled else self._candidates(positions)
        return self._judged(positions, *found)

    def _candidates(self, positions: Positions) -> Candidates:
        """Pairs by cell, and down the trees."""
        cell = positions.index_29 >> INDEX_SHIFT
        begin = self.first[cell]
        n_entries = self.first[cell + 1] - begin
        row = np.repeat(np.arange(len(cell)), n_entries)
        before = np.cumsum(n_entries) - n_entries
        entry = np.repeat(begin - before, n_entries) + np.arange(len(row))
        number, target = self.number[entry], self.target[entry]
        below = np.flatnonzero((target <= NODE) & (target > OTHER))
        child_order = INDEX_ORDER
        while len(below):
            child_order += 2
            node = self.first_node[number[below]] + (NODE - target[below])
            branch = branch_of(positions.index_29[row[below]], child_order)
            target[below] = self.branch[node, branch]
            below = below[target[below] <= NODE]
        some = np.flatnonzero(target != NOTHING)
        row, number, target = row[some], number[some], target[some]
        place = np.where(target >= 0, target + self.first_row[number], target)
        return Candidates(row, number, place)

    def _judged(
        self, positions: Positions, row: Indices, number: Indices, place: Indices
    ) -> SkyPairs:
        """Pairs of shapes that hold their position, and of rows, with what each says."""
        said = self.place.take(np.maximum(place, 0), axis=0) if len(self.place) else _nothing(row)
        shapes = np.flatnonzero(place == CIRCLE)
        inside = np.ones(len(row), dtype=bool)
        if len(shapes):
            said[shapes], inside[shapes] = self._circles_at(positions, row[shapes], number[shapes])
        others = np.flatnonzero(place == OTHER)
        for one in np.unique(number[others]).tolist():
            some = others[number[others] == one]
            match = self.localizations[one].match(_some(positions, row[some]))
            said[some] = np.stack(_layers(match), axis=1)
            inside[some] = match.inside(self.level)
        if len(shapes) or len(others):
            row, number, said = row[inside], number[inside], said[inside]
        return SkyPairs(row, number, SkyMatch(said[:, 0], said[:, 1], said[:, 2]))

    def _circles_at(
        self, positions: Positions, row: Indices, number: Indices
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        # The sines of all positions, or of those alone that are asked for: the same numbers.
        if len(row) > len(positions):
            x, y, z = components(positions.ra_deg, positions.dec_deg)
            places = x[row], y[row], z[row]
        else:
            places = components(positions.ra_deg[row], positions.dec_deg[row])
        density, level = self.circles.match(self.circles.slot[number], places)
        return np.stack([density, level, np.zeros(len(row))], axis=1), level < self.level

    def _compiled(self, positions: Positions) -> Candidates:
        from skymaps.compiled import candidates  # optional, and slow to import

        return Candidates(
            *candidates(
                positions.index_29,
                self.first,
                self.number,
                self.target,
                self.first_row,
                self.first_node,
                self.branch,
            )
        )

    def at(self, ra_deg: float, dec_deg: float) -> list[PlaceMatch]:
        """Every localization whose region holds one place [deg], by number: the pairs of `match`.

        In plain Python: a call of numpy for each step would take longer than the steps.

        Raises
        ------
        ValueError
            A declination outside [-90, 90] deg, or a coordinate that is not finite.
        """
        index_29 = index_29_at(ra_deg, dec_deg)
        cell = index_29 >> INDEX_SHIFT
        found = []
        here: tuple[float, float, float] | None = None
        for entry in range(self.first.item(cell), self.first.item(cell + 1)):
            number, target = self.number.item(entry), self.target.item(entry)
            child_order = INDEX_ORDER
            while OTHER < target <= NODE:
                child_order += 2
                node = self.first_node.item(number) + (NODE - target)
                target = self.branch.item(node, branch_of(index_29, child_order))
            if target >= 0:
                said = self.place[self.first_row.item(number) + target].tolist()
                found.append(PlaceMatch(number, *said))
            elif target == CIRCLE:
                here = here or vector_at(ra_deg, dec_deg)
                density, level = self.circles.at(self.circles.slot.item(number), here)
                if level < self.level:
                    found.append(PlaceMatch(number, density, level, 0.0))
            elif target == OTHER:
                found += self._other_at(number, Positions.of(ra_deg, dec_deg))
        return found

    def _other_at(self, number: int, place: Positions) -> list[PlaceMatch]:
        match = self.localizations[number].match(place)
        if not match.inside(self.level)[0]:
            return []
        return [PlaceMatch(number, *(float(layer[0]) for layer in _layers(match)))]


def _begins(counts: Sequence[int] | Indices) -> Indices:
    """Where each of some runs begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(np.asarray(counts, dtype=np.int64))]).astype(np.int64)


def _layers(match: SkyMatch) -> tuple[NDArray[np.float64], ...]:
    return match.probdensity_per_sr, match.credible_level, match.cell_probability


def _some(positions: Positions, rows: Indices) -> Positions:
    return Positions(positions.ra_deg[rows], positions.dec_deg[rows], positions.index_29[rows])


def _nothing(row: Indices) -> NDArray[np.float64]:
    return np.zeros((len(row), 3))
