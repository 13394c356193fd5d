"""An alert as a row of ``correlator alert --json``."""

from __future__ import annotations

from correlator.alert import Alert, Limit
from correlator.service.times import iso_utc
from ingest_optical.lightcurve import first_positive_unix_s
from ingest_optical.quality import DEFAULT_CUTS, rejections


def alert_row(alert: Alert) -> dict[str, object]:
    """What we understood of a packet, as JSON values; unknown is null.

    ``first_detection_time`` is the earliest *positive* detection of the alert and its history: a
    source below its template is detected too, but that is no onset. It is null when there is no
    positive one. ``last_limit_before`` is the last non-detection before it.
    ``survey_first_time`` is the survey's own count (ZTF: start of the exposure of the first 3-sigma
    detection at the position, of either sign).
    """
    near, quality, own = alert.surroundings, alert.quality, alert.detection
    onset_unix_s = first_positive_unix_s((own, *alert.history))
    return {
        "survey": alert.survey,
        "schema_version": alert.schema_version,
        "alert_id": alert.alert_id,
        "object_id": alert.object_id,
        "time": iso_utc(alert.time_unix_s),
        "exposure_s": alert.exposure_s,
        "ra_deg": alert.ra_deg,
        "dec_deg": alert.dec_deg,
        "band": own.band,
        "mag_ab": own.mag_ab,
        "mag_err_ab": own.mag_err_ab,
        "flux_njy": own.flux_njy,
        "flux_err_njy": own.flux_err_njy,
        "is_positive": own.is_positive,
        "n_history": len(alert.history),
        "n_limits": len(alert.limits),
        "n_forced": len(alert.forced),
        "first_detection_time": None if onset_unix_s is None else iso_utc(onset_unix_s),
        "survey_first_time": (
            None if alert.survey_first_unix_s is None else iso_utc(alert.survey_first_unix_s)
        ),
        "last_limit_before": _limit_row(_last_limit_before(alert, onset_unix_s)),
        "real_bogus": quality.real_bogus,
        "solar_system_name": near.solar_system_name,
        "solar_system_sep_arcsec": near.solar_system_sep_arcsec,
        "star_score": near.star_score,
        "star_sep_arcsec": near.star_sep_arcsec,
        "gaia_sep_arcsec": near.gaia_sep_arcsec,
        "rejections": list(rejections(alert, DEFAULT_CUTS[alert.survey])),
    }


def _last_limit_before(alert: Alert, onset_unix_s: float | None) -> Limit | None:
    if onset_unix_s is None:
        return None
    before = [limit for limit in alert.limits if limit.time_unix_s < onset_unix_s]
    return max(before, key=lambda limit: limit.time_unix_s, default=None)


def _limit_row(limit: Limit | None) -> dict[str, object] | None:
    if limit is None:
        return None
    return {
        "time": iso_utc(limit.time_unix_s),
        "band": limit.band,
        "mag_ab": limit.mag_ab,
        "n_sigma": limit.n_sigma,
    }
