"""Any other VOEvent: what its standard elements say, and what is known of a few old missions.

KM3NeT's FAR is labelled yr^-1, but its values (8e-8, with a threshold of one a month) are in Hz.
Nobody else's FAR is taken, as its unit would be a guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from correlator.errors import MalformedNoticeError
from correlator.nature import Nature, Verdict
from correlator.notice import Messenger, Notice
from ingest_vo import rules, systematics
from ingest_vo.multiplets import interval_of
from ingest_vo.systematics import RadiusMeaning
from ingest_vo.voevent import VOEventPacket
from ingest_vo.voevent_notice import UNLOCALIZED_RANK, frame, trigger_id


@dataclass(frozen=True, slots=True)
class _Mission:
    """What the packets of one mission leave unsaid."""

    name: str
    messenger: Messenger
    meaning: RadiusMeaning = systematics.UNSTATED
    has_far_hz: bool = False


_MISSIONS = {
    "AGILE": _Mission("AGILE", Messenger.GAMMA_RAY),
    "Antares_Alert": _Mission("ANTARES", Messenger.NEUTRINO, systematics.ANTARES),
    "KM3NeT_Neutrino": _Mission("KM3NeT", Messenger.NEUTRINO, has_far_hz=True),
    "KONUS": _Mission("Konus", Messenger.GAMMA_RAY),
    "MAXI": _Mission("MAXI", Messenger.X_RAY),
    "SNEWS": _Mission("SNEWS", Messenger.NEUTRINO),
}
"""By the last part of the authority in the IVORN."""

_CONCEPTS = {
    "neutrino": Messenger.NEUTRINO,
    "em.x-ray": Messenger.X_RAY,
    "em.opt": Messenger.OPTICAL,
    "em.radio": Messenger.RADIO,
}
"""Messenger by a word of ``Why/Inference/Concept`` (UCD 1+); else gamma rays."""


def to_notice(packet: VOEventPacket) -> Notice:
    """Notice of a VOEvent that no feed of its own reads."""
    series = packet.authority.rsplit("/", 1)[-1]
    mission = _MISSIONS.get(series) or _Mission(series, _messenger_of(packet))
    if "#" not in packet.ivorn and packet.text("TrigID") is None:
        raise MalformedNoticeError(
            packet.name, "a VOEvent must name its event: by a TrigID or after a # in its ivorn",
            packet.ivorn,
        )  # fmt: skip
    alert_type = packet.text("Alert_Type")
    base = frame(
        packet, mission=rules.id_of(packet.name, "mission", mission.name),
        instrument=packet.text("Instrument"),
        stream=mission.name.lower(), event_id=trigger_id(packet), messenger=mission.messenger,
        notice_type=alert_type,
    )  # fmt: skip
    if packet.role == "utility":
        return base
    known = base.notice_type.startswith("Known_source")
    retracted = base.is_retraction or alert_type == "retraction"
    t0, end = interval_of(packet.name, packet.required_time(), _neutrinos(packet))
    far_hz = packet.number("FAR") if mission.has_far_hz else None
    return replace(
        base,
        verdicts=(*base.verdicts, *_said(packet, base)),
        event_unix_s=t0,
        event_end_unix_s=end,
        localization=mission.meaning.circle(
            packet.name, packet.ra_deg, packet.dec_deg, packet.radius_deg
        ),
        localization_rank=UNLOCALIZED_RANK if known or retracted else 10,
        sequence=packet.number("record_number") or packet.notice_unix_s or 0.0,
        skymap_url=_map_url(packet),
        far_hz=None if far_hz is None else rules.rate_hz_of(packet.name, far_hz),
    )


def _neutrinos(packet: VOEventPacket) -> Iterator[float]:
    """Times of the neutrinos of a multiplet of KM3NeT."""
    for name, group in packet.groups.items():
        if name.startswith("Nu_Event_") and group.get("trigger_time"):
            yield rules.unix_s_of(packet.name, "trigger_time", group["trigger_time"])


def _messenger_of(packet: VOEventPacket) -> Messenger:
    said = packet.concept.lower()
    return next((m for word, m in _CONCEPTS.items() if word in said), Messenger.GAMMA_RAY)


def _said(packet: VOEventPacket, base: Notice) -> Iterator[Verdict]:
    """Tests of ANTARES (``isRealAlert=false``) and KM3NeT (``Alert_Tense=test``); what is known."""
    if (packet.text("isRealAlert") or "true").lower() == "false":
        yield Verdict(Nature.TEST, "isRealAlert")
    elif packet.text("Alert_Tense") in ("test", "injection", "commanded"):
        yield Verdict(Nature.TEST, "Alert_Tense")
    if packet.text("Alert_Type") == "retraction" and not base.is_retraction:
        yield Verdict(Nature.RETRACTED, "Alert_Type")
    if base.notice_type.startswith("Known_source"):
        yield Verdict(Nature.KNOWN_SOURCE, "ivorn")


def _map_url(packet: VOEventPacket) -> str | None:
    for param in ("skymap_fits", "healpix_url"):
        url = packet.text(param)
        if url is not None and url.startswith("https://") and ".fit" in url:
            return url
    return None
