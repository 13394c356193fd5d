"""What a night implies, said in the plainest way: every object against every event, once.

Nothing of the engine is used, only the pure core: notices are folded into events, alerts into
objects, and each pair is compared when all is known. No stream, no store, no window, no book.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import orjson

from correlator.alert import Alert
from correlator.coincidence import PairEvidence, admission, correlate_many
from correlator.event import Event, event_of
from correlator.notice import Notice
from correlator.object import OpticalObject, apply_alert
from correlator.policy import Policy
from correlator.service.archive import Delivery
from correlator.service.rows import pair_row
from correlator.window import closes_unix_s
from correlator.wire import of_json
from ingest_vo.reader import to_notice
from streams.topics import NOTICES_RAW, OPTICAL_ALERTS


def implied_pairs(deliveries: Iterable[Delivery], policy: Policy) -> bytes:
    """The lines of ``pairs.jsonl`` that the packets imply."""
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
    pairs = [
        pair
        for of_event in notices.values()
        for pair in _pairs_of(event_of(of_event), alerts.values(), policy)
    ]
    pairs.sort(key=lambda p: p.coincidence_id)
    return b"".join(orjson.dumps(pair_row(p), option=orjson.OPT_SORT_KEYS) + b"\n" for p in pairs)


def _pairs_of(event: Event, alerts: Iterable[list[Alert]], policy: Policy) -> list[PairEvidence]:
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
