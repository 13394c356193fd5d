"""Swift: BAT, XRT and UVOT notices of GCN classic.

BAT's ISOTime is T0; that of XRT and UVOT is their observation, minutes later, so they have no T0.
A position acknowledgement is not a GRB: ``Solution_Status`` says what BAT takes it for. A BAT
trigger in an image (``Trig_Index`` from 20000) has only the image's interval for its T0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from correlator.nature import Nature, Verdict
from correlator.notice import Messenger, Notice
from ingest_vo import systematics
from ingest_vo.voevent import VOEventPacket
from ingest_vo.voevent_notice import UNLOCALIZED_RANK, frame, trigger_id

FIRST_IMAGE_TRIGGER = 20_000
"""Least Trig_Index of a trigger found in an image (GCN Swift notice definitions)."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """Instrument of a packet type; rank of its position, None where it has none of its own."""

    instrument: str | None
    rank: int | None
    says_t0: bool = True


_KINDS = {
    61: _Kind("BAT", 20),
    62: _Kind("BAT", None),
    63: _Kind("BAT", None),
    65: _Kind("BAT", None),
    67: _Kind("XRT", 30, says_t0=False),
    81: _Kind("UVOT", 40, says_t0=False),
    82: _Kind("BAT", 20),
    84: _Kind("BAT", 20),
    97: _Kind("BAT", 10),
    141: _Kind("BAT", UNLOCALIZED_RANK),
}
"""GRB_Pos, its NACK, light curve, FOM_Obs (the position repeated without a radius, as what the
spacecraft may slew to), XRT_Pos, UVOT_Pos, test, Trans_Pos, QuickLook, known source."""

_KNOWN_SOURCE = 141

_AGAINST = {
    "Target_in_Flt_Catalog": Nature.KNOWN_SOURCE,
    "Target_in_Gnd_Catalog": Nature.KNOWN_SOURCE,
    "Target_in_Blk_Catalog": Nature.KNOWN_SOURCE,
    "Def_NOT_a_GRB": Nature.NO_BURST,
    "StarTrack_Lost_Lock": Nature.NO_BURST,
    "Cosmic_Ray": Nature.NO_BURST,
}
"""Each of these says that it is a known source, or none: five real packets are "GRB_Identified"
and lost the star tracker's lock, all of them spurious."""

_UNDECIDED = ("Lo_Image_Signif", "VERY_Lo_Image_Signif")

_FOR = ("GRB_Identified", "Point_Source")


def to_notice(packet: VOEventPacket) -> Notice:
    """Notice of a VOEvent of Swift."""
    number = packet.packet_type
    fallback = _Kind(_instrument_of(packet), 0, says_t0=packet.role != "utility")
    kind = _KINDS.get(number or 0, fallback)
    base = frame(
        packet, mission="Swift", instrument=kind.instrument,
        stream="swift-known-source" if number == _KNOWN_SOURCE else "swift",
        event_id=trigger_id(packet),
        messenger=_MESSENGERS.get(kind.instrument or "BAT", Messenger.GAMMA_RAY),
    )  # fmt: skip
    if packet.role == "utility":
        return base
    t0, end = _t0(packet) if kind.says_t0 else (None, None)
    said = _verdict(packet)
    localized = kind.rank is not None
    # XRT's centroid on a cosmic ray is no better a place than BAT's error circle.
    doubtful = packet.is_set("Cosmic_Ray")
    significance, significance_kind = _significance(packet)
    return replace(
        base,
        verdicts=base.verdicts if said is None else (*base.verdicts, said),
        event_unix_s=t0,
        event_end_unix_s=end,
        localization=systematics.SWIFT.circle(
            packet.name, packet.ra_deg, packet.dec_deg, packet.radius_deg
        ) if localized else None,
        localization_rank=UNLOCALIZED_RANK if doubtful else kind.rank or 0,
        sequence=packet.notice_unix_s or 0.0,
        significance=significance,
        significance_kind=significance_kind,
        classification=_classification(packet),
    )  # fmt: skip


_MESSENGERS = {"XRT": Messenger.X_RAY, "UVOT": Messenger.OPTICAL}


def _verdict(packet: VOEventPacket) -> Verdict | None:
    """Swift's own verdict, from the flags of ``Solution_Status``."""
    if packet.packet_type == _KNOWN_SOURCE:
        return Verdict(Nature.KNOWN_SOURCE, "Packet_Type")
    if against := packet.first_set(*_AGAINST):
        return Verdict(_AGAINST[against], against)
    if packet.is_set(*_UNDECIDED) or not packet.is_set("GRB_Identified"):
        return None
    # UVOT's Point_Source is about its own image, and false for a real afterglow.
    points = packet.packet_type == 81 or packet.is_set("Point_Source")
    return Verdict(Nature.GRB, "GRB_Identified") if points else None


def _classification(packet: VOEventPacket) -> tuple[tuple[str, float | None], ...]:
    """The flags that decided, so that the verdict keeps its reasons."""
    flags = (*_AGAINST, *_UNDECIDED, *_FOR)
    return tuple(sorted((flag, None) for flag in flags if packet.is_set(flag)))


def _t0(packet: VOEventPacket) -> tuple[float, float | None]:
    t0 = packet.required_time()
    index, exposure_s = packet.whole_number("Trig_Index"), packet.positive("Integ_Time")
    imaged = packet.packet_type == _KNOWN_SOURCE or (
        index is not None and index >= FIRST_IMAGE_TRIGGER
    )
    return t0, t0 + exposure_s if imaged and exposure_s is not None else None


def _significance(packet: VOEventPacket) -> tuple[float | None, str | None]:
    for param in ("Image_Signif", "Rate_Signif", "Det_Signif"):
        value = packet.positive(param)
        if value is not None:
            return value, param
    return None, None


def _instrument_of(packet: VOEventPacket) -> str | None:
    first = packet.local_id.split("_", 1)[0]
    return first if first in ("BAT", "XRT", "UVOT") else None
