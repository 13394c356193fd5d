"""A revision of a coincidence as JSON on GCN's core, with BOOM's and Hermes' words inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import orjson

from correlator.notice import Messenger
from correlator.pair import ObjectSummary, PairEvidence
from correlator.policy import DAY_S
from correlator.ranking import Coincidence
from correlator.wire import EventRecord
from storage.coincidences import CoincidenceRevision, CoincidenceState
from streams.coincidence_block import CoincidenceBlock, SubscriptionSaid
from streams.moments import iso_utc
from streams.notice_block import block_of
from streams.published import is_test
from streams.voevent import POSITION_ERROR_DEG, Author

SCHEMA_VERSION = "1.1.0"
"""Of our schema: a minor version adds fields, a major one takes some away or changes them."""

SCHEMA_URL = f"https://mm-correlator.example/schema/v{SCHEMA_VERSION}/coincidence.schema.json"

GCN_VERSION = "7.2.1"
"""Of GCN's core schema that ours is built on."""

GCN_URL = f"https://gcn.nasa.gov/schema/v{GCN_VERSION}/gcn/notices"
BOOM_URL = f"{GCN_URL}/boom/alert.schema.json"

Json = dict[str, Any]

J2000 = 2000.0

_UNIX_EPOCH_JD = 2_440_587.5

_REF_TYPES = {
    Messenger.GRAVITATIONAL_WAVE: "GW",
    Messenger.NEUTRINO: "neutrino",
    Messenger.GAMMA_RAY: "GRB",
    Messenger.X_RAY: "X-ray transient",
    Messenger.RADIO: "radio transient",
    Messenger.OPTICAL: "optical transient",
}
"""As GCN's core has them (``GRB, GW, neutrino``), and what it has no word for."""


class Survey(NamedTuple):
    """A survey as BOOM and SkyPortal call its parts; filters are the prefix and the band."""

    telescope: str
    instrument: str
    filter_prefix: str


_SURVEYS = {
    "ztf": Survey("Palomar 1.2m Oschin", "ZTF", "ztf"),
    "lsst": Survey("Simonyi Survey Telescope", "LSSTCam", "lsst"),
}
"""Telescopes, cameras and filters as BOOM and SkyPortal call them."""


def document_of(
    revision: CoincidenceRevision,
    body: Coincidence | None,
    events: Sequence[EventRecord],
    author: Author,
) -> Json:
    """The notice of a revision: GCN's core fields, ours under ``coincidence``, BOOM's and Hermes'
    under ``data``.

    A function of what is given: the same revision and the same versions of the events give the same
    bytes. Where a core field is unknown it is left out, as GCN's types have no null; all of ours
    are always there.

    Parameters
    ----------
    body
        What was published: the revision's own, or of one that is gone its predecessor's. None
        where that is not stored any more.
    events
        The event as the store has it, or the members of the joint event.
    """
    block = block_of(revision, body, events)
    return {
        "$schema": SCHEMA_URL,
        **_reported(revision, block, author, is_drill=is_test(list(events))),
        **_core(block, body, events),
        "additional_info": _summary(block),
        "coincidence": block,
        "data": _data(block, body, events),
    }


def to_bytes(document: Json) -> bytes:
    """UTF-8 of a document, fields in order, floats to the last bit."""
    return orjson.dumps(document)


def for_subscriber(document: Json, said: SubscriptionSaid, why_gone: str | None) -> Json:
    """The notice as it is sent for a subscription.

    Parameters
    ----------
    why_gone
        Why it is taken back from the subscription though the coincidence stands; None otherwise.
    """
    block: CoincidenceBlock = document["coincidence"]
    reasons = {path: why for path, why in block.null_reasons.items() if path != "subscription"}
    changed: Json = {"coincidence": replace(block, null_reasons=reasons, subscription=said)}
    if why_gone is not None:
        data = document["data"]
        (target,) = data["targets"]
        gone = target | {"viable": False, "viability_reason": why_gone}
        changed |= {"alert_type": "retraction", "data": data | {"targets": [gone]}}
    return document | changed


def boom_form(document: Json) -> Json:
    """A document as BOOM's schema has it, which allows nothing of its own at the top.

    Nothing of ours is lost: the block stands in the one target.
    """
    kept = (*_REPORTED, "instrument")
    data = document["data"]
    (target,) = data["targets"]
    return {
        "$schema": BOOM_URL,
        **{name: document[name] for name in kept if name in document},
        "data": data | {"targets": [target | {"coincidence": document["coincidence"]}]},
    }


_REPORTED = (
    "alert_datetime", "alert_tense", "alert_type", "mission", "messenger", "record_number",
)  # fmt: skip


def _reported(
    revision: CoincidenceRevision, block: CoincidenceBlock, author: Author, *, is_drill: bool
) -> Json:
    """Who says when what sort of thing."""
    kind = "initial" if revision.revision == 1 else "update"
    if revision.state is CoincidenceState.RETRACTED:
        kind = "retraction"
    said = (
        block.published_time,
        "test" if is_drill else "current",
        kind,
        author.title,
        "EM",
        revision.revision,
    )
    return dict(zip(_REPORTED, said, strict=True))


def _core(block: CoincidenceBlock, body: Coincidence | None, events: Sequence[EventRecord]) -> Json:
    """Which object, when and where; and what it is the counterpart of."""
    survey = _survey_of(block)
    said: Json = {
        "instrument": survey.instrument,
        "event_name": [block.object.object_id],
        "id": [_id(block)],
    }
    if body is not None:
        pair = body.pair
        said |= {
            "trigger_time": iso_utc(pair.event_unix_s),
            "observation_start": iso_utc(pair.event_unix_s + pair.delta_t_s),
            "observation_stop": iso_utc(pair.object.last_unix_s),
            **_position(pair),
        }
    return said | (_followed(events[0]) if events else {})


def _id(block: CoincidenceBlock) -> str:
    return f"{block.coincidence_id}/{block.case}"


def _position(pair: PairEvidence) -> Json:
    return {
        "ra": pair.object.ra_deg,
        "dec": pair.object.dec_deg,
        "ra_dec_error": POSITION_ERROR_DEG,
    }


def _followed(event: EventRecord) -> Json:
    return {
        "ref_type": _REF_TYPES[event.messenger],
        "ref_instrument": event.mission,
        "ref_ID": event.event_id,
    }


def survey_named(name: str) -> Survey:
    """What is known of a survey; of one that we do not know, its name."""
    return _SURVEYS.get(name, Survey(name, name, name))


def _survey_of(block: CoincidenceBlock) -> Survey:
    return survey_named(block.object.survey)


def _data(block: CoincidenceBlock, body: Coincidence | None, events: Sequence[EventRecord]) -> Json:
    """Targets and photometry in the words of BOOM, and beside them in those of Hermes."""
    target: Json = {
        "event_name": block.object.object_id,
        "id": _id(block),
        "name": block.object.object_id,
        "aliases": [],
        "epoch": J2000,
        "classification_scores": _scores(block),
        "gcn_crossmatch": [_followed(event) for event in events],
        "viable": block.state == CoincidenceState.ACTIVE,
        "viability_reason": block.reason,
        "priority": None if body is None else body.priority.value,
    }
    photometry = []
    if body is not None:
        target |= _position(body.pair)
        photometry = _photometry(block, body.pair.object)
    extra = {"coincidence_id": block.coincidence_id, "case": block.case, "state": block.state}
    return {"targets": [target], "photometry": photometry, "extra_data": extra}


def _scores(block: CoincidenceBlock) -> dict[str, float]:
    looks = block.looks
    if looks is None:
        return {}
    return {name: s.value for name, s in looks.scores.items() if s.value is not None}


def _photometry(block: CoincidenceBlock, summary: ObjectSummary) -> list[Json]:
    """The last detection; the rest of the light curve is in the survey's own alerts."""
    if summary.last_mag_ab is None:
        return []
    survey = _survey_of(block)
    band = f"{survey.filter_prefix}{summary.last_band}"
    return [
        {
            "event_name": block.object.object_id,
            "observation_start": iso_utc(summary.last_unix_s),
            "telescope": survey.telescope,
            "instrument": survey.instrument,
            "filter": band,
            "mag": summary.last_mag_ab,
            "mag_system": "AB",
            "target_name": block.object.object_id,
            "date_obs": summary.last_unix_s / DAY_S + _UNIX_EPOCH_JD,
            "bandpass": band,  # SkyPortal reads it as the name of its filter
            "brightness": summary.last_mag_ab,
            "brightness_unit": "AB mag",
        }
    ]


def _summary(block: CoincidenceBlock) -> str:
    """The notice in a line for people."""
    said = f"{block.object.object_key} and {block.event_key}"
    evidence = block.evidence
    if evidence is not None:
        said += (
            f": first seen {evidence.delta_t_s / DAY_S:+.2f} d from the event, at credible level "
            f"{evidence.credible_level:.3f}, ln likelihood ratio {evidence.log_lr:.2f}"
        )
    if block.reason is not None:
        said += f"; {block.state}: {block.reason}"
    return f"{said}. A match is a suggestion: {block.significance.p_assoc_reason}."
