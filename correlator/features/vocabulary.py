"""What the features are: names, units and meanings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Meaning:
    """Unit and meaning of a feature; the unit is empty for a pure number."""

    unit: str
    text: str


def _is(unit: str, text: str) -> Any:
    return field(default=None, metadata={"meaning": Meaning(unit, text)})


def _slope(band: str, part: str) -> Any:
    sign = {"rise": "brightening", "fade": "fading"}[part]
    side = {"rise": "up to", "fade": "since"}[part]
    return _is("mag/d", f"{sign} in {band} {side} its peak, least squares weighted by the errors")


def _error(of: str) -> Any:
    return _is("mag/d", f"error of {of}")


def _peak(band: str) -> Any:
    return _is("mag AB", f"brightest positive detection in {band}")


def _last(band: str) -> Any:
    return _is("mag AB", f"latest positive detection in {band}")


def _count(band: str) -> Any:
    return _is("", f"positive detections in {band}")


def _colour(pair: str) -> Any:
    return _is("mag", f"{pair} of the latest two detections at most 6 h apart; not freed of dust")


def _colour_error(pair: str) -> Any:
    return _is("mag", f"error of {pair}")


def _drift(pair: str) -> Any:
    return _is("mag/d", f"change of {pair}, positive when it reddens")


def _drift_error(pair: str) -> Any:
    return _is("mag/d", f"error of the drift of {pair}")


@dataclass(frozen=True, slots=True)
class Features:
    """What an object is like as of a time; None is "unknown".

    Magnitudes are AB and of the difference image, and belong to positive detections; fluxes keep
    their sign. Rates of a rise and of a fade are both positive when the object does so. Units and
    meanings: ``FEATURES``.
    """

    n_detections: int | None = _is("", "detections of either sign")
    n_positive: int | None = _is("", "detections brighter than the template")
    n_negative: int | None = _is("", "detections fainter than the template")

    age_d: float | None = _is(
        "d", "since the first positive detection, or the survey's own count of the first if earlier"
    )
    survey_age_d: float | None = _is("d", "since the survey's own count of the first detection")
    duration_d: float | None = _is("d", "first to latest positive detection")
    span_d: float | None = _is("d", "first to latest detection of either sign")
    since_peak_d: float | None = _is("d", "since the brightest positive detection of any band")
    onset_interval_d: float | None = _is(
        "d", "last limit at least as deep as the first positive detection, until the onset"
    )
    limit_rise_mag_per_day: float | None = _is(
        "mag/d", "least brightening from the last limit before, in the band of the first detection"
    )

    rate_mag_per_day: float | None = _is(
        "mag/d", "change of the best measured band over all its points, positive when it fades"
    )
    rate_err_mag_per_day: float | None = _error("the rate")
    rise_mag_per_day: float | None = _is("mag/d", "brightening of the band that tells it best")
    rise_err_mag_per_day: float | None = _error("the rise")
    fade_mag_per_day: float | None = _is("mag/d", "fading of the band that tells it best")
    fade_err_mag_per_day: float | None = _error("the fade")

    first_mag_ab: float | None = _is("mag AB", "first positive detection")
    peak_mag_ab: float | None = _is("mag AB", "brightest positive detection")
    last_mag_ab: float | None = _is("mag AB", "latest positive detection")
    peak_abs_mag: float | None = _is(
        "mag AB", "absolute magnitude of the peak at the known distance, no K correction"
    )

    n_u: int | None = _count("u")
    n_g: int | None = _count("g")
    n_r: int | None = _count("r")
    n_i: int | None = _count("i")
    n_z: int | None = _count("z")
    n_y: int | None = _count("y")
    peak_u_mag_ab: float | None = _peak("u")
    peak_g_mag_ab: float | None = _peak("g")
    peak_r_mag_ab: float | None = _peak("r")
    peak_i_mag_ab: float | None = _peak("i")
    peak_z_mag_ab: float | None = _peak("z")
    peak_y_mag_ab: float | None = _peak("y")
    last_u_mag_ab: float | None = _last("u")
    last_g_mag_ab: float | None = _last("g")
    last_r_mag_ab: float | None = _last("r")
    last_i_mag_ab: float | None = _last("i")
    last_z_mag_ab: float | None = _last("z")
    last_y_mag_ab: float | None = _last("y")
    rise_u_mag_per_day: float | None = _slope("u", "rise")
    rise_g_mag_per_day: float | None = _slope("g", "rise")
    rise_r_mag_per_day: float | None = _slope("r", "rise")
    rise_i_mag_per_day: float | None = _slope("i", "rise")
    rise_z_mag_per_day: float | None = _slope("z", "rise")
    rise_y_mag_per_day: float | None = _slope("y", "rise")
    rise_u_err_mag_per_day: float | None = _error("the rise in u")
    rise_g_err_mag_per_day: float | None = _error("the rise in g")
    rise_r_err_mag_per_day: float | None = _error("the rise in r")
    rise_i_err_mag_per_day: float | None = _error("the rise in i")
    rise_z_err_mag_per_day: float | None = _error("the rise in z")
    rise_y_err_mag_per_day: float | None = _error("the rise in y")
    fade_u_mag_per_day: float | None = _slope("u", "fade")
    fade_g_mag_per_day: float | None = _slope("g", "fade")
    fade_r_mag_per_day: float | None = _slope("r", "fade")
    fade_i_mag_per_day: float | None = _slope("i", "fade")
    fade_z_mag_per_day: float | None = _slope("z", "fade")
    fade_y_mag_per_day: float | None = _slope("y", "fade")
    fade_u_err_mag_per_day: float | None = _error("the fade in u")
    fade_g_err_mag_per_day: float | None = _error("the fade in g")
    fade_r_err_mag_per_day: float | None = _error("the fade in r")
    fade_i_err_mag_per_day: float | None = _error("the fade in i")
    fade_z_err_mag_per_day: float | None = _error("the fade in z")
    fade_y_err_mag_per_day: float | None = _error("the fade in y")

    u_g_mag: float | None = _colour("u - g")
    g_r_mag: float | None = _colour("g - r")
    r_i_mag: float | None = _colour("r - i")
    i_z_mag: float | None = _colour("i - z")
    z_y_mag: float | None = _colour("z - y")
    u_g_err_mag: float | None = _colour_error("u - g")
    g_r_err_mag: float | None = _colour_error("g - r")
    r_i_err_mag: float | None = _colour_error("r - i")
    i_z_err_mag: float | None = _colour_error("i - z")
    z_y_err_mag: float | None = _colour_error("z - y")
    u_g_drift_mag_per_day: float | None = _drift("u - g")
    g_r_drift_mag_per_day: float | None = _drift("g - r")
    r_i_drift_mag_per_day: float | None = _drift("r - i")
    i_z_drift_mag_per_day: float | None = _drift("i - z")
    z_y_drift_mag_per_day: float | None = _drift("z - y")
    u_g_drift_err_mag_per_day: float | None = _drift_error("u - g")
    g_r_drift_err_mag_per_day: float | None = _drift_error("g - r")
    r_i_drift_err_mag_per_day: float | None = _drift_error("r - i")
    i_z_drift_err_mag_per_day: float | None = _drift_error("i - z")
    z_y_drift_err_mag_per_day: float | None = _drift_error("z - y")

    last_flux_njy: float | None = _is("nJy", "difference flux of the latest detection")
    last_snr: float | None = _is("", "flux of the latest detection over its error, with its sign")
    flux_chi2: float | None = _is(
        "", "reduced chi-square of a constant flux, in the band with the most measurements"
    )
    flux_rate_njy_per_day: float | None = _is(
        "nJy/d", "change of the flux in that band, negative fluxes included"
    )
    flux_rate_err_njy_per_day: float | None = _is("nJy/d", "error of the change of the flux")

    real_bogus: float | None = _is("", "survey's score of the latest alert, 0 bogus to 1 real")
    star_score: float | None = _is("", "nearest reference source, 0 galaxy to 1 star")
    star_sep_arcsec: float | None = _is("arcsec", "distance of the nearest reference source")
    gaia_sep_arcsec: float | None = _is("arcsec", "distance of the nearest Gaia source")
    solar_system_sep_arcsec: float | None = _is(
        "arcsec", "distance of the nearest known Solar System object, as the survey says"
    )
    solar_system_linked: float | None = _is(
        "", "1 where the survey itself links the object to the Solar System, else 0"
    )
    motion_arcsec_per_h: float | None = _is("arcsec/h", "first to latest position, where known")
    galactic_latitude_deg: float | None = _is("deg", "Galactic latitude")
    ecliptic_latitude_deg: float | None = _is("deg", "ecliptic latitude, J2000")
    host_sep_arcsec: float | None = _is("arcsec", "distance of the host, where one is known")
    host_sep_kpc: float | None = _is("kpc", "the same at the known distance, small angles")


FEATURES: Mapping[str, Meaning] = {f.name: f.metadata["meaning"] for f in fields(Features)}
"""Every feature with its unit and meaning, in the order of the fields."""


def as_matrix(features: Sequence[Features], names: Iterable[str]) -> NDArray[np.float64]:
    """Features as numbers: what a model gets.

    Parameters
    ----------
    features
        The features of ``n`` objects.
    names
        ``k`` names of ``FEATURES``, in the order of the columns.

    Returns
    -------
    ndarray
        Shape ``(n, k)``; NaN where a feature is unknown.

    Raises
    ------
    KeyError
        A name is no feature.
    """
    wanted = list(names)
    for name in wanted:
        if name not in FEATURES:
            raise KeyError(f"no feature is called {name}")
    # numpy turns None into NaN.
    columns = [np.array([getattr(f, name) for f in features], dtype=np.float64) for name in wanted]
    return np.stack(columns, axis=1) if columns else np.empty((len(features), 0))
