"""What the catalogues would hold near simulated sources: stars, hosts, chance neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from correlator.simulation.population import N_NEIGHBOURS, UNKNOWN, Surroundings

Floats = NDArray[np.float64]

CATALOGUE_RADIUS_ARCSEC = 30.0
"""ZTF looks for PS1 sources this far (alert schema)."""

GAIA_RADIUS_ARCSEC = 90.0
"""ZTF looks for Gaia sources this far."""

STAR_SCORE = 0.76
"""PS1 score of a likely star (Tachibana & Miller 2018, PASP 130, 128001)."""

_ASTROMETRY_ARCSEC = 0.15
_PER_ARCSEC2 = 0.002
"""Chance PS1 sources [1/arcsec2]: some 25,000 a square degree, away from the Galactic plane."""


def of_stars(mag_r: Floats, rng: np.random.Generator) -> Surroundings:
    """A star at the place itself, of the given mean magnitude."""
    n = len(mag_r)
    score = 1.0 - (1.0 - STAR_SCORE) * rng.beta(1.0, 6.0, n)
    sep = rng.rayleigh(_ASTROMETRY_ARCSEC, n)
    gaia = np.where(mag_r < 20.7, rng.rayleigh(_ASTROMETRY_ARCSEC, n), _chance_gaia(n, rng))
    return _with_neighbours(score, sep, mag_r, gaia, sep, mag_r, rng)


def of_nuclei(mag_r: Floats, rng: np.random.Generator) -> Surroundings:
    """A galaxy whose nucleus is the place, or (three in ten) a quasar that looks like a star."""
    n = len(mag_r)
    is_quasar = rng.random(n) < 0.3
    score = np.where(is_quasar, rng.uniform(STAR_SCORE, 1.0, n), rng.beta(1.0, 6.0, n))
    sep = rng.rayleigh(0.2, n)
    in_gaia = is_quasar | (rng.random(n) < 0.3)
    gaia = np.where(in_gaia, rng.rayleigh(0.2, n), _chance_gaia(n, rng))
    return _with_neighbours(score, sep, mag_r, gaia, sep, mag_r, rng)


def of_transients(n: int, rng: np.random.Generator) -> Surroundings:
    """A host galaxy some arcseconds away; one transient in six seems to have none."""
    hostless = rng.random(n) < 1.0 / 6.0
    chance = of_nothing(n, rng)
    sep = np.where(hostless, chance.star_sep_arcsec[:, 0], rng.rayleigh(2.5, n))
    score = np.where(hostless, chance.star_score[:, 0], rng.beta(1.0, 6.0, n))
    mag = np.where(hostless, chance.star_mag_r[:, 0], np.clip(rng.normal(18.5, 1.7, n), 13.0, 22.5))
    reference_sep = np.where(hostless, chance.reference_sep_arcsec, np.minimum(sep, 15.0))
    reference_mag = np.where(hostless, chance.reference_mag, mag)
    gaia = chance.gaia_sep_arcsec
    return _with_neighbours(score, sep, mag, gaia, reference_sep, reference_mag, rng)


def of_nothing(n: int, rng: np.random.Generator) -> Surroundings:
    """Chance neighbours only."""
    sep = np.sqrt(rng.exponential(1.0, n) / (np.pi * _PER_ARCSEC2))
    score = rng.beta(0.5, 0.5, n)
    mag = np.clip(22.5 - rng.exponential(1.2, n), 13.0, 23.0)
    reference = np.minimum(sep, rng.uniform(5.0, 18.0, n))
    return _with_neighbours(score, sep, mag, _chance_gaia(n, rng), reference, mag, rng)


def _chance_gaia(n: int, rng: np.random.Generator) -> Floats:
    sep = np.sqrt(rng.exponential(1.0, n) / (np.pi * 0.2 * _PER_ARCSEC2))
    return np.where(sep < GAIA_RADIUS_ARCSEC, sep, UNKNOWN)


def _with_neighbours(
    score: Floats,
    sep_arcsec: Floats,
    mag_r: Floats,
    gaia_sep_arcsec: Floats,
    reference_sep_arcsec: Floats,
    reference_mag: Floats,
    rng: np.random.Generator,
) -> Surroundings:
    """Add the second and third neighbour by chance; what lies too far becomes unknown."""
    n = len(score)
    area = np.pi * sep_arcsec**2
    seps, scores, mags = [sep_arcsec], [score], [mag_r]
    for _ in range(N_NEIGHBOURS - 1):
        area = area + rng.exponential(1.0, n) / _PER_ARCSEC2
        seps.append(np.sqrt(area / np.pi))
        scores.append(rng.beta(0.5, 0.5, n))
        mags.append(np.clip(22.5 - rng.exponential(1.2, n), 13.0, 23.0))
    sep = np.stack(seps, axis=1)
    far = sep > CATALOGUE_RADIUS_ARCSEC
    return Surroundings(
        star_score=np.where(far, UNKNOWN, np.stack(scores, axis=1)),
        star_sep_arcsec=np.where(far, UNKNOWN, sep),
        star_mag_r=np.where(far, UNKNOWN, np.stack(mags, axis=1)),
        gaia_sep_arcsec=gaia_sep_arcsec,
        reference_sep_arcsec=reference_sep_arcsec,
        reference_mag=reference_mag,
    )
