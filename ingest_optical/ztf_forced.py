"""The forced photometry of ZTF's schema 4: fluxes in counts at the object's place."""

from __future__ import annotations

from collections.abc import Sequence

from correlator.alert import AB_ZERO_POINT_NJY, ForcedMeasurement
from ingest_optical.fields import MAX_EXPOSURE_S, MAX_NUMBER, MIN_FLUX_ERR_NJY, Fields
from ingest_optical.lightcurve import FORCED_N_SIGMA, ordered_forced
from ingest_optical.timescales import DAY_S, UNIX_EPOCH_JD
from ingest_optical.ztf_photometry import (
    BANDS,
    EXPOSURE_S,
    FIRST_JD,
    LAST_JD,
    band_of,
    mid_unix_s_of,
)

FORCED_FIELDS = (
    *("pid", "jd", "exptime", "fid"),
    *("forcediffimflux", "forcediffimfluxunc", "magzpsci", "procstatus"),
)
"""What is read of a row of the forced photometry."""

_MAX_DN = 1e12
"""Flux in counts up to which no zero point of 0 to 40 makes a flux beyond all bounds."""

_GOOD_STATUS = "0"
"""``procstatus`` of forced photometry without a warning (ZTF alert schema)."""


def forced_of(fields: Fields, candidate: Fields, all_forced: bool) -> tuple[ForcedMeasurement, ...]:
    """Forced photometry of the same place (``fp_hists``), by time.

    Fluxes are in counts; ``magzpsci`` is the magnitude of one count. What has a
    warning, no error or no zero point is left out: its flux is -99999.

    Parameters
    ----------
    fields
        The whole record.
    candidate
        The alert's own candidate.
    all_forced
        Whether those are wanted too that a detection or a limit of the same image says.
    """
    if fields.is_empty("fp_hists"):
        return ()
    seen: set[object] = set()
    if not all_forced:  # an image has one jd, to the last bit
        seen = {candidate.raw("jd")}
        past = fields.table("prv_candidates", ("jd", "candid"))
        seen |= {jd for jd, candid in past if candid is not None}
    least_snr = 0.0 if all_forced else FORCED_N_SIGMA
    found = []
    for values in fields.table("fp_hists", FORCED_FIELDS):
        if values[1] in seen:
            continue
        forced = _usual_forced(least_snr, *values)
        if forced is _UNUSUAL:
            forced = _forced(fields, values)
        if isinstance(forced, ForcedMeasurement) and abs(forced.snr) >= least_snr:
            found.append(forced)
    return ordered_forced(found)


_UNUSUAL = object()
"""What :func:`_usual_forced` does not judge."""


def _usual_forced(
    least_snr: float,
    image: object,
    jd: object,
    exptime: object,
    fid: object,
    flux_dn: object,
    error_dn: object,
    zero_point: object,
    status: object,
) -> object:
    """What most rows are, quickly: a measurement, or None for none that is wanted.

    The same as :func:`_forced`, wherever it is not :data:`_UNUSUAL`.
    """
    if (
        type(status) is not str
        or type(image) is not int
        or type(flux_dn) is not float
        or type(error_dn) is not float
        or type(zero_point) is not float
        or not 0 < image < 2**63
        or not (-_MAX_DN < flux_dn < _MAX_DN and -_MAX_DN < error_dn < _MAX_DN)
        or not 0.0 < zero_point < 40.0
    ):
        return _UNUSUAL
    is_good = status == _GOOD_STATUS or status.strip() == _GOOD_STATUS
    if not is_good or error_dn <= 0.0 or abs(flux_dn) < least_snr * error_dn:
        return None
    band = BANDS.get(fid) if type(fid) is int else None
    exptime = EXPOSURE_S if exptime is None else exptime
    if (
        band is None
        or type(jd) is not float
        or type(exptime) is not float
        or not FIRST_JD < jd < LAST_JD
        or not 0.0 < exptime <= MAX_EXPOSURE_S
    ):
        return _UNUSUAL
    njy_a_count = 10.0 ** (0.4 * (AB_ZERO_POINT_NJY - zero_point))
    error_njy = error_dn * njy_a_count
    if error_njy < MIN_FLUX_ERR_NJY:
        return None
    time_unix_s = (jd - UNIX_EPOCH_JD) * DAY_S + 0.5 * exptime
    return ForcedMeasurement(str(image), time_unix_s, band, flux_dn * njy_a_count, error_njy)


def _forced(fields: Fields, values: Sequence[object]) -> ForcedMeasurement | None:
    # Not by the record's own rules: a flux of -999 counts is one.
    row = Fields(dict(zip(FORCED_FIELDS, values, strict=True)), fields.packet)
    status = row.raw("procstatus")
    flux_dn, error_dn = row.number("forcediffimflux"), row.number("forcediffimfluxunc")
    zero_point, image = row.number("magzpsci"), row.integer("pid")
    if str(status).strip() != _GOOD_STATUS or flux_dn is None or error_dn is None:
        return None
    if zero_point is None or not 0.0 < zero_point < 40.0 or image is None or error_dn <= 0.0:
        return None
    njy_a_count = 10.0 ** (0.4 * (AB_ZERO_POINT_NJY - zero_point))
    flux_njy, error_njy = flux_dn * njy_a_count, error_dn * njy_a_count
    if error_njy < MIN_FLUX_ERR_NJY:
        return None
    if max(abs(flux_njy), error_njy) > MAX_NUMBER:
        raise row.malformed(f"forcediffimflux must be at most {MAX_NUMBER:g} nJy", flux_dn)
    return ForcedMeasurement(str(image), mid_unix_s_of(row), band_of(row), flux_njy, error_njy)
