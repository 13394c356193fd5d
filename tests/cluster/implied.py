"""What a night implies, said in the plainest way: every object against every event, once.

Nothing of the engine is used, only the pure core: notices are folded into events, alerts into
objects, and each pair is compared when all is known. No stream, no store, no window, no book.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import orjson

from correlator.alert import Alert
from correlator.coincidence import admission, correlate_many
from correlator.event import Event, event_of
from correlator.joint import joint_events
from correlator.notice import Notice
from correlator.object import OpticalObject, apply_alert
from correlator.pair import PairEvidence
from correlator.policy import Policy
from correlator.service.archive import Delivery
from correlator.service.rows import pair_row
from correlator.window import closes_unix_s
from correlator.wire import of_json
from ingest_vo.reader import to_notice
from streams.joint import is_joint
from streams.topics import NOTICES_RAW, OPTICAL_ALERTS

Alerts = list[list[Alert]]
"""The alerts of each object, in any order."""


def implied_by(deliveries: Iterable[Delivery], policy: Policy) -> tuple[bytes, Joint]:
    """The lines of ``pairs.jsonl`` that the packets imply, and what their joint events imply."""
    notices: dict[str, list[Notice]] = defaultdict(list)
    bodies: dict[tuple[str, str], bytes] = {}
    for d in deliveries:
        if d.topic == NOTICES_RAW.name:
            notice = to_notice(d.value, d.key)
            notices[notice.event_key].append(notice)
        elif d.topic == OPTICAL_ALERTS.name:
            alert_id = of_json(Alert, d.value).alert_id
            # Of two contents under one id the greater stands.
            bodies[d.key, alert_id] = max(d.value, bodies.get((d.key, alert_id), b""))
    alerts: dict[str, list[Alert]] = defaultdict(list)
    for (object_id, _), body in bodies.items():
        alerts[object_id].append(of_json(Alert, body))
    events = [event_of(of_event) for of_event in notices.values()]
    of_object = list(alerts.values())
    pairs = {event.event_key: _pairs_of(event, of_object, policy) for event in events}
    return _lines(pairs), _joint(events, of_object, pairs, policy)


Joint = dict[str, dict[str, float]]
"""Log-likelihood ratio of each candidate of a joint event, by the event's id."""


def joint_of(files: Mapping[str, bytes]) -> Joint:
    """The same by the files of a replay or an export."""
    rankings = map(orjson.loads, files["rankings"].splitlines())
    return {
        ranking["event_key"]: {c["object_key"]: c["log_lr"] for c in ranking["candidates"]}
        for ranking in rankings
        if is_joint(ranking["event_key"])
    }


def _joint(
    events: list[Event], alerts: Alerts, pairs: dict[str, list[PairEvidence]], policy: Policy
) -> Joint:
    found: Joint = {}
    for joint in joint_events(events, policy):
        of_lead = {p.object_key for p in pairs[joint.lead_key]}
        compared = _pairs_of(joint.event, alerts, policy)
        found[joint.joint_id] = {p.object_key: p.log_lr for p in compared}
        for key in found[joint.joint_id].keys() - of_lead:
            del found[joint.joint_id][key]
    return found


def _lines(pairs: dict[str, list[PairEvidence]]) -> bytes:
    every = sorted((p for some in pairs.values() for p in some), key=lambda p: p.coincidence_id)
    return b"".join(orjson.dumps(pair_row(p), option=orjson.OPT_SORT_KEYS) + b"\n" for p in every)


def _pairs_of(event: Event, alerts: Alerts, policy: Policy) -> list[PairEvidence]:
    closes = closes_unix_s(event, policy)
    if admission(event, policy) is not None or closes is None:
        return []
    objects = [o for of_object in alerts if (o := _object_until(of_object, closes)) is not None]
    found = correlate_many(objects, event, policy)
    return [result for result in found if isinstance(result, PairEvidence)]


def _object_until(alerts: list[Alert], until_unix_s: float) -> OpticalObject | None:
    obj = None
    for alert in alerts:
        if alert.time_unix_s <= until_unix_s:
            obj = apply_alert(obj, alert)
    return obj
