"""Orbits for tests."""

import numpy as np

from correlator.orbits.elements import Orbit, Orbits

EPOCH_MJD = 61_000.0
EPOCH_UNIX_S = (EPOCH_MJD - 40_587.0) * 86_400.0


def orbit(name="2001 AA1", **changed):
    """An ordinary main-belt orbit, or one that differs from it."""
    elements = {
        "epoch_mjd_tdb": EPOCH_MJD,
        "perihelion_au": 2.2,
        "eccentricity": 0.12,
        "inclination_deg": 7.0,
        "node_deg": 80.0,
        "argument_deg": 150.0,
        "perihelion_mjd_tdb": EPOCH_MJD - 300.0,
        "h_mag": 16.0,
    }
    return Orbit(name, **{**elements, **changed})


def belt(n, seed=0, epoch_mjd=EPOCH_MJD):
    """Bodies between Mars and Jupiter, strewn over their orbits, near the ecliptic."""
    random = np.random.default_rng(seed)
    a, e = random.uniform(2.1, 3.3, n), random.rayleigh(0.1, n).clip(0.0, 0.6)
    period_d = 365.25 * a**1.5
    rows = zip(
        a * (1.0 - e),
        e,
        np.degrees(random.rayleigh(0.05, n)),
        random.uniform(0.0, 360.0, n),
        random.uniform(0.0, 360.0, n),
        epoch_mjd + random.uniform(-0.5, 0.5, n) * period_d,
        strict=True,
    )
    return Orbits.of(
        [Orbit(f"{k}", epoch_mjd, *map(float, row), h_mag=17.0) for k, row in enumerate(rows)]
    )
