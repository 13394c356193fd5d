"""How well two localizations agree: the overlap integral, and what both say together.

I = 4 pi * integral p1 p2 dOmega (Ashton et al. 2018, ApJ 860, 6): 1 when one of them knows nothing,
larger when they favour the same places, 0 when they exclude each other. Two maps are summed over
the cells that they share, which is exact; two circles have a closed form; a circle and a map meet
as two maps.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skymaps.errors import SkyMapError
from skymaps.healpix import FULL_SKY_SR, MAX_ORDER, cell_area_sr, separation_deg
from skymaps.localization import Localization
from skymaps.shapes import Circle
from skymaps.skymap import SkyMap
from skymaps.tiles import tiles_of

Indices = NDArray[np.int64]


class _Shared(NamedTuple):
    """The places that two maps cover, each the smaller of the two cells that hold it."""

    row_a: Indices
    row_b: Indices
    lo: Indices
    hi: Indices
    order: Indices


def overlap(a: Localization, b: Localization, *, compiled: bool = False) -> float:
    """The overlap integral of two localizations.

    Each is normalised by its own sum; places that a map leaves out have density 0. ``compiled``
    sums the cells of maps by numba, with the same last digit.

    Raises
    ------
    ImportError
        ``compiled``, and numba is not installed.
    """
    if isinstance(a, Circle) and isinstance(b, Circle):
        return _overlap_of_circles(a, b)
    one, other = as_map(a), as_map(b)
    # Equal cells apart, so that both orders of the maps give the same last digit.
    finer, coarser, equal = (_compiled_sums if compiled else _sums)(one, other)
    return FULL_SKY_SR * ((finer + coarser) + equal)


def as_map(localization: Localization) -> SkyMap:
    """A localization in cells.

    Raises
    ------
    TypeError
        It is of a form that nobody has told how to divide.
    """
    if isinstance(localization, SkyMap):
        return localization
    if isinstance(localization, Circle):
        return _tiles_of(localization)
    raise TypeError(f"a circle or a map is expected, got {type(localization).__name__}")


@lru_cache(maxsize=8)
def _tiles_of(circle: Circle) -> SkyMap:
    """A circle laid out, which takes a tenth of a second: remembered for what comes next."""
    return tiles_of(circle)


def _overlap_of_circles(a: Circle, b: Circle) -> float:
    off_deg = float(separation_deg(a.ra_deg, a.dec_deg, b.ra_deg, b.dec_deg)[0])
    # In order of the numbers, so that both orders of the circles give the same last digit.
    products = sorted(
        u * v * _overlap_of_fishers(min(j, k), max(j, k), off_deg)
        for u, j in a.components
        for v, k in b.components
    )
    return math.fsum(products)


def _overlap_of_fishers(j: float, k: float, off_deg: float) -> float:
    """4 pi times the integral of the product of two Fisher distributions.

    The product is exp(|j u + k v| cos t - j - k) up to the norms, u and v being their centres.
    """
    h = 2.0 * math.sin(math.radians(off_deg) / 2.0) ** 2  # 1 - cos
    joint = math.sqrt(max((j + k) ** 2 - 2.0 * j * k * h, 0.0))
    # j + k - |j u + k v|, which the difference itself would lose for narrow circles.
    excess = 2.0 * j * k * h / (j + k + joint)
    sphere = -math.expm1(-2.0 * joint) / joint if joint > _NO_DIRECTION else 2.0
    norms = math.expm1(-2.0 * j) * math.expm1(-2.0 * k)
    return 2.0 * j * k * math.exp(-excess) * sphere / norms


_NO_DIRECTION = 1e-12
"""A concentration below which a distribution is the same everywhere."""


def _sums(a: SkyMap, b: SkyMap) -> tuple[float, float, float]:
    """Integrals of the product over cells of a that are finer than b's, coarser, or the same."""
    at_b, at_a = _holders(a, b)
    in_b, in_a = _is_held(a, b, at_b), _is_held(b, a, at_a)
    finer = a.order - b.order[at_b]
    return (
        _summed(a, b, at_b, in_b & (finer > 0)),
        _summed(b, a, at_a, in_a & (b.order > a.order[at_a])),
        _summed(a, b, at_b, in_b & (finer == 0)),
    )


def _compiled_sums(a: SkyMap, b: SkyMap) -> tuple[float, float, float]:
    from skymaps.compiled import shared_sums  # optional, and slow to import

    areas = cell_area_sr(np.arange(MAX_ORDER + 1))
    of_a = a.lo, a.hi, a.order, a.probdensity_per_sr
    sums: tuple[float, float, float] = shared_sums(
        *of_a, b.lo, b.hi, b.order, b.probdensity_per_sr, areas
    )
    return sums


def _holders(a: SkyMap, b: SkyMap) -> tuple[Indices, Indices]:
    """Of each cell the one row of the other map that may hold it: the last that begins by then."""
    at_b = np.searchsorted(b.lo, a.lo, side="right") - 1
    # Rows of a by the cell of b in which they begin: those that begin with it come up to it.
    begun = np.cumsum(np.bincount(at_b + 1, minlength=b.n_rows + 1))
    at_a = begun[:-1] - 1
    at_b = np.maximum(at_b, 0)
    together = np.flatnonzero(b.lo[at_b] == a.lo)
    at_a[at_b[together]] = together
    return at_b, np.maximum(at_a, 0)


def _summed(inner: SkyMap, outer: SkyMap, at: Indices, held: NDArray[np.bool_]) -> float:
    """Integral of the product of the densities over cells that are held."""
    product = inner.probdensity_per_sr * outer.probdensity_per_sr[at]
    product *= cell_area_sr(inner.order)
    product[~held] = 0.0
    # cumsum adds in order; np.sum's order, hence its last digit, depends on the build.
    return float(np.cumsum(product)[-1])


def combined(one: Localization, other: Localization) -> SkyMap:
    """What two independent localizations of one source say together: their product, normalised.

    A distance is taken from the map that has one.

    Raises
    ------
    SkyMapError
        They exclude each other, or both have a distance (whose product is of another form).
    """
    a, b = as_map(one), as_map(other)
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
    at_b, at_a = _holders(a, b)
    in_b = np.flatnonzero(_is_held(a, b, at_b))
    in_a = np.flatnonzero(_is_held(b, a, at_a) & (b.order > a.order[at_a]))
    row_a, row_b = np.concatenate([in_b, at_a[in_a]]), np.concatenate([at_b[in_b], in_a])
    lo = np.concatenate([a.lo[in_b], b.lo[in_a]])
    hi = np.concatenate([a.hi[in_b], b.hi[in_a]])
    order = np.concatenate([a.order[in_b], b.order[in_a]])
    by_place = np.argsort(lo)
    return _Shared(*(x[by_place] for x in (row_a, row_b, lo, hi, order)))


def _is_held(inner: SkyMap, outer: SkyMap, at: Indices) -> NDArray[np.bool_]:
    return (inner.lo >= outer.lo[at]) & (inner.hi <= outer.hi[at])
