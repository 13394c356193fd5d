"""INTEGRAL: IBAS notices of GCN classic (the mission ended in 2025; history and tests).

The TrigID of a notice holds the trigger's number in its lower 16 bits and the notice's sequence
above them: the refined notice of trigger 10472 says 76008 = 65536 + 10472. Without that, Wakeup
and Refined of one burst would be two events.

ISOTime is neither the start nor the middle of the ``Time_Scale`` it was integrated over: the
Wakeup of 10472 was sent 18 s after an ISOTime with a scale of 50 s. So T0 stays a point.
"""

from __future__ import annotations

from dataclasses import replace

from correlator.nature import Nature, Verdict
from correlator.notice import Messenger, Notice
from ingest_vo import systematics
from ingest_vo.voevent import VOEventPacket
from ingest_vo.voevent_notice import frame, trigger_id

NOTICES_PER_TRIGGER = 65_536
"""Offset between successive notices of a trigger; measured on both Wakeup-Refined pairs."""

_RANKS = {52: 0, 53: 10, 54: 20, 55: 30, 56: 10}
"""SPI-ACS (time only), Wakeup, Refined, Offline, Weak."""

_BURST_TYPES = frozenset({53, 54, 55})
"""IBAS sends these for what it takes for a GRB; Weak and SPI-ACS leave it open."""


def to_notice(packet: VOEventPacket) -> Notice:
    """Notice of a VOEvent of INTEGRAL."""
    number = packet.whole_number("TrigID")
    sequence, trigger = divmod(number or 0, NOTICES_PER_TRIGGER)
    # 0 is the number of every test, and the number of none.
    event_id = trigger_id(packet) if trigger == 0 else str(trigger)
    kind = packet.packet_type or 0
    base = frame(
        packet, mission="INTEGRAL", instrument=None, stream="integral", event_id=event_id,
        messenger=Messenger.GAMMA_RAY,
    )  # fmt: skip
    if packet.role == "utility":
        return base
    significance = packet.positive("Inten_Sigma")
    return replace(
        base,
        verdicts=(*base.verdicts, *_said(packet, kind)),
        event_unix_s=packet.required_time(),
        localization=systematics.INTEGRAL.circle(
            packet.name, packet.ra_deg, packet.dec_deg, packet.radius_deg
        ),
        localization_rank=_RANKS.get(kind, 0),
        sequence=float(sequence),
        significance=significance,
        significance_kind=None if significance is None else "Inten_Sigma",
    )


def _said(packet: VOEventPacket, kind: int) -> tuple[Verdict, ...]:
    if packet.is_set("Def_NOT_a_GRB"):
        return (Verdict(Nature.NO_BURST, "Def_NOT_a_GRB"),)
    return (Verdict(Nature.GRB, "Packet_Type"),) if kind in _BURST_TYPES else ()
