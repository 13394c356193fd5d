"""Rubin's measurements, of today or of the past: sources, and forced photometry without one."""

from __future__ import annotations

from collections.abc import Iterable

from correlator.alert import Detection, Limit, mag_of_flux
from ingest_optical.fields import MAX_NUMBER, MIN_FLUX_ERR_NJY, Fields
from ingest_optical.timescales import (
    DAY_S,
    EARLIEST_UNIX_S,
    LATEST_UNIX_S,
    UNIX_EPOCH_MJD,
    unix_s_of_mjd_tai,
)

BANDS = frozenset("ugrizy")

LIMIT_N_SIGMA = 3.0
"""Forced photometry below this many of its errors counts as a non-detection (SCIENCE 3)."""

_FIRST_MJD = UNIX_EPOCH_MJD + EARLIEST_UNIX_S / DAY_S + 1.0
_LAST_MJD = UNIX_EPOCH_MJD + LATEST_UNIX_S / DAY_S - 1.0
"""A day inside the times that can be, so that no leap second decides."""

SOURCE_FIELDS = ("diaSourceId", "midpointMjdTai", "band", "psfFlux", "psfFluxErr")
"""What is read of a source."""

_ROW = (*SOURCE_FIELDS, "visit")
"""What is read of a row of the history."""


def id_of(fields: Fields, name: str) -> int | None:
    """An id, or None: real packets carry 0 where the schema says null."""
    return fields.integer(name) or None


def source_id_of(source: Fields) -> str:
    """``diaSourceId``."""
    source_id = id_of(source, "diaSourceId")
    if source_id is None:
        raise source.malformed("diaSourceId must be known")
    return str(source_id)


def is_on_sky(ra_deg: float, dec_deg: float) -> bool:
    """Whether a right ascension and a declination [deg] are a place."""
    return 0.0 <= ra_deg <= 360.0 and -90.0 <= dec_deg <= 90.0


def unix_s_of(fields: Fields, name: str) -> float:
    """Unix seconds of a Modified Julian date in TAI."""
    mjd_tai = fields.known_number(name)
    try:
        return unix_s_of_mjd_tai(mjd_tai)
    except ValueError as problem:
        raise fields.malformed(f"{name} must lie in 1990..2100", mjd_tai) from problem


def band_of(fields: Fields) -> str:
    """Filter."""
    band = fields.text("band")
    if band is None or band not in BANDS:
        raise fields.malformed("band must be one of u g r i z y", band)
    return band


def detection_of(source: Fields) -> Detection:
    """The measurement of a source."""
    return usual_detection(*source.values(SOURCE_FIELDS)) or _detection(source)


def past_of(fields: Fields, source: Fields) -> tuple[list[Detection], list[Limit]]:
    """Earlier sources, and the limits of the visits in which there was none.

    Parameters
    ----------
    fields
        The whole record.
    source
        The alert's own source.
    """
    if fields.is_empty("prvDiaSources") and fields.is_empty("prvDiaForcedSources"):
        return [], []
    history, visits = [], []
    for values in fields.table("prvDiaSources", _ROW):
        *measured, visit = values
        found = usual_detection(*measured)
        if found is None or type(visit) is not int:
            row = fields.inner(dict(zip(_ROW, values, strict=True)))
            found, visit = _detection(row), row.integer("visit")
        history.append(found)
        visits.append(visit)
    forced = fields.rows("prvDiaForcedSources")
    if not forced:
        return history, []
    return history, _limits(forced, {source.integer("visit"), *visits})


def usual_detection(
    source_id: object, mjd_tai: object, band: object, flux_njy: object, error_njy: object
) -> Detection | None:
    """What most sources are, quickly; None for one with a value that is not as usual.

    The same as :func:`_detection`, wherever it is not None.
    """
    if type(source_id) is not int or not 0 < source_id < 2**63:
        return None
    if type(mjd_tai) is not float or not _FIRST_MJD < mjd_tai < _LAST_MJD:
        return None
    if type(band) is not str or band not in BANDS:
        return None
    if type(flux_njy) is not float or not -MAX_NUMBER <= flux_njy <= MAX_NUMBER:
        return None
    if type(error_njy) is not float or not MIN_FLUX_ERR_NJY <= error_njy <= MAX_NUMBER:
        return None
    return Detection(str(source_id), unix_s_of_mjd_tai(mjd_tai), band, flux_njy, error_njy)


def _detection(source: Fields) -> Detection:
    return Detection(
        source_id=source_id_of(source),
        time_unix_s=unix_s_of(source, "midpointMjdTai"),
        band=band_of(source),
        # The sign is the flux's own: isNegative is false for some negative fluxes.
        flux_njy=source.known_number("psfFlux"),
        flux_err_njy=_flux_err_njy(source),
    )


def _flux_err_njy(fields: Fields) -> float | None:
    error = fields.number("psfFluxErr")
    return error if error is not None and error >= MIN_FLUX_ERR_NJY else None


def _limits(rows: Iterable[Fields], visits_with_source: set[object]) -> list[Limit]:
    limits = []
    for row in rows:
        flux_njy, error_njy = row.number("psfFlux"), _flux_err_njy(row)
        if flux_njy is None or error_njy is None or row.integer("visit") in visits_with_source:
            continue
        if abs(flux_njy) < LIMIT_N_SIGMA * error_njy:
            mag_ab = mag_of_flux(LIMIT_N_SIGMA * error_njy)
            limits.append(
                Limit(unix_s_of(row, "midpointMjdTai"), band_of(row), mag_ab, LIMIT_N_SIGMA)
            )
    return limits
