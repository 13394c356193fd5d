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
    NODE,
    NOTHING,
    OTHER,
    Footprint,
    branch_of,
)
from skymaps.gathered import gathered
from skymaps.healpix import Positions, components
from skymaps.localization import Localization, SkyMatch
from skymaps.pairs import PlaceMatch, SkyPairs
from skymaps.place import index_29_at, vector_at

Indices = NDArray[np.int64]
Targets = NDArray[np.int32]


_FEW = 4
"""So many positions are looked up one by one."""

_LARGE = 100_000
"""An index of more entries has a circle near most positions."""


class Candidates(NamedTuple):
    """Pairs of a position and a region that share a cell, and a row there, a shape, or nothing."""

    row: Indices
    number: Indices
    target: Targets


@dataclass(frozen=True, slots=True, eq=False)
class SkyIndex:
    """Regions by cell: those of ``cell`` are entries ``first[cell]`` to ``first[cell + 1]``.

    Attributes
    ----------
    localizations, level
        What is indexed: their regions of one credible level.
    first, n_entries
        Shape ``(n_cells + 1,)``; how many there are of each cell, shape ``(n_cells,)``.
    number, target
        Of each entry the localization, and what it has in the cell: see :class:`Footprint`.
    branch, place
        Nodes, and rows with density, level and cell probability, of all maps.
    has_others
        Whether there is a form that is neither circle nor map.
    """

    localizations: tuple[Localization, ...]
    level: float
    first: Targets
    n_entries: Indices
    number: Indices
    target: Targets
    branch: Targets
    place: NDArray[np.float64]
    circles: Circles
    has_others: bool

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
        localizations = tuple(one.localization for one in footprints)
        has_others = any(OTHER in one.target[:1] for one in footprints)
        return cls(localizations, level, *gathered(footprints), Circles.of(footprints), has_others)

    def match(self, positions: Positions, *, compiled: bool = False) -> SkyPairs:
        """Every pair of a position inside the region of a localization.

        Parameters
        ----------
        positions
            Places with their order-29 indices, which are believed.
        compiled
            Whether numba looks for the pairs; it is imported, and compiled once, at the first
            time (see `skymaps.compiled`). Not for four positions and fewer.

        Raises
        ------
        ImportError
            ``compiled``, and numba is not installed.
        """
        if len(positions) <= _FEW:
            return self._one_by_one(positions)
        if compiled:
            return self._compiled(positions)
        return self._judged(positions, *self._candidates(positions))

    def _candidates(self, positions: Positions) -> Candidates:
        """Pairs by cell, and down the trees."""
        cell = positions.index_29 >> INDEX_SHIFT
        count = self.n_entries.take(cell)
        some = np.flatnonzero(count)
        begin, n_entries = self.first.take(cell.take(some)), count.take(some)
        row = np.repeat(some, n_entries)
        before = np.cumsum(n_entries) - n_entries
        entry = np.repeat(begin - before, n_entries) + np.arange(len(row))
        number, target = self.number.take(entry), self.target.take(entry)
        below = np.flatnonzero((target <= NODE) & (target > OTHER))
        branches, child_order = self.branch.ravel(), INDEX_ORDER
        while len(below):
            child_order += 2
            index_29 = positions.index_29.take(row.take(below))
            node = (NODE - target.take(below)) * BRANCHES
            target[below] = at = branches.take(node + branch_of(index_29, child_order))
            below = below[at <= NODE]
        return Candidates(row, number, target)

    def _judged(
        self, positions: Positions, row: Indices, number: Indices, target: Targets
    ) -> SkyPairs:
        """Pairs of rows, and of shapes that hold their position, with what each says."""
        kept, shapes = target != NOTHING, np.flatnonzero(target <= OTHER)
        said = np.empty((len(shapes), 3))
        if len(shapes):
            asked = row.take(shapes), number.take(shapes), target.take(shapes)
            said, kept[shapes] = self._shapes_at(positions, *asked)
        some = np.flatnonzero(kept)
        if len(some) < len(row):
            said = said.take(np.flatnonzero(kept.take(shapes)), axis=0)
            row, number, target = row.take(some), number.take(some), target.take(some)
            shapes = np.flatnonzero(target <= OTHER)
        if not len(self.place):
            return SkyPairs(row, number, SkyMatch(*said.T))
        layers = self.place.take(np.maximum(target, 0), axis=0)
        layers[shapes] = said
        return SkyPairs(row, number, SkyMatch(*layers.T))

    def _shapes_at(
        self, positions: Positions, row: Indices, number: Indices, target: Targets
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """What shapes say of positions, and whether they hold them."""
        is_circle = target == CIRCLE
        if is_circle.all():
            return self._circles_at(positions, row, number)
        said, inside = np.empty((len(row), 3)), np.empty(len(row), dtype=bool)
        some = np.flatnonzero(is_circle)
        said[some], inside[some] = self._circles_at(positions, row[some], number[some])
        for one in np.unique(number[~is_circle]).tolist():
            where = np.flatnonzero(~is_circle & (number == one))
            at = row[where]
            places = positions.ra_deg[at], positions.dec_deg[at], positions.index_29[at]
            match = self.localizations[one].match(Positions(*places))
            said[where] = np.stack(_layers(match), axis=1)
            inside[where] = match.inside(self.level)
        return said, inside

    def _circles_at(
        self, positions: Positions, row: Indices, number: Indices
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        said = np.zeros((len(row), 3))
        off = self._off(positions, row, number)
        said[:, 0], said[:, 1] = self.circles.match(self.circles.slot.take(number), off)
        return said, said[:, 1] < self.level

    def _off(self, positions: Positions, row: Indices, number: Indices) -> NDArray[np.float64]:
        """1 - cos of the angles of positions from the centres of circles."""
        # The sines of all positions, or of those alone that are asked for: the same numbers.
        if len(row) > len(positions):
            x, y, z = components(positions.ra_deg, positions.dec_deg)
            places = x.take(row), y.take(row), z.take(row)
        else:
            places = components(positions.ra_deg.take(row), positions.dec_deg.take(row))
        return self.circles.off(self.circles.slot.take(number), places)

    def _compiled(self, positions: Positions) -> SkyPairs:
        from skymaps.compiled import pairs  # optional, and slow to import

        # Where there are many, it is worth while to leave out circles that are not near.
        is_large = len(self.number) > _LARGE
        vectors = np.empty(0), np.empty(0), np.empty(0)
        if is_large:
            vectors = components(positions.ra_deg, positions.dec_deg)
        row, number, target, layers, shapes = pairs(
            positions.index_29,
            *(self.first, self.number, self.target, self.branch, self.place),
            *(self.circles.slot, self.circles.farthest),
            vectors,
            self.circles.centre,
        )
        if is_large and not self.has_others:
            slots = self.circles.slot.take(number.take(shapes))
            density, level = self.circles.match(slots, layers[shapes, 0])
            layers[shapes, 0], layers[shapes, 1] = density, level
            inside = level < self.level
        else:
            asked = row.take(shapes), number.take(shapes), target.take(shapes)
            layers[shapes], inside = self._shapes_at(positions, *asked)
        if not inside.all():
            kept = np.ones(len(row), dtype=bool)
            kept[shapes] = inside
            some = np.flatnonzero(kept)
            row, number, layers = row.take(some), number.take(some), layers.take(some, axis=0)
        return SkyPairs(row, number, SkyMatch(*layers.T))

    def at(self, ra_deg: float, dec_deg: float) -> list[PlaceMatch]:
        """Every localization whose region holds one place [deg], by number: the pairs of `match`.

        In plain Python: a call of numpy for each step would take longer than the steps.

        Raises
        ------
        ValueError
            A declination outside [-90, 90] deg, or a coordinate that is not finite.
        """
        return self._at(ra_deg, dec_deg, index_29_at(ra_deg, dec_deg))

    def _one_by_one(self, positions: Positions) -> SkyPairs:
        coordinates = positions.ra_deg.tolist(), positions.dec_deg.tolist()
        places = zip(*coordinates, positions.index_29.tolist(), strict=True)
        found = [(row, *pair) for row, place in enumerate(places) for pair in self._at(*place)]
        row, number, *layers = zip(*found, strict=True) if found else ((),) * 5
        match = SkyMatch(*(np.array(layer, dtype=np.float64) for layer in layers))
        return SkyPairs(np.array(row, dtype=np.int64), np.array(number, dtype=np.int64), match)

    def _at(self, ra_deg: float, dec_deg: float, index_29: int) -> list[PlaceMatch]:
        cell = index_29 >> INDEX_SHIFT
        found = []
        here: tuple[float, float, float] | None = None
        for entry in range(self.first.item(cell), self.first.item(cell + 1)):
            number, target = self.number.item(entry), self.target.item(entry)
            child_order = INDEX_ORDER
            while OTHER < target <= NODE:
                child_order += 2
                target = self.branch.item(NODE - target, branch_of(index_29, child_order))
            if target >= 0:
                said = self.place[target].tolist()
                found.append(PlaceMatch(number, *said))
            elif target == CIRCLE:
                here = here or vector_at(ra_deg, dec_deg)
                density, level = self.circles.at(self.circles.slot.item(number), here)
                if level < self.level:
                    found.append(PlaceMatch(number, density, level, 0.0))
            elif target == OTHER:
                place = Positions(*(np.array([x]) for x in (ra_deg, dec_deg, index_29)))
                found += self._other_at(number, place)
        return found

    def _other_at(self, number: int, place: Positions) -> list[PlaceMatch]:
        match = self.localizations[number].match(place)
        if not match.inside(self.level)[0]:
            return []
        return [PlaceMatch(number, *(float(layer[0]) for layer in _layers(match)))]


def _layers(match: SkyMatch) -> tuple[NDArray[np.float64], ...]:
    return match.probdensity_per_sr, match.credible_level, match.cell_probability
