"""Light of a ball of gas that is heated from inside and expands: one zone, one opacity.

Diffusion as Arnett (1982, ApJ 253, 785), photosphere with a floor of temperature as Nicholl et al.
(2017, ApJ 850, 55) and Villar et al. (2017, ApJ 851, L21).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from training.blackbody import LIGHT_CM_PER_S, STEFAN_BOLTZMANN, Floats, flux_njy

DAYS: Floats = np.geomspace(0.02, 150.0, 140)
"""Days since the explosion, in its own frame, of every table."""

SUN_G = 1.98841e33
DAY_S = 86_400.0

_GEOMETRY = 13.4
"""Of the density's profile in the time of diffusion (Arnett 1982; Villar et al. 2017)."""

Heating = Callable[[Floats], Floats]


def r_process_heating(mass_g: Floats) -> Heating:
    """Radioactive heat that stays in the ejecta of a merger [erg/s].

    Rate: Korobkin et al. (2012, MNRAS 426, 1940); the share that stays: Barnes et al. (2016, ApJ
    829, 110), the form and numbers of Metzger (2019, Living Reviews in Relativity 23, 1).
    """

    def heat(days: Floats) -> Floats:
        seconds = days * DAY_S
        # Beyond the first second 1/2 - arctan(x)/pi is arctan(1/x)/pi, which loses no digits.
        rate = 4e18 * (np.arctan(0.11 / (seconds - 1.3)) / math.pi) ** 1.3
        x = 0.34 * days**0.74
        return np.asarray(mass_g * rate * 0.36 * (np.exp(-0.56 * days) + np.log1p(x) / x))

    return heat


def nickel_heating(mass_g: Floats) -> Heating:
    """Heat of a mass of nickel 56 and of the cobalt that it becomes [erg/s] (Nadyozhin 1994)."""

    def heat(days: Floats) -> Floats:
        nickel, cobalt = np.exp(-days / 8.8), np.exp(-days / 111.3)
        return np.asarray(mass_g * (3.9e10 * nickel + 6.78e9 * (cobalt - nickel)))

    return heat


def luminosity(heating: Heating, mass_g: Floats, v_cm_per_s: Floats, kappa: Floats) -> Floats:
    """What leaves the ball at ``DAYS`` [erg/s], shape ``(n, len(DAYS))``.

    Parameters
    ----------
    heating
        Of days of shape ``(1,)`` gives ``(n,)``.
    mass_g, v_cm_per_s, kappa
        Mass, velocity and opacity [cm2/g], shape ``(n,)``.
    """
    tau_d = np.sqrt(2.0 * kappa * mass_g / (_GEOMETRY * v_cm_per_s * LIGHT_CM_PER_S)) / DAY_S
    found = np.empty((len(mass_g), len(DAYS)))
    left, before = np.zeros(len(mass_g)), 0.0
    for i, day in enumerate(DAYS):
        # Exact for a heating that is constant over the step, however short the diffusion takes.
        kept = np.exp(-(day * day - before * before) / tau_d**2)
        left = left * kept + heating(np.array([0.5 * (day + before)])) * (1.0 - kept)
        found[:, i], before = left, float(day)
    return found


def photosphere_njy(
    erg_per_s: Floats, v_cm_per_s: Floats, floor_k: Floats, redshift: Floats, start_cm: float = 0.0
) -> Floats:
    """Flux of each band at ``DAYS`` and 10 pc [nJy], shape ``(n, len(DAYS), 6)``.

    The photosphere goes out with the gas until it has the floor of its temperature, then stays at
    that temperature.

    Parameters
    ----------
    erg_per_s
        Shape ``(n, len(DAYS))``.
    v_cm_per_s, floor_k, redshift
        Shape ``(n,)``.
    start_cm
        Radius at the beginning.
    """
    radius_cm = start_cm + v_cm_per_s[:, None] * DAYS * DAY_S
    area_k4 = erg_per_s / (4.0 * math.pi * STEFAN_BOLTZMANN)
    floor = np.broadcast_to(floor_k[:, None], erg_per_s.shape)
    temperature_k = np.maximum((area_k4 / radius_cm**2) ** 0.25, floor)
    return flux_njy(temperature_k, np.sqrt(area_k4) / temperature_k**2, redshift[:, None])
