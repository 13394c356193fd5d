"""Error boxes with corners as multi-order maps: uniform inside, a Gaussian's tail outside.

A box comes with its corners and a level (3 sigma for the network's: Pal'shin et al. 2013, ApJS 207,
38; ``containment_probability`` for MAXI's). Nothing is said of where inside: the density there is
uniform. Nothing is said of what lies outside either. Spread over the sky, it would make every
region beyond the level a large part of the sky; so it is the tail of the Gaussian whose contour of
that level the box is: the probability outside the box enlarged by a factor s is (1 - level)^(s^2),
as it is for a circle and an ellipse. At level 1 nothing lies outside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skymaps.arcs import Arc, axes_at, chord, dot, off_deg
from skymaps.errors import SkyMapError
from skymaps.healpix import index_29_of, unit_vectors
from skymaps.skymap import SkyMap
from skymaps.tiles import tiled

Floats = NDArray[np.float64]

MAX_CORNERS = 100
"""Most corners of a polygon."""

MAX_REACH_DEG = 85.0
"""A polygon lies within this of its centre: it is seen in the plane that touches the sphere there,
where great circles are straight lines."""

MIN_WIDTH_DEG = 1e-5
"""Least distance of a side from the centre, 0.04 arcsec."""

_LEAST_SUM = 1e-9
"""Corners whose unit vectors sum to less have no middle."""

_EDGE = 1.0 / 128.0
"""Share of the size over which the sides are blurred: an eighth of a cell there. A step that
runs along a row of samples would be off by a whole row."""

MAX_ASPECT = 50.0
"""Most that a corner's distance from the middle exceeds a side's: longer boxes of the network are
arcs, which great circles do not follow."""

_N_DIRECTIONS = 2**16
"""Directions over which the tail is summed."""


def polygon(corners_deg: Sequence[tuple[float, float]], level: float) -> SkyMap:
    """Map of a box with corners, such as the network's boxes of 3 sigma or MAXI's rectangles.

    The corners may come in any order: they are joined by great circles in the order of their
    directions from their middle, from which the whole polygon must be seen. Where annuli cross at
    so small an angle that the box is a long arc, it is no polygon but their
    :func:`skymaps.annuli.crossing`.

    Parameters
    ----------
    corners_deg
        Three or more positions (RA, dec), ICRS [deg].
    level
        Probability inside, in (0, 1].

    Raises
    ------
    SkyMapError
        A value outside its range, corners whose middle is not inside, a polygon wider than a
        hemisphere, or longer than :data:`MAX_ASPECT` times its width.
    """
    if not 0.0 < level <= 1.0:
        raise SkyMapError("the level of a polygon lies in (0, 1]", level)
    if not 3 <= len(corners_deg) <= MAX_CORNERS:
        raise SkyMapError(f"a polygon has 3 to {MAX_CORNERS} corners", len(corners_deg))
    ra_deg, dec_deg = np.array(corners_deg, dtype=np.float64).T
    try:
        index_29_of(ra_deg, dec_deg)
    except ValueError as error:
        raise SkyMapError(f"a corner of a polygon: {error}") from error
    return tiled(_polygon_of(unit_vectors(ra_deg, dec_deg), level))


@dataclass(frozen=True, slots=True)
class _Polygon:
    """Sides in the order of their first corners' directions from the centre.

    ``distance`` and ``bearing`` [rad] are those of the nearest point of each side's line in the
    plane that touches the sphere at the centre.
    """

    centre: Floats
    north: Floats
    east: Floats
    sides: tuple[Arc, ...]
    corner_bearing: Floats
    distance: Floats
    bearing: Floats
    inside_per_sr: float
    tail_per_sr: float
    log_outside: float

    @property
    def width_deg(self) -> float:
        return math.degrees(math.atan(float(self.distance.min())))

    @property
    def sample_deg(self) -> float:
        return _EDGE / 2.0 * self.width_deg

    def beyond_deg(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        places = unit_vectors(ra_deg, dec_deg)
        nearest = self.sides[0].off_deg(places)
        for side in self.sides[1:]:
            nearest = np.minimum(nearest, side.off_deg(places))
        return nearest

    def probdensity_per_sr(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        places = unit_vectors(ra_deg, dec_deg)
        phi = np.arctan2(dot(places, self.east), dot(places, self.north))
        enlarged = chord(places, self.centre) / self.edge(phi)
        tail = self.tail_per_sr * np.exp(self.log_outside * enlarged**2)
        inside = np.clip(0.5 + (1.0 - enlarged) / _EDGE, 0.0, 1.0)
        return np.asarray(inside * self.inside_per_sr + (1.0 - inside) * tail)

    def edge(self, phi: Floats) -> Floats:
        """Where the edge lies in directions [rad], as :func:`chord` has it."""
        row = np.searchsorted(self.corner_bearing, phi, side="right") - 1
        t = np.arctan(self.distance[row] / np.cos(phi - self.bearing[row]))
        return 2.0 * np.sin(t / 2.0)


def _polygon_of(corners: Floats, level: float) -> _Polygon:
    centre = corners.sum(axis=0)
    length = math.sqrt(float((centre * centre).sum()))
    if not length > _LEAST_SUM:
        raise SkyMapError("the corners of a polygon have a middle")
    centre = centre / length
    reach_deg = float(off_deg(corners, centre).max())
    if reach_deg > MAX_REACH_DEG:
        raise SkyMapError(f"a polygon lies within {MAX_REACH_DEG} deg of its middle")
    north, east = axes_at(
        math.degrees(math.atan2(centre[1], centre[0])), math.degrees(math.asin(centre[2]))
    )
    ahead = dot(corners, centre)
    n, e = dot(corners, north) / ahead, dot(corners, east) / ahead
    by_bearing = np.argsort(np.arctan2(e, n))
    corners, n, e = corners[by_bearing], n[by_bearing], e[by_bearing]
    dn, de = np.roll(n, -1) - n, np.roll(e, -1) - e
    # Twice the area of the triangle that a side makes with the centre, over the side.
    distance = (n * np.roll(e, -1) - e * np.roll(n, -1)) / np.maximum(np.hypot(dn, de), 1e-300)
    if not np.degrees(distance.min()) >= MIN_WIDTH_DEG:
        raise SkyMapError(f"a polygon's sides pass its middle by {MIN_WIDTH_DEG} deg or more")
    if reach_deg > MAX_ASPECT * np.degrees(np.arctan(distance.min())):
        raise SkyMapError(f"a polygon is at most {MAX_ASPECT:g} times as long as it is wide")
    area = _area_sr(corners, centre)
    shape = _Polygon(
        centre=centre,
        north=north,
        east=east,
        sides=tuple(map(Arc.between, corners, np.roll(corners, -1, axis=0))),
        corner_bearing=np.arctan2(e, n),
        distance=distance,
        bearing=np.arctan2(-dn, de),
        inside_per_sr=level / area,
        tail_per_sr=0.0,
        log_outside=0.0,
    )
    if level == 1.0:
        return shape
    log_outside = math.log1p(-level)
    # The tail ends at the antipode, where the chord is 2.
    phi = (np.arange(_N_DIRECTIONS, dtype=np.float64) + 0.5) * (2.0 * math.pi / _N_DIRECTIONS)
    edge = shape.edge(phi - math.pi)
    lost = float((edge**2 * np.exp(log_outside * 4.0 / edge**2)).sum() / (edge**2).sum())
    tail = -log_outside / area * (1.0 - level) / (1.0 - level - lost)
    return replace(shape, tail_per_sr=tail, log_outside=log_outside)


def _area_sr(corners: Floats, centre: Floats) -> float:
    """Area of the triangles that the sides make with the centre (Eriksson 1990)."""
    others = np.roll(corners, -1, axis=0)
    # Of differences, which keep the digits of a tiny polygon.
    height = np.abs(dot(np.cross(corners - centre, others - centre), centre))
    cosines = dot(corners, centre) + dot(others, centre) + (corners * others).sum(axis=1)
    return float((2.0 * np.arctan2(height, 1.0 + cosines)).sum())
