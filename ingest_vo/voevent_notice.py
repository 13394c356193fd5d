"""What every VOEvent says in the same place, whatever its mission: the frame of its notice."""

from __future__ import annotations

import re
from collections.abc import Iterator

from correlator.nature import Nature, Verdict
from correlator.notice import Messenger, Notice
from ingest_vo import rules
from ingest_vo.voevent import VOEventPacket

TEST_TRIGGER_IDS = frozenset({"99999", "0"})
"""Ids that GCN's tests share, over missions and days: nothing may be grouped by them."""

_TEST_FLAGS = ("Test_Submission", "Test_Notice", "Test", "InternalTest", "HardwareInj")

_TYPE_OF_LOCAL_ID = re.compile(r"([A-Za-z][A-Za-z_]*?)(?:_?Event)?_?(?=-?\d)", re.ASCII)

UNLOCALIZED_RANK = -1
"""Rank of a position that must not win: known source, retraction, doubtful centroid."""


def frame(
    packet: VOEventPacket,
    *,
    mission: str,
    instrument: str | None,
    stream: str,
    event_id: str,
    messenger: Messenger,
    notice_type: str | None = None,
) -> Notice:
    """Notice with everything but what its mission alone can say: T0, sky, class, rank.

    A utility notice (a pointing) is never a burst and has no place in its mission's events.
    """
    utility = packet.role == "utility"
    return Notice(
        source="voevent",
        mission=mission,
        instrument=instrument,
        notice_type=notice_type or gcn_type(packet),
        notice_id=packet.ivorn,
        content_sha256=packet.content_sha256,
        event_id=rules.id_of(packet.name, "event id", event_id),
        stream=f"{stream}-pointing" if utility else stream,
        messenger=messenger,
        role=packet.role,
        verdicts=tuple(_verdicts(packet)),
        notice_unix_s=packet.notice_unix_s,
        supersedes=tuple(ivorn for _, ivorn in packet.citations),
    )


def _verdicts(packet: VOEventPacket) -> Iterator[Verdict]:
    """Test by the role, by a flag or by a trigger id that only tests have; retraction; pointing."""
    if packet.role == "test":
        yield Verdict(Nature.TEST, "role")
    elif flag := packet.first_set(*_TEST_FLAGS):
        yield Verdict(Nature.TEST, flag)
    elif packet.text("TrigID") == "99999":
        yield Verdict(Nature.TEST, "TrigID")
    if packet.cites("retraction"):
        yield Verdict(Nature.RETRACTED, "Citations")
    elif packet.is_set("Retraction"):
        yield Verdict(Nature.RETRACTED, "Retraction")
    if packet.role == "utility":
        yield Verdict(Nature.POINTING, "role")


def gcn_type(packet: VOEventPacket) -> str:
    """Notice type in the IVORN of a GCN packet: ``GBM_Fin_Pos`` of ``GBM_Fin_Pos2026-04-...``."""
    found = _TYPE_OF_LOCAL_ID.match(packet.local_id)
    return found[1] if found else packet.authority.rsplit("/", 1)[-1]


def trigger_id(packet: VOEventPacket, param: str = "TrigID") -> str:
    """Id of the event: the trigger's number as published, made unique where tests share it."""
    number = packet.whole_number(param)
    if number is None:
        return packet.local_id
    if str(number) in TEST_TRIGGER_IDS:
        return f"{number}:{packet.local_id}"
    return str(number)
