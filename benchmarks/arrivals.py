"""When records of a keyed topic come out, each noted by what it is about."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import Self

import orjson
from confluent_kafka import Consumer, TopicPartition

from streams.topics import Topic

_FETCH_WAIT_MS = 5


class Arrivals:
    """Reads a topic from its end on, in a thread, and notes when each object first came.

    The moment is that at which a subscriber has the record in its hands, by the clock of this
    machine; the records are of a topic whose values name an event and an object.
    """

    def __init__(self, servers: str, topic: Topic) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "nobody",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": _FETCH_WAIT_MS,
                "log_level": 2,
            }
        )
        slots = [TopicPartition(topic.name, n) for n in range(topic.partitions)]
        for slot in slots:
            slot.offset = self._consumer.get_watermark_offsets(slot, 10.0)[1]
        self._consumer.assign(slots)
        self._first: dict[str, dict[str, float]] = defaultdict(dict)
        self._moments: dict[str, list[float]] = defaultdict(list)
        self._n_records = 0
        self._stops = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def of_event(self, event_key: str) -> dict[str, float]:
        """When each object of an event first came, by object [s since the Unix epoch]."""
        with self._lock:
            return dict(self._first.get(event_key, {}))

    def of_objects(self) -> dict[str, float]:
        """When each object first came with any event, by object [s since the Unix epoch]."""
        first: dict[str, float] = {}
        with self._lock:
            for objects in self._first.values():
                for key, unix_s in objects.items():
                    first[key] = min(unix_s, first.get(key, unix_s))
        return first

    def moments(self, event_key: str) -> list[float]:
        """When records of an event came, repeated ones too [s since the Unix epoch]."""
        with self._lock:
            return list(self._moments.get(event_key, ()))

    @property
    def n_records(self) -> int:
        """Records so far."""
        return self._n_records

    def _read(self) -> None:
        while not self._stops.is_set():
            messages = self._consumer.consume(1000, timeout=0.02)
            now = time.time()
            values = [m.value() for m in messages if not m.error()]
            self._n_records += len(values)
            with self._lock:
                for value in values:
                    said = orjson.loads(value)
                    event_key = said["event_key"]
                    self._first[event_key].setdefault(said["object_key"], now)
                    self._moments[event_key].append(now)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stops.set()
        self._thread.join()
        self._consumer.close()
