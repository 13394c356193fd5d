"""One measurement of ZTF's, of today or of the past: a detection, or an image without one."""

from __future__ import annotations

import math

from correlator.alert import Detection, Limit, flux_of_mag
from ingest_optical.fields import MAX_EXPOSURE_S, MAX_NUMBER, MIN_FLUX_ERR_NJY, Fields
from ingest_optical.lightcurve import ordered_history, ordered_limits
from ingest_optical.timescales import (
    DAY_S,
    EARLIEST_UNIX_S,
    LATEST_UNIX_S,
    UNIX_EPOCH_JD,
    unix_s_of_jd_utc,
)

UNKNOWN = -999.0
"""ZTF's number for "unknown" in ``candidate``."""

EXPOSURE_S = 30.0
"""Exposure of the public survey [s] (Bellm et al. 2019); assumed where a packet does not say,
as in every packet before schema 3.3 and in every history."""

LIMIT_N_SIGMA = 5.0
"""``diffmaglim`` is the 5-sigma limit (ZTF alert schema)."""

BANDS = {1: "g", 2: "r", 3: "i"}
"""Filter of each ``fid`` (ZTF alert schema)."""

_POSITIVE = {"t": True, "1": True, "true": True, "f": False, "0": False, "false": False}

FIRST_JD = UNIX_EPOCH_JD + EARLIEST_UNIX_S / DAY_S + 1.0
LAST_JD = UNIX_EPOCH_JD + LATEST_UNIX_S / DAY_S - 1.0
"""A day inside the times that can be, so that no rounding decides."""


def exposure_s_of(candidate: Fields) -> float | None:
    """Length of the exposure [s], where the packet says it."""
    return candidate.exposure_s("exptime")


def unix_s_of(fields: Fields, name: str) -> float:
    """Unix seconds of a Julian date."""
    jd = fields.known_number(name)
    try:
        return unix_s_of_jd_utc(jd)
    except ValueError as problem:
        raise fields.malformed(f"{name} must lie in 1990..2100", jd) from problem


def mid_unix_s_of(fields: Fields) -> float:
    """Middle of the exposure: ``jd`` is its start (ZTF alert schema)."""
    return unix_s_of(fields, "jd") + 0.5 * (exposure_s_of(fields) or EXPOSURE_S)


def band_of(fields: Fields) -> str:
    """Filter."""
    fid = fields.integer("fid")
    if fid not in BANDS:
        raise fields.malformed("fid must be 1, 2 or 3", fid)
    return BANDS[fid]


def _sign(fields: Fields) -> float:
    said = fields.raw("isdiffpos")
    positive = _POSITIVE.get(str(said).lower()) if isinstance(said, str | int) else None
    if positive is None:
        raise fields.malformed("isdiffpos must be t, f, 1, 0, true or false", said)
    return 1.0 if positive else -1.0


def detection_of(fields: Fields, source_id: str) -> Detection:
    """The measurement of a candidate or of a row of the history."""
    mag_ab = fields.known_number("magpsf")
    if not 0.0 < mag_ab < 40.0:
        raise fields.malformed("magpsf must lie in (0, 40)", mag_ab)
    size_njy = flux_of_mag(mag_ab)
    return Detection(
        source_id=source_id,
        time_unix_s=mid_unix_s_of(fields),
        band=band_of(fields),
        flux_njy=_sign(fields) * size_njy,
        flux_err_njy=_flux_err_njy(size_njy, fields.number("sigmapsf")),
    )


def _flux_err_njy(size_njy: float, mag_err_ab: float | None) -> float | None:
    """First-order flux error, the inverse of ``Detection.mag_err_ab``."""
    if mag_err_ab is None or mag_err_ab <= 0.0:
        return None
    error_njy = size_njy * mag_err_ab * math.log(10.0) / 2.5
    return error_njy if error_njy >= MIN_FLUX_ERR_NJY else None


_ROW = ("jd", "fid", "candid", "exptime", "diffmaglim", "magpsf", "sigmapsf", "isdiffpos")
"""What is read of a row of the history."""


def past_of(fields: Fields, own_id: int) -> tuple[tuple[Detection, ...], tuple[Limit, ...]]:
    """Earlier detections and non-detections: a row without ``candid`` is a non-detection."""
    detections, limits = [], []
    for values in fields.table("prv_candidates", _ROW):
        found = _usual(*values)
        if found is None:
            row = fields.inner(dict(zip(_ROW, values, strict=True)))
            found = _looked_at_closely(row, own_id)
        if isinstance(found, Detection):
            detections.append(found)
        elif found is not None:
            limits.append(found)
    return ordered_history(detections, str(own_id)), ordered_limits(limits)


def _usual(
    jd: object, fid: object, candid: object, exptime: object, diffmaglim: object, *measured: object
) -> Detection | Limit | None:
    """What most rows are, quickly; None for one with a value that is not as usual.

    The same as :func:`_looked_at_closely`, wherever it is not None.
    """
    if type(jd) is not float or not FIRST_JD < jd < LAST_JD or type(fid) is not int:
        return None
    if exptime is None:
        exptime = EXPOSURE_S
    elif type(exptime) is not float or not 0.0 < exptime <= MAX_EXPOSURE_S:
        return None
    band = BANDS.get(fid)
    if band is None:
        return None
    time_unix_s = (jd - UNIX_EPOCH_JD) * DAY_S + 0.5 * exptime
    if candid is not None:
        return _usual_detection(time_unix_s, band, candid, *measured)
    if type(diffmaglim) is not float or not 0.0 < diffmaglim < 40.0:
        return None
    return Limit(time_unix_s, band, diffmaglim, LIMIT_N_SIGMA)


def _usual_detection(
    time_unix_s: float, band: str, candid: object, magpsf: object, sigmapsf: object, said: object
) -> Detection | None:
    if type(magpsf) is not float or not 0.0 < magpsf < 40.0:
        return None
    positive = _POSITIVE.get(said) if type(said) is str else None
    if positive is None or type(candid) is not int or not 0 < candid < 2**63:
        return None
    if type(sigmapsf) is not float or not 0.0 < sigmapsf < MAX_NUMBER:
        return None
    size_njy = flux_of_mag(magpsf)
    flux_njy = size_njy if positive else -size_njy
    error_njy = _flux_err_njy(size_njy, sigmapsf)
    return Detection(str(candid), time_unix_s, band, flux_njy, error_njy)


def _looked_at_closely(row: Fields, own_id: int) -> Detection | Limit | None:
    source_id = _history_id(row, own_id)
    return _limit(row) if source_id is None else detection_of(row, source_id)


def _history_id(row: Fields, own_id: int) -> str | None:
    value = row.raw("candid")
    if isinstance(value, float) and not math.isnan(value):
        # A table made with pandas turns ids into floats where one is null; their last three digits
        # are lost. The mark keeps such an id from passing for another source's exact one.
        if abs(value) >= 2.0**63:
            raise row.malformed("candid must fit 64 bits", value)
        return str(own_id) if value == float(own_id) else f"~{value:.0f}"
    source_id = row.integer("candid")
    return None if source_id is None else str(source_id)


def _limit(row: Fields) -> Limit | None:
    mag_ab = limit_mag_ab_of(row)
    if mag_ab is None:
        return None
    return Limit(mid_unix_s_of(row), band_of(row), mag_ab, LIMIT_N_SIGMA)


def limit_mag_ab_of(row: Fields) -> float | None:
    """5-sigma limit of the image [mag AB]."""
    mag_ab = row.number("diffmaglim")
    if mag_ab is None or mag_ab <= 0.0:
        return None
    if mag_ab >= 40.0:
        raise row.malformed("diffmaglim must lie in (0, 40)", mag_ab)
    return mag_ab
