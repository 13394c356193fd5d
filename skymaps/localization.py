"""A localization: one version of the probability that an event lies at each place of the sky."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from skymaps.healpix import Positions

LEVEL_SLACK = 1e-9
"""Added to a level where a region must hold every position that is inside by the full test,
whatever was rounded on the way: far above the rounding, far below any difference in meaning."""


@dataclass(frozen=True, slots=True)
class SkyMatch:
    """What a localization says of ``n`` positions; every array has shape ``(n,)``.

    Attributes
    ----------
    probdensity_per_sr
        Probability density, normalised to 1 over the sky [1/sr].
    credible_level
        Greedy credible level, inclusive of the position's own cell: 0 at the peak, 1 at the edge.
    cell_probability
        Probability inside the position's own cell; 0 for an analytic shape, which has no cells.
    """

    probdensity_per_sr: NDArray[np.float64]
    credible_level: NDArray[np.float64]
    cell_probability: NDArray[np.float64]

    def inside(self, level: float) -> NDArray[np.bool_]:
        """Membership in the region of credible ``level``; the cell that straddles it belongs."""
        return np.asarray(self.credible_level - self.cell_probability < level)


@runtime_checkable
class Localization(Protocol):
    """What every localization answers, whatever its form.

    Implementations: :class:`skymaps.shapes.Circle` (analytic, with systematics) and
    :class:`skymaps.skymap.SkyMap` (multi-order map, optional distance layers).
    """

    @property
    def kind(self) -> str:
        """``circle`` or ``map``."""
        ...

    @property
    def sha256(self) -> str:
        """Hash of the localization's own bytes; equal localizations have equal hashes."""
        ...

    def match(self, positions: Positions) -> SkyMatch:
        """Density and credible level at each position."""
        ...

    def area_deg2(self, level: float) -> float:
        """Area of the region of credible ``level`` [deg2], the straddling cell included."""
        ...

    def cover(self, level: float) -> NDArray[np.int64]:
        """Half-open order-29 ranges, sorted, disjoint, shape ``(n, 2)``, that hold the region.

        Every position that ``match(...).inside(level)`` accepts lies in one of them; some that it
        refuses do too. ``level`` lies in [0, 1].
        """
        ...

    def to_bytes(self) -> bytes:
        """The wire form; :func:`skymaps.wire.localization_of_bytes` is the inverse."""
        ...
