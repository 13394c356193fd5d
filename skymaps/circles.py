"""Many circles at once: which are near a position, and what each says of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymaps.healpix import Vectors, components, one_minus_cos_between
from skymaps.localization import LEVEL_SLACK, Localization
from skymaps.shapes import Circle, fisher_at

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_CHORD_SLACK = 1e-12
"""Added to the chord of a radius: far above the rounding of a unit vector, 2e-7 arcsec."""


@dataclass(frozen=True, slots=True, eq=False)
class Circles:
    """The circles among some localizations, numbered apart from them.

    Attributes
    ----------
    slot
        Number of each localization's circle; -1 for one that is none.
    centre
        Unit vectors of the centres, each array of shape ``(n,)``.
    farthest
        Beyond this 1 - cos of the angle from its centre nothing is in the circle, shape ``(n,)``.
    weight, concentration
        Components of the mixtures, filled up with weight 0, shape ``(n, most)``.
    n_components
        How many each has.
    """

    slot: Indices
    centre: Vectors
    farthest: Floats
    weight: Floats
    concentration: Floats
    n_components: Indices

    @classmethod
    def of(cls, localizations: Sequence[Localization], level: float) -> Circles:
        """Circles of credible ``level``."""
        circles = [one for one in localizations if isinstance(one, Circle)]
        is_circle = np.array([isinstance(one, Circle) for one in localizations], dtype=bool)
        n_components = np.array([len(one.components) for one in circles], dtype=np.int64)
        shape = len(circles), max(n_components, default=1)
        weight, concentration = np.zeros(shape), np.ones(shape)
        for i, one in enumerate(circles):
            weight[i, : n_components[i]], concentration[i, : n_components[i]] = zip(
                *one.components, strict=True
            )
        centre = components([one.ra_deg for one in circles], [one.dec_deg for one in circles])
        return cls(
            np.where(is_circle, np.cumsum(is_circle) - 1, -1),
            centre,
            np.array([_farthest(one, level) for one in circles], dtype=np.float64),
            weight,
            concentration,
            n_components,
        )

    def match(self, slot: Indices, places: Vectors) -> tuple[Floats, Floats]:
        """Density [1/sr] and credible level of circles at places, each of shape ``(n,)``.

        To the last bit what :meth:`Circle.match` tells.
        """
        x, y, z = self.centre
        h = one_minus_cos_between(places, (x[slot], y[slot], z[slot]))
        density, level = fisher_at(h, self.weight[slot, 0], self.concentration[slot, 0])
        n_components = self.n_components[slot]
        for i in range(1, self.weight.shape[1]):
            some = np.flatnonzero(n_components > i)
            which = slot[some]
            one = fisher_at(h[some], self.weight[which, i], self.concentration[which, i])
            density[some] += one[0]
            level[some] += one[1]
        return density, np.minimum(level, 1.0)

    def at(self, slot: int, place: tuple[float, float, float]) -> tuple[float, float]:
        """What :meth:`match` tells of one place; level 1 where the circle is far away."""
        x, y, z = (axis.item(slot) for axis in self.centre)
        dx, dy, dz = place[0] - x, place[1] - y, place[2] - z
        h = 0.5 * (dx * dx + dy * dy + dz * dz)
        if h > self.farthest.item(slot):
            return 0.0, 1.0
        density = level = 0.0
        for i in range(self.n_components.item(slot)):
            one = fisher_at(np.float64(h), self.weight[slot, i], self.concentration[slot, i])
            density += float(one[0])
            level += float(one[1])
        return density, min(level, 1.0)


def _farthest(circle: Circle, level: float) -> float:
    radius_deg = circle.radius_at(min(level + LEVEL_SLACK, 1.0))
    chord = 2.0 * math.sin(math.radians(radius_deg) / 2.0) * (1.0 + LEVEL_SLACK) + _CHORD_SLACK
    return 0.5 * chord * chord
