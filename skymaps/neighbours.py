"""Positions against the points of a catalogue: all within a radius, and the nearest.

The points are sorted by their order-29 index, so the points of a cell of any order are neighbours
in memory, and two binary searches find them. A position looks into its own cell and into those that
its circle may reach; what is in them is judged by the chord, exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import healpy
import numpy as np
from numpy.typing import ArrayLike, NDArray

from skymaps.healpix import MAX_ORDER, Positions, components, one_minus_cos_between, ranges_of_cells

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

CELL_REACH_RAD = 0.6887
"""Over nside: no path from one edge of a cell to the opposite one is shorter [rad].

The largest gradient of a coordinate x of a face (0 to 1 along its edge) is 1.452 per radian: in
the caps |grad x|**2 = 4/pi**2 (1/q + (pi/4 - phi)**2 (9/4) q) with q = (1 + z)/3 between 5/9 and
2/3 and phi from -pi/4 to pi/4 about the middle of the face (Górski et al. 2005), and less between
the caps. Its inverse is the length of the shortest path along which x changes by 1.
"""

_ARCSEC = math.radians(1.0 / 3600.0)
_WIDE = 16
"""A cell is at least so many radii wide: then three of four circles stay in theirs."""
_FULL = 4.0
"""Smaller cells, down to the radius, when on average more points than that would be in one."""
MAX_RADIUS_ARCSEC = 0.68 / _ARCSEC
"""The widest circle that nine cells of order 0 are sure to hold [arcsec]."""


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """Stretches of order-29 indices in which the points near some positions lie.

    Attributes
    ----------
    row
        Position of each stretch.
    lo, hi
        Half-open; those of one position are disjoint.
    radius_arcsec
        What they hold the circle of.
    """

    row: Indices
    lo: Indices
    hi: Indices
    radius_arcsec: float


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Pairs of a position and a point, by position, then from the nearest on, then by point.

    Attributes
    ----------
    row, point
        Numbers of the position and of the point.
    separation_arcsec
        Angle between them [arcsec].
    """

    row: Indices
    point: Indices
    separation_arcsec: Floats

    def __len__(self) -> int:
        return len(self.row)

    def nearest(self) -> Neighbours:
        """The first pair of each position."""
        first = np.flatnonzero(np.diff(self.row, prepend=-1) > 0)
        return Neighbours(self.row[first], self.point[first], self.separation_arcsec[first])


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points of a catalogue, by their order-29 index, each array of shape ``(n,)``.

    Attributes
    ----------
    index_29
        Sorted, and believed.
    ra_deg, dec_deg
        ICRS coordinates [deg].
    """

    index_29: Indices
    ra_deg: Floats
    dec_deg: Floats

    def __len__(self) -> int:
        return len(self.index_29)

    @classmethod
    def of(cls, ra_deg: ArrayLike, dec_deg: ArrayLike) -> tuple[Points, Indices]:
        """Points of coordinates [deg] in any order, and the number of each among the given ones.

        Raises
        ------
        ValueError
            A declination outside [-90, 90] deg, or a coordinate that is not finite.
        """
        given = Positions.of(ra_deg, dec_deg)
        order = np.argsort(given.index_29, kind="stable")
        points = cls(given.index_29[order], given.ra_deg[order], given.dec_deg[order])
        return points, order

    def near(self, positions: Positions, radius_arcsec: float) -> Neighbours:
        """Every pair of a position and a point within a radius, the radius included.

        Parameters
        ----------
        positions
            Places with their order-29 indices, which are believed; in any order.
        radius_arcsec
            0 to 140,000 arcsec.

        Raises
        ------
        ValueError
            A radius outside that.
        """
        stretches = near(positions, radius_arcsec, len(self))
        row, point, separation = self.within(positions, stretches)
        return in_order(row, point, separation)

    def within(self, positions: Positions, stretches: Near) -> tuple[Indices, Indices, Floats]:
        """Position, point and separation [arcsec] of the pairs in some stretches, in no order."""
        # Both ends in one search, and in the order of the sky: neighbours share its cache lines.
        order = np.argsort(stretches.lo)
        ends = np.stack([stretches.lo[order], stretches.hi[order]], axis=1)
        begin, end = np.searchsorted(self.index_29, ends.ravel()).reshape(-1, 2).T
        some = np.flatnonzero(end > begin)
        begin, count = begin[some], end[some] - begin[some]
        row = np.repeat(stretches.row[order[some]], count)
        point = np.repeat(begin - (np.cumsum(count) - count), count) + np.arange(len(row))
        dec_deg = self.dec_deg[point]
        # A difference of declinations is no longer than the arc: sines are for the few.
        away_deg = np.abs(dec_deg - positions.dec_deg[row])
        few = np.flatnonzero(away_deg <= stretches.radius_arcsec / 3600.0 * (1.0 + 1e-9) + 1e-12)
        row, point, dec_deg = row[few], point[few], dec_deg[few]
        places = components(positions.ra_deg[row], positions.dec_deg[row])
        points = components(self.ra_deg[point], dec_deg)
        off = one_minus_cos_between(places, points)
        kept = np.flatnonzero(off <= _off_of(stretches.radius_arcsec))
        separation = 2.0 * np.arcsin(np.sqrt(np.minimum(0.5 * off[kept], 1.0))) / _ARCSEC
        return row[kept], point[kept], separation


def near(positions: Positions, radius_arcsec: float, n_points: int) -> Near:
    """The stretches that hold the circles about some positions.

    Parameters
    ----------
    n_points
        How many there are on the sky: it chooses the order of the cells, and changes no result.

    Raises
    ------
    ValueError
        A radius outside [0, 140,000] arcsec.
    """
    order, inset = _cells_for(radius_arcsec, n_points)
    x_side, y_side, is_hard = _sides(positions.index_29, order, inset)
    cell = positions.index_29 >> (2 * (MAX_ORDER - order))
    every = np.arange(len(cell))
    rows, cells = [every], [cell]
    for to_x, to_y in ((True, False), (False, True), (True, True)):
        is_over = ~is_hard & ((x_side != 0) | (not to_x)) & ((y_side != 0) | (not to_y))
        some = np.flatnonzero(is_over)
        rows.append(some)
        cells.append(_beside(cell[some], x_side[some] * to_x, y_side[some] * to_y))
    row, ring = _around(cell, np.flatnonzero(is_hard), order)
    lo, hi = ranges_of_cells(order, np.concatenate([*cells, ring]))
    return Near(np.concatenate([*rows, row]), lo, hi, radius_arcsec)


def _around(cell: Indices, hard: Indices, order: int) -> tuple[Indices, Indices]:
    """Positions and cells of the rings about the cells of some positions."""
    if not len(hard):
        return hard, hard
    found = healpy.get_all_neighbours(2**order, cell[hard], nest=True)
    ring = np.asarray(found, dtype=np.int64).reshape(8, -1)
    if order == 0:  # where a neighbour may come twice
        ring.sort(axis=0)
        ring[1:][ring[1:] == ring[:-1]] = -1
    there = ring >= 0  # -1 is the neighbour that the corner of three cells lacks
    return np.broadcast_to(hard, ring.shape)[there], ring[there]


def in_order(row: Indices, point: Indices, separation_arcsec: Floats) -> Neighbours:
    """Pairs by position, then from the nearest on, then by point."""
    order = np.lexsort((point, separation_arcsec, row))
    return Neighbours(row[order], point[order], separation_arcsec[order])


def _off_of(radius_arcsec: float) -> float:
    """1 - cos of a radius."""
    return 2.0 * math.sin(0.5 * radius_arcsec * _ARCSEC) ** 2


def _cells_for(radius_arcsec: float, n_points: int) -> tuple[int, float]:
    """Order of the cells for a radius, and the radius in widths of one at the least."""
    if not 0.0 <= radius_arcsec <= MAX_RADIUS_ARCSEC:
        raise ValueError(
            f"a radius must lie in [0, {MAX_RADIUS_ARCSEC:.0f}] arcsec, got {radius_arcsec}"
        )
    # A little more: the index of a position is rounded, too.
    radius_rad = radius_arcsec * _ARCSEC * (1.0 + 1e-9) + 1e-12
    finest = math.floor(math.log2(CELL_REACH_RAD / radius_rad))
    wide = finest - round(math.log2(_WIDE))
    full = math.ceil(0.5 * math.log2(max(n_points, 1) / (12.0 * _FULL))) if n_points else 0
    order = min(max(wide, full, 0), finest, MAX_ORDER - 1)
    return order, radius_rad * 2**order / CELL_REACH_RAD


def _sides(
    index_29: Indices, order: int, inset: float
) -> tuple[Indices, Indices, NDArray[np.bool_]]:
    """Over which edges of its cell a position may reach, and whether it takes the whole ring.

    -1, 0 or 1 along x and along y: an edge is nearer than ``inset`` of a width. The whole ring
    where both edges may be, or where the way leads out of the face.
    """
    depth = MAX_ORDER - order
    x, y = _every_other_bit(index_29), _every_other_bit(index_29 >> 1)
    margin = math.ceil(inset * 2.0**depth) + 1
    if 2 * margin >= 2**depth:
        none = np.zeros(len(index_29), dtype=np.int64)
        return none, none, np.ones(len(index_29), dtype=bool)
    is_hard = np.zeros(len(index_29), dtype=bool)
    sides = []
    for along in (x & _IN_FACE, y & _IN_FACE):
        within, place = along & (2**depth - 1), along >> depth
        side = (within >= 2**depth - 1 - margin).astype(np.int64) - (within <= margin)
        is_hard |= (place + side < 0) | (place + side >= 2**order)
        sides.append(side)
    return sides[0], sides[1], is_hard


_IN_FACE = 2**MAX_ORDER - 1


def _beside(cell: Indices, x_step: Indices, y_step: Indices) -> Indices:
    """Cells of the same face a step away along x and along y."""
    x, y = _every_other_bit(cell) + x_step, _every_other_bit(cell >> 1) + y_step
    return _spread(x) | _spread(y) << 1


def _spread(n: Indices) -> Indices:
    """The number with a zero bit before each bit; the inverse of :func:`_every_other_bit`."""
    for shift, mask in _SPREADS:
        n = (n | n << shift) & mask
    return n


def _every_other_bit(n: Indices) -> Indices:
    """The number that bits 0, 2, 4 ... make."""
    n = n & 0x5555555555555555
    for shift, mask in _SQUEEZES:
        n = (n | n >> shift) & mask
    return n


_SQUEEZES = (
    (1, 0x3333333333333333),
    (2, 0x0F0F0F0F0F0F0F0F),
    (4, 0x00FF00FF00FF00FF),
    (8, 0x0000FFFF0000FFFF),
    (16, 0x00000000FFFFFFFF),
)

_SPREADS = (
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)
