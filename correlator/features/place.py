"""What the place of an object says: latitudes, distances, motion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from correlator.features.curves import MIN_BASELINE_D, Floats
from correlator.policy import DAY_S, HOUR_S

_GALACTIC_POLE_DEG = 192.85948, 27.12825
"""North Galactic pole, ICRS (Hipparcos, ESA SP-1200, 1.5.3)."""

_OBLIQUITY_DEG = 84_381.406 / 3600.0
"""Obliquity of the ecliptic at J2000 (IAU 2006)."""

_ARCSEC_PER_RAD = 180.0 * 3600.0 / math.pi


@dataclass(frozen=True, slots=True)
class Position:
    """Where an object was seen once; ICRS."""

    time_unix_s: float
    ra_deg: float
    dec_deg: float


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of an object beside its packets; None is unknown.

    Attributes
    ----------
    dist_mpc
        Luminosity distance, of its host or of the event that it is compared with.
    host_sep_arcsec
        Distance on the sky of its host.
    positions
        Where each of its alerts was, in any order.
    """

    dist_mpc: float | None = None
    host_sep_arcsec: float | None = None
    positions: tuple[Position, ...] = ()


def galactic_latitude_deg(ra_deg: Floats, dec_deg: Floats) -> Floats:
    """Galactic latitude of ICRS positions."""
    ra, dec = np.radians(ra_deg - _GALACTIC_POLE_DEG[0]), np.radians(dec_deg)
    pole = math.radians(_GALACTIC_POLE_DEG[1])
    sine = np.sin(dec) * math.sin(pole) + np.cos(dec) * math.cos(pole) * np.cos(ra)
    return np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))


def ecliptic_latitude_deg(ra_deg: Floats, dec_deg: Floats) -> Floats:
    """Ecliptic latitude of ICRS positions, of J2000."""
    ra, dec, tilt = np.radians(ra_deg), np.radians(dec_deg), math.radians(_OBLIQUITY_DEG)
    sine = np.sin(dec) * math.cos(tilt) - np.cos(dec) * math.sin(tilt) * np.sin(ra)
    return np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))


def motion_arcsec_per_h(positions: Sequence[Position], end_unix_s: float | None) -> float | None:
    """Speed from the first to the latest position; None from too short a time.

    A position is good to 0.1 to 0.3 arcsec, so that the least time makes a noise of 1 arcsec/h.
    """
    seen = sorted(
        (p.time_unix_s, p.ra_deg, p.dec_deg)
        for p in positions
        if end_unix_s is None or p.time_unix_s <= end_unix_s
    )
    if not seen or seen[-1][0] - seen[0][0] < MIN_BASELINE_D * DAY_S:
        return None
    (start, ra_a, dec_a), (end, ra_b, dec_b) = seen[0], seen[-1]
    half_ra, half_dec = math.radians(ra_b - ra_a) / 2.0, math.radians(dec_b - dec_a) / 2.0
    cosines = math.cos(math.radians(dec_a)) * math.cos(math.radians(dec_b))
    haversine = math.sin(half_dec) ** 2 + cosines * math.sin(half_ra) ** 2
    sep_arcsec = 2.0 * math.asin(math.sqrt(min(1.0, haversine))) * _ARCSEC_PER_RAD
    return sep_arcsec / ((end - start) / HOUR_S)


def absolute_mag(mag_ab: Floats, dist_mpc: Floats) -> Floats:
    """Absolute magnitude at a luminosity distance, without K correction or extinction."""
    return mag_ab - 5.0 * np.log10(dist_mpc) - 25.0


def projected_kpc(sep_arcsec: Floats, dist_mpc: Floats) -> Floats:
    """Length on the sky of a small angle at a distance."""
    return sep_arcsec / _ARCSEC_PER_RAD * dist_mpc * 1e3
