"""Error ellipses and asymmetric errors as multi-order maps.

In Lambert's equal-area plane about the centre a place at an angle t lies at R = 2 sin(t / 2), so
that a circle's Fisher density exp(-k (1 - cos t)) is the Gaussian exp(-k R^2 / 2), cut off at the
antipode's R = 2. An ellipse is the Gaussian of that plane with two widths; asymmetric errors give
each direction its own width, and the four quarters meet in one density along the axes. Whatever
the size, an ellipse of equal axes is the circle, and the published curve holds its level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymaps.arcs import Arc, axes_at, chord, dot, vector_of
from skymaps.errors import SkyMapError
from skymaps.healpix import unit_vectors
from skymaps.shapes import FISHER_R68_FACTOR, MIN_CONCENTRATION, Circle, SystematicComponent
from skymaps.skymap import SkyMap
from skymaps.tiles import CORE_WIDTHS, GAUSSIAN_SAMPLE, tiled

Floats = NDArray[np.float64]

MIN_AXIS_DEG = 1e-5
"""Least semi-axis, 0.04 arcsec: below any published one, far above the finest cells."""

_MAX_WIDTH = 1.0 / math.sqrt(MIN_CONCENTRATION)
"""Width [rad] at which the sky is uniform."""

_N_DIRECTIONS = 256
"""Directions of a quarter over which the mass inside the cut is summed."""

_NARROW = 0.2
"""Below this width [rad] the cut at the antipode is below the last digit."""


def ellipse(
    ra_deg: float,
    dec_deg: float,
    semi_major_deg: float,
    semi_minor_deg: float,
    position_angle_deg: float,
    level: float,
    systematics: Sequence[SystematicComponent] = (),
) -> SkyMap:
    """Map of an error ellipse.

    Parameters
    ----------
    ra_deg, dec_deg
        Centre, ICRS [deg].
    semi_major_deg, semi_minor_deg
        Semi-axes as published [deg]; neither has to be the longer one.
    position_angle_deg
        Of the first axis, from north through east [deg] (as the core schema of GCN has it).
    level
        Probability inside the published ellipse, in (0, 1).
    systematics
        What to add in quadrature, as for a :class:`Circle`; empty where the ellipse includes it.

    Raises
    ------
    SkyMapError
        A value outside its range, or an ellipse too thin for its length.
    """
    axes = (semi_major_deg, semi_major_deg, semi_minor_deg, semi_minor_deg)
    return _map_of(ra_deg, dec_deg, axes, position_angle_deg, level, systematics)


def asymmetric(
    ra_deg: float,
    dec_deg: float,
    ra_errors_deg: tuple[float, float],
    dec_errors_deg: tuple[float, float],
    level: float,
    systematics: Sequence[SystematicComponent] = (),
) -> SkyMap:
    """Map of a position whose errors differ by direction, as IceCube's circulars give them.

    Inside the curve of four quarter ellipses lies the level; its area is pi / 4 times the product
    of both spans.

    Parameters
    ----------
    ra_deg, dec_deg
        Best position, ICRS [deg].
    ra_errors_deg
        Plus and minus, both positive, as differences of right ascension [deg]: on the sky they
        are shorter by cos(dec).
    dec_errors_deg
        Plus and minus, both positive [deg].
    level
        Probability inside the published errors, in (0, 1): IceCube's are of 0.9.
    systematics
        What to add in quadrature, as for a :class:`Circle`.

    Raises
    ------
    SkyMapError
        A value outside its range; a pole, where right ascensions mean nothing.
    """
    shorter = math.cos(math.radians(dec_deg))
    axes = (*dec_errors_deg, *(shorter * error for error in ra_errors_deg))
    return _map_of(ra_deg, dec_deg, axes, 0.0, level, systematics)


@dataclass(frozen=True, slots=True)
class _Part:
    """One component: widths [rad] ahead, behind, right and left of the first axis, and its mass."""

    weight: float
    widths: Floats
    mass: float

    def density(self, ahead: Floats, aside: Floats) -> Floats:
        a, b = self.widths[:2], self.widths[2:]
        q = (ahead / np.where(ahead > 0.0, *a)) ** 2 + (aside / np.where(aside > 0.0, *b)) ** 2
        return np.asarray(self.weight / self.mass * np.exp(-q / 2.0))


@dataclass(frozen=True, slots=True)
class _Ellipse:
    centre: Floats
    first: Floats
    second: Floats
    parts: tuple[_Part, ...]

    @property
    def width_deg(self) -> float:
        return math.degrees(self._core.min())

    @property
    def _core(self) -> Floats:
        """Widths of the narrowest component."""
        return min((part.widths for part in self.parts), key=lambda widths: float(widths.min()))

    @property
    def sample_deg(self) -> float:
        return GAUSSIAN_SAMPLE * self.width_deg

    def beyond_deg(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        # The core lies within its half breadth of an arc along its longer axis, cut by as much.
        ahead, behind, right, left = (_angle_deg(CORE_WIDTHS * float(w)) for w in self._core)
        spine, lengths, beside = self.first, (ahead, behind), max(right, left)
        if right + left > ahead + behind:
            spine, lengths, beside = self.second, (right, left), max(ahead, behind)
        arcs = [
            Arc(self.centre, way * spine, max(length - beside, 0.0))
            for way, length in zip((1.0, -1.0), lengths, strict=True)
        ]
        places = unit_vectors(ra_deg, dec_deg)
        return np.minimum(*(arc.off_deg(places) for arc in arcs)) - beside

    def probdensity_per_sr(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        places = unit_vectors(ra_deg, dec_deg)
        ahead, aside = dot(places, self.first), dot(places, self.second)
        off, distance = np.hypot(ahead, aside), chord(places, self.centre)
        some = np.where(off > 0.0, off, 1.0)
        # At the antipode every direction is as good as another.
        ahead = distance * np.where(off > 0.0, ahead / some, 1.0)
        aside = distance * (aside / some)
        return np.asarray(sum(part.density(ahead, aside) for part in self.parts))


def _map_of(
    ra_deg: float,
    dec_deg: float,
    axes_deg: Sequence[float],
    position_angle_deg: float,
    level: float,
    systematics: Sequence[SystematicComponent],
) -> SkyMap:
    for axis in axes_deg:
        if not MIN_AXIS_DEG <= axis <= 180.0:
            raise SkyMapError(f"a semi-axis lies in [{MIN_AXIS_DEG}, 180] deg", axis)
    if not abs(position_angle_deg) <= 360.0:
        raise SkyMapError("a position angle lies in [-360, 360] deg", position_angle_deg)
    # The rest of the rules are those of the circle about it.
    about = Circle(ra_deg, dec_deg, max(axes_deg), level, False, tuple(systematics))
    axes = 2.0 * np.sin(np.radians(np.array(axes_deg, dtype=np.float64)) / 2.0)
    statistical = axes * _scale(axes, about.level)
    components = about.systematics or (SystematicComponent(1.0, 0.0),)
    total = math.fsum(component.weight for component in components)
    parts = []
    for component in components:
        added = FISHER_R68_FACTOR * math.radians(component.r68_deg)
        widths = np.minimum(np.hypot(statistical, added), _MAX_WIDTH)
        parts.append(_Part(component.weight / total, widths, _mass(widths)))
    centre = vector_of(about.ra_deg, about.dec_deg)
    north, east = axes_at(about.ra_deg, about.dec_deg)
    cos, sin = (f(math.radians(position_angle_deg)) for f in (math.cos, math.sin))
    first, second = cos * north + sin * east, cos * east - sin * north
    return tiled(_Ellipse(centre, first, second, tuple(parts)))


def _mass(widths: Floats) -> float:
    """What the Gaussian of peak 1 sums to over the disc R < 2, which is the sphere [sr]."""
    ahead, behind, right, left = (float(width) for width in widths)
    whole = math.pi / 2.0 * (ahead + behind) * (right + left)
    if widths.max() < _NARROW:
        return whole
    # Along each ray, by the angle that makes an ellipse of a circle.
    psi = (np.arange(_N_DIRECTIONS) + 0.5) * (math.pi / 2.0 / _N_DIRECTIONS)
    kept = 0.0
    for a in (ahead, behind):
        for b in (right, left):
            square = (a * np.cos(psi)) ** 2 + (b * np.sin(psi)) ** 2
            kept += math.pi / 2.0 * a * b * float((-np.expm1(-2.0 / square)).mean())
    return kept


def _scale(axes: Floats, level: float) -> float:
    """Widths over semi-axes that put ``level`` inside the curve, both in the plane.

    As for a circle, a curve that holds less than a uniform sky would gives a uniform sky.
    """
    longest = float(axes.max())
    low = 1.0 / math.sqrt(-2.0 * math.log1p(-level))
    if longest * low < _NARROW:
        return low
    high = _MAX_WIDTH / longest
    if _enclosed(axes, high) >= level:
        return high
    while high - low > 1e-12 * low:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _enclosed(axes, middle) > level else (low, middle)
    return high


def _enclosed(axes: Floats, scale: float) -> float:
    """Probability inside the curve of some semi-axes when the widths are ``scale`` times those."""
    ahead, behind, right, left = (float(axis) for axis in axes)
    area = math.pi / 2.0 * (ahead + behind) * (right + left)
    return -math.expm1(-0.5 / scale**2) * scale**2 * area / _mass(scale * axes)


def _angle_deg(distance: float) -> float:
    """Angle of a distance in the plane [deg]."""
    return math.degrees(2.0 * math.asin(min(distance / 2.0, 1.0)))
