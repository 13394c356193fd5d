"""What a benchmark produces and where a worker stands."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.slim_sky import SlimRecord
from correlator.errors import ConfigurationError
from streams.topics import NOTICES_RAW, OPTICAL_ALERTS, Topic


class Feed:
    """A producer with the edge's settings: partition by CRC-32 of the key, lz4."""

    def __init__(self, servers: str, linger_ms: int = 20) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "enable.idempotence": True,
                "partitioner": "consistent",
                "compression.type": "lz4",
                "linger.ms": linger_ms,
                "message.max.bytes": NOTICES_RAW.max_message_bytes,
                "log_level": 2,
            }
        )
        self._n_failed = 0

    def send(self, topic: Topic, key: bytes, value: bytes) -> None:
        """Produce a record; waits while the client's queue is full."""
        while True:
            try:
                self._producer.produce(topic.name, value, key, on_delivery=self._told)
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def flush(self) -> None:
        """Wait until the broker has everything.

        Raises
        ------
        ConfigurationError
            It has not taken everything within a minute.
        """
        left = self._producer.flush(60.0)
        if left or self._n_failed:
            raise ConfigurationError(f"the broker did not take {left + self._n_failed} records")

    def _told(self, error: object, _: object) -> None:
        self._n_failed += error is not None


def paced(records: Iterable[SlimRecord], rate: float, seconds: float) -> Iterator[SlimRecord]:
    """Records at their moments, so many a second; late ones at once, none is left out."""
    began = time.monotonic()
    for n, record in enumerate(records):
        due = n / rate
        if due >= seconds:
            return
        ahead = began + due - time.monotonic()
        if ahead > 0.0:
            time.sleep(ahead)
        yield record


class Offsets:
    """Offsets of a topic, and those that a consumer group has committed."""

    def __init__(self, servers: str, group: str, topic: Topic = OPTICAL_ALERTS) -> None:
        self._client = Consumer({"bootstrap.servers": servers, "group.id": group, "log_level": 2})
        self._slots = [TopicPartition(topic.name, n) for n in range(topic.partitions)]

    def ends(self) -> int:
        """Records that were ever produced."""
        return sum(self._client.get_watermark_offsets(slot, 10.0)[1] for slot in self._slots)

    def committed(self) -> int:
        """Records that the group has done."""
        return sum(max(0, slot.offset) for slot in self._client.committed(self._slots, 10.0))

    def begin_at_end(self) -> None:
        """Let the group begin at what is there now; before its first member comes."""
        ends = [
            TopicPartition(s.topic, s.partition, self._client.get_watermark_offsets(s, 10.0)[1])
            for s in self._slots
        ]
        self._client.commit(offsets=ends, asynchronous=False)

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()


def ends_of(servers: str, topic: Topic = OPTICAL_ALERTS) -> int:
    """Records that were ever produced to a topic."""
    offsets = Offsets(servers, "nobody", topic)
    try:
        return offsets.ends()
    finally:
        offsets.close()


def begin_at_end(servers: str, group: str, topic: Topic = OPTICAL_ALERTS) -> None:
    """Let a group begin at what is in a topic now; before its first member comes."""
    offsets = Offsets(servers, group, topic)
    try:
        offsets.begin_at_end()
    finally:
        offsets.close()


def wait_until(holds: Callable[[], bool], what: str, within_s: float, look_s: float = 0.1) -> None:
    """Look until something holds.

    Raises
    ------
    ConfigurationError
        It does not in time.
    """
    until = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > until:
            raise ConfigurationError(f"not within {within_s:g} s: {what}")
        time.sleep(look_s)


def new_group() -> str:
    """Name of a consumer group that nobody has had."""
    return f"bench-{uuid.uuid4().hex[:12]}"
