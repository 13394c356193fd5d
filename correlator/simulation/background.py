"""The unrelated sky: variable stars, nuclei, supernovae, outbursts, flares, asteroids, bogus.

Magnitude slopes, amplitudes and time scales are round numbers of the right order, chosen so that
the packets look like ZTF's; they are no measurement, and no scorer may read them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from correlator.simulation import ephemeris, surroundings
from correlator.simulation.cadence import PAST_DAYS, Field, Night
from correlator.simulation.ephemeris import DAY_S
from correlator.simulation.lightcurves import flare_mag, flux_of, outburst_mag, supernova_mag
from correlator.simulation.population import NO_NAME, UNKNOWN, Kind, Population, Visits, joined

Floats = NDArray[np.float64]
Draw = Callable[[int, Field, Visits, Night, np.random.Generator], Population]

ALERT_SHARES: Final[Mapping[Kind, float]] = {
    Kind.STAR: 0.504,
    Kind.BOGUS: 0.25,
    Kind.ASTEROID: 0.17,
    Kind.AGN: 0.06,
    Kind.OUTBURST: 0.008,
    Kind.SUPERNOVA: 0.006,
    Kind.FLARE: 0.002,
}
"""Shares of the alerts of a night before any cut: half variable stars, a quarter bogus, a sixth
Solar System (Patterson et al. 2019, PASP 131, 018001, and what brokers report, rounded). At a
million alerts a night, 6,000 of supernovae are some 3,000 active ones: ZTF's order."""

SURVEY_START_UNIX_S = 1_521_072_000.0
"""2018-03-15: histories of long-lived sources begin in the survey's first years."""

OLDEST_SUPERNOVA_DAYS = 90.0
OLDEST_OUTBURST_DAYS = 15.0
SLOW_ASTEROIDS = 0.005
"""Share of asteroids that stay within the 1.5 arcsec of one object between two visits."""

_ASTEROID_G_MINUS_R = 0.5

_FAINTEST_NEIGHBOUR_MAG = 22.5

_G_R_STEPS = np.array([0.0, 1.0, 0.0, -0.4, -0.6, -0.7])
"""How much fainter than in r a source is in the band of each filter number, in units of g - r: the
stellar locus, roughly."""


def density_weight(kind: Kind, field: Field) -> float:
    """Relative density of a kind in a field, of order 1: stars in the plane, asteroids likewise."""
    if kind in (Kind.STAR, Kind.OUTBURST, Kind.FLARE):
        latitude = float(ephemeris.galactic_deg(field.ra_deg, field.dec_deg)[1])
        return field.area_deg2 / 47.0 * (0.4 + 3.0 * float(np.exp(-abs(latitude) / 15.0)))
    if kind in (Kind.AGN, Kind.SUPERNOVA):
        latitude = float(ephemeris.galactic_deg(field.ra_deg, field.dec_deg)[1])
        return field.area_deg2 / 47.0 * min(1.0, abs(latitude) / 20.0)
    if kind is Kind.ASTEROID:
        latitude = float(ephemeris.ecliptic_deg(field.ra_deg, field.dec_deg)[1])
        return field.area_deg2 / 47.0 * (0.03 + 2.0 * float(np.exp(-((latitude / 14.0) ** 2))))
    return 1.0


def draw_background(
    field: Field,
    visits: Visits,
    night: Night,
    densities: Mapping[Kind, float],
    rng: np.random.Generator,
) -> Population:
    """Sources of a field: Poisson numbers with mean density times weight.

    Parameters
    ----------
    densities
        Mean number of each kind in a field of weight 1; of bogus detections and of asteroids, at
        each visit.
    """
    counts = {kind: rng.poisson(densities[kind] * density_weight(kind, field)) for kind in _DRAWS}
    return joined([draw(counts[k], field, visits, night, rng) for k, draw in _DRAWS.items()])


def draw_kind(
    kind: Kind, n: int, field: Field, visits: Visits, night: Night, rng: np.random.Generator
) -> Population:
    """``n`` sources of one kind."""
    return _DRAWS[kind](n, field, visits, night, rng)


def whole_days(night: Night) -> int:
    """Days between the beginning and the end: 0 of one night, 7 of eight in a row."""
    return int((night.end_unix_s - night.start_unix_s) // DAY_S)


def _stars(
    n: int, field: Field, visits: Visits, night: Night, rng: np.random.Generator
) -> Population:
    mag = _magnitudes(n, 13.5, 20.5, 0.25, rng) + visits.deeper_mag
    amplitude = 10.0 ** rng.uniform(-1.3, -0.1, (n, 1))
    period_s = DAY_S * 10.0 ** rng.uniform(-0.7, 2.3, (n, 1))
    phase = rng.uniform(0.0, 2.0 * np.pi, (n, 1))
    colour = rng.uniform(0.0, 1.4, (n, 1))
    wave = amplitude * np.sin(2.0 * np.pi * visits.start_unix_s / period_s + phase)
    mean = flux_of(mag[:, None] + colour * _G_R_STEPS[visits.fid])
    flux = mean * (10.0 ** (-0.4 * wave) - 1.0)
    near = surroundings.of_stars(mag, rng)
    since, before = _long_history(n, night, 0.4, rng)
    return Population.of(Kind.STAR, *_places(n, field, rng), flux, near, since, before)


def _nuclei(
    n: int, field: Field, visits: Visits, night: Night, rng: np.random.Generator
) -> Population:
    mag = _magnitudes(n, 15.5, 20.3, 0.4, rng) + visits.deeper_mag
    wave = np.zeros((n, len(visits)))
    for _ in range(3):
        amplitude = 10.0 ** rng.uniform(-1.5, -0.4, (n, 1))
        period_s = DAY_S * 10.0 ** rng.uniform(1.0, 2.9, (n, 1))
        phase = rng.uniform(0.0, 2.0 * np.pi, (n, 1))
        wave += amplitude * np.sin(2.0 * np.pi * visits.start_unix_s / period_s + phase)
    flux = flux_of(mag[:, None]) * (10.0 ** (-0.4 * wave) - 1.0)
    near = surroundings.of_nuclei(mag, rng)
    since, before = _long_history(n, night, 0.15, rng)
    return Population.of(Kind.AGN, *_places(n, field, rng), flux, near, since, before)


def _supernovae(
    n: int, field: Field, visits: Visits, night: Night, rng: np.random.Generator
) -> Population:
    oldest_days = OLDEST_SUPERNOVA_DAYS + whole_days(night)
    start = night.end_unix_s - DAY_S * rng.uniform(0.0, oldest_days, n)
    peak = _magnitudes(n, 15.5, 20.3, 0.5, rng) + visits.deeper_mag
    rise = rng.uniform(13.0, 20.0, n)
    days = (visits.start_unix_s - start[:, None]) / DAY_S
    colour = np.clip(0.025 * (days - rise[:, None]), -0.1, 1.0) * _G_R_STEPS[visits.fid]
    flux = flux_of(supernova_mag(days, peak[:, None], rise[:, None]) + colour)
    near = surroundings.of_transients(n, rng)
    since, before = _recent_history(
        start, rise * 10.0 ** (0.2 * (peak - visits.deeper_mag - 20.5)), night, rng
    )
    return Population.of(Kind.SUPERNOVA, *_places(n, field, rng), flux, near, since, before)


def _outbursts(
    n: int, field: Field, visits: Visits, night: Night, rng: np.random.Generator
) -> Population:
    oldest_days = OLDEST_OUTBURST_DAYS + whole_days(night)
    start = night.end_unix_s - DAY_S * rng.uniform(0.0, oldest_days, n)
    peak = _magnitudes(n, 14.5, 19.5, 0.3, rng) + visits.deeper_mag
    plateau = rng.uniform(2.0, 9.0, (n, 1))
    days = (visits.start_unix_s - start[:, None]) / DAY_S
    flux = flux_of(outburst_mag(days, peak[:, None], plateau))
    faintest = _FAINTEST_NEIGHBOUR_MAG + visits.deeper_mag
    near = surroundings.of_stars(np.minimum(peak + rng.uniform(2.5, 5.0, n), faintest), rng)
    since, before = _long_history(n, night, 0.03, rng)
    return Population.of(Kind.OUTBURST, *_places(n, field, rng), flux, near, since, before)


def _flares(
    n: int, field: Field, visits: Visits, night: Night, rng: np.random.Generator
) -> Population:
    visit = rng.integers(visits.n_past, len(visits), n)
    scale = rng.uniform(600.0, 2400.0, (n, 1)) / DAY_S
    start = visits.start_unix_s[visit] - scale[:, 0] * DAY_S * rng.uniform(0.0, 1.0, n)
    peak = _magnitudes(n, 16.0, 20.0, 0.3, rng) + visits.deeper_mag
    days = (visits.start_unix_s - start[:, None]) / DAY_S
    flux = flux_of(flare_mag(days, peak[:, None], scale, visits.fid))
    faintest = _FAINTEST_NEIGHBOUR_MAG + visits.deeper_mag
    near = surroundings.of_stars(np.minimum(peak + rng.uniform(0.5, 4.0, n), faintest), rng)
    return Population.of(Kind.FLARE, *_places(n, field, rng), flux, near)


def _bogus(
    n: int, field: Field, visits: Visits, night: Night, rng: np.random.Generator
) -> Population:
    visit = _each_visit(n, visits)
    mag = visits.limit_mag[visit] - 0.05 - rng.exponential(0.6, len(visit))
    sign = np.where(rng.random(len(visit)) < 0.5, 1.0, -1.0)
    near = surroundings.of_nothing(len(visit), rng)
    flux = _only_at(visit, sign * flux_of(mag), visits)
    return Population.of(Kind.BOGUS, *_places(len(visit), field, rng), flux, near)


def _asteroids(
    n: int, field: Field, visits: Visits, night: Night, rng: np.random.Generator
) -> Population:
    """A fast one is another object at each visit; a slow one is seen at all of them."""
    n_slow = int(rng.binomial(n, SLOW_ASTEROIDS))
    of = np.concatenate([np.tile(np.arange(n_slow, n), visits.n_tonight), np.arange(n_slow)])
    visit = _each_visit(n - n_slow, visits)
    mag = _magnitudes(n, 15.0, 20.9, 0.35, rng) + visits.deeper_mag
    flux = flux_of(mag[of])[:, None] * np.ones(len(visits))
    flux[: len(visit)] = _only_at(visit, flux_of(mag[of[: len(visit)]]), visits)
    flux[:, : visits.n_past] = 0.0
    flux = flux * 10.0 ** (-0.4 * _ASTEROID_G_MINUS_R * _G_R_STEPS[visits.fid])
    ra, dec = _paths(n, n_slow, of, visit, visits, field, rng)
    near = surroundings.of_nothing(len(of), rng)
    population = Population.of(Kind.ASTEROID, ra, dec, flux, near)
    known = rng.random(n) < np.where(mag - visits.deeper_mag < 19.5, 0.95, 0.75)
    names = np.char.mod("%d", rng.integers(1, 650_000, n)).astype("S12")
    sep, shown = rng.rayleigh(0.5, len(of)), known[of]
    return replace(
        population,
        solar_system_sep_arcsec=np.where(shown, sep, UNKNOWN),
        solar_system_mag=np.where(shown, np.round(mag[of], 1), UNKNOWN),
        solar_system_name=np.where(shown, names[of], NO_NAME),
    )


def _paths(
    n: int,
    n_slow: int,
    of: NDArray[np.int64],
    visit: NDArray[np.int64],
    visits: Visits,
    field: Field,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Positions of asteroids that move 10 to 60 arcsec/h, near the field where they leave it."""
    ra, dec = _places(n, field, rng)
    rate_deg_per_s = rng.uniform(10.0, 60.0, n) / 3600.0 / 3600.0
    bearing = rng.normal(290.0, 15.0, n)
    elapsed_s = np.zeros(len(of))
    elapsed_s[: len(visit)] = visits.start_unix_s[visit] - visits.start_unix_s[visits.n_past]
    ra_deg, dec_deg = ephemeris.moved_deg(
        ra[of], dec[of], rate_deg_per_s[of] * elapsed_s, bearing[of]
    )
    inside = (ra_deg >= field.ra_lo_deg) & (ra_deg < field.ra_hi_deg)
    inside &= (dec_deg >= field.dec_lo_deg) & (dec_deg < field.dec_hi_deg)
    return np.where(inside, ra_deg, ra[of]), np.where(inside, dec_deg, dec[of])


def _each_visit(n: int, visits: Visits) -> NDArray[np.int64]:
    """Index of the visit of each row: ``n`` rows at every visit of the night."""
    return np.repeat(np.arange(visits.n_past, len(visits)), n)


def _only_at(visit: NDArray[np.int64], flux: Floats, visits: Visits) -> Floats:
    matrix = np.zeros((len(visit), len(visits)))
    matrix[np.arange(len(visit)), visit] = flux
    return matrix


def _places(n: int, field: Field, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Positions uniform over the field."""
    lo, hi = np.sin(np.radians([field.dec_lo_deg, field.dec_hi_deg]))
    ra = rng.uniform(field.ra_lo_deg, field.ra_hi_deg, n)
    return ra, np.degrees(np.arcsin(rng.uniform(lo, hi, n)))


def _magnitudes(
    n: int, brightest: float, faintest: float, slope: float, rng: np.random.Generator
) -> Floats:
    """Magnitudes with dN/dm ~ 10^(slope m)."""
    lo, hi = 10.0 ** (slope * brightest), 10.0 ** (slope * faintest)
    return np.asarray(np.log10(rng.uniform(lo, hi, n)) / slope)


def _long_history(
    n: int, night: Night, detected_share: float, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.int64]]:
    """Begins in the survey's first four years; detected in a share of some 200 visits a year."""
    since = SURVEY_START_UNIX_S + rng.uniform(0.0, 4.0 * 365.25 * DAY_S, n)
    years = (night.start_unix_s - since) / (365.25 * DAY_S)
    return since, 1 + rng.poisson(200.0 * years * detected_share)


def _recent_history(
    start_unix_s: Floats, hidden_days: Floats, night: Night, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.int64]]:
    """History of a transient that was visible before the packets' thirty days; NaN of others."""
    first = start_unix_s + DAY_S * np.maximum(hidden_days, 0.5)
    visible_days = (night.start_unix_s - PAST_DAYS * DAY_S - first) / DAY_S
    n_before = rng.poisson(np.maximum(visible_days, 0.0) * 0.75)
    return np.where(n_before > 0, first, np.nan), n_before


_DRAWS: Final[Mapping[Kind, Draw]] = {
    Kind.STAR: _stars,
    Kind.AGN: _nuclei,
    Kind.SUPERNOVA: _supernovae,
    Kind.OUTBURST: _outbursts,
    Kind.FLARE: _flares,
    Kind.ASTEROID: _asteroids,
    Kind.BOGUS: _bogus,
}
