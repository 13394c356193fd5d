"""A coincidence as a message of Hermes, for Hopskotch and whoever listens there."""

from __future__ import annotations

from typing import Any

from correlator.alert import Detection, Limit
from correlator.policy import DAY_S
from correlator.ranking import NOT_MEASURED
from correlator.service.skyportal_row import jd_of
from correlator.service.skyportal_told import Told
from correlator.service.times import iso_utc
from streams.gcn_notice import Survey, survey_named
from streams.voevent import POSITION_ERROR_DEG, Author

Json = dict[str, Any]

TEST_TOPIC = "hermes.test"
"""Anybody may write there, and nobody acts on it."""

UNIT = "AB mag"


def message_of(told: Told, author: Author, topic: str = TEST_TOPIC) -> Json:
    """The body of ``POST /api/v0/submit_message/`` of a revision.

    Its photometry is what was seen since the event and what the evidence counts, and the last limit
    before. A coincidence that is gone has no target: SkyPortal makes a source of each.
    """
    pair, revision = told.body.pair, told.revision
    survey = survey_named(revision.object_key.partition(":")[0])
    # A superseded revision is told as it was.
    stands = revision.body is not None
    title = f"{told.object_id}: possible optical counterpart of {told.event_name}"
    return {
        "topic": topic,
        "title": title if stands else f"{title} ({revision.state})",
        "submitter": author.title,
        "authors": author.title,
        "message_text": _text(told),
        "data": {
            "event_id": told.event_name,
            "targets": [_target(told)] if stands else [],
            "photometry": _photometry(told, survey) if stands else [],
            "extra_data": {
                "coincidence_id": revision.coincidence_id,
                "case": revision.case,
                "revision": revision.revision,
                "state": "active" if stands else str(revision.state),
                "reason": revision.reason,
                "event_key": revision.event_key,
                "object_key": revision.object_key,
                "event_time": iso_utc(pair.event_unix_s),
                "delta_t_s": pair.delta_t_s,
                "credible_level": pair.credible_level,
                "log_lr": pair.log_lr,
                "rank": told.body.rank,
                "priority": told.body.priority.value,
                "p_assoc": None,
                "p_assoc_reason": NOT_MEASURED,
                "far_per_year": None,
                "far_per_year_reason": NOT_MEASURED,
            },
        },
    }


def _text(told: Told) -> str:
    pair = told.body.pair
    said = (
        f"{told.revision.object_key} and {told.revision.event_key}: first seen "
        f"{pair.delta_t_s / DAY_S:+.2f} d from the event, at credible level "
        f"{pair.credible_level:.3f}, ln likelihood ratio {pair.log_lr:.2f}."
    )
    if told.revision.body is None:
        said += f" It is {told.revision.state}: {told.revision.reason}."
    return f"{said} A match is a suggestion: {NOT_MEASURED}."


def _target(told: Told) -> Json:
    seen = told.row["candidate"]
    return {
        "name": told.object_id,
        "ra": seen["ra"],
        "dec": seen["dec"],
        "ra_error": POSITION_ERROR_DEG,
        "dec_error": POSITION_ERROR_DEG,
        "epoch": "2000.0",
        "aliases": [],
    }


def _photometry(told: Told, survey: Survey) -> list[Json]:
    """Points by time; of an object that is not stored any more, the last that the evidence has."""
    pair, obj = told.body.pair, told.object
    last_unix_s = pair.object.last_unix_s
    if obj is None:
        if pair.object.last_mag_ab is None:
            return []
        brightness = {"brightness": pair.object.last_mag_ab}
        return [_point(told, survey, last_unix_s, pair.object.last_band) | brightness]
    since = [d for d in obj.positive if pair.event_unix_s <= d.time_unix_s <= last_unix_s]
    first_unix_s = since[0].time_unix_s if since else last_unix_s
    before = [x for x in obj.limits if x.time_unix_s < first_unix_s][-1:]
    points: list[Detection | Limit] = [*before, *since]
    return [_point(told, survey, x.time_unix_s, x.band) | _brightness(x) for x in points]


def _point(told: Told, survey: Survey, unix_s: float, band: str) -> Json:
    return {
        "target_name": told.object_id,
        "date_obs": jd_of(unix_s),
        "telescope": survey.telescope,
        "instrument": survey.instrument,
        "bandpass": f"{survey.filter_prefix}{band}",
        "brightness_unit": UNIT,
        "limiting_brightness_unit": UNIT,
    }


def _brightness(seen: Detection | Limit) -> Json:
    if isinstance(seen, Limit):
        return {"limiting_brightness": seen.mag_ab}
    said = {"brightness": seen.mag_ab, "brightness_error": seen.mag_err_ab}
    return {name: value for name, value in said.items() if value is not None}
