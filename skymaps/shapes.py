"""Circles: a published radius at its containment level, with systematics as a mixture.

The density is a mixture of concentric Fisher distributions, each of concentration k,

    f(t) = k / (2 pi (1 - exp(-2 k))) exp(-k h),    h = 1 - cos t,

which holds h and not cos t, so that a circle of 0.5 arcsec keeps its digits. The probability
within t is expm1(-k h) / expm1(-2 k).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skymaps.errors import SkyMapError
from skymaps.healpix import (
    DEG2_PER_SR,
    Positions,
    components,
    one_minus_cos_between,
    ranges_of_cap,
)
from skymaps.localization import LEVEL_SLACK, SkyMatch

Numbers = Any
"""A float or an array of shape ``(n,)``: numpy's types do not say that both can be had."""

FISHER_R68_FACTOR = 0.66
"""k = 1 / (0.66 r68)^2, r68 in radians (Briggs et al. 1999, ApJS 122, 503; Connaughton 2015)."""

MIN_CONCENTRATION = 1e-9
"""Least k: a radius that promises less than a uniform sky does is taken as a uniform sky."""

MIN_RADIUS_DEG = 1e-9
"""Least radius, 3.6 microarcsec: below any real one, above the underflow of 1 - cos."""

MAX_FLOAT = 1e300
"""A whole number of JSON may exceed every float; none of ours comes near."""

WEIGHT_SUM_TOLERANCE = 1e-9
"""How far the weights of a mixture may sum from 1 (rounding of published 3-digit weights)."""

_CELLS_A_RADIUS = 32
"""Cells of a cover along the radius of its circle, at least: its area is 3 to 8 % too large."""

_FINEST_COVER = 24
"""Order of the finest cells of a cover, 0.01 arcsec."""

_ROUNDING_DEG = 1e-10
"""Far above the rounding of a separation, far below the finest cells."""

MAX_COMPONENTS = 16
MAX_SOURCE_LENGTH = 1_000
"""Bounds that keep the wire form of a circle under 10 kB."""


@dataclass(frozen=True, slots=True)
class SystematicComponent:
    """One part of a systematic error.

    Attributes
    ----------
    weight
        Share of the events that it describes, in (0, 1]; the weights of a circle sum to 1.
    r68_deg
        Fisher 68 % radius [deg], added in quadrature to the statistical one; in [0, 180].
    """

    weight: float
    r68_deg: float

    def __post_init__(self) -> None:
        for name in ("weight", "r68_deg"):
            object.__setattr__(self, name, _finite(name, getattr(self, name)))
        if not 0.0 < self.weight <= 1.0:
            raise SkyMapError("the weight of a systematic component lies in (0, 1]", self.weight)
        if not 0.0 <= self.r68_deg <= 180.0:
            raise SkyMapError(
                "the r68 of a systematic component lies in [0, 180] deg", self.r68_deg
            )


class _Mixture(NamedTuple):
    """Weights and Fisher concentrations [1/rad2] of the components of a circle."""

    weights: NDArray[np.float64]
    concentrations: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Circle:
    """A circular localization.

    Attributes
    ----------
    ra_deg, dec_deg
        Centre, ICRS [deg].
    radius_deg
        Radius as published [deg], in (0, 180]; see :data:`MIN_RADIUS_DEG`.
    level
        Probability inside the radius, in (0, 1).
    includes_systematics
        Whether the published radius already holds the systematic error.
    systematics
        What to add; empty when the radius includes it or nothing is known of it.
    source
        Document that gives the level and the systematics.

    Raises
    ------
    SkyMapError
        A value outside its range, weights that do not sum to 1, systematics added twice.
    """

    ra_deg: float
    dec_deg: float
    radius_deg: float
    level: float
    includes_systematics: bool
    systematics: tuple[SystematicComponent, ...] = ()
    source: str = ""
    _mixed: _Mixture | None = field(init=False, repr=False, compare=False, default=None)
    _sha256: str | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        for name in ("ra_deg", "dec_deg", "radius_deg", "level"):
            object.__setattr__(self, name, _finite(name, getattr(self, name)))
        self._check()

    def _check(self) -> None:
        if not 0.0 <= self.ra_deg <= 360.0:
            raise SkyMapError("RA lies in [0, 360] deg", self.ra_deg)
        if not -90.0 <= self.dec_deg <= 90.0:
            raise SkyMapError("dec lies in [-90, 90] deg", self.dec_deg)
        if not MIN_RADIUS_DEG <= self.radius_deg <= 180.0:
            raise SkyMapError(f"a radius lies in [{MIN_RADIUS_DEG}, 180] deg", self.radius_deg)
        if not 0.0 < self.level < 1.0:
            raise SkyMapError("a containment level lies in (0, 1)", self.level)
        if not isinstance(self.includes_systematics, bool):
            raise SkyMapError("includes_systematics is true or false", self.includes_systematics)
        if not isinstance(self.source, str) or len(self.source) > MAX_SOURCE_LENGTH:
            raise SkyMapError(f"a source has at most {MAX_SOURCE_LENGTH} characters", self.source)
        if not all(isinstance(part, SystematicComponent) for part in self.systematics):
            raise SkyMapError("systematics are SystematicComponents", self.systematics)
        if len(self.systematics) > MAX_COMPONENTS:
            raise SkyMapError(
                f"a circle has at most {MAX_COMPONENTS} systematic components",
                len(self.systematics),
            )
        if self.includes_systematics and self.systematics:
            raise SkyMapError("systematics are never added twice", self.systematics)
        total = math.fsum(part.weight for part in self.systematics)
        if self.systematics and abs(total - 1.0) > WEIGHT_SUM_TOLERANCE:
            raise SkyMapError("the weights of the systematics sum to 1", total)

    @property
    def _mixture(self) -> _Mixture:
        """What it is to whoever asks for probabilities; made for the first of them."""
        if self._mixed is None:
            statistical = concentration_of(self.radius_deg, self.level)
            parts = self.systematics or (SystematicComponent(1.0, 0.0),)
            weights = np.array([part.weight for part in parts])
            spread = [_widened(statistical, part.r68_deg) for part in parts]
            mixture = _Mixture(weights / weights.sum(), np.array(spread))
            object.__setattr__(self, "_mixed", mixture)
            return mixture
        return self._mixed

    @property
    def kind(self) -> str:
        """``circle``."""
        return "circle"

    @property
    def sha256(self) -> str:
        """Hash of the wire bytes."""
        digest = self._sha256 or hashlib.sha256(self.to_bytes()).hexdigest()
        object.__setattr__(self, "_sha256", digest)
        return digest

    @property
    def highest_concentration(self) -> float:
        """Fisher concentration of the narrowest component [1/rad2]."""
        return float(self._mixture.concentrations.max())

    @property
    def components(self) -> list[tuple[float, float]]:
        """Weight and Fisher concentration [1/rad2] of each component of the mixture."""
        pairs = zip(*(each.tolist() for each in self._mixture), strict=True)
        return list(pairs)

    def match(self, positions: Positions) -> SkyMatch:
        """Density and credible level at each position; the circle has no cells."""
        places = components(positions.ra_deg, positions.dec_deg)
        h = one_minus_cos_between(places, components(self.ra_deg, self.dec_deg))
        density, level = np.zeros(len(positions)), np.zeros(len(positions))
        # One component after the other: a sum over an axis rounds by the number of its terms.
        for weight, k in zip(*self._mixture, strict=True):
            part = Fishers.of(weight, k)
            density += part.density(h)
            level += part.level(h)
        return SkyMatch(density, np.minimum(level, 1.0), np.zeros(len(positions)))

    def area_deg2(self, level: float) -> float:
        """Area inside the circle that holds ``level`` of the probability [deg2].

        Raises
        ------
        SkyMapError
            A level outside [0, 1].
        """
        return 2.0 * math.pi * self._h_at(level) * DEG2_PER_SR

    def radius_at(self, level: float) -> float:
        """Radius that holds ``level`` of the probability, systematics included [deg].

        Raises
        ------
        SkyMapError
            A level outside [0, 1].
        """
        return math.degrees(2.0 * math.asin(math.sqrt(self._h_at(level) / 2.0)))

    def cover(self, level: float) -> NDArray[np.int64]:
        """Ranges that hold the circle of ``level``, shape ``(n, 2)``; a few hundred at most.

        Raises
        ------
        SkyMapError
            A level outside [0, 1].
        """
        if not 0.0 <= level <= 1.0:
            raise SkyMapError("a credible level lies in [0, 1]", level)
        widest_deg = self.radius_at(min(level + LEVEL_SLACK, 1.0))
        radius_deg = widest_deg * (1.0 + LEVEL_SLACK) + _ROUNDING_DEG
        order = math.ceil(math.log2(_CELLS_A_RADIUS / math.radians(radius_deg)))
        order = min(max(order, 0), _FINEST_COVER)
        return ranges_of_cap(self.ra_deg, self.dec_deg, radius_deg, order)

    def _h_at(self, level: float) -> float:
        if not 0.0 <= level <= 1.0:
            raise SkyMapError("a credible level lies in [0, 1]", level)
        if level in (0.0, 1.0):
            return 2.0 * level
        weights, ks = self._mixture
        # The mixture reaches the level between its narrowest and its widest component.
        each = np.minimum(-np.log1p(level * np.expm1(-2.0 * ks)) / ks, 2.0)
        low, high = float(each.min()), float(each.max())
        while low < (middle := 0.5 * (low + high)) < high:
            enclosed = weights @ (np.expm1(-ks * middle) / np.expm1(-2.0 * ks))
            low, high = (middle, high) if enclosed < level else (low, middle)
        return high

    def to_bytes(self) -> bytes:
        """Return the wire form; :func:`skymaps.wire.localization_of_bytes` is the inverse."""
        from skymaps.wire import localization_to_bytes  # the wire knows every form

        return localization_to_bytes(self)


@dataclass(frozen=True, slots=True, eq=False)
class Fishers:
    """Fisher distributions with weights: numbers, or arrays of shape ``(n,)``, as is what it tells.

    The last digit is the same, however many are asked for at once.
    """

    weight: Numbers
    k: Numbers
    peak: Numbers
    norm: Numbers

    @classmethod
    def of(cls, weight: Numbers, k: Numbers) -> Fishers:
        """Distributions of concentration ``k`` [1/rad2]."""
        norm = np.expm1(-2.0 * k)
        return cls(weight, k, weight * (k / (-2.0 * np.pi * norm)), norm)

    def some(self, which: int | NDArray[np.int64]) -> Fishers:
        """Those of some indices."""
        return Fishers(self.weight[which], self.k[which], self.peak[which], self.norm[which])

    def density(self, h: Numbers) -> Numbers:
        """Weighted density [1/sr] where 1 - cos of the angle from the centre is ``h``."""
        return self.peak * np.exp(-self.k * h)

    def level(self, h: Numbers) -> Numbers:
        """Weighted probability nearer to the centre."""
        return self.weight * (np.expm1(-self.k * h) / self.norm)


def one_minus_cos(angle_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 - cos of angles [deg], exact for the tiniest ones."""
    return np.asarray(2.0 * np.sin(np.radians(angle_deg) / 2.0) ** 2)


def concentration_of(radius_deg: float, level: float) -> float:
    """Fisher concentration whose circle of ``radius_deg`` holds ``level``.

    Solves 1 - exp(-k h) = level (1 - exp(-2 k)). A circle so wide that a uniform sky
    would already put ``level`` inside it gives :data:`MIN_CONCENTRATION`.
    """
    h = 2.0 * math.sin(math.radians(radius_deg) / 2.0) ** 2
    high = -math.log1p(-level) / h
    if high > 20.0:  # exp(-2 k) is below the last digit of 1
        return high
    if level <= h / 2.0:
        return MIN_CONCENTRATION
    low = MIN_CONCENTRATION
    while low < (middle := 0.5 * (low + high)) < high:
        enclosed = math.expm1(-middle * h) / math.expm1(-2.0 * middle)
        low, high = (middle, high) if enclosed < level else (low, middle)
    return high


def _widened(concentration: float, r68_deg: float) -> float:
    """Concentration after a systematic r68 is added in quadrature to the statistical one."""
    # r68^2 = 1 / (0.66^2 k), so the quadrature of radii is a sum of inverses.
    systematic = (FISHER_R68_FACTOR * math.radians(r68_deg)) ** 2
    return max(1.0 / (1.0 / concentration + systematic), MIN_CONCENTRATION)


def _finite(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise SkyMapError(f"{name} is a number", value)
    if not -MAX_FLOAT < value < MAX_FLOAT:
        raise SkyMapError(f"{name} is finite", value)
    return float(value) + 0.0  # one zero, not two
