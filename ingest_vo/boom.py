"""BOOM: optical objects that a broker of alerts found near the events of others.

A message of ``gcn.notices.boom.alert`` is not an event but a list of candidates for one, made as
ours are made. Its notice is keyed by the objects that it lists, cites the events that it claims
them for, and has no T0 and no class that the join takes: it can be read, and joins nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from correlator.errors import MalformedNoticeError
from correlator.nature import Nature, Verdict
from correlator.notice import Messenger, Notice
from ingest_vo import rules, systematics
from ingest_vo.igwn import drill_of
from ingest_vo.json_packet import JsonPacket
from ingest_vo.voevent_notice import UNLOCALIZED_RANK
from skymaps.localization import Localization

_SCHEMA = "/gcn/notices/boom/"
_DRILL_TENSES = frozenset({"test", "injection", "commanded"})


def is_list(packet: JsonPacket) -> bool:
    """Whether a JSON object is a list of BOOM's."""
    schema = packet.fields.get("$schema")
    return isinstance(schema, str) and _SCHEMA in schema


def to_notice(packet: JsonPacket) -> Notice:
    """Notice of a list of BOOM's; of one object with its place and classes, of several by name.

    Raises
    ------
    MalformedNoticeError
        No object, one without a name, a position off the sky, too many names for an id.
    """
    data = packet.child("data")
    objects = () if data is None else data.children("targets")
    if not objects:
        raise MalformedNoticeError(packet.name, "a list of BOOM's must hold a target", data)
    names = sorted({_name_of(one) for one in objects})
    places = [_place_of(one) for one in objects]
    claimed = sorted({event for one in objects for event in _claimed_by(one)})
    only = objects[0] if len(objects) == 1 else None
    told = packet.required_text("alert_datetime")
    drills = _drills(packet, claimed)
    return Notice(
        source="gcn",
        mission="BOOM",
        instrument=packet.text("instrument"),
        notice_type="alert",
        notice_id=rules.id_of(packet.name, "id", f"boom/{told}/{names[0]}"),
        content_sha256=packet.content_sha256,
        event_id=rules.id_of(packet.name, "the names of the targets", ",".join(names)),
        stream="boom",
        messenger=Messenger.OPTICAL,
        role="test" if drills else "observation",
        verdicts=(*drills, Verdict(Nature.FOLLOW_UP, "$schema")),
        notice_unix_s=packet.time("alert_datetime"),
        supersedes=tuple(dict.fromkeys(event_id for _, event_id in claimed)),
        localization=None if only is None else places[0],
        localization_rank=UNLOCALIZED_RANK,
        sequence=packet.time("alert_datetime") or 0.0,
        classification=() if only is None else only.probabilities("classification_scores"),
    )


def _name_of(one: JsonPacket) -> str:
    names = one.texts("event_name")
    if not names:
        raise MalformedNoticeError(one.name, "a target of BOOM's must have an event_name")
    return names[0]


def _place_of(one: JsonPacket) -> Localization | None:
    ra_deg, dec_deg = one.number("ra"), one.number("dec")
    if ra_deg is None or dec_deg is None:
        return None
    ra_deg, dec_deg = rules.position_of(one.name, ra_deg, dec_deg)
    error = one.numbers("ra_dec_error")
    radius_deg = rules.radius_of(one.name, max(error[:2])) if error else None
    return systematics.UNSTATED.circle(one.name, ra_deg, dec_deg, radius_deg)


def _claimed_by(one: JsonPacket) -> Iterator[tuple[str, str]]:
    """Kind (``GW``, ``GRB``) and mission's id of each event that a target is claimed for."""
    for event in one.children("gcn_crossmatch"):
        event_id = event.text("ref_ID")
        if event_id is not None:
            yield event.text("ref_type") or "", event_id


def _drills(packet: JsonPacket, claimed: list[tuple[str, str]]) -> tuple[Verdict, ...]:
    """What makes it a drill: its tense, or that all events that it is about are drills."""
    if packet.text("alert_tense") in _DRILL_TENSES:
        return (Verdict(Nature.TEST, "alert_tense"),)
    drills = [drill_of(event_id, "ref_ID") if kind == "GW" else () for kind, event_id in claimed]
    return drills[0] if drills and all(drills) else ()
