"""Kilonovae and supernovae: tables of flux against days since the explosion.

Each function gives ``n`` models of shape ``(n, len(DAYS), 6)``: nJy of u g r i z y at 10 pc, in the
days of the explosion's own frame, with the bands moved by the redshift.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from training.blackbody import LIGHT_CM_PER_S, Floats, flux_njy
from training.one_zone import (
    DAY_S,
    DAYS,
    SUN_G,
    luminosity,
    nickel_heating,
    photosphere_njy,
    r_process_heating,
)

MASS_SUN = (0.003, 0.01, 0.02, 0.04, 0.08)
"""Mass of a component's ejecta, solar masses: the range of Metzger (2019)."""

VELOCITY_C = (0.1, 0.2, 0.3)
"""Velocity of a component's ejecta, of light's."""

OPACITY_CM2_PER_G = (0.5, 1.0, 3.0, 10.0)
"""Gray opacities, free of lanthanides to full of them (Tanaka et al. 2020, MNRAS 496, 1369)."""

FLOOR_K = (1500.0, 2500.0, 3500.0)
"""Floors of temperature, about that of the recombination of lanthanides."""

GRID: Floats = np.array(list(product(MASS_SUN, VELOCITY_C, OPACITY_CM2_PER_G, FLOOR_K)))
"""Shape ``(180, 4)``: the components that models are trained on."""


def kilonovae_of_grid(rng: np.random.Generator, n: int, redshift: Floats) -> Floats:
    """Kilonovae of one or of two components of the grid; what models are trained on."""
    first, second = GRID[rng.integers(0, len(GRID), n)], GRID[rng.integers(0, len(GRID), n)]
    return _two_components(rng, first, second, redshift)


def kilonovae_off_grid(rng: np.random.Generator, n: int, redshift: Floats) -> Floats:
    """Kilonovae with parameters anywhere in the grid's range; what models are tested on."""
    low, high = GRID.min(axis=0), GRID.max(axis=0)
    first, second = np.exp(rng.uniform(np.log(low), np.log(high), (2, n, 4)))
    return _two_components(rng, first, second, redshift)


def _two_components(
    rng: np.random.Generator, first: Floats, second: Floats, redshift: Floats
) -> Floats:
    one, two = (_component(part, redshift) for part in (first, second))
    return one + two * (rng.random(len(one)) < 0.7)[:, None, None]


def _component(parameters: Floats, redshift: Floats) -> Floats:
    mass_g, v = parameters[:, 0] * SUN_G, parameters[:, 1] * LIGHT_CM_PER_S
    erg_per_s = luminosity(r_process_heating(mass_g), mass_g, v, parameters[:, 2])
    return photosphere_njy(erg_per_s, v, parameters[:, 3], redshift)


def thermonuclear(rng: np.random.Generator, n: int, redshift: Floats) -> Floats:
    """Supernovae Ia: 0.4 to 0.8 of nickel in 1.0 to 1.4 solar masses (Scalzo et al. 2014)."""
    return _of_nickel(rng, n, redshift, (0.4, 0.8), (1.0, 1.4), (9e8, 1.2e9), (5500.0, 7000.0))


def stripped(rng: np.random.Generator, n: int, redshift: Floats) -> Floats:
    """Supernovae Ib, Ic and IIb: 0.07 to 0.3 of nickel (Lyman et al. 2016, MNRAS 457, 328).

    One in three cools from an extended envelope first, as Piro (2015, ApJ 808, L51), for days.
    """
    of_nickel = _of_nickel(rng, n, redshift, (0.07, 0.3), (1.5, 5.0), (7e8, 1.2e9), (4500.0, 6000))
    peak_erg_per_s = np.exp(rng.uniform(np.log(3e41), np.log(5e42), n))[:, None]
    peak_d = rng.uniform(0.8, 2.5, n)[:, None]
    start_cm, v = 1e13, rng.uniform(1e9, 2e9, n)
    expand_d = (start_cm / v / DAY_S)[:, None]
    erg_per_s = peak_erg_per_s * np.exp(-DAYS * (DAYS + 2.0 * expand_d) / (2.0 * peak_d**2))
    # Far beyond its peak nothing is left, of which the colour would not be a number.
    erg_per_s = np.maximum(erg_per_s, 1e30)
    cooling = photosphere_njy(erg_per_s, v, np.full(n, 4000.0), redshift, start_cm)
    return of_nickel + cooling * (rng.random(n) < 1.0 / 3.0)[:, None, None]


def _of_nickel(
    rng: np.random.Generator,
    n: int,
    redshift: Floats,
    nickel_sun: tuple[float, float],
    mass_sun: tuple[float, float],
    v_cm_per_s: tuple[float, float],
    floor_k: tuple[float, float],
) -> Floats:
    heating = nickel_heating(rng.uniform(*nickel_sun, n) * SUN_G)
    mass_g, v = rng.uniform(*mass_sun, n) * SUN_G, rng.uniform(*v_cm_per_s, n)
    erg_per_s = luminosity(heating, mass_g, v, np.full(n, 0.1))
    return photosphere_njy(erg_per_s, v, rng.uniform(*floor_k, n), redshift)


def plateau(rng: np.random.Generator, n: int, redshift: Floats) -> Floats:
    """Supernovae II: they cool as a power of time to the recombination of hydrogen and stay so.

    Powers and temperatures: Rabinak & Waxman (2011, ApJ 728, 63); floor: Valenti et al. (2016).
    """
    floor_k = rng.uniform(5000.0, 6500.0, n)[:, None]
    first_k, power = rng.uniform(2e4, 3.5e4, n)[:, None], rng.uniform(0.45, 0.6, n)[:, None]
    temperature_k = np.maximum(first_k * DAYS**-power, floor_k)
    plateau_d = (first_k / floor_k) ** (1.0 / power)
    v = rng.uniform(6e8, 1.1e9, n)[:, None]
    radius_cm = v * DAY_S * np.minimum(DAYS, plateau_d)
    return flux_njy(temperature_k, radius_cm, redshift[:, None])
