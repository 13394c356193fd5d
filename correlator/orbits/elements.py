"""Orbits: osculating elements about the Sun, one by one as they are read, and as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GAUSS = 0.017_202_098_95
"""Gaussian gravitational constant [au^1.5 / d] (IAU 1976)."""

SUN_GM = GAUSS * GAUSS
"""Of the Sun [au^3 / d^2]."""

FIRST_MJD, LAST_MJD = -21_503.0, 124_591.0
"""1800-01-01 and 2200-01-01 [MJD]; the planets are good from 1000 to 3000 (Simon et al. 1994)."""

MJD_ZERO_JD = 2_400_000.5
"""Julian date of MJD 0."""

MIN_PERIHELION_AU, MAX_PERIHELION_AU = 1e-3, 1e5
"""Inside the Sun, which has 0.005 au; and the outer edge of the Oort cloud."""

MAX_ECCENTRICITY = 1e3
"""The three known visitors from other stars have 1.2 to 6."""

MAX_SINCE_PERIHELION_D = 1e9
"""Longer than any period within the bounds above matters."""

DEFAULT_SLOPE = 0.15
"""G where an orbit has none, as the Minor Planet Center assumes."""


@dataclass(frozen=True, slots=True)
class Orbit:
    """Osculating heliocentric elements, ecliptic and equinox J2000 of the ICRF.

    Attributes
    ----------
    name
        Number or principal provisional designation: ``404405``, ``2013 GR59``.
    epoch_mjd_tdb
        When the elements osculate [MJD, TDB].
    perihelion_au, eccentricity
        Distance at perihelion [au]; at least 1 for what does not come back.
    inclination_deg, node_deg, argument_deg
        Inclination, longitude of the ascending node, argument of perihelion [deg].
    perihelion_mjd_tdb
        Time of perihelion [MJD, TDB].
    h_mag, g_slope
        Absolute magnitude in V and slope (Bowell et al. 1989); None is "not said".
    """

    name: str
    epoch_mjd_tdb: float
    perihelion_au: float
    eccentricity: float
    inclination_deg: float
    node_deg: float
    argument_deg: float
    perihelion_mjd_tdb: float
    h_mag: float | None = None
    g_slope: float | None = None

    @property
    def broken_rule(self) -> tuple[str, float] | None:
        """The first rule that the elements break, and the value that breaks it."""
        rules = (
            ("epoch must lie in 1800..2200", self.epoch_mjd_tdb, FIRST_MJD, LAST_MJD),
            (
                "perihelion distance must lie in 0.001..100,000 au",
                self.perihelion_au,
                MIN_PERIHELION_AU,
                MAX_PERIHELION_AU,
            ),
            ("eccentricity must lie in 0..1000", self.eccentricity, 0.0, MAX_ECCENTRICITY),
            ("inclination must lie in [0, 180] deg", self.inclination_deg, 0.0, 180.0),
            ("node must lie in [-360, 360] deg", self.node_deg, -360.0, 360.0),
            (
                "argument of perihelion must lie in [-360, 360] deg",
                self.argument_deg,
                -360.0,
                360.0,
            ),
            (
                "perihelion must lie within 1e9 d of the epoch",
                self.perihelion_mjd_tdb,
                self.epoch_mjd_tdb - MAX_SINCE_PERIHELION_D,
                self.epoch_mjd_tdb + MAX_SINCE_PERIHELION_D,
            ),
            ("H must lie in [-50, 50]", self.h_mag or 0.0, -50.0, 50.0),
            ("G must lie in [-50, 50]", self.g_slope or 0.0, -50.0, 50.0),
        )
        broken = ((rule, x) for rule, x, least, most in rules if not least <= x <= most)
        return next(broken, None)


@dataclass(frozen=True, slots=True, eq=False)
class Orbits:
    """Many orbits as columns; the attributes of :class:`Orbit`, each of shape ``(n,)``.

    ``h_mag`` is NaN and ``g_slope`` is 0.15 where an orbit says nothing.
    """

    names: tuple[str, ...]
    epoch_mjd_tdb: Floats
    perihelion_au: Floats
    eccentricity: Floats
    inclination_deg: Floats
    node_deg: Floats
    argument_deg: Floats
    perihelion_mjd_tdb: Floats
    h_mag: Floats
    g_slope: Floats

    @classmethod
    def of(cls, orbits: Sequence[Orbit]) -> Orbits:
        """Columns of orbits that break no rule, in their order."""

        def column(name: str, unknown: float = math.nan) -> Floats:
            said = (getattr(orbit, name) for orbit in orbits)
            return np.array([unknown if x is None else x for x in said], dtype=np.float64)

        return cls(
            names=tuple(orbit.name for orbit in orbits),
            h_mag=column("h_mag"),
            g_slope=column("g_slope", DEFAULT_SLOPE),
            **{name: column(name) for name in ELEMENTS},
        )

    def __len__(self) -> int:
        return len(self.names)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Orbits:
        """Some of the orbits, in the order of ``rows``."""
        chosen = np.asarray(rows, dtype=np.int64)
        columns = {name: getattr(self, name)[chosen] for name in (*ELEMENTS, "h_mag", "g_slope")}
        return Orbits(names=tuple(self.names[row] for row in chosen.tolist()), **columns)


ELEMENTS = (
    "epoch_mjd_tdb",
    "perihelion_au",
    "eccentricity",
    "inclination_deg",
    "node_deg",
    "argument_deg",
    "perihelion_mjd_tdb",
)
"""The numbers that say where a body is."""


def perihelion_of_mean_anomaly(
    epoch_mjd_tdb: float, semimajor_au: float, mean_anomaly_deg: float
) -> float:
    """Time of the perihelion nearest to the epoch [MJD, TDB] of an ellipse.

    Parameters
    ----------
    epoch_mjd_tdb, semimajor_au, mean_anomaly_deg
        Elements.

    Returns
    -------
    float
        NaN where the axis is none of an ellipse, or longer than any.
    """
    if not MIN_PERIHELION_AU <= semimajor_au <= MAX_PERIHELION_AU:
        return math.nan
    since_perihelion_deg = (mean_anomaly_deg + 180.0) % 360.0 - 180.0
    motion_deg_d = math.degrees(GAUSS / semimajor_au**1.5)
    return epoch_mjd_tdb - since_perihelion_deg / motion_deg_d
