"""Many circles at once: what each says of a place, to the last bit what it says alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymaps.footprint import Footprint
from skymaps.healpix import Vectors, components, one_minus_cos_between
from skymaps.shapes import Circle, Fishers

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


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
        See :class:`Footprint`, shape ``(n,)``.
    parts
        First components of all mixtures, then the second ones, and so on, those that have none
        with weight 0.
    n_parts
        How many components each has.
    """

    slot: Indices
    centre: Vectors
    farthest: Floats
    parts: tuple[Fishers, ...]
    n_parts: Indices

    @classmethod
    def of(cls, footprints: Sequence[Footprint]) -> Circles:
        """The circles of footprints."""
        found = [(f.localization, f.farthest) for f in footprints]
        circles = [(one, far) for one, far in found if isinstance(one, Circle)]
        is_circle = np.array([isinstance(one, Circle) for one, _ in found], dtype=bool)
        components_of = [one.components for one, _ in circles]
        n_parts = np.array([len(some) for some in components_of], dtype=np.int64)
        parts = []
        for i in range(max(n_parts, default=1)):
            some = [each[i] if i < len(each) else (0.0, 1.0) for each in components_of]
            weight, k = np.array(some, dtype=np.float64).reshape(-1, 2).T
            parts.append(Fishers.of(weight, k))
        return cls(
            np.where(is_circle, np.cumsum(is_circle) - 1, -1),
            components([one.ra_deg for one, _ in circles], [one.dec_deg for one, _ in circles]),
            np.array([far for _, far in circles], dtype=np.float64),
            tuple(parts),
            n_parts,
        )

    def off(self, slot: Indices, places: Vectors) -> Floats:
        """1 - cos of the angles of places from the centres of circles, each of shape ``(n,)``."""
        x, y, z = self.centre
        return one_minus_cos_between(places, (x.take(slot), y.take(slot), z.take(slot)))

    def match(self, slot: Indices, h: Floats) -> tuple[Floats, Floats]:
        """Density [1/sr] and credible level of circles, so far from their centres."""
        part = self.parts[0].some(slot)
        density, level = np.asarray(part.density(h)), np.asarray(part.level(h))
        n_parts = self.n_parts[slot] if len(self.parts) > 1 else slot
        for i in range(1, len(self.parts)):
            more = np.flatnonzero(n_parts > i)
            part = self.parts[i].some(slot[more])
            density[more] += part.density(h[more])
            level[more] += part.level(h[more])
        return density, np.minimum(level, 1.0)

    def at(self, slot: int, place: tuple[float, float, float]) -> tuple[float, float]:
        """What :meth:`match` tells of one place; level 1 where the circle is far away."""
        x, y, z = (axis.item(slot) for axis in self.centre)
        dx, dy, dz = place[0] - x, place[1] - y, place[2] - z
        h = 0.5 * (dx * dx + dy * dy + dz * dz)
        if h > self.farthest.item(slot):
            return 0.0, 1.0
        density = level = 0.0
        for i in range(self.n_parts.item(slot)):
            part = self.parts[i].some(slot)
            density += float(part.density(h))
            level += float(part.level(h))
        return density, min(level, 1.0)
