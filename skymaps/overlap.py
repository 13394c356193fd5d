"""How well two localizations agree: the overlap integral, and what both say together.

I = 4 pi * integral p1 p2 dOmega (Ashton et al. 2018, ApJ 860, 6): 1 when one of them knows nothing,
larger when they favour the same places, 0 when they exclude each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skymaps.errors import SkyMapError
from skymaps.healpix import FULL_SKY_SR, cell_area_sr
from skymaps.skymap import SkyMap

Indices = NDArray[np.int64]


class _Shared(NamedTuple):
    """The places that two maps cover, each the smaller of the two cells that hold it."""

    row_a: Indices
    row_b: Indices
    lo: Indices
    hi: Indices
    order: Indices


def overlap(a: SkyMap, b: SkyMap) -> float:
    """The overlap integral of two maps, exact: a sum over the cells that they share.

    Both are normalised by their own sums; places that a map leaves out have density 0.
    """
    shared = _shared(a, b)
    if not len(shared.lo):
        return 0.0
    product = a.probdensity_per_sr[shared.row_a] * b.probdensity_per_sr[shared.row_b]
    # cumsum adds in order; np.sum's order, hence its last digit, depends on the build.
    return FULL_SKY_SR * float(np.cumsum(product * cell_area_sr(shared.order))[-1])


def combined(a: SkyMap, b: SkyMap) -> SkyMap:
    """What two independent localizations of one source say together: their product, normalised.

    A distance is taken from the map that has one.

    Raises
    ------
    SkyMapError
        They exclude each other, or both have a distance (whose product is of another form).
    """
    if a.has_distance and b.has_distance:
        raise SkyMapError("of two maps that are combined at most one has a distance")
    shared = _shared(a, b)
    # Of the published densities, so that nothing is rounded twice.
    product = a.published_density_per_sr[shared.row_a] * b.published_density_per_sr[shared.row_b]
    total = float((product * cell_area_sr(shared.order)).sum()) if len(product) else 0.0
    if not total > 0.0:
        raise SkyMapError("two maps that are combined share some probability")
    with_distance, rows = (a, shared.row_a) if a.has_distance else (b, shared.row_b)
    layers = with_distance.dist_mu_mpc, with_distance.dist_sigma_mpc, with_distance.dist_norm
    mu, sigma, norm = layers
    if mu is None or sigma is None or norm is None:
        return SkyMap(shared.lo, shared.hi, product / total)
    return SkyMap(shared.lo, shared.hi, product / total, (mu[rows], sigma[rows], norm[rows]))


def _shared(a: SkyMap, b: SkyMap) -> _Shared:
    # Two cells of the nested grid are apart, or one holds the other: so every shared place is a
    # cell of a that lies in one of b, or a smaller one of b that lies in one of a.
    in_b, row_b = _held(a, b, or_equal=True)
    in_a, row_a = _held(b, a, or_equal=False)
    row_a, row_b = np.concatenate([in_b, row_a]), np.concatenate([row_b, in_a])
    lo = np.concatenate([a.lo[in_b], b.lo[in_a]])
    hi = np.concatenate([a.hi[in_b], b.hi[in_a]])
    order = np.concatenate([a.order[in_b], b.order[in_a]])
    by_place = np.argsort(lo)
    return _Shared(*(x[by_place] for x in (row_a, row_b, lo, hi, order)))


def _held(inner: SkyMap, outer: SkyMap, *, or_equal: bool) -> tuple[Indices, Indices]:
    """Rows of the cells of one map that lie in a cell of another, and the rows of those."""
    row = np.searchsorted(outer.lo, inner.lo, side="right") - 1
    held = (row >= 0) & (inner.hi <= outer.hi[row])
    if not or_equal:
        held &= inner.order > outer.order[row]
    found = np.flatnonzero(held)
    return found, row[found]
