"""The one sky key: order-29 NESTED HEALPix indices, half-open ranges, coarser by bit shift."""

from __future__ import annotations

from dataclasses import dataclass

import healpy
import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_ORDER = 29
"""Finest HEALPix order whose indices fit a signed 64-bit integer (Górski et al. 2005)."""

Vectors = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""x, y and z of unit vectors, each of shape ``(n,)``."""

FULL_SKY_SR = 4.0 * np.pi
DEG2_PER_SR = (180.0 / np.pi) ** 2


@dataclass(frozen=True, slots=True)
class Positions:
    """Positions on the sky with their index, computed once and used against every map.

    Attributes
    ----------
    ra_deg, dec_deg
        ICRS coordinates [deg], shape ``(n,)``.
    index_29
        Order-29 NESTED index, shape ``(n,)``.
    """

    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    index_29: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ra_deg)

    @classmethod
    def of(cls, ra_deg: ArrayLike, dec_deg: ArrayLike, *, compiled: bool = False) -> Positions:
        """Positions of coordinates [deg], scalars or arrays of shape ``(n,)``.

        ``compiled``: by numba, if it is installed; the same indices.

        Raises
        ------
        ValueError
            A declination outside [-90, 90] deg, or a coordinate that is not finite.
        """
        ra = np.atleast_1d(np.asarray(ra_deg, dtype=np.float64))
        dec = np.atleast_1d(np.asarray(dec_deg, dtype=np.float64))
        return cls(ra, dec, _indices_29(ra, dec, compiled))


def index_29_of(
    ra_deg: ArrayLike, dec_deg: ArrayLike, *, compiled: bool = False
) -> NDArray[np.int64]:
    """Order-29 NESTED index of coordinates [deg], shape ``(n,)``.

    Raises
    ------
    ValueError
        A declination outside [-90, 90] deg, or a coordinate that is not finite.
    """
    return Positions.of(ra_deg, dec_deg, compiled=compiled).index_29


def _indices_29(
    ra: NDArray[np.float64], dec: NDArray[np.float64], compiled: bool
) -> NDArray[np.int64]:
    # Two extremes find anything wrong (no number is below any); what it is, is asked only then.
    if len(ra) and len(dec) and not (np.abs(ra).max() < np.inf and np.abs(dec).max() <= 90.0):
        _refuse(ra, dec)
    if compiled:
        from skymaps.compiled import indices_29  # optional, and slow to import

        if ra.shape != dec.shape:
            ra, dec = (np.array(one) for one in np.broadcast_arrays(ra, dec))
        return np.asarray(indices_29(ra, dec))
    index = healpy.ang2pix(2**MAX_ORDER, ra, dec, nest=True, lonlat=True)
    return np.asarray(index, dtype=np.int64)


def _refuse(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> None:
    if not (np.isfinite(ra).all() and np.isfinite(dec).all()):
        raise ValueError("coordinates must be finite")
    if (np.abs(dec) > 90.0).any():
        raise ValueError(f"dec must lie in [-90, 90] deg, got {dec[np.abs(dec) > 90.0][0]}")


def coarsen(index_29: ArrayLike, order: int) -> NDArray[np.int64]:
    """Pixel at a coarser ``order`` that holds each order-29 index."""
    return np.asarray(index_29, dtype=np.int64) >> (2 * (MAX_ORDER - order))


def unit_vectors(ra_deg: ArrayLike, dec_deg: ArrayLike) -> NDArray[np.float64]:
    """Unit vectors of coordinates [deg], shape ``(n, 3)``."""
    return np.stack(components(ra_deg, dec_deg), axis=-1)


def separation_deg(
    ra_deg: ArrayLike, dec_deg: ArrayLike, ra0_deg: float, dec0_deg: float
) -> NDArray[np.float64]:
    """Angle [deg] of positions of shape ``(n,)`` from one place; exact at 0 and at 180 deg.

    The angle of a position does not depend, to the last bit, on those that are asked for with it.
    """
    # Written out: a matrix product and its sums round in an order that depends on the shape.
    x, y, z = components(ra_deg, dec_deg)
    x0, y0, z0 = (float(there[0]) for there in components(ra0_deg, dec0_deg))
    across = y * z0 - z * y0, z * x0 - x * z0, x * y0 - y * x0
    cross = np.sqrt(across[0] * across[0] + across[1] * across[1] + across[2] * across[2])
    return np.asarray(np.degrees(np.arctan2(cross, x * x0 + y * y0 + z * z0)))


def components(ra_deg: ArrayLike, dec_deg: ArrayLike) -> Vectors:
    """x, y and z of the unit vectors of coordinates [deg], each of shape ``(n,)``."""
    ra, dec = np.radians(np.atleast_1d(ra_deg)), np.radians(np.atleast_1d(dec_deg))
    cos_dec = np.cos(dec)
    return cos_dec * np.cos(ra), cos_dec * np.sin(ra), np.sin(dec)


def one_minus_cos_between(a: Vectors, b: Vectors) -> NDArray[np.float64]:
    """1 - cos of the angles between unit vectors, exact for the tiniest: half of a chord's square.

    Each is x, y and z of shape ``(n,)``, or of one. An angle does not depend, to the last bit, on
    those that are asked for with it.
    """
    dx, dy, dz = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return np.asarray(0.5 * (dx * dx + dy * dy + dz * dz))


_CELLS_OF_ORDER = 4 ** np.arange(MAX_ORDER + 2, dtype=np.int64)
"""``4**order``: children of one cell that lies ``order`` levels higher; to 4**30."""

BASE_CELL_SR = np.pi / 3.0
"""Area of each of the twelve cells of order 0 [sr]."""

END_29 = 12 * 4**MAX_ORDER
"""One past the last order-29 index."""


def cell_area_sr(order: ArrayLike) -> NDArray[np.float64]:
    """Area [sr] of a cell of each order, 0 to 30; exact steps of 4 between orders."""
    return np.asarray(_AREA_SR_OF_ORDER[np.asarray(order, dtype=np.int64)])


_AREA_SR_OF_ORDER = np.ldexp(BASE_CELL_SR, -2 * np.arange(MAX_ORDER + 2))


def ranges_of_cells(
    order: ArrayLike, ipix: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Half-open order-29 ranges ``(lo, hi)`` of NESTED cells, each of shape ``(n,)``."""
    shift = 2 * (MAX_ORDER - np.asarray(order, dtype=np.int64))
    lo = np.asarray(ipix, dtype=np.int64) << shift
    return lo, lo + (np.int64(1) << shift)


def ranges_of_uniq(uniq: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Half-open order-29 ranges ``(lo, hi)`` of UNIQ indices, ``4 * 4**order + ipix``.

    Raises
    ------
    ValueError
        An index below 4 or past the last cell of order 29.
    """
    index = np.atleast_1d(np.asarray(uniq, dtype=np.int64))
    order = orders_of_uniq(index)
    return ranges_of_cells(order, index - first_uniq(order))


def first_uniq(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """UNIQ index of the first cell of each order."""
    return np.asarray(_CELLS_OF_ORDER[order + 1])


def orders_of_uniq(uniq: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order of the cell of each UNIQ index, shape ``(n,)``.

    Raises
    ------
    ValueError
        An index below 4 or past the last cell of order 29.
    """
    if not len(uniq):
        return np.empty(0, dtype=np.int64)
    smallest, largest = int(uniq.min()), int(uniq.max())
    if smallest < 4 or largest >= 4 ** (MAX_ORDER + 2):
        wrong = smallest if smallest < 4 else largest
        raise ValueError(f"UNIQ must lie in [4, 4**31), got {wrong}")
    if largest < _EXACT_IN_FLOAT:
        # The exponent of a float is the whole part of its logarithm, exactly.
        exponent = (uniq.astype(np.float64).view(np.int64) >> 52) - 1023
        return (exponent >> 1) - 1
    return np.asarray(np.searchsorted(_CELLS_OF_ORDER, uniq, side="right") - 2)


_EXACT_IN_FLOAT = 2**53
"""Beyond it a float rounds, maybe up to the next power of 4."""


def orders_of_ranges(lo: NDArray[np.int64], hi: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order of the cell that each half-open order-29 range is, shape ``(n,)``.

    Raises
    ------
    ValueError
        A range that is not one NESTED cell of the sky.
    """
    span = hi - lo
    depth = np.minimum(np.searchsorted(_CELLS_OF_ORDER, span), MAX_ORDER)
    whole = (_CELLS_OF_ORDER[depth] == span) & (lo % np.maximum(span, 1) == 0)
    wrong = ~(whole & (lo >= 0) & (hi <= END_29))
    if wrong.any():
        raise ValueError(f"a range must be one cell, got [{lo[wrong][0]}, {hi[wrong][0]})")
    return np.asarray(MAX_ORDER - depth, dtype=np.int64)


def uniq_of_ranges(lo: NDArray[np.int64], hi: NDArray[np.int64]) -> NDArray[np.int64]:
    """UNIQ indices of ranges that are each one cell; the inverse of :func:`ranges_of_uniq`.

    Raises
    ------
    ValueError
        A range that is not one NESTED cell of the sky.
    """
    order = orders_of_ranges(lo, hi)
    return np.asarray(4 * _CELLS_OF_ORDER[order] + (lo >> (2 * (MAX_ORDER - order))))


REACH_DEG = 61.3
"""No place of a cell lies farther from its centre than this over nside (healpy.max_pixrad)."""


def joined_ranges(lo: NDArray[np.int64], hi: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sorted, disjoint ranges ``[lo, hi)`` with those that touch made one, shape ``(m, 2)``."""
    if not len(lo):
        return np.empty((0, 2), dtype=np.int64)
    apart = lo[1:] != hi[:-1]
    return np.stack([lo[np.append(True, apart)], hi[np.append(apart, True)]], axis=1)


def ranges_of_cap(
    ra_deg: float, dec_deg: float, radius_deg: float, order: int
) -> NDArray[np.int64]:
    """Order-29 ranges of the cells of an order that a circle may touch, shape ``(n, 2)``.

    Sorted and disjoint. It rests on the triangle inequality alone: healpy.query_disc misses cells
    of circles wider than a hemisphere.
    """
    level = order % 2
    cells = np.arange(12 * 4**level)
    found = []
    while True:
        ra, dec = healpy.pix2ang(2**level, cells, nest=True, lonlat=True)
        off_deg = separation_deg(ra, dec, ra_deg, dec_deg)
        reach_deg = REACH_DEG / 2.0**level
        touched = off_deg <= radius_deg + reach_deg
        whole = touched if level == order else off_deg <= radius_deg - reach_deg
        found.append(np.stack(ranges_of_cells(level, cells[whole]), axis=1))
        if level == order:
            break
        level += 2
        cells = (16 * cells[touched & ~whole, np.newaxis] + np.arange(16)).ravel()
    ranges = np.concatenate(found)
    ranges = ranges[np.argsort(ranges[:, 0])]
    return joined_ranges(ranges[:, 0], ranges[:, 1])


def cells_of_ranges(ranges: NDArray[np.int64], order: int) -> NDArray[np.int64]:
    """Cells of an order that sorted, disjoint ranges of shape ``(n, 2)`` touch, sorted."""
    first = coarsen(ranges[:, 0], order)
    n_cells = coarsen(ranges[:, 1] - 1, order) + 1 - first
    before = np.cumsum(n_cells) - n_cells
    cells = np.repeat(first - before, n_cells) + np.arange(n_cells.sum())
    # Neighbours may share a cell, at which one ends and the next begins.
    return np.asarray(cells[np.diff(cells, prepend=-1) > 0])


def merged_ranges(ranges: NDArray[np.int64], max_ranges: int) -> NDArray[np.int64]:
    """At most so many ranges that hold sorted, disjoint ones, the smallest gaps closed.

    Both of shape ``(n, 2)``; ``max_ranges`` is 1 or more.
    """
    gap = ranges[1:, 0] - ranges[:-1, 1]
    if len(gap) < max_ranges:
        return ranges
    kept = np.sort(np.argsort(-gap, kind="stable")[: max_ranges - 1])
    lo = ranges[np.concatenate(([0], kept + 1)), 0]
    hi = ranges[np.concatenate((kept, [len(gap)])), 1]
    return np.stack([lo, hi], axis=1)
