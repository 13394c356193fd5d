"""Readings of one packet: ours, and those of sources that share nothing with our readers.

A reading is a dictionary of fields; one that a source does not speak of is left out, one of which
it says "none" is None. Times are in seconds since the Unix epoch, angles in degrees.
"""

from __future__ import annotations

import base64
import io
import json
import re
import warnings
from datetime import UTC, datetime
from typing import Any

import numpy as np
from astropy import units as u
from astropy.time import Time

from benchmarks import notice_peers
from correlator.notice import Notice
from skymaps.healpix import uniq_of_ranges
from skymaps.shapes import Circle
from skymaps.skymap import SkyMap

with warnings.catch_warnings():  # of its own dependencies, at import
    warnings.simplefilter("ignore")
    from ligo.skymap.io import read_sky_map as ligo_read_sky_map

Reading = dict[str, Any]

ABSOLUTE = {"t0": 1e-5, "told": 1e-5, "ra": 1e-9, "dec": 1e-9, "radius": 1e-9}
"""Differences that are none: of the last digit that is published, or of doubles."""

RELATIVE = 1e-9
"""The same for all other numbers."""


def ours(notice: Notice) -> Reading:
    """What we understood."""
    place = notice.localization
    reading = {
        "id": notice.notice_id,
        "role": notice.role,
        "mission": notice.mission,
        "instrument": notice.instrument,
        "type": re.sub(r"_qf\d$", "", notice.notice_type.lower()),  # MXT's quality of the position
        "event": notice.event_id,
        "t0": notice.event_unix_s,
        "told": notice.notice_unix_s,
        "ra": None,
        "dec": None,
        "radius": None,
        "retraction": notice.is_retraction,
        "test": notice.is_test,
        "cites": frozenset(notice.supersedes),
        "significance": notice.significance,
        "far": notice.far_hz,
        "map_url": notice.skymap_url,
        "classes": dict(notice.classification),
        "significant": notice.is_significant,
        "map": None,
    }
    if isinstance(place, Circle):
        reading |= {"ra": place.ra_deg, "dec": place.dec_deg, "radius": place.radius_deg}
    if isinstance(place, SkyMap):
        reading["map"] = _numbers_of(
            uniq_of_ranges(place.lo, place.hi), place.published_density_per_sr
        )
    return reading


def agree(field: str, mine: Any, other: Any) -> bool:
    """Whether two values of a field are one."""
    if isinstance(mine, float | int) and isinstance(other, float | int):
        return abs(mine - other) <= ABSOLUTE.get(field, RELATIVE * abs(mine))
    if isinstance(mine, dict) and isinstance(other, dict):
        return mine.keys() == other.keys() and all(agree("", mine[k], other[k]) for k in mine)
    return bool(mine == other)


def of_manifest(row: dict[str, str]) -> Reading:
    """What the list of the collection says, made by its collector's own script."""
    reading: Reading = {}
    if row["mission"] != "other":
        reading["mission"] = _MISSIONS.get(row["mission"], row["mission"])
    if row["format"].startswith("VOEvent"):
        reading |= {"id": row["id_or_ivorn"], "role": row["role"]}
        number = row["notice_type"].rpartition("(pkt ")[2].rstrip(")")
        if number in TYPES:
            reading["type"] = TYPES[number]
    if row["event_time"]:
        reading["t0"] = unix_s(row["event_time"])
    return reading


_MISSIONS = {
    "gcn_classic_binary": "CALET",
    "superk": "Super-Kamiokande",
    "chime": "CHIME",
    "dsa110": "DSA-110",
    "burstcube": "BurstCube",
    "glowbug": "GLOWBUG",
    "boom": "BOOM",
}

TYPES = {
    "53": "wakeup_pos", "54": "refined_pos", "56": "weak_pos", "59": "lightcurve",
    "61": "bat_grb_pos", "62": "bat_grb_pos_nack", "63": "bat_lightcurve", "65": "fom_obs",
    "67": "xrt_pos", "81": "uvot_pos", "82": "bat_grb_test_pos", "83": "point_dir",
    "84": "bat_trans_pos", "97": "bat_quicklook_pos", "103": "actual_point_dir", "105": "a_alert",
    "110": "gbm_alert", "111": "gbm_flt_pos", "112": "gbm_gnd_pos", "115": "gbm_fin_pos",
    "119": "gbm_test_pos", "120": "lat_initial_pos", "121": "lat_updated_pos",
    "122": "lat_final_pos", "125": "lat_monitor", "128": "lat_offline_pos", "131": "gbm_subthresh",
    "135": "known_source_pos", "141": "bat_known_pos", "149": "event", "150": "preliminary",
    "151": "initial", "152": "update", "158": "icecube_hese", "163": "earlywarning",
    "164": "retraction", "173": "icecube_gold", "174": "icecube_bronze", "176": "icecube_cascade",
    "201": "grm-trigger", "202": "eclairs-wakeup", "203": "eclairs-catalog", "204": "slewing",
    "205": "not-slewing", "209": "mxt-initial", "210": "mxt-update", "211": "vt",
    "219": "retraction",
}  # fmt: skip
"""Notice type by the number of the packet type (GCN socket packet definitions; FSC)."""


def of_night(row: dict[str, str]) -> Reading:
    """What the table of the real night says."""
    return {"event": row["trigger_id"], "t0": unix_s(row["trigger_time_utc"])}


def of_voevent_parse(packet: bytes) -> Reading | None:
    """What voevent-parse says; None where it does not read the packet."""
    try:
        said = notice_peers.voevent_parse(packet)
    except (ValueError, KeyError):
        return None
    place = said.place
    return {
        "id": said.ivorn,
        "role": said.role,
        "event": _event_id(said),
        "t0": None if said.time is None else said.time.timestamp(),
        "told": unix_s(said.date),
        "ra": None if place is None else place.ra,
        "dec": None if place is None else place.dec,
        "radius": None if place is None else place.err,
        "cites": frozenset(ivorn for _, ivorn in said.cites),
        "retraction": any(cite == "retraction" for cite, _ in said.cites),
        "test": said.role == "test",
    } | _far(said)


def _far(said: notice_peers.Said) -> Reading:
    """The FAR in Hz, of a packet that gives its unit."""
    far = said.params.get("FAR", {})
    if not far.get("value") or not far.get("unit"):
        return {}
    return {"far": (float(far["value"]) * u.Unit(far["unit"])).to_value(u.Hz)}


def _event_id(said: notice_peers.Said) -> str | None:
    """The Param that the mission's documentation calls the id of the event."""
    grouped = said.groups.get("Svom_Identifiers", {})
    for params, name in ((grouped, "Burst_Id"), (said.params, "GraceID")):
        if name in params:
            return str(params[name]["value"])
    if "run_id" in said.params and "event_id" in said.params:
        return f"{said.params['run_id']['value']}_{said.params['event_id']['value']}"
    return str(said.params["TrigID"]["value"]) if "TrigID" in said.params else None


def of_gcn_notice_parser(packet: bytes) -> Reading | None:
    """What gcn-notice-parser says; None where it has no parser for it, or that fails."""
    from gcn_notice_parser import ParseError

    topic = notice_peers.topic_of(packet)
    if topic is None:
        return None
    try:
        model = notice_peers.gcn_notice_parser(packet, topic)
    except ParseError:
        return None
    return _of_model(model)


def _of_model(model: Any) -> Reading:
    said = model.model_dump()
    reading = {ours: said[theirs] for theirs, ours in _FIELDS.items() if theirs in said}
    reading |= {
        field: moment.timestamp() for field, moment in reading.items() if field in ("t0", "told")
    }
    if "alert_seq_t0" in said and said["alert_seq_t0"] is not None:
        reading["t0"] = said["alert_seq_t0"].timestamp()
    if reading.get("ra") is None and "ra_dec_error" not in said:
        reading |= {"ra": None, "dec": None, "radius": None}
    cited = [said[name] or () for name in ("followup", "followups", "retractions") if name in said]
    if cited:
        reading["cites"] = frozenset(c for one in cited for c in _listed(one))
        reading["retraction"] = "retractions" in said
    if "id" in said and isinstance(said["id"], tuple):
        reading["event"] = said["id"][0]
    if "event" in reading:
        reading["event"] = str(reading["event"])
    if "most_likely_index" in said:
        pairs = ("sec_most_likely", "most_likely")
        percents = {said[f"{p}_index"].name: said[f"{p}_prob"] for p in pairs if said[f"{p}_prob"]}
        reading["classes"] = {name: percent / 100.0 for name, percent in percents.items()}
    elif said.get("long_short") in ("long", "short"):
        reading["classes"] = {said["long_short"]: None}
    return reading


_FIELDS = {
    "ivorn": "id",
    "trig_id": "event",
    "burst_id": "event",
    "burst_datetime": "t0",
    "trigger_time": "t0",
    "alert_datetime": "told",
    "ra": "ra",
    "dec": "dec",
    "error_radius": "radius",
    "ra_dec_error": "radius",
    "instrument": "instrument",
    "test_submission": "test",
    "trig_signif": "significance",
    "data_signif": "significance",
    "burst_signif": "significance",
    "snr": "significance",
    "image_snr": "significance",
    "image_test_stat": "significance",
    "locationmap_url": "map_url",
}
"""Fields of its models and ours; what it has beyond these, a notice of ours does not hold."""


def _listed(said: Any) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else tuple(said)


def of_json(packet: bytes) -> Reading | None:
    """What a message of the GCN schema says as it stands; None for one of LVK."""
    said = json.loads(packet)
    if "superevent_id" in said:
        return _of_gwalert(said)
    if said.get("mission") == "Boom":
        return _of_boom(said)
    names = [said[key] for key in ("id", "event_name") if said.get(key)]
    first = names[0] if names else None
    error = said.get("ra_dec_error")
    reading: Reading = {
        "event": str(first[0] if isinstance(first, list) else first) if names else None,
        "t0": unix_s(said["trigger_time"]) if "trigger_time" in said else None,
        "told": unix_s(said["alert_datetime"]) if "alert_datetime" in said else None,
        "retraction": said.get("alert_type") == "retraction",
        "test": said.get("alert_tense") in ("test", "injection", "commanded"),
        "far": said.get("far"),
        "instrument": said.get("instrument"),
        "classes": dict(said.get("classification") or {}),
        "cites": frozenset(said[key] for key in ("follow_up_event", "ref_ID") if key in said),
    }
    if isinstance(error, int | float):
        reading |= {"ra": said["ra"], "dec": said["dec"], "radius": error}
    if "ra" not in said:
        reading |= {"ra": None, "dec": None, "radius": None}
    return reading


def _of_boom(said: dict[str, Any]) -> Reading:
    (target,) = said["data"]["targets"]
    return {
        "mission": "BOOM",
        "event": target["event_name"],
        "t0": None,
        "told": unix_s(said["alert_datetime"]),
        "cites": frozenset(event["ref_ID"] for event in target["gcn_crossmatch"]),
        "classes": target["classification_scores"],
        "retraction": False,
        "test": False,
    }


def _of_gwalert(said: dict[str, Any]) -> Reading:
    event = said["event"] or {}
    return {
        "mission": "LVK",
        "event": said["superevent_id"],
        "type": said["alert_type"].lower(),
        "t0": unix_s(event["time"]) if event else None,
        "told": unix_s(said["time_created"]),
        "retraction": said["alert_type"] == "RETRACTION",
        "test": said["superevent_id"][0] in "MT",
        "far": event.get("far"),
        "significant": event.get("significant"),
        "cites": frozenset(),  # external_coinc is null in all of them
        "classes": dict(event.get("classification") or {}),
    }


def of_ligo_skymap(packet: bytes) -> Reading | None:
    """What ligo.skymap reads in the map of an LVK alert; None where there is none to read."""
    text = (json.loads(packet).get("event") or {}).get("skymap")
    if not text:
        return None
    table = ligo_read_sky_map(io.BytesIO(base64.b64decode(text)), moc=True)
    density = np.asarray(table["PROBDENSITY"], dtype=float)
    return {"map": _numbers_of(np.asarray(table["UNIQ"]), density)}


def _numbers_of(uniq: Any, density: Any) -> Reading:
    """Numbers of a map that no two have in common: of cells, and of what they hold where."""
    at = int(np.argmax(density))
    numbers = {"cells": len(uniq), "sum": float(np.sum(density)), "peak": float(density[at])}
    return numbers | {"moment": float(np.sum(np.asarray(uniq, dtype=float) * density))}


def unix_s(text: str) -> float:
    """Time by Astropy; one without an offset is UTC."""
    said = text.strip().replace("+00:00", "").removesuffix("Z")
    return float(Time(datetime.fromisoformat(said).replace(tzinfo=UTC), scale="utc").unix)
