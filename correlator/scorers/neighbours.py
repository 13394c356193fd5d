"""What an object is not: an asteroid, a star, an old acquaintance, a flash of a satellite."""

from __future__ import annotations

from correlator.alert import Detection
from correlator.features import Features
from correlator.object import OpticalObject
from correlator.policy import HOUR_S
from correlator.scorers.score import Scorer, Value, one_by_one

ASTEROID_SEP_ARCSEC = 5.0
"""A known asteroid at this distance or nearer is the object (Fink's roid 3)."""

ASTEROID_DOUBT_ARCSEC = 12.0
"""Up to this distance it may be (BOOM: ssdistnr < 12)."""

STILL_D = 0.02
"""What was seen at one place over so long does not move: in half an hour a main-belt asteroid goes
15 arcsec, and a survey joins detections within 1.5 arcsec (nuztf has 0.01 d, Fink 30 min)."""

MOVES_ARCSEC_PER_H = 1.5
"""Least speed that a position error of 0.3 arcsec cannot feign over the least time (0.24 h)."""

STAR_SEP_ARCSEC = 2.0
"""Distance within which the nearest reference source counts (BOOM, Fink_MM)."""

STAR_SCORE = 0.76
"""Star-likeness of a star (Tachibana & Miller 2018, as used by Fink and BOOM)."""

OLD_D = 31.0
"""Activity so long ago is an earlier acquaintance (SCIENCE 2: archival veto -31 d)."""

GLINT_LIMIT_S = HOUR_S
"""A limit so near in time speaks of the same brightness."""

GLINT_DEPTH_MAG = 1.0
"""How much deeper than the flash the limits must be."""


def _solar_system(obj: OpticalObject, f: Features) -> Value:
    if f.solar_system_linked == 1.0:
        return 1.0, "linked by the survey"
    if f.motion_arcsec_per_h is not None and f.motion_arcsec_per_h >= MOVES_ARCSEC_PER_H:
        return 1.0, f"moves {f.motion_arcsec_per_h:.1f} arcsec/h"
    if f.span_d is not None and f.span_d >= STILL_D:
        return 0.0, f"seen at one place over {f.span_d:.2f} d"
    if f.solar_system_sep_arcsec is not None:
        return _near_asteroid(obj, f, f.solar_system_sep_arcsec)
    if f.solar_system_linked == 0.0:
        return 0.0, "not linked by the survey"
    return None, "seen once, nothing known near"


def _near_asteroid(obj: OpticalObject, f: Features, sep_arcsec: float) -> Value:
    named = f"{obj.surroundings.solar_system_name or 'an asteroid'} at {sep_arcsec:.1f} arcsec"
    if sep_arcsec > ASTEROID_DOUBT_ARCSEC:
        return None, f"seen once, {named}"
    if f.star_sep_arcsec is not None and f.star_sep_arcsec < sep_arcsec:
        return 0.5, f"{named}, a reference source nearer"
    return (1.0 if sep_arcsec <= ASTEROID_SEP_ARCSEC else 0.5), named


def _star(obj: OpticalObject, f: Features) -> Value:
    del obj
    if f.star_sep_arcsec is None or f.star_score is None:
        return None, "no reference source known"
    if f.star_sep_arcsec > STAR_SEP_ARCSEC:
        return 0.0, f"nearest reference source at {f.star_sep_arcsec:.1f} arcsec"
    return f.star_score, f"reference source at {f.star_sep_arcsec:.1f} arcsec"


def _prior_activity(obj: OpticalObject, f: Features) -> Value:
    del obj
    age_d = max((d for d in (f.span_d, f.age_d, f.survey_age_d) if d is not None), default=None)
    if age_d is not None and age_d > OLD_D:
        return 1.0, f"seen {age_d:.0f} d ago"
    if f.n_negative:
        return 1.0, f"{f.n_negative} times below its template"
    if f.survey_age_d is not None:
        return 0.0, f"first seen {f.survey_age_d:.1f} d ago by the survey's count"
    if f.onset_interval_d is not None:
        return 0.0, f"a limit {f.onset_interval_d:.1f} d before its onset"
    return None, "nothing is known of the time before"


def _glint(obj: OpticalObject, f: Features) -> Value:
    if f.n_detections != 1:
        return 0.0, "seen more than once"
    if f.survey_age_d is not None and f.survey_age_d > STILL_D:
        return 0.0, "seen before by the survey's count"
    if _is_near_asteroid(f):
        return 0.0, "a known asteroid"
    own = obj.detections[0]
    mag_ab = own.mag_ab
    if mag_ab is None:
        return 0.0, "below its template"
    return _only_then(obj, own, mag_ab)


def _is_near_asteroid(f: Features) -> bool:
    sep = f.solar_system_sep_arcsec
    return f.solar_system_linked == 1.0 or (sep is not None and sep <= ASTEROID_DOUBT_ARCSEC)


def _only_then(obj: OpticalObject, own: Detection, mag_ab: float) -> Value:
    """Whether images within an hour would have shown it."""
    near = [x for x in obj.limits if abs(x.time_unix_s - own.time_unix_s) <= GLINT_LIMIT_S]
    deepest = max((x.mag_ab for x in near), default=None)
    if deepest is None:
        return None, "seen once, and no other image within an hour"
    if deepest < mag_ab + GLINT_DEPTH_MAG:
        return None, f"a limit of {deepest:.1f} within an hour is not deep enough"
    return 1.0, f"mag {mag_ab:.1f} and not {deepest:.1f} within an hour"


SOLAR_SYSTEM = Scorer(
    "solar-system",
    "1",
    "0 stays at its place, 0.5 may be an asteroid, 1 is one",
    "Fink roid 3, BOOM, nuztf; LSST ssObjectId",
    one_by_one(_solar_system),
)

STAR = Scorer(
    "star",
    "1",
    "star-likeness of a reference source within 2 arcsec, 0 to 1; 0 without one",
    "Tachibana & Miller (2018); the radius of BOOM and Fink_MM",
    one_by_one(_star),
)

PRIOR_ACTIVITY = Scorer(
    "prior-activity",
    "1",
    "1 seen more than 31 d ago or below its template, else 0",
    "SCIENCE 2: archival veto -31 d",
    one_by_one(_prior_activity),
)

GLINT = Scorer(
    "satellite-glint",
    "1",
    "1 a flash in one image with a deep limit within an hour: a glint, or an asteroid nobody knows",
    "Corbett et al. (2020), Karpov & Peloton (2022): glints last less than an exposure",
    one_by_one(_glint),
)
