"""IceCube: tracks and cascades as AMON sends them over GCN classic.

IceCube sends the same events as JSON too (``gcn.py``): both use RUNID_EVENTID, so they join.
The flag ``RADec_valid`` is false in every real packet, and every position of them is valid.
"""

from __future__ import annotations

from dataclasses import replace

from correlator.notice import Messenger, Notice
from ingest_vo import rules, systematics
from ingest_vo.voevent import VOEventPacket
from ingest_vo.voevent_notice import frame

YEAR_S = 365.25 * 86_400.0
"""Julian year [s] of the FAR in yr^-1 (IceCube's own JSON matches 365 d to 6.8e-4)."""

_CASCADE = 176
_SATURATED = 2**31 - 1
"""TrigID of old HESE packets: an identifier that did not fit."""


def to_notice(packet: VOEventPacket) -> Notice:
    """Notice of an AMON VOEvent of IceCube."""
    base = frame(
        packet, mission="IceCube", instrument=None, stream="icecube", event_id=_event_id(packet),
        messenger=Messenger.NEUTRINO,
    )  # fmt: skip
    revision = packet.whole_number("Rev") or 0
    # Rev 0 of a track is statistical only; its later scan and every cascade include the rest.
    revised = revision > 0 or packet.packet_type == _CASCADE
    meaning = systematics.ICECUBE_REVISED if revised else systematics.ICECUBE_FIRST
    stated = packet.positive("src_error_90")
    radius_deg = packet.radius_deg if stated is None else rules.radius_of(packet.name, stated)
    signalness = packet.number("signalness")
    return replace(
        base,
        event_unix_s=packet.required_time(),
        localization=meaning.circle(packet.name, packet.ra_deg, packet.dec_deg, radius_deg),
        localization_rank=-1 if base.is_retraction else 10,
        sequence=float(revision),
        skymap_url=packet.text("skymap_fits"),
        far_hz=_far_hz(packet),
        significance=signalness,
        significance_kind=None if signalness is None else "signalness",
    )


def _event_id(packet: VOEventPacket) -> str:
    run, event = packet.whole_number("run_id"), packet.whole_number("event_id")
    if run is not None and event is not None:
        return f"{run}_{event}"
    number = packet.whole_number("TrigID")
    if number is not None and number != _SATURATED:
        return str(number)
    # All that tells such an event from others is its time: ICECUBE_HESE_Event2015-11-15T11:53:44.
    return packet.local_id.rsplit("_", 1)[0]


def _far_hz(packet: VOEventPacket) -> float | None:
    """FAR of the packet, which is per year."""
    per_year = packet.number("FAR")
    return None if per_year is None else rules.rate_hz_of(packet.name, per_year / YEAR_S)
