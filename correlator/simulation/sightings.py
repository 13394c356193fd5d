"""What the camera makes of a field's sources: fluxes, detections and their quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from correlator.simulation.cadence import Field
from correlator.simulation.lightcurves import flux_of
from correlator.simulation.population import Kind, Population, Visits, joined

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

N_SIGMA = 5.0
"""Significance of an alert and of ``diffmaglim`` (ZTF alert schema)."""

N_SIGMA_RAW = 3.0
"""Significance of the raw detections that ``ndethist`` counts (ZTF alert schema)."""

FRACTIONAL_ERROR = 0.02
"""Calibration error that bright sources cannot beat."""

SATURATION_MAG = 12.5
ASTROMETRIC_ERROR_ARCSEC = 0.08


@dataclass(frozen=True, slots=True)
class Sightings:
    """Measurements of ``n`` sources at ``v`` visits; every array has shape ``(n, v)`` but rcid.

    Attributes
    ----------
    rcid
        Readout channel, shape ``(n,)``.
    flux, flux_err
        Measured difference flux; where there is no source, nothing is measured: 0.
    limit_mag
        5-sigma limit of the source's quadrant.
    is_detected, is_raw
        Whether the source made an alert (5 sigma) or at least a raw detection (3 sigma).
    real_bogus, deep_real_bogus, n_bad_pixels, fwhm_px, elongation, mag_difference
        Quality of the detections; 0 elsewhere.
    """

    rcid: Indices
    ra_deg: Floats
    dec_deg: Floats
    flux: Floats
    flux_err: Floats
    limit_mag: Floats
    is_detected: Flags
    is_raw: Flags
    real_bogus: Floats
    deep_real_bogus: Floats
    n_bad_pixels: Indices
    fwhm_px: Floats
    elongation: Floats
    mag_difference: Floats


def observe(
    population: Population, field: Field, visits: Visits, rng: np.random.Generator
) -> Sightings:
    """Measure every source at every visit.

    Noise alone makes no detection: a place without a source stays a non-detection. Bogus
    "sources" are detected by definition.
    """
    shape = population.flux.shape
    limit = visits.limit_mag + rng.normal(0.0, 0.05, shape)
    is_there = population.flux != 0.0
    sky_err = flux_of(limit) / N_SIGMA
    flux_err = np.hypot(sky_err, FRACTIONAL_ERROR * population.flux)
    noise = rng.normal(0.0, 1.0, shape)
    is_bogus = (population.kind == Kind.BOGUS)[:, None]
    noise = np.where(is_bogus, 0.0, noise)
    flux = np.where(is_there, population.flux + flux_err * noise, 0.0)
    size = np.abs(flux)
    is_source = is_there & (size < flux_of(SATURATION_MAG + visits.deeper_mag))
    is_detected = (size >= N_SIGMA * flux_err) & is_source
    quality = _quality(is_bogus, is_detected, visits, rng)
    cos_dec = np.cos(np.radians(population.dec_deg))[:, None]
    wobble = rng.normal(0.0, ASTROMETRIC_ERROR_ARCSEC / 3600.0, (2, *shape))
    dec = np.clip(population.dec_deg[:, None] + wobble[1], -90.0, 90.0)
    return Sightings(
        rcid=field.quadrant_of(population.ra_deg, population.dec_deg),
        ra_deg=(population.ra_deg[:, None] + wobble[0] / np.maximum(cos_dec, 1e-3)) % 360.0,
        dec_deg=dec,
        flux=flux,
        flux_err=flux_err,
        limit_mag=limit,
        is_detected=is_detected,
        is_raw=(size >= N_SIGMA_RAW * flux_err) & is_source,
        **quality,
    )


def together(
    parts: Sequence[tuple[Population, Sightings]],
) -> tuple[Population, Sightings]:
    """One set of sources of several of the same field."""
    if len(parts) == 1:
        return parts[0]
    columns = {
        column.name: np.concatenate([getattr(seen, column.name) for _, seen in parts])
        for column in fields(Sightings)
    }
    return joined([population for population, _ in parts]), Sightings(**columns)


def _quality(
    is_bogus: Flags, is_detected: Flags, visits: Visits, rng: np.random.Generator
) -> dict[str, Any]:
    """Scores and shapes of the detections, by whether the source is real and by nothing else.

    Medians and tails of the real ones are like those of public ZTF alerts (rb 0.5 to 0.96, drb
    mostly above 0.99); the bogus ones need a gate, and a few pass it.
    """
    where = np.nonzero(is_detected)
    n, bogus = len(where[0]), np.broadcast_to(is_bogus, is_detected.shape)[where]
    score, decades, other = rng.random((3, n))
    # Powers of a uniform number: Beta distributions that are fast to draw.
    forest = np.where(bogus, 1.0 - score**0.45, 1.0 - 0.55 * score**1.6)
    small = 10.0 ** -(1.0 + 5.0 * decades)
    is_clear = rng.random(n) < np.where(bogus, 0.75, 0.9)
    deep = np.where(is_clear, np.where(bogus, small, 1.0 - small), 0.95 * other)
    is_bad = rng.random(n) < np.where(bogus, 0.3, 0.02)
    spread, skew, offset = rng.normal(0.0, 1.0, (3, n))
    widened = 1.0 + np.where(bogus, 0.5, 0.12) * (np.abs(spread) - 0.5)
    columns = {
        "real_bogus": forest,
        "deep_real_bogus": deep,
        "n_bad_pixels": np.where(is_bad, 1 + (4.0 * other).astype(np.int64), 0),
        "fwhm_px": np.clip(visits.fwhm_px[where[1]] * widened, 0.8, 15.0),
        "elongation": 1.0 + np.where(bogus, 0.35, 0.1) * np.abs(skew),
        "mag_difference": 0.02 + offset * np.where(bogus, 0.6, 0.13),
    }
    return {name: _scattered(values, where, is_detected.shape) for name, values in columns.items()}


def _scattered(
    values: NDArray[Any], where: tuple[NDArray[Any], ...], shape: tuple[int, ...]
) -> NDArray[Any]:
    matrix = np.zeros(shape, dtype=values.dtype)
    matrix[where] = values
    return matrix
