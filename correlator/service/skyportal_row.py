"""An object as an alert of SkyPortal's brokers, and a coincidence as its crossmatch annotates one.

The names are those that SkyPortal reads (`skyportal/utils/gcn_crossmatch.py` and
`skyportal/broker_apis/_save.py` of August 2026); docs/operations/skyportal.md says what each is
made of. What we do not know is null. Fluxes are told as magnitudes: SkyPortal takes ``psfFlux`` of
ZTF for femtojansky, and of LSST for nanojansky.
"""

from __future__ import annotations

import math
from typing import Any

from correlator.alert import Detection, ForcedMeasurement, mag_of_flux
from correlator.object import OpticalObject
from correlator.pair import PairEvidence
from correlator.policy import DAY_S
from correlator.ranking import Coincidence
from ingest_optical.timescales import UNIX_EPOCH_JD, UNIX_EPOCH_MJD
from skymaps.distance import conditional_distance
from skymaps.healpix import Positions
from skymaps.localization import Localization
from skymaps.shapes import Circle
from skymaps.skymap import SkyMap
from streams.joint import is_joint

Row = dict[str, Any]

ORIGIN = "GCN-crossmatch"
"""Of SkyPortal's own annotations of this kind."""

PUBLIC_PROGRAMID = 1
"""ZTF's public survey, which SkyPortal assumes of a point that names no programme."""

_FIDS = {"g": 1, "r": 2, "i": 3}
"""ZTF's numbers of its filters."""

_LARGEST_ID = 2**63 - 1
"""SkyPortal keeps the id of an alert as a whole number of 64 bits."""

_ARCMIN_PER_DEG = 60.0
_MAG_PER_RELATIVE_ERROR = 2.5 / math.log(10.0)


def jd_of(unix_s: float) -> float:
    """Julian date (UTC) of a moment [s since the Unix epoch]; resolution 40 us."""
    return unix_s / DAY_S + UNIX_EPOCH_JD


def unix_s_of(jd: float) -> float:
    """The inverse of :func:`jd_of`."""
    return (jd - UNIX_EPOCH_JD) * DAY_S


def latest_between(obj: OpticalObject, jd_start: float, jd_end: float) -> Detection | None:
    """The last detection brighter than the template with ``jd_start <= jd <= jd_end``."""
    return next(
        (d for d in reversed(obj.positive) if jd_start <= jd_of(d.time_unix_s) <= jd_end), None
    )


def alert_row(obj: OpticalObject, detection: Detection, *, is_public: bool = True) -> Row:
    """An object as it was at one of its detections, without light curve and annotations.

    Parameters
    ----------
    detection
        One that is brighter than the template.
    is_public
        Whether anybody may read the object; otherwise it is filed under no programme of ZTF, for
        SkyPortal would take it for the public one.
    """
    own = {
        "candid": _whole(detection.source_id),
        "ra": obj.ra_deg,
        "dec": obj.dec_deg,
        "jd": jd_of(detection.time_unix_s),
    }
    candidate = own | {
        "band": detection.band,
        "fid": _FIDS.get(detection.band) if obj.survey == "ztf" else None,
        "magpsf": detection.mag_ab,
        "sigmapsf": detection.mag_err_ab,
        "isdiffpos": True,
        "programid": _programid(obj, is_public),
        **_surroundings(obj, detection),
        **_history(obj, detection),
    }
    return {
        "objectId": obj.object_id,
        "survey": obj.survey.upper(),
        **own,
        "candidate": candidate,
        "annotations": {},
    }


def summary_row(pair: PairEvidence) -> Row:
    """What the evidence of a pair remembers of an object that is not stored any more."""
    seen = pair.object
    survey, _, object_id = pair.object_key.partition(":")
    near = seen.surroundings
    own = {
        "candid": None,
        "ra": seen.ra_deg,
        "dec": seen.dec_deg,
        "jd": jd_of(seen.last_unix_s),
    }
    candidate = own | {
        "band": seen.last_band,
        "magpsf": seen.last_mag_ab,
        "drb": seen.real_bogus,
        "sgscore1": near.star_score,
        "distpsnr1": near.star_sep_arcsec,
        "ssdistnr": near.solar_system_sep_arcsec,
        "ssmagnr": None,
        "ndethist": None,
        "jdstarthist": None,
    }
    said = {"candidate": candidate, "annotations": {}}
    return {"objectId": object_id, "survey": survey.upper(), **own, **said}


def light_curve(obj: OpticalObject, *, is_public: bool = True) -> Row:
    """Detections, forced photometry and limits of an object.

    What is fainter than the template has no magnitude and is left out.
    """
    programid = _programid(obj, is_public)
    found = [_point(d, programid) | {"candid": _whole(d.source_id)} for d in obj.positive]
    forced = [_point(f, programid) for f in obj.forced if f.flux_njy > 0.0]
    limits = [
        {"jd": jd_of(x.time_unix_s), "band": x.band, "diffmaglim": x.mag_ab, "programid": programid}
        for x in obj.limits
    ]
    return {"prv_candidates": found, "fp_hists": forced, "prv_nondetections": limits}


def event_name_of(event_key: str) -> str:
    """What SkyPortal files an event under: the mission's own id, its ``trigger_id``.

    A joint event has none, and missions use ids of tests again for real events: both keep our key.
    """
    keeps = is_joint(event_key) or event_key.startswith("test:")
    return event_key if keeps else event_key.partition(":")[2]


def annotation_of(
    coincidence: Coincidence, candidate: Row, localization: Localization | None
) -> Row:
    """How an object stands to an event, in the words of SkyPortal's crossmatch.

    Parameters
    ----------
    candidate
        Of :func:`alert_row`: the alert that is annotated.
    localization
        The one that the evidence is of; None where it is not stored any more.
    """
    pair = coincidence.pair
    radius_deg = localization.radius_deg if isinstance(localization, Circle) else None
    away_deg = pair.separation_deg if radius_deg is not None else None
    mean_mpc, std_mpc = _distance(localization, candidate)
    first_jd = candidate["jdstarthist"]
    return {
        "delta_t": round(pair.delta_t_s / DAY_S, 4),
        "distance_arcmin": _rounded(away_deg, _ARCMIN_PER_DEG),
        "distance_ratio": None if not radius_deg else _rounded(away_deg, 1.0 / radius_deg),
        "credible_level": pair.credible_level,
        "age": None if first_jd is None else round(candidate["jd"] - first_jd, 4),
        "drb": candidate["drb"],
        "sgscore": candidate["sgscore1"],
        "distpsnr": candidate["distpsnr1"],
        "ssdistnr": candidate["ssdistnr"],
        "ssmagnr": candidate["ssmagnr"],
        "ndethist": candidate["ndethist"],
        "event_mjd": round(pair.event_unix_s / DAY_S + UNIX_EPOCH_MJD, 6),
        "prior_activity": pair.prior_activity_days is not None,
        "dist_mean": mean_mpc,
        "dist_std": std_mpc,
        "coincidence_id": pair.coincidence_id,
        "case": coincidence.case,
        "rank": coincidence.rank,
        "priority": round(coincidence.priority.value, 4),
        "log_lr": round(pair.log_lr, 4),
    }


def _programid(obj: OpticalObject, is_public: bool) -> int | None:
    return PUBLIC_PROGRAMID if obj.survey == "ztf" and is_public else None


def _surroundings(obj: OpticalObject, detection: Detection) -> Row:
    """What the survey said with its latest alert: of the image only if that is this detection."""
    near = obj.surroundings
    is_own = detection.source_id == obj.latest_alert_id
    return {
        "drb": obj.real_bogus if is_own else None,
        "sgscore1": near.star_score,
        "distpsnr1": near.star_sep_arcsec,
        "ssdistnr": near.solar_system_sep_arcsec if is_own else None,
        "ssmagnr": None,
        "ssnamenr": near.solar_system_name if is_own else None,
    }


def _history(obj: OpticalObject, detection: Detection) -> Row:
    """Detections up to this one, and the first, by the survey's count or by ours."""
    until = detection.time_unix_s
    times = [d.time_unix_s for d in obj.detections if d.time_unix_s <= until]
    known = [*times, obj.survey_first_unix_s] if obj.survey_first_unix_s is not None else times
    return {"ndethist": len(times), "jdstarthist": jd_of(min(known))}


def _point(point: Detection | ForcedMeasurement, programid: int | None) -> Row:
    error = point.flux_err_njy
    return {
        "jd": jd_of(point.time_unix_s),
        "band": point.band,
        "magpsf": mag_of_flux(point.flux_njy),
        "sigmapsf": None if error is None else _MAG_PER_RELATIVE_ERROR * error / point.flux_njy,
        "programid": programid,
    }


def _distance(
    localization: Localization | None, candidate: Row
) -> tuple[float | None, float | None]:
    """Mean and standard deviation of the event's distance at a place [Mpc], if its map has one."""
    if not isinstance(localization, SkyMap):
        return None, None
    match = localization.distance_at(Positions.of(candidate["ra"], candidate["dec"]))
    if match is None:
        return None, None
    given = conditional_distance(match)
    mean, std = float(given.mean_mpc[0]), float(given.std_mpc[0])
    return (round(mean, 2), round(std, 2)) if math.isfinite(mean) else (None, None)


def _rounded(value: float | None, unit: float) -> float | None:
    return None if value is None else round(value * unit, 4)


def _whole(said: str) -> int | None:
    """An id as a whole number, where it is one that SkyPortal's database takes."""
    number = int(said) if said.isascii() and said.isdecimal() and len(said) <= 19 else None
    return number if number is not None and number <= _LARGEST_ID else None
