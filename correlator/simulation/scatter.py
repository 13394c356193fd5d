"""How far published positions lie from the truth: the errors that instruments really make."""

from __future__ import annotations

import math

import numpy as np

from correlator.simulation.ephemeris import moved_deg

SIGMA_PER_R90 = 1.0 / math.sqrt(-2.0 * math.log(0.1))
"""Per-axis sigma of a two-dimensional Gaussian with 90 % inside radius 1."""

FISHER_R68_FACTOR = 0.66
"""Concentration k = 1 / (0.66 r68)^2, r68 in radians (Briggs et al. 1999, ApJS 122, 503)."""


def within_r90(
    ra_deg: float, dec_deg: float, r90_deg: float, rng: np.random.Generator
) -> tuple[float, float]:
    """A measured position with a Gaussian error of 90 % radius ``r90_deg``."""
    distance = rng.rayleigh(SIGMA_PER_R90 * r90_deg)
    return _moved(ra_deg, dec_deg, distance, rng)


def within_mixture(
    ra_deg: float,
    dec_deg: float,
    r68_deg: float,
    systematics: tuple[tuple[float, float], ...],
    rng: np.random.Generator,
) -> tuple[float, float]:
    """A measured position with a statistical Fisher error and one of several systematic ones.

    Parameters
    ----------
    r68_deg
        Statistical 68 % radius.
    systematics
        Weight and 68 % radius of each component, which adds in quadrature.
    """
    weights = np.array([weight for weight, _ in systematics])
    part = int(rng.choice(len(weights), p=weights / weights.sum()))
    radius = math.radians(math.hypot(r68_deg, systematics[part][1]))
    k = 1.0 / (FISHER_R68_FACTOR * radius) ** 2
    # The probability within t is expm1(-k h) / expm1(-2 k), h = 1 - cos t.
    h = -math.log1p(rng.random() * math.expm1(-2.0 * k)) / k
    return _moved(ra_deg, dec_deg, math.degrees(math.acos(1.0 - min(h, 2.0))), rng)


def _moved(
    ra_deg: float, dec_deg: float, distance_deg: float, rng: np.random.Generator
) -> tuple[float, float]:
    ra, dec = moved_deg(ra_deg, dec_deg, distance_deg, rng.uniform(0.0, 360.0))
    return float(ra), float(dec)
