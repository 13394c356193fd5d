"""ZTF alerts, schemas 1.8 to 4.02, from IPAC and as rows of Fink.

The forced photometry of schema 4 (``fp_hists``) is not read: its measurements have no source id
and its negative history belongs to variable stars, which the difference photometry already shows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from correlator.alert import Alert, Detection, Limit, Quality, Surroundings, flux_of_mag
from ingest_optical.fields import MIN_FLUX_ERR_NJY, Fields
from ingest_optical.lightcurve import (
    MAX_POINTS,
    first_positive_unix_s,
    ordered_history,
    ordered_limits,
    trimmed_history,
    trimmed_limits,
)
from ingest_optical.timescales import unix_s_of_jd_utc
from skymaps.healpix import index_29_of

SURVEY = "ztf"

PREFIX_FIELDS = ("schemavsn", "objectId", "candid", "candidate")
"""What a first look needs; in an IPAC packet all of it stands before the history."""

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

_FLAT_PREFIX = "i:"
"""Fink's portal puts it before the survey's own columns."""


def to_alert(
    record: Mapping[str, object],
    packet: str,
    schema_version: str | None = None,
    max_points: int | None = MAX_POINTS,
) -> Alert:
    """The alert of a decoded ZTF record.

    Parameters
    ----------
    record
        IPAC or Fink record, or a flat row of Fink's portal.
    packet
        Name of the packet, for the errors.
    schema_version
        Version of the writer schema, for packets of 2018, whose records do not carry it.
    max_points
        Most measurements and most limits kept; None for all.

    Raises
    ------
    MalformedAlertError
        Id, position, time, band, magnitude or sign is missing or impossible.
    """
    fields = Fields(_nested(record), packet, UNKNOWN)
    candidate = fields.record("candidate")
    if candidate is None:
        raise fields.malformed("candidate must be known")
    object_id = fields.text("objectId")
    alert_id = fields.integer("candid")
    if object_id is None or alert_id is None:
        raise fields.malformed("objectId and candid must be known", (object_id, alert_id))
    detection = _detection(candidate, str(alert_id))
    history, limits = _past(fields.rows("prv_candidates"), alert_id)
    onset_unix_s = first_positive_unix_s((detection, *history))
    ra_deg, dec_deg = _position(candidate)
    return Alert(
        survey=SURVEY,
        schema_version=_version(fields, schema_version),
        alert_id=str(alert_id),
        object_id=object_id,
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        index_29=int(index_29_of(ra_deg, dec_deg)[0]),
        exposure_s=_exposure_s(candidate),
        detection=detection,
        history=trimmed_history(history, max_points),
        limits=trimmed_limits(limits, onset_unix_s, max_points),
        survey_first_unix_s=_survey_first_unix_s(candidate),
        quality=_quality(candidate),
        surroundings=_surroundings(candidate),
    )


def _nested(record: Mapping[str, object]) -> Mapping[str, object]:
    """A flat portal row as a record with its ``candidate``."""
    if "candidate" in record or _FLAT_PREFIX + "candid" not in record:
        return record
    n = len(_FLAT_PREFIX)
    flat = {name[n:]: value for name, value in record.items() if name.startswith(_FLAT_PREFIX)}
    return {**flat, "candidate": flat}


def _version(fields: Fields, writer: str | None) -> str:
    said = fields.raw("schemavsn")
    # The portal's rows turned "3.3" into a number.
    if isinstance(said, float) and said != UNKNOWN:
        return str(said)
    if isinstance(said, str) and (version := fields.text("schemavsn")) is not None:
        return version
    if writer is not None:
        return writer
    raise fields.malformed("schemavsn must be known", said)


def _position(candidate: Fields) -> tuple[float, float]:
    ra_deg, dec_deg = candidate.known_number("ra"), candidate.known_number("dec")
    if not (0.0 <= ra_deg <= 360.0 and -90.0 <= dec_deg <= 90.0):
        raise candidate.malformed(
            "ra must lie in [0, 360] and dec in [-90, 90] deg", (ra_deg, dec_deg)
        )
    return ra_deg, dec_deg


def _exposure_s(candidate: Fields) -> float | None:
    return candidate.exposure_s("exptime")


def _unix_s(fields: Fields, name: str) -> float:
    jd = fields.known_number(name)
    try:
        return unix_s_of_jd_utc(jd)
    except ValueError as problem:
        raise fields.malformed(f"{name} must lie in 1990..2100", jd) from problem


def _mid_unix_s(fields: Fields) -> float:
    """Middle of the exposure: ``jd`` is its start (ZTF alert schema)."""
    return _unix_s(fields, "jd") + 0.5 * (_exposure_s(fields) or EXPOSURE_S)


def _survey_first_unix_s(candidate: Fields) -> float | None:
    """Start of the exposure of the first 3-sigma detection, as the survey gives it.

    Without half an exposure: the exposure time of that epoch is not said.
    """
    if candidate.number("jdstarthist") is None:
        return None
    return _unix_s(candidate, "jdstarthist")


def _band(fields: Fields) -> str:
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


def _detection(fields: Fields, source_id: str) -> Detection:
    mag_ab = fields.known_number("magpsf")
    if not 0.0 < mag_ab < 40.0:
        raise fields.malformed("magpsf must lie in (0, 40)", mag_ab)
    size_njy = flux_of_mag(mag_ab)
    return Detection(
        source_id=source_id,
        time_unix_s=_mid_unix_s(fields),
        band=_band(fields),
        flux_njy=_sign(fields) * size_njy,
        flux_err_njy=_flux_err_njy(size_njy, fields.number("sigmapsf")),
    )


def _flux_err_njy(size_njy: float, mag_err_ab: float | None) -> float | None:
    """First-order flux error, the inverse of ``Detection.mag_err_ab``."""
    if mag_err_ab is None or mag_err_ab <= 0.0:
        return None
    error_njy = size_njy * mag_err_ab * math.log(10.0) / 2.5
    return error_njy if error_njy >= MIN_FLUX_ERR_NJY else None


def _past(rows: list[Fields], own_id: int) -> tuple[tuple[Detection, ...], tuple[Limit, ...]]:
    """Earlier detections and non-detections: a row without ``candid`` is a non-detection."""
    detections, limits = [], []
    for row in rows:
        source_id = _history_id(row, own_id)
        if source_id is not None:
            detections.append(_detection(row, source_id))
        elif (limit := _limit(row)) is not None:
            limits.append(limit)
    return ordered_history(detections, str(own_id)), ordered_limits(limits)


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
    mag_ab = row.number("diffmaglim")
    if mag_ab is None or mag_ab <= 0.0:
        return None
    if mag_ab >= 40.0:
        raise row.malformed("diffmaglim must lie in (0, 40)", mag_ab)
    return Limit(_mid_unix_s(row), _band(row), mag_ab, LIMIT_N_SIGMA)


def _quality(candidate: Fields) -> Quality:
    forest, braai = candidate.number("rb"), candidate.number("drb")
    return Quality(
        real_bogus=forest if braai is None else braai,
        real_bogus_forest=forest,
        snr=candidate.number("scorr"),
        n_bad_pixels=candidate.integer("nbad"),
        fwhm_px=candidate.number("fwhm"),
        elongation=candidate.number("elong"),
        mag_difference=candidate.number("magdiff"),
    )


def _surroundings(candidate: Fields) -> Surroundings:
    name = candidate.text("ssnamenr")
    return Surroundings(
        solar_system_name=None if name in ("null", "None") else name,
        solar_system_sep_arcsec=_sep_arcsec(candidate, "ssdistnr"),
        star_score=candidate.number("sgscore1"),
        star_sep_arcsec=_sep_arcsec(candidate, "distpsnr1"),
        gaia_sep_arcsec=_sep_arcsec(candidate, "neargaia"),
    )


def _sep_arcsec(candidate: Fields, name: str) -> float | None:
    sep_arcsec = candidate.number(name)
    return sep_arcsec if sep_arcsec is not None and sep_arcsec >= 0.0 else None
