"""LIGO, Virgo and KAGRA: the old VOEvents (none since 2026-07-08; archives, mocks and O1 to O4).

They name their sky map by URL and embed none. Their stream and ids are those of the JSON alerts
(``igwn.py``), so both forms of one superevent join.
"""

from __future__ import annotations

from dataclasses import replace

from correlator.errors import MalformedNoticeError
from correlator.nature import Nature, Verdict
from correlator.notice import Messenger, Notice
from ingest_vo import rules
from ingest_vo.igwn import ALERT_RANK, drill_of
from ingest_vo.voevent import VOEventPacket
from ingest_vo.voevent_notice import frame

_TYPES = {
    150: "PRELIMINARY",
    151: "INITIAL",
    152: "UPDATE",
    163: "EARLYWARNING",
    164: "RETRACTION",
}

_MAP_PARAMS = ("skymap_fits", "skymap_fits_basic", "SKYMAP_URL_FITS_BASIC")


def to_notice(packet: VOEventPacket) -> Notice:
    """Notice of a VOEvent of LVC."""
    superevent_id = packet.text("GraceID")
    if superevent_id is None:
        raise MalformedNoticeError(packet.name, "an LVC notice must have a GraceID")
    # The packet type, not AlertType: a retraction can say AlertType=Preliminary.
    said = _TYPES.get(packet.packet_type or 0) or (packet.text("AlertType") or "").upper()
    base = frame(
        packet, mission="LVK", instrument=None, stream="lvk", event_id=superevent_id,
        messenger=Messenger.GRAVITATIONAL_WAVE, notice_type=said or None,
    )  # fmt: skip
    retracted = base.is_retraction or said == "RETRACTION"
    significant = packet.text("Significant")
    significant_flag = None if significant is None else packet.is_set("Significant")
    verdicts = drill_of(superevent_id, "GraceID")
    if retracted and not base.is_retraction:
        verdicts += (Verdict(Nature.RETRACTED, "Packet_Type"),)
    elif not retracted and significant_flag is not False:
        # Before O4 only what was significant was sent.
        verdicts += (Verdict(Nature.GW, "Packet_Type" if significant is None else "Significant"),)
    far_hz = packet.number("FAR")
    return replace(
        base,
        verdicts=(*base.verdicts, *verdicts),
        event_unix_s=packet.required_time(),
        localization_rank=-1 if retracted else ALERT_RANK,
        sequence=packet.notice_unix_s or 0.0,
        skymap_url=_map_url(packet),
        far_hz=None if far_hz is None else rules.rate_hz_of(packet.name, far_hz),
        classification=_classification(packet),
        is_significant=significant_flag,
    )


def _classification(packet: VOEventPacket) -> tuple[tuple[str, float | None], ...]:
    classes = packet.groups.get("Classification", {})
    return tuple(
        sorted(
            (name, rules.probability_of(packet.name, name, packet.number(name))) for name in classes
        )
    )


def _map_url(packet: VOEventPacket) -> str | None:
    """URL of the sky map; a relative path (as SkyPortal's fixtures have) leads nowhere."""
    for param in _MAP_PARAMS:
        url = packet.text(param)
        if url is not None and url.startswith("https://"):
            return url
    return None
