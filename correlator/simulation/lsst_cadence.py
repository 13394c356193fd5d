"""When and where a simulated Rubin looks: a few fields of its main survey, night after night.

Numbers of visits and depths are those of the survey's design (Ivezic et al. 2019, ApJ 873, 111,
tables 1 and 2): some 825 visits a field in ten years, of which 768 in g r i z y; each of 30 s; two
in a night, 22 to 33 min apart, mostly in neighbouring bands (Bianco et al. 2022, ApJS 258, 1). A
field that is up for six and a half months of a year then has a pair in every fifth night. Visits
in u, one in fourteen, are not simulated: nobody has measured enough of AT2017gfo in u.
"""

from __future__ import annotations

import math

import numpy as np

from correlator.simulation import ephemeris
from correlator.simulation.cadence import Exposure, Field, G, Night, R
from correlator.simulation.ephemeris import DAY_S

I, Z, Y = 3, 4, 5  # noqa: E741 - the band
"""Filter numbers after ZTF's g and r."""

FIELD_DEG2 = 9.6
SOUTHERN_EDGE_DEG, NORTHERN_EDGE_DEG = -62.0, 2.0

DEPTH_MAG = {G: 25.0, R: 24.7, I: 24.0, Z: 23.3, Y: 22.1}
"""5-sigma limits of one visit at zenith, dark, in seeing of 0.7 arcsec."""

DEEPER_MAG = 4.0
"""How much deeper than ZTF in r, and how much fainter the detector saturates: 16.5 against 12.5."""

PAIRS = ((G, R), (R, I), (I, Z), (Z, Y), (Y, Y))
PAIR_SHARES = (80, 104, 80, 80, 40)
"""Pairs that give each band its visits: 80 in g, 184 in r and i, 160 in z and y."""

PAIR_GAP_S = 22.0 * 60.0, 33.0 * 60.0
RETURN_NIGHTS = 2, 7
CLEAR_NIGHTS = 0.8
"""Nights until the next pair is due, of equal chance; share of nights that are clear."""

PAST_DAYS = 120
"""Length of the history: a packet has twelve months, a field's season begins some months ago."""

_BRIGHT_MOON = 0.5
"""Illuminated share beyond which g gives way to redder bands."""

_MOON_GLOW_MAG = {G: 0.9, R: 0.5, I: 0.3, Z: 0.15, Y: 0.05}
_DARK_START_S, _DARK_S = 0.5 * 3600.0, 9.0 * 3600.0
"""Dark hours after 0 h UTC: local midnight of Cerro Pachon is at 4 h 43 min."""

_PLACES, _WEATHER, _VISITS = 71, 72, 73


def lsst_night(midnight_unix_s: float) -> Night:
    """The dark hours of a UTC date, the same all year."""
    start = midnight_unix_s + _DARK_START_S
    return Night(start, start + _DARK_S)


def lsst_fields(n_fields: int, seed: int) -> tuple[Field, ...]:
    """Fields uniform over the sky between the southern and the northern edge, in season or not."""
    rng = np.random.default_rng([seed, _PLACES])
    lo, hi = np.sin(np.radians([SOUTHERN_EDGE_DEG, NORTHERN_EDGE_DEG]))
    side = math.sqrt(FIELD_DEG2)
    decs = np.degrees(np.arcsin(rng.uniform(lo, hi, n_fields)))
    fields = []
    for number, (ra, dec) in enumerate(
        zip(rng.uniform(0.0, 360.0, n_fields).tolist(), decs.tolist(), strict=True)
    ):
        half = 0.5 * side / math.cos(math.radians(dec))
        # Where it would straddle 0 h it is moved beside it.
        centre = min(max(ra, half), 360.0 - half)
        fields.append(
            Field(number, centre - half, centre + half, dec - 0.5 * side, dec + 0.5 * side)
        )
    return tuple(fields)


def lsst_visits(
    field: Field, first_midnight_unix_s: float, n_nights: int, seed: int
) -> tuple[tuple[Exposure, ...], ...]:
    """Visits of a field: those of the ``PAST_DAYS`` before, then those of each night.

    Each field has weather of its own, so that a few are a mean over many.
    """
    rng = np.random.default_rng([seed, _VISITS, field.number])
    n = PAST_DAYS + n_nights
    is_clear = np.random.default_rng([seed, _WEATHER, field.number]).random(n) < CLEAR_NIGHTS
    due = int(rng.integers(0, RETURN_NIGHTS[1]))
    nights: list[tuple[Exposure, ...]] = []
    for night in range(n):
        if night < due or not is_clear[night]:
            nights.append(())
            continue
        midnight = first_midnight_unix_s + (night - PAST_DAYS) * DAY_S
        nights.append(_pair(field, midnight, rng))
        due = night + int(rng.integers(RETURN_NIGHTS[0], RETURN_NIGHTS[1] + 1))
    past = tuple(e for pair in nights[:PAST_DAYS] for e in pair)
    return past, *nights[PAST_DAYS:]


def _pair(field: Field, midnight_unix_s: float, rng: np.random.Generator) -> tuple[Exposure, ...]:
    gap_s = rng.uniform(*PAIR_GAP_S)
    start = midnight_unix_s + _DARK_START_S + rng.uniform(0.0, _DARK_S - gap_s - 60.0)
    moon = float(ephemeris.moon_illumination(start))
    shares = np.array(PAIR_SHARES, dtype=np.float64)
    if moon > _BRIGHT_MOON:
        shares[0] = 0.0
    bands = PAIRS[int(rng.choice(len(PAIRS), p=shares / shares.sum()))]
    airmass = rng.uniform(1.0, 1.5)
    visits = []
    for band, at in zip(bands, (start, start + gap_s), strict=True):
        worse = 0.25 * (airmass - 1.0) + _MOON_GLOW_MAG[band] * moon**2
        luck = rng.normal(0.0, 0.12) - rng.exponential(0.15)
        limit = DEPTH_MAG[band] - worse + luck
        visits.append(Exposure(field.number, at, band, float(limit), float(rng.uniform(3.5, 6.0))))
    return tuple(visits)
