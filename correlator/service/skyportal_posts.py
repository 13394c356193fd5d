"""What is sent to SkyPortal of a coincidence: candidate, annotation, and its standing to an event.

Bodies of `POST /api/candidates`, `POST /api/sources/ID/annotations` and
`POST /api/sources_in_gcn/DATEOBS`, as SkyPortal of August 2026 reads them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from astropy.time import Time

from correlator.service.skyportal_row import annotation_of
from correlator.service.skyportal_told import Told

LOCALIZATION_CUMPROB = 0.95
"""Probability inside which SkyPortal's own crossmatch takes candidates (`DEFAULT_CUMPROB`)."""

Json = dict[str, Any]


class Standing(StrEnum):
    """How an object stands to an event, in SkyPortal's words."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    AMBIGUOUS = "ambiguous"
    REJECTED = "rejected"


def candidate_post(told: Told, filter_ids: Sequence[int]) -> Json:
    """The object as a candidate of some filters, at the time of its last detection.

    SkyPortal keeps one candidate an object, filter and time: to the microsecond it is the time by
    which its own crossmatch would file the same alert.
    """
    row = told.row
    candidate = row["candidate"]
    body: Json = {
        "id": told.object_id,
        "ra": candidate["ra"],
        "dec": candidate["dec"],
        "filter_ids": list(filter_ids),
        "passed_at": Time(candidate["jd"], format="jd").datetime.isoformat(),
        "passing_alert_id": candidate["candid"],
        "origin": row["survey"],
    }
    return body if candidate["drb"] is None else body | {"score": candidate["drb"]}


def annotation_entry(told: Told) -> Json:
    """What the annotation says of one event: only what is known, as SkyPortal's own does."""
    said = annotation_of(told.body, told.row["candidate"], told.localization)
    if not said["prior_activity"]:
        said["prior_activity"] = None
    said |= {
        "dateobs": dateobs_of(told.body.pair.event_unix_s),
        "state": str(told.revision.state),
        "reason": told.revision.reason,
        "revision": told.revision.revision,
    }
    return {name: value for name, value in said.items() if value is not None}


def link_post(told: Told, event_unix_s: float, localization_name: str, status: Standing) -> Json:
    """How the object stands to an event that SkyPortal has."""
    body = {
        "source_id": told.object_id,
        "localization_name": localization_name,
        "localization_cumprob": max(LOCALIZATION_CUMPROB, told.body.pair.credible_level),
        "status": str(status),
        "start_date": dateobs_of(event_unix_s),
        "end_date": iso_seconds(math.ceil(told.body.pair.object.last_unix_s) + 1.0),
        "notes": f"coincidence {told.key}, revision {told.revision.revision}",
    }
    reason = told.revision.reason
    return body if reason is None else body | {"explanation": reason}


def dateobs_of(event_unix_s: float) -> str:
    """The time by which SkyPortal knows an event: UTC, to the nearest second.

    Half a second goes up, as Astropy writes times without decimals.
    """
    return iso_seconds(math.floor(event_unix_s + 0.5))


def iso_seconds(unix_s: float) -> str:
    """A moment [whole s since the Unix epoch] as SkyPortal writes it: UTC without saying so."""
    return datetime.fromtimestamp(unix_s, UTC).replace(tzinfo=None).isoformat()
