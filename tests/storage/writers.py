"""Workers as the store sees them: they fold alerts into the objects that they remember."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from correlator.alert import Alert
from correlator.object import OpticalObject, apply_alert
from correlator.wire import to_json
from storage.store import Store


class Writer:
    """A worker with a cache that may be out of date."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.cache: dict[str, OpticalObject] = {}

    def put(self, alerts: Iterable[Alert]) -> list[OpticalObject]:
        alerts = list(alerts)
        keys = dict.fromkeys(f"{a.survey}:{a.object_id}" for a in alerts)
        missing = [key for key in keys if key not in self.cache]
        objects = self.store.alerts.get_objects(missing) | self.cache
        for alert in alerts:
            key = f"{alert.survey}:{alert.object_id}"
            objects[key] = apply_alert(objects.get(key), alert)
        received = [(alert, to_json(alert)) for alert in alerts]
        stored = self.store.alerts.put_batch(received, [objects[key] for key in keys])
        self.cache |= {obj.object_key: obj for obj in stored}
        return stored


def put_alerts(store: Store, *alerts: Alert) -> list[OpticalObject]:
    """Store alerts and their objects, as a worker does that remembers nothing."""
    return Writer(store).put(alerts)


def greatest(alerts: Iterable[Alert]) -> list[Alert]:
    """Of each alert id of an object the greatest content, for those who may read all of them."""
    chosen: dict[tuple[str, str, str], Alert] = {}
    audiences: dict[tuple[str, str, str], set[str]] = {}
    for alert in alerts:
        key = alert.survey, alert.object_id, alert.alert_id
        audiences.setdefault(key, set()).update(alert.audience)
        public = replace(alert, audience=())
        if key not in chosen or to_json(public) > to_json(chosen[key]):
            chosen[key] = public
    return [replace(a, audience=tuple(sorted(audiences[key]))) for key, a in chosen.items()]


def objects_of(alerts: Iterable[Alert]) -> dict[str, OpticalObject]:
    """What a store must say of the objects of some alerts, however they came."""
    objects: dict[str, OpticalObject] = {}
    for alert in greatest(alerts):
        key = f"{alert.survey}:{alert.object_id}"
        objects[key] = apply_alert(objects.get(key), alert)
    return objects
