"""When a survey looks at a place, in which band and how deep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.blackbody import Floats
from training.sources import Ints

G_BAND, R_BAND, I_BAND, Y_BAND = 1, 2, 3, 5


@dataclass(frozen=True, slots=True)
class Visits:
    """Exposures of one place, by time; shape ``(n,)`` each.

    Attributes
    ----------
    day
        Since some moment; the first ones are before 0.
    band
        Place in ugrizy.
    depth_mag_ab
        Magnitude of a source of five times the noise.
    """

    day: Floats
    band: Ints
    depth_mag_ab: Floats


@dataclass(frozen=True, slots=True)
class Survey:
    """How a survey looks, and what its alerts tell of the past.

    Attributes
    ----------
    name
        ``ztf`` or ``lsst``.
    visits
        Draws the exposures of one place in some days from ``before_d`` before 0 until
        ``after_d`` after it.
    history_d
        How far an alert looks back.
    tells_limits
        Whether it tells where the object was not seen.
    most_redshift
        Of the supernovae that it sees.
    """

    name: str
    visits: Callable[[np.random.Generator, float, float], Visits]
    history_d: float
    tells_limits: bool
    most_redshift: float


_SEEN_BY_ZTF = ((G_BAND, 0.85), (R_BAND, 0.95), (R_BAND, 0.25), (G_BAND, 0.2), (I_BAND, 0.3))
"""Exposures of a night and the chance of each: mostly one of each band, at times two."""


def _ztf_visits(rng: np.random.Generator, before_d: float, after_d: float) -> Visits:
    """Nights with g and r, mostly both (Bellm et al. 2019, PASP 131, 068003), i in some fields.

    A field is looked at each night, each second one or less, weather permitting (0.75).
    """
    nights = np.arange(-np.ceil(before_d), np.ceil(after_d)) + rng.random()
    share = 0.75 * rng.choice([0.3, 0.5, 0.95])
    nights = nights[rng.random(len(nights)) < share]
    has_i = rng.random() < 0.1
    day, band = [], []
    for code, seen in _SEEN_BY_ZTF:
        looked = nights[rng.random(len(nights)) < (seen if code != I_BAND or has_i else 0.0)]
        day.append(looked + rng.uniform(0.0, 0.2, len(looked)))
        band.append(np.full(len(looked), code))
    depths = np.array([np.nan, 20.8, 20.6, 19.9, np.nan, np.nan])
    return _by_time(rng, np.concatenate(day), np.concatenate(band), depths, 0.35)


def _lsst_visits(rng: np.random.Generator, before_d: float, after_d: float) -> Visits:
    """Pairs of neighbouring bands half an hour apart every few days, or deep fields each night.

    Depths of one visit: Ivezić et al. (2019, ApJ 873, 111); cadence: Bianco et al. (2022, ApJS
    258, 1).
    """
    depths = np.array([23.9, 25.0, 24.7, 24.0, 23.3, 22.1])
    if rng.random() < 0.2:
        nights = np.arange(-np.ceil(before_d), np.ceil(after_d)) + rng.random()
        nights = nights[rng.random(len(nights)) < 0.8]
        bands = np.flatnonzero(rng.random(6) < 0.8)
        day = np.repeat(nights, len(bands)) + np.tile(0.015 * np.arange(len(bands)), len(nights))
        return _by_time(rng, day, np.tile(bands, len(nights)), depths, 0.3)
    gap_d = np.exp(rng.uniform(np.log(0.7), np.log(6.0)))
    day = np.cumsum(rng.exponential(gap_d, int(4 * (before_d + after_d) / gap_d) + 4)) - before_d
    day = day[day < after_d]
    # Ground is dark for a third of the day.
    day = np.floor(day) + 0.3 * (day % 1.0)
    bluer = rng.integers(0, Y_BAND, len(day))
    paired = rng.random(len(day)) < 0.8
    whole = np.concatenate([day, day[paired] + 0.023])
    return _by_time(rng, whole, np.concatenate([bluer, bluer[paired] + 1]), depths, 0.3)


def _by_time(
    rng: np.random.Generator, day: Floats, band: Ints, depths: Floats, spread_mag: float
) -> Visits:
    order = np.argsort(day, kind="stable")
    depth = depths[band] + rng.normal(0.0, spread_mag, len(band))
    return Visits(day[order], band[order], depth[order])


ZTF = Survey("ztf", _ztf_visits, 30.0, tells_limits=True, most_redshift=0.1)
LSST = Survey("lsst", _lsst_visits, 365.0, tells_limits=False, most_redshift=0.6)

SURVEYS = (ZTF, LSST)
