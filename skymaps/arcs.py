"""Great-circle arcs, and the directions at a place: what ellipses and polygons are made of."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skymaps.healpix import unit_vectors

Floats = NDArray[np.float64]


class Arc(NamedTuple):
    """Part of a great circle: a place, a direction at right angles to it, a length [deg].

    Both are unit vectors of shape ``(3,)``; the length lies in [0, 180].
    """

    start: Floats
    direction: Floats
    length_deg: float

    @classmethod
    def between(cls, start: Floats, end: Floats) -> Arc:
        """The shorter arc between two places (unit vectors), neither one nor opposite."""
        # Of the difference, which keeps the digits of places that are near each other.
        apart = end - start
        aside = apart - float(dot(apart[np.newaxis], start)[0]) * start
        length_deg = float(off_deg(start[np.newaxis], end)[0])
        return cls(start, aside / math.sqrt(float((aside * aside).sum())), length_deg)

    @property
    def end(self) -> Floats:
        """The other end, a unit vector of shape ``(3,)``."""
        angle = math.radians(self.length_deg)
        return math.cos(angle) * self.start + math.sin(angle) * self.direction

    def off_deg(self, places: Floats) -> Floats:
        """Angle [deg] of places (unit vectors of shape ``(n, 3)``) from the arc."""
        normal = np.cross(self.start, self.direction)
        along = np.degrees(np.arctan2(dot(places, self.direction), dot(places, self.start)))
        beside = np.degrees(np.arcsin(np.clip(np.abs(dot(places, normal)), 0.0, 1.0)))
        ends = np.minimum(off_deg(places, self.start), off_deg(places, self.end))
        return np.where((along >= 0.0) & (along <= self.length_deg), beside, ends)


def dot(places: Floats, vector: Floats) -> Floats:
    """Products of vectors of shape ``(n, 3)`` with one of shape ``(3,)``."""
    # Written out: a matrix product rounds in an order that depends on the shape.
    x, y, z = places[:, 0], places[:, 1], places[:, 2]
    return np.asarray(x * vector[0] + y * vector[1] + z * vector[2])


def chord(places: Floats, place: Floats) -> Floats:
    """2 sin(t / 2) for the angle t of places ``(n, 3)`` from one; exact for the tiniest angles."""
    apart = places - place
    return np.sqrt(dot(apart * apart, np.ones(3)))


def off_deg(places: Floats, place: Floats) -> Floats:
    """Angle [deg] of places ``(n, 3)`` from one of shape ``(3,)``."""
    return np.degrees(2.0 * np.arcsin(np.minimum(chord(places, place) / 2.0, 1.0)))


def vector_of(ra_deg: float, dec_deg: float) -> Floats:
    """Unit vector of one place, shape ``(3,)``."""
    return np.asarray(unit_vectors(ra_deg, dec_deg)[0])


def axes_at(ra_deg: float, dec_deg: float) -> tuple[Floats, Floats]:
    """Unit vectors to the north and to the east, shape ``(3,)``; at a pole as its RA says."""
    ra, dec = math.radians(ra_deg), math.radians(dec_deg)
    cos_ra, sin_ra, cos_dec, sin_dec = math.cos(ra), math.sin(ra), math.cos(dec), math.sin(dec)
    north = np.array([-sin_dec * cos_ra, -sin_dec * sin_ra, cos_dec])
    return north, np.array([-sin_ra, cos_ra, 0.0])
