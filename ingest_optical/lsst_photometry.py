"""Rubin's measurements, of today or of the past: sources, and forced photometry without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from correlator.alert import Detection, ForcedMeasurement, Limit, mag_of_flux
from ingest_optical.fields import MAX_NUMBER, MIN_FLUX_ERR_NJY, Fields
from ingest_optical.lightcurve import FORCED_N_SIGMA
from ingest_optical.timescales import (
    DAY_S,
    EARLIEST_UNIX_S,
    LATEST_UNIX_S,
    UNIX_EPOCH_MJD,
    unix_s_of_mjd_tai,
)

BANDS = frozenset("ugrizy")

LIMIT_N_SIGMA = FORCED_N_SIGMA
"""Forced photometry below this many of its errors counts as a non-detection (SCIENCE 3)."""

_FIRST_MJD = UNIX_EPOCH_MJD + EARLIEST_UNIX_S / DAY_S + 1.0
_LAST_MJD = UNIX_EPOCH_MJD + LATEST_UNIX_S / DAY_S - 1.0
"""A day inside the times that can be, so that no leap second decides."""

SOURCE_FIELDS = ("diaSourceId", "midpointMjdTai", "band", "psfFlux", "psfFluxErr")
"""What is read of a source."""

_ROW = (*SOURCE_FIELDS, "visit")
"""What is read of a row of the history."""

FORCED_FIELDS = ("diaForcedSourceId", "midpointMjdTai", "band", "psfFlux", "psfFluxErr", "visit")
"""What is read of a row of the forced photometry."""


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


@dataclass(frozen=True, slots=True)
class Past:
    """What a record tells of earlier visits, in its own order."""

    history: list[Detection] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    forced: list[ForcedMeasurement] = field(default_factory=list)


NO_PAST = Past()


def past_of(fields: Fields, source: Fields, all_forced: bool) -> Past:
    """Earlier sources, the limits of the visits without one, and forced photometry.

    Parameters
    ----------
    fields
        The whole record.
    source
        The alert's own source.
    all_forced
        Whether forced photometry is wanted too where a source or a limit says the same.
    """
    if fields.is_empty("prvDiaSources") and fields.is_empty("prvDiaForcedSources"):
        return NO_PAST
    past, visits = Past(), set[object]()
    for values in fields.table("prvDiaSources", _ROW):
        *measured, visit = values
        found = usual_detection(*measured)
        if found is None or type(visit) is not int:
            row = fields.inner(dict(zip(_ROW, values, strict=True)))
            found, visit = _detection(row), row.integer("visit")
        past.history.append(found)
        visits.add(visit)
    if not fields.is_empty("prvDiaForcedSources"):
        visits.add(source.integer("visit"))
        _add_forced(past, fields, visits, all_forced)
    return past


def _add_forced(past: Past, fields: Fields, visits: set[object], all_forced: bool) -> None:
    for values in fields.table("prvDiaForcedSources", FORCED_FIELDS):
        measured = _measured(fields, values)
        if measured is None:
            continue
        flux_njy, error_njy, visit = measured
        has_source = visit in visits
        if has_source and not all_forced:
            continue
        is_limit = not has_source and abs(flux_njy) < LIMIT_N_SIGMA * error_njy
        named = _named(fields, values)
        if named is None:
            continue
        forced_id, time_unix_s, band = named
        if is_limit:
            mag_ab = mag_of_flux(LIMIT_N_SIGMA * error_njy)
            past.limits.append(Limit(time_unix_s, band, mag_ab, LIMIT_N_SIGMA))
        if forced_id is not None and (all_forced or not is_limit):
            past.forced.append(ForcedMeasurement(forced_id, time_unix_s, band, flux_njy, error_njy))


def _measured(fields: Fields, values: Sequence[object]) -> tuple[float, float, int | None] | None:
    """Flux, error and visit of a row of forced photometry; None without the first two."""
    *_, flux_njy, error_njy, visit = values
    if (
        type(flux_njy) is float
        and type(error_njy) is float
        and type(visit) is int
        and -MAX_NUMBER <= flux_njy <= MAX_NUMBER
        and MIN_FLUX_ERR_NJY <= error_njy <= MAX_NUMBER
    ):
        return flux_njy, error_njy, visit
    row = fields.inner(dict(zip(FORCED_FIELDS, values, strict=True)))
    flux, error = row.number("psfFlux"), flux_err_njy_of(row)
    return None if flux is None or error is None else (flux, error, row.integer("visit"))


def _named(fields: Fields, values: Sequence[object]) -> tuple[str | None, float, str] | None:
    """Id, if it has one, time and filter of a row of forced photometry; None without a filter."""
    forced_id, mjd_tai, band, *_ = values
    if (
        type(forced_id) is int
        and type(mjd_tai) is float
        and type(band) is str
        and 0 < forced_id < 2**63
        and _FIRST_MJD < mjd_tai < _LAST_MJD
        and band in BANDS
    ):
        return str(forced_id), unix_s_of_mjd_tai(mjd_tai), band
    row = fields.inner(dict(zip(FORCED_FIELDS, values, strict=True)))
    if row.text("band") is None:  # the schema lets it be null
        return None
    number = id_of(row, "diaForcedSourceId")
    said = None if number is None else str(number)
    return said, unix_s_of(row, "midpointMjdTai"), band_of(row)


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
        flux_err_njy=flux_err_njy_of(source),
    )


def flux_err_njy_of(fields: Fields) -> float | None:
    """Error of the flux; None where it is unknown or none at all."""
    error = fields.number("psfFluxErr")
    return error if error is not None and error >= MIN_FLUX_ERR_NJY else None
