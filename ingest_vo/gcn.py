"""The GCN unified schema: JSON notices of any mission that keep to its core.

A mission is one row of ``_PROFILES``; one without a row is read by the core schema alone. What
the core leaves open has its defaults here: containment 0.9, tense current. Traps: Einstein Probe
sends no mission, no alert_type and (in 2024) no id; ``ra_dec_error`` may be an ellipse, or a box
take its place (``ingest_vo/error_regions.py``); ``healpix_file`` may be a stub of a few letters.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from correlator.errors import MalformedNoticeError
from correlator.nature import Nature, Verdict
from correlator.notice import Messenger, Notice
from ingest_vo import rules, systematics
from ingest_vo.error_regions import box_of, ellipse_of
from ingest_vo.fermi import GBM_NATURES
from ingest_vo.igwn import SUPEREVENT_ID, drill_of, localization_of_fits
from ingest_vo.json_packet import JsonPacket
from ingest_vo.multiplets import interval_of
from ingest_vo.systematics import RadiusMeaning
from ingest_vo.voevent_notice import UNLOCALIZED_RANK
from skymaps.healpix import separation_deg
from skymaps.localization import Localization

FITS_BLOCK_BYTES = 2_880
"""No FITS file is shorter (FITS standard 4.0, section 3.1); shorter ones are stubs."""

EP_IMAGE_S = 1_200.0
"""Longest image of Einstein Probe's WXT [s]: trigger_time is its start ("up to 20 min")."""


@dataclass(frozen=True, slots=True)
class _Profile:
    """What one mission's messages leave unsaid.

    Attributes
    ----------
    folder
        Beginning of the path of its schema under ``gcn/notices/``.
    meaning
        What its radius means where the message does not say.
    nature
        What all of it is: flares of catalogued sources, searches about the events of others.
    image_s
        Length of the interval that T0 begins [s].
    """

    folder: str
    mission: str
    stream: str
    messenger: Messenger
    meaning: RadiusMeaning = systematics.UNSTATED
    nature: Nature | None = None
    image_s: float | None = None


_G, _X, _N, _R = Messenger.GAMMA_RAY, Messenger.X_RAY, Messenger.NEUTRINO, Messenger.RADIO

_PROFILES = (
    _Profile("einstein_probe/wxt/", "Einstein Probe", "einstein-probe-wxt", _X,
             systematics.EINSTEIN_PROBE, image_s=EP_IMAGE_S),
    # Its T0 is the merger's and most of its results are null: as a neutrino of its own it would
    # be coincident with every merger.
    _Profile("icecube/lvk_nu_track_search", "IceCube", "icecube-lvk-search", _N,
             nature=Nature.FOLLOW_UP),
    _Profile("icecube/", "IceCube", "icecube", _N),
    _Profile("km3net/", "KM3NeT", "km3net", _N),
    _Profile("superk/", "Super-Kamiokande", "super-kamiokande", _N),
    _Profile("swift/bat/guano", "Swift", "swift-guano", _G),
    _Profile("fermi/gbm/", "Fermi", "fermi-gbm", _G),
    _Profile("fermi/lat/flare", "Fermi", "fermi-lat-flare", _G, nature=Nature.KNOWN_SOURCE),
    _Profile("svom/", "SVOM", "svom", _G, systematics.SVOM_ECLAIRS),
    _Profile("maxi/gsc.known", "MAXI", "maxi-gsc-known", _X, nature=Nature.KNOWN_SOURCE),
    _Profile("maxi/gsc.unknown", "MAXI", "maxi-gsc", _X),
    _Profile("chime/", "CHIME", "chime-frb", _R),
    _Profile("dsa110/", "DSA-110", "dsa110-frb", _R),
    _Profile("burstcube/", "BurstCube", "burstcube", _G),
)  # fmt: skip
"""The first row whose folder begins the schema's path holds."""

_NO_NOTICE = {
    "core/": "a fragment of the core schema (or a heartbeat) is not a notice",
    "heasarc/": "the opening of an archive is not a notice of an event",
}

_SCHEMA_PATH = re.compile(r"/gcn/notices/([\w./-]{1,100}?)(?:\.schema\.json)?$", re.ASCII)
_TEST_TENSES = frozenset({"test", "injection", "commanded"})
_MESSENGERS = {"GW": Messenger.GRAVITATIONAL_WAVE, "Neutrino": Messenger.NEUTRINO}
_NATURES = GBM_NATURES | {
    "SF": Nature.SOLAR_FLARE,
    "Solar Flare": Nature.SOLAR_FLARE,
    "Local Particles": Nature.PARTICLES,
}
_SIGNIFICANCES = ("image_snr", "rate_snr", "snr", "p_astro", "pval_generic", "TS")
_GBM_STAGES = {
    "INITIAL_ALERT": 0,
    "FLIGHT_POSITION": 10,
    "GROUND_POSITION": 20,
    "FINAL_POSITION": 30,
}


def to_notice(packet: JsonPacket) -> Notice:
    """Notice of a message of the GCN unified schema."""
    path = _schema_path(packet)
    profile = _profile(packet, path)
    event_id = _event_id(packet)
    alert_type = packet.text("alert_type")
    tense = packet.text("alert_tense") or "current"
    drill = _drill(packet, path, tense)
    retracted = alert_type == "retraction"
    t0, end = _t0(packet, profile, optional=retracted)
    significance, significance_kind = _significance(packet)
    classification = packet.probabilities("classification")
    far_hz = packet.number("far")
    notice_unix_s = packet.time("alert_datetime")
    record = packet.number("record_number")
    return Notice(
        source="gcn",
        mission=profile.mission,
        instrument=packet.text("instrument"),
        notice_type=packet.text("subtype") or alert_type or path.rsplit("/", 1)[-1] or "notice",
        notice_id=_notice_id(packet, profile, event_id),
        content_sha256=packet.content_sha256,
        event_id=event_id,
        stream=profile.stream,
        messenger=profile.messenger,
        role="test" if drill else "prediction" if tense == "planned" else "observation",
        verdicts=(
            *drill,
            *((Verdict(Nature.RETRACTED, "alert_type"),) if retracted else ()),
            *_said(profile, classification),
        ),
        event_unix_s=t0,
        event_end_unix_s=end,
        notice_unix_s=notice_unix_s,
        supersedes=_followed(packet),
        localization=_localization(packet, profile),
        localization_rank=_rank(packet, profile, retracted),
        sequence=(record if record is not None else notice_unix_s) or 0.0,
        skymap_url=_map_url(packet),
        far_hz=None if far_hz is None else rules.rate_hz_of(packet.name, far_hz),
        significance=significance,
        significance_kind=significance_kind,
        classification=classification,
    )


def _schema_path(packet: JsonPacket) -> str:
    """Path of the message's schema under ``gcn/notices/``, empty where it names none.

    Raises
    ------
    MalformedNoticeError
        JSON that is something else: a schema, a circular, a fragment, any object.
    """
    schema = packet.text("$schema") or ""
    if "json-schema.org" in schema:
        raise MalformedNoticeError(packet.name, "a JSON schema is not a notice", schema)
    if "circularId" in packet or "circulars" in schema:
        raise MalformedNoticeError(packet.name, "a circular is not a notice", schema)
    found = _SCHEMA_PATH.search(schema)
    if not found:
        if packet.text("mission") is None:
            raise MalformedNoticeError(
                packet.name, "a JSON notice must name its mission or a $schema of gcn/notices",
                ", ".join(list(packet.fields)[:8]),
            )  # fmt: skip
        return ""
    path = found[1].lower()
    for folder, rule in _NO_NOTICE.items():
        if path.startswith(folder):
            raise MalformedNoticeError(packet.name, rule, path)
    return path


def _profile(packet: JsonPacket, path: str) -> _Profile:
    for profile in _PROFILES:
        if path.startswith(profile.folder):
            return profile
    mission = packet.text("mission") or path.split("/", 1)[0]
    mission = rules.id_of(packet.name, "mission", mission)
    stream = _slug(f"{mission} {packet.text('instrument') or ''}")
    stream = rules.id_of(packet.name, "mission and instrument", stream)
    messenger = _MESSENGERS.get(packet.text("messenger") or "", Messenger.GAMMA_RAY)
    return _Profile("", mission, stream, messenger)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _event_id(packet: JsonPacket) -> str:
    for key in ("id", "event_name", "ref_ID"):
        ids = packet.texts(key)
        if ids:
            return ids[0]
    # Einstein Probe before 2025 published no id: its trigger time is the only name it has.
    trigger_time = packet.text("trigger_time")
    if trigger_time is None:
        raise MalformedNoticeError(
            packet.name, "a GCN notice must have an id, an event_name or a trigger_time"
        )
    return rules.id_of(packet.name, "trigger_time", trigger_time)


def _notice_id(packet: JsonPacket, profile: _Profile, event_id: str) -> str:
    record = packet.number("record_number")
    parts = (
        profile.stream,
        event_id,
        packet.text("subtype") or packet.text("alert_type"),
        None if record is None else f"{record:g}",
        packet.text("alert_datetime"),
    )
    return rules.id_of(packet.name, "id", "/".join(part for part in parts if part))


def _drill(packet: JsonPacket, path: str, tense: str) -> tuple[Verdict, ...]:
    """Test or mock: by the tense, the schema, an id that only tests have, or the superevent's."""
    if tense in _TEST_TENSES:
        return (Verdict(Nature.TEST, "alert_tense"),)
    if path.rsplit("/", 1)[-1] == "test":
        return (Verdict(Nature.TEST, "$schema"),)
    if "99999" in packet.texts("id"):
        return (Verdict(Nature.TEST, "id"),)
    superevent_id = packet.text("ref_ID") or ""
    # Of other searches it is the name of a source: TXS 0506+056, M31.
    return drill_of(superevent_id, "ref_ID") if SUPEREVENT_ID.fullmatch(superevent_id) else ()


def _t0(
    packet: JsonPacket, profile: _Profile, *, optional: bool
) -> tuple[float | None, float | None]:
    t0 = packet.time("trigger_time")
    if t0 is None:
        start, stop = packet.time("observation_start"), packet.time("observation_stop")
        if start is None and not optional:
            raise MalformedNoticeError(
                packet.name, "a GCN notice must have a trigger_time or an observation_start"
            )
        if start is not None and stop is not None and stop < start:
            raise MalformedNoticeError(
                packet.name, "observation_stop must not lie before observation_start", stop
            )
        return start, stop
    neutrinos = [one.time("trigger_time") for one in packet.children("event_details")]
    if neutrinos:
        return interval_of(packet.name, t0, (time for time in neutrinos if time is not None))
    image_s = profile.image_s
    if packet.text("trigger_type") == "image":
        image_s = packet.number("image_duration") or image_s
    return t0, t0 + image_s if image_s else None


def _said(
    profile: _Profile, classification: tuple[tuple[str, float | None], ...]
) -> tuple[Verdict, ...]:
    """What the thing is by its feed, or by its likeliest class."""
    if profile.nature is not None:
        return (Verdict(profile.nature, "$schema"),)
    rated = [(probability, name) for name, probability in classification if probability]
    nature = _NATURES.get(max(rated)[1]) if rated else None
    return () if nature is None else (Verdict(nature, "classification"),)


def _followed(packet: JsonPacket) -> tuple[str, ...]:
    """Event that the notice follows up: ``Fermi 694215970`` of GUANO, IceCube's ``S230914ak``."""
    said = (packet.text(key) for key in ("follow_up_event", "ref_ID"))
    return tuple(event for event in said if event is not None)


def _significance(packet: JsonPacket) -> tuple[float | None, str | None]:
    for key in _SIGNIFICANCES:
        value = packet.number(key)
        if value is not None:
            return value, key
    return None, None


def _rank(packet: JsonPacket, profile: _Profile, retracted: bool) -> int:
    if retracted or profile.nature is not None:
        return UNLOCALIZED_RANK
    return _GBM_STAGES.get(packet.text("subtype") or "", 10)


def _localization(packet: JsonPacket, profile: _Profile) -> Localization | None:
    content = _embedded_map(packet)
    if content is not None:
        return localization_of_fits(packet, "healpix_file", content)
    ra_deg, dec_deg = packet.number("ra"), packet.number("dec")
    if ra_deg is None or dec_deg is None:
        return None
    ra_deg, dec_deg = rules.position_of(packet.name, ra_deg, dec_deg)
    error, corners = packet.numbers("ra_dec_error"), packet.corners("rectangular_error_corners")
    meaning = _meaning(packet, profile)
    exact = ellipse_of(ra_deg, dec_deg, error, meaning) if error else box_of(corners, meaning)
    if exact is not None:
        return exact
    radius_deg = _radius_deg(packet.name, ra_deg, dec_deg, error, corners)
    return meaning.circle(packet.name, ra_deg, dec_deg, radius_deg)


def _embedded_map(packet: JsonPacket) -> bytes | None:
    """Bytes of ``healpix_file``; None where it is absent or a stub ("stuff", "hhhh...")."""
    text = packet.content("healpix_file")
    if text is None:
        return None
    is_short = len(text) < FITS_BLOCK_BYTES * 4 // 3
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        if is_short:
            return None
        raise MalformedNoticeError(packet.name, "healpix_file must be base64", text) from None
    is_file = content.startswith((b"SIMPLE", b"\x1f\x8b"))
    if not is_file and not is_short:
        raise MalformedNoticeError(packet.name, "healpix_file must be FITS", content)
    return content if is_file else None


def _radius_deg(
    name: str,
    ra_deg: float,
    dec_deg: float,
    error: tuple[float, ...],
    corners: tuple[tuple[float, float], ...],
) -> float | None:
    """Radius of the smallest circle about the position that holds the published error region."""
    if error:
        return rules.radius_of(name, max(error[:2]))  # a third number is the position angle
    if not corners:
        return None
    ras, decs = zip(*corners, strict=True)
    return float(separation_deg(ras, decs, ra_deg, dec_deg).max())


def _meaning(packet: JsonPacket, profile: _Profile) -> RadiusMeaning:
    subtype = packet.text("subtype")
    if profile.stream == "fermi-gbm":
        if subtype == "FINAL_POSITION":
            return systematics.gbm_final(
                human=packet.flag("human_in_the_loop") or False,
                duration_class=packet.text("duration_class"),
            )
        is_ground = subtype == "GROUND_POSITION"
        return systematics.GBM_GROUND if is_ground else systematics.GBM_FLIGHT
    level, included = packet.number("containment_probability"), packet.flag("systematic_included")
    if level is None and included is None:
        return profile.meaning
    return RadiusMeaning(
        profile.meaning.level if level is None else level,
        included or False,
        "containment_probability and systematic_included of the notice",
    )


def _map_url(packet: JsonPacket) -> str | None:
    """URL of the map; KM3NeT's examples name a home page, which is none."""
    url = packet.text("healpix_url")
    return url if url is not None and ".fit" in url else None
