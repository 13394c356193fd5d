"""What light curves say: ages, peaks, rises, fades, and fluxes of either sign."""

from __future__ import annotations

import numpy as np

from correlator.features.curves import (
    BANDS,
    OTHER_BAND,
    Curves,
    Floats,
    Ints,
    Magnitudes,
    first_of,
    index_of_least,
    last_of,
    slopes,
    taken,
)

Columns = dict[str, Floats]

_N_BANDS = len(BANDS)

_BY_NAME = sorted(range(_N_BANDS), key=BANDS.__getitem__)
"""Bands by name: of equally good ones the first speaks, as in ``correlator.light``."""


def counts(curves: Curves) -> dict[str, Ints]:
    """Numbers of detections, of both signs and in each band."""
    n, positive = curves.n_objects, curves.flux_njy > 0.0
    n_all = np.bincount(curves.owner, minlength=n)
    n_positive = np.bincount(curves.owner[positive], minlength=n)
    known = positive & (curves.band != OTHER_BAND)
    group = curves.owner[known] * _N_BANDS + curves.band[known]
    table = np.bincount(group, minlength=n * _N_BANDS).reshape(n, _N_BANDS)
    negative = np.bincount(curves.owner[curves.flux_njy < 0.0], minlength=n)
    rows = {"n_detections": n_all, "n_positive": n_positive, "n_negative": negative}
    return rows | {f"n_{band}": table[:, code] for code, band in enumerate(BANDS)}


def history(curves: Curves, mags: Magnitudes, as_of_day: Floats, survey_day: Floats) -> Columns:
    """Ages, durations and the onset interval [d], and the brightest and the latest magnitudes.

    Parameters
    ----------
    as_of_day, survey_day
        Shape ``(n_objects,)``: as of when, and the survey's own count of the first detection
        [d since the base of each object]; NaN where it has none.
    """
    n, owner = mags.n_objects, mags.owner
    first_day, last_day = first_of(owner, n, mags.day), last_of(owner, n, mags.day)
    first_mag = first_of(owner, n, mags.mag_ab)
    peak = index_of_least(owner, n, mags.mag_ab)
    # Of NaN and a number fmin takes the number: without a positive detection there is no onset.
    onset_day = np.where(np.isnan(first_day), np.nan, np.fmin(first_day, survey_day))
    limits = _last_limits(curves, first_of(owner, n, mags.band.astype(float)), onset_day, first_mag)
    return {
        "age_d": as_of_day - onset_day,
        "survey_age_d": as_of_day - survey_day,
        "duration_d": last_day - first_day,
        "span_d": last_of(curves.owner, n, curves.day) - first_of(curves.owner, n, curves.day),
        "since_peak_d": as_of_day - taken(mags.day, peak),
        "onset_interval_d": onset_day - taken(curves.limit_day, limits[0]),
        "limit_rise_mag_per_day": (taken(curves.limit_mag_ab, limits[1]) - first_mag)
        / (first_day - taken(curves.limit_day, limits[1])),
        "first_mag_ab": first_mag,
        "peak_mag_ab": taken(mags.mag_ab, peak),
        "last_mag_ab": last_of(owner, n, mags.mag_ab),
    }


def _last_limits(
    curves: Curves, band: Floats, onset_day: Floats, first_mag: Floats
) -> tuple[Ints, Ints]:
    """Indices of the last limit that would have shown the object, of any and of the first band."""
    owner = curves.limit_owner
    shows = (curves.limit_day < onset_day[owner]) & (curves.limit_mag_ab >= first_mag[owner])
    found = np.full((2, curves.n_objects), -1, dtype=np.int64)
    for row, at in zip(
        found,
        (np.flatnonzero(shows), np.flatnonzero(shows & (curves.limit_band == band[owner]))),
        strict=True,
    ):
        row[owner[at]] = at
    return found[0], found[1]


def rates(mags: Magnitudes) -> Columns:
    """Slopes of magnitude with time over all points, up to the peak and since the peak [mag/d]."""
    known = mags.band != OTHER_BAND
    group = (mags.owner * _N_BANDS + mags.band)[known]
    day, mag, err = mags.day[known], mags.mag_ab[known], mags.mag_err_ab[known]
    n_groups = mags.n_objects * _N_BANDS
    peak = index_of_least(group, n_groups, mag)
    index = np.arange(len(group))
    measured = ~np.isnan(err)
    columns: Columns = {}
    parts = {
        "rate": (measured, 1.0),
        "rise": (measured & (index <= peak[group]), -1.0),
        "fade": (measured & (index >= peak[group]), 1.0),
    }
    for part, (chosen, sign) in parts.items():
        found = slopes(group[chosen], n_groups, day[chosen], mag[chosen], err[chosen])
        slope, error = (x.reshape(-1, _N_BANDS) for x in found)
        columns |= _best(part, sign * slope, error)
        if part != "rate":
            columns |= _by_band(f"{part}_{{}}_mag_per_day", sign * slope)
            columns |= _by_band(f"{part}_{{}}_err_mag_per_day", error)
    columns |= _by_band("peak_{}_mag_ab", taken(mag, peak).reshape(-1, _N_BANDS))
    last = last_of(group, n_groups, mag).reshape(-1, _N_BANDS)
    return columns | _by_band("last_{}_mag_ab", last)


def _by_band(name: str, table: Floats) -> Columns:
    return {name.format(band): table[:, code] for code, band in enumerate(BANDS)}


def _best(part: str, slope: Floats, error: Floats) -> Columns:
    """The best measured of the bands."""
    at = np.argmin(np.where(np.isnan(error), np.inf, error)[:, _BY_NAME], axis=1)
    row = np.arange(len(slope))
    return {
        f"{part}_mag_per_day": slope[:, _BY_NAME][row, at],
        f"{part}_err_mag_per_day": error[:, _BY_NAME][row, at],
    }


def fluxes(curves: Curves) -> Columns:
    """The latest flux, and how the fluxes of either sign vary in the band with most of them."""
    n = curves.n_objects
    last_flux = last_of(curves.owner, n, curves.flux_njy)
    last_err = last_of(curves.owner, n, curves.flux_err_njy)
    with np.errstate(invalid="ignore", divide="ignore"):
        measured = (curves.flux_err_njy > 0.0) & (curves.band != OTHER_BAND)
        last_snr = np.where(last_err > 0.0, last_flux / last_err, np.nan)
    group = (curves.owner * _N_BANDS + curves.band)[measured]
    flux, err = curves.flux_njy[measured], curves.flux_err_njy[measured]
    n_groups = n * _N_BANDS
    number = np.bincount(group, minlength=n_groups)
    weight = 1.0 / (err * err)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(group, weight * flux, n_groups) / np.bincount(group, weight, n_groups)
        chi2 = np.bincount(group, weight * (flux - mean[group]) ** 2, n_groups) / (number - 1)
        chi2[number < 2] = np.nan
    slope, error = slopes(group, n_groups, curves.day[measured], flux, err)
    best = np.argmax(number.reshape(n, _N_BANDS)[:, _BY_NAME], axis=1)
    at = np.arange(n) * _N_BANDS + np.array(_BY_NAME)[best]
    return {
        "last_flux_njy": last_flux,
        "last_snr": last_snr,
        "flux_chi2": chi2[at],
        "flux_rate_njy_per_day": slope[at],
        "flux_rate_err_njy_per_day": error[at],
    }
