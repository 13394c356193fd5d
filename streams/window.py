"""The alert window: every optical object, held by the store; those used last are in memory too."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from correlator.alert import Alert
from correlator.object import OpticalObject, apply_alert
from storage.alerts import AlertStore
from storage.regions import RegionRows
from storage.share import Share

CACHED_OBJECTS = 50_000
"""Objects kept in memory: 2 to 10 kB each."""

ReceivedAlert = tuple[Alert, bytes]
"""An alert and its canonical JSON, as it came off the topic."""


class AlertWindow:
    """Objects by key and by region; what is in memory is a cache and may be dropped at any time.

    Calls block. One thread folds at a time; any number may read.
    """

    def __init__(self, store: AlertStore, n_cached: int = CACHED_OBJECTS) -> None:
        self._store = store
        self._n_cached = n_cached
        self._cache: OrderedDict[str, OpticalObject] = OrderedDict()
        self._epoch = 0

    def __len__(self) -> int:
        return len(self._cache)

    def fold(self, alerts: Sequence[ReceivedAlert]) -> list[OpticalObject]:
        """Fold alerts into their objects and store both; the objects as they stand now."""
        epoch = self._epoch
        found = self.get_many({_key(alert) for alert, _ in alerts})
        for alert, _ in alerts:
            key = _key(alert)
            found[key] = apply_alert(found.get(key), alert)
        stored = self._store.put_batch(alerts, list(found.values()))
        for obj in stored:
            # What was read before the cache was emptied may be out of date.
            if epoch == self._epoch:
                self._remember(obj)
        return stored

    def get_many(self, object_keys: Collection[str]) -> dict[str, OpticalObject]:
        """Objects by key, those that there are; nothing is added to the cache."""
        cache = self._cache
        found = {key: cache[key] for key in object_keys if key in cache}
        missing = [key for key in object_keys if key not in found]
        return found | self._store.get_objects(missing) if missing else found

    def until(self, obj: OpticalObject, unix_s: float) -> OpticalObject | None:
        """The object by its alerts up to a moment; None if it has none."""
        if obj.latest_unix_s <= unix_s:
            return obj
        return self._store.object_until(obj.survey, obj.object_id, unix_s)

    def region(
        self, ranges: NDArray[np.int64], since_unix_s: float, until_unix_s: float, share: Share
    ) -> RegionRows:
        """Places of the objects of a share in a region that were seen in some time."""
        return self._store.region(ranges, since_unix_s, until_unix_s, share)

    def forget(self) -> None:
        """Empty the cache: others may have changed what is in it."""
        self._epoch += 1
        self._cache = OrderedDict()

    def _remember(self, obj: OpticalObject) -> None:
        key = obj.object_key
        self._cache[key] = obj
        self._cache.move_to_end(key)
        while len(self._cache) > self._n_cached:
            self._cache.popitem(last=False)


def _key(alert: Alert) -> str:
    return f"{alert.survey}:{alert.object_id}"
