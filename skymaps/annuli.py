"""Annuli of triangulation as multi-order maps: a Gaussian across, the same all around.

The times at which two spacecraft see a burst give the angle of the burst from the line between
them, with an error; a prior that is uniform over the sky makes the density per steradian that
Gaussian of the angle. The interplanetary network quotes half widths of 3 sigma, a level of 0.9973
(Pal'shin et al. 2013, ApJS 207, 38; GCN Circulars 1771, 19209, 37538).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymaps.errors import SkyMapError
from skymaps.healpix import cell_area_sr, orders_of_ranges, separation_deg
from skymaps.shapes import FISHER_R68_FACTOR, Circle, SystematicComponent
from skymaps.skymap import SkyMap
from skymaps.tiles import CORE_WIDTHS, GAUSSIAN_SAMPLE, cells_of_shape, tiled

Floats = NDArray[np.float64]

LEVEL_3_SIGMA = 0.9973002039367398
"""Probability within 3 sigma of one dimension."""

MIN_HALF_WIDTH_DEG = 1e-5
"""Least half width, 0.04 arcsec: below any published one, far above the finest cells."""

_MAX_SIGMA_DEG = 1e5
"""A width at which the sky is uniform."""

_SPAN = 9.0
"""Widths beyond which a Gaussian has nothing left."""

_NODE, _WEIGHT = np.polynomial.legendre.leggauss(60)


def annulus(
    ra_deg: float,
    dec_deg: float,
    radius_deg: float,
    half_width_deg: float,
    level: float = LEVEL_3_SIGMA,
    systematics: Sequence[SystematicComponent] = (),
) -> SkyMap:
    """Map of an annulus.

    Its cells are coarser than it is wide where it is so thin that :data:`skymaps.tiles.MAX_TILES`
    cells do not hold it better: a place is then known to be in a cell, not where in it.

    Parameters
    ----------
    ra_deg, dec_deg
        Centre, ICRS [deg].
    radius_deg
        Angle of its middle from the centre [deg], in [0, 180].
    half_width_deg
        On either side of the middle, as published [deg].
    level
        Probability within the half width, in (0, 1).
    systematics
        Errors of the position that blur it, as for a :class:`Circle`; empty where the half width
        includes them.

    Raises
    ------
    SkyMapError
        A value outside its range, or an annulus too thin for its length.
    """
    return tiled(_annulus(ra_deg, dec_deg, radius_deg, half_width_deg, level, systematics))


def crossing(
    annuli: Sequence[tuple[float, float, float, float]], level: float = LEVEL_3_SIGMA
) -> SkyMap:
    """Map of where several annuli cross: their product, normalised.

    Its cells are fine where all of them are near, so that the box of thin annuli, or the long arc
    where they graze each other, is held better than by the product of their maps. The annuli are
    taken as independent; of three spacecraft any two pairs are.

    Parameters
    ----------
    annuli
        RA and dec of the centre, radius and half width of each [deg].
    level
        Probability within each half width, in (0, 1).

    Raises
    ------
    SkyMapError
        See :func:`annulus`; annuli that do not meet anywhere within four widths.
    """
    if not annuli:
        raise SkyMapError("one annulus or more crosses")
    shape = _Crossing(tuple(_annulus(*each, level) for each in annuli))
    lo, hi, density = cells_of_shape(shape)
    if not density.max() > math.exp(-(CORE_WIDTHS**2) / 2.0):
        raise SkyMapError(f"annuli meet within {CORE_WIDTHS:g} widths somewhere")
    return SkyMap(lo, hi, density / float((density * cell_area_sr(orders_of_ranges(lo, hi))).sum()))


@dataclass(frozen=True, slots=True)
class _Annulus:
    """Peak [1/sr] and width [deg] of each component of the mixture, about one middle."""

    ra_deg: float
    dec_deg: float
    radius_deg: float
    parts: tuple[tuple[float, float], ...]

    @property
    def peak_per_sr(self) -> float:
        return math.fsum(peak for peak, _ in self.parts)

    @property
    def width_deg(self) -> float:
        return min(sigma_deg for _, sigma_deg in self.parts)

    @property
    def sample_deg(self) -> float:
        return GAUSSIAN_SAMPLE * self.width_deg

    def beyond_deg(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        return self._off_deg(ra_deg, dec_deg) - CORE_WIDTHS * self.width_deg

    def probdensity_per_sr(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        off_deg = self._off_deg(ra_deg, dec_deg)
        return np.asarray(sum(w * np.exp(-((off_deg / s) ** 2) / 2.0) for w, s in self.parts))

    def _off_deg(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        t_deg = separation_deg(ra_deg, dec_deg, self.ra_deg, self.dec_deg)
        return np.abs(t_deg - self.radius_deg)


@dataclass(frozen=True, slots=True)
class _Crossing:
    """The product of annuli, each relative to its peak."""

    annuli: tuple[_Annulus, ...]

    @property
    def width_deg(self) -> float:
        return min(each.width_deg for each in self.annuli)

    @property
    def sample_deg(self) -> float:
        return GAUSSIAN_SAMPLE * self.width_deg

    def beyond_deg(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        beyond = [each.beyond_deg(ra_deg, dec_deg) for each in self.annuli]
        return np.asarray(np.max(beyond, axis=0))

    def probdensity_per_sr(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        relative = [
            each.probdensity_per_sr(ra_deg, dec_deg) / each.peak_per_sr for each in self.annuli
        ]
        return np.asarray(np.prod(relative, axis=0))


def _annulus(
    ra_deg: float,
    dec_deg: float,
    radius_deg: float,
    half_width_deg: float,
    level: float,
    systematics: Sequence[SystematicComponent] = (),
) -> _Annulus:
    if not 0.0 <= radius_deg <= 180.0:
        raise SkyMapError("the radius of an annulus lies in [0, 180] deg", radius_deg)
    if not MIN_HALF_WIDTH_DEG <= half_width_deg <= 180.0:
        raise SkyMapError(
            f"the half width of an annulus lies in [{MIN_HALF_WIDTH_DEG}, 180] deg", half_width_deg
        )
    # The rest of the rules are those of a circle of that half width.
    around = Circle(ra_deg, dec_deg, half_width_deg, level, False, tuple(systematics))
    statistical = _sigma_deg(radius_deg, half_width_deg, around.level)
    components = around.systematics or (SystematicComponent(1.0, 0.0),)
    total = math.fsum(component.weight for component in components)
    parts = []
    for component in components:
        sigma_deg = math.hypot(statistical, FISHER_R68_FACTOR * component.r68_deg)
        mass = _mass_sr(radius_deg, sigma_deg, 0.0, 180.0)
        parts.append((component.weight / total / mass, sigma_deg))
    return _Annulus(around.ra_deg, around.dec_deg, radius_deg, tuple(parts))


def _mass_sr(radius_deg: float, sigma_deg: float, low_deg: float, high_deg: float) -> float:
    """What a Gaussian of peak 1 about a radius sums to between two angles from the centre [sr]."""
    low = max(low_deg, radius_deg - _SPAN * sigma_deg)
    high = min(high_deg, radius_deg + _SPAN * sigma_deg)
    total = 0.0
    for one, other in ((low, radius_deg), (radius_deg, high)):
        half = 0.5 * (other - one)
        t_deg = 0.5 * (one + other) + half * _NODE
        density = np.exp(-(((t_deg - radius_deg) / sigma_deg) ** 2) / 2.0)
        total += math.radians(half) * float((_WEIGHT * density * np.sin(np.radians(t_deg))).sum())
    return 2.0 * math.pi * total


def _sigma_deg(radius_deg: float, half_width_deg: float, level: float) -> float:
    """Width that puts ``level`` within the half width.

    As for a circle, a half width that holds less than a uniform sky would gives a uniform sky.
    """
    inner, outer = max(radius_deg - half_width_deg, 0.0), min(radius_deg + half_width_deg, 180.0)

    def enclosed(sigma_deg: float) -> float:
        inside = _mass_sr(radius_deg, sigma_deg, inner, outer)
        return inside / _mass_sr(radius_deg, sigma_deg, 0.0, 180.0)

    low, high = half_width_deg / _SPAN, _MAX_SIGMA_DEG
    if enclosed(high) >= level:
        return high
    while high - low > 1e-12 * low:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if enclosed(middle) > level else (low, middle)
    return high
