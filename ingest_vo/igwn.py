"""LIGO, Virgo and KAGRA: ``igwn.gwalert``, JSON with the sky map inside.

No alert numbers itself: of one superevent the latest ``time_created`` holds. The same superevent
is sent again under the same alert type with another map, so the time is part of the notice's id.
Of ``external_coinc`` (a burst of another mission that RAVEN found coincident) only the IVORN of its
notice is kept. Its combined map holds the other mission's localization, which comes with that
mission's own notice: taken for the merger's, it would count twice in a joint event. Its FARs are
those of the pair, not of the merger.
There is no role: mocks (M) and tests (T) are known by their superevent's name alone.
"""

from __future__ import annotations

import base64
import binascii
import re

from correlator.errors import MalformedNoticeError
from correlator.nature import Nature, Verdict
from correlator.notice import Messenger, Notice
from ingest_vo import rules
from ingest_vo.json_packet import JsonPacket
from skymaps.errors import SkyMapError
from skymaps.fits import read_sky_map
from skymaps.localization import Localization

ALERT_RANK = 10
"""One rank for all of LVK's alerts: time decides."""

SUPEREVENT_ID = re.compile(r"[MT]?S\d{6}[a-z]{1,6}", re.ASCII)
_ALERT_TYPE = re.compile(r"[A-Z][A-Z_]{2,31}", re.ASCII)


def is_alert(packet: JsonPacket) -> bool:
    """Whether a JSON object is an IGWN alert."""
    return "superevent_id" in packet


def drill_of(superevent_id: str, field: str) -> tuple[Verdict, ...]:
    """What the first letter of a superevent (or of an old G-event) says: mock, test or neither."""
    nature = {"M": Nature.MOCK, "T": Nature.TEST}.get(superevent_id[:1])
    return () if nature is None else (Verdict(nature, field),)


def to_notice(packet: JsonPacket) -> Notice:
    """Notice of an IGWN alert."""
    superevent_id = packet.required_text("superevent_id")
    if SUPEREVENT_ID.fullmatch(superevent_id) is None:
        raise MalformedNoticeError(
            packet.name, "superevent_id must be like S240115k, MS240115k or TS240115k",
            superevent_id,
        )  # fmt: skip
    alert_type = packet.required_text("alert_type").upper()
    if _ALERT_TYPE.fullmatch(alert_type) is None:
        raise MalformedNoticeError(packet.name, "alert_type must be a word", alert_type)
    created = packet.required_text("time_created")
    retracted = alert_type == "RETRACTION"
    event = packet.child("event")
    if event is None and not retracted:
        raise MalformedNoticeError(packet.name, "only a RETRACTION may have no event", alert_type)
    verdicts = drill_of(superevent_id, "superevent_id")
    is_drill = bool(verdicts)
    significant = None if event is None else event.flag("significant")
    if retracted:
        verdicts += (Verdict(Nature.RETRACTED, "alert_type"),)
    elif significant:
        verdicts += (Verdict(Nature.GW, "significant"),)
    return Notice(
        source="igwn",
        mission="LVK",
        instrument=None,
        notice_type=alert_type,
        notice_id=rules.id_of(packet.name, "id", f"{superevent_id}-{alert_type}-{created}"),
        content_sha256=packet.content_sha256,
        event_id=superevent_id,
        stream="lvk",
        messenger=Messenger.GRAVITATIONAL_WAVE,
        role="test" if is_drill else "observation",
        verdicts=verdicts,
        event_unix_s=None if event is None else _event_time(event),
        notice_unix_s=packet.time("time_created"),
        supersedes=_coincident(packet),
        localization=None if event is None else _sky_map(event),
        localization_rank=-1 if retracted else ALERT_RANK,
        sequence=packet.time("time_created") or 0.0,
        far_hz=None if event is None else _far_hz(event),
        classification=() if event is None else event.probabilities("classification"),
        is_significant=significant,
    )


def embedded_fits(packet: JsonPacket, key: str) -> bytes | None:
    """Bytes of a FITS file inside a JSON object; None where the field is absent.

    Raises
    ------
    MalformedNoticeError
        Not base64.
    """
    text = packet.content(key)
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedNoticeError(packet.name, f"{key} must be base64", str(error)) from None


def localization_of_fits(packet: JsonPacket, key: str, content: bytes) -> Localization:
    """Sky map of an embedded FITS file.

    Raises
    ------
    MalformedNoticeError
        The map breaks a rule of :func:`skymaps.fits.read_sky_map`.
    """
    try:
        return read_sky_map(content)
    except SkyMapError as error:
        raise MalformedNoticeError(packet.name, f"{key}: {error.rule}", error.value) from None


def _coincident(packet: JsonPacket) -> tuple[str, ...]:
    """IVORN of the notice that RAVEN found coincident with the superevent."""
    found = packet.child("external_coinc")
    ivorn = None if found is None else found.text("ivorn")
    return () if ivorn is None else (ivorn,)


def _event_time(event: JsonPacket) -> float:
    t0 = event.time("time")
    if t0 is None:
        raise MalformedNoticeError(event.name, "event.time must be present")
    return t0


def _far_hz(event: JsonPacket) -> float | None:
    far_hz = event.number("far")
    return None if far_hz is None else rules.rate_hz_of(event.name, far_hz)


def _sky_map(event: JsonPacket) -> Localization | None:
    content = embedded_fits(event, "skymap")
    return None if content is None else localization_of_fits(event, "skymap", content)
