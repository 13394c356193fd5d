"""Deliveries onto a broker, as the edges produce them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from confluent_kafka import Producer

from correlator.service.archive import Delivery
from streams.admin import partitions_of
from streams.topics import NOTICES_RAW, partition_of


class FeedError(AssertionError):
    """The broker did not take what was produced."""


def produce(servers: str, deliveries: Iterable[Delivery], within_s: float = 300.0) -> int:
    """Produce records and wait until the broker has them all; how many there were.

    Raises
    ------
    FeedError
        The broker does not take them in time.
    """
    n_of = partitions_of(servers)
    failed: list[str] = []
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.max.bytes": NOTICES_RAW.max_message_bytes,
            "queue.buffering.max.kbytes": 64 * 1024,
            "delivery.timeout.ms": int(1000.0 * within_s),
            "log_level": 2,
        }
    )

    def said(error: object, _: object) -> None:
        if error is not None:
            failed.append(str(error))

    n = 0
    for delivery in deliveries:
        _put(producer, delivery, n_of[delivery.topic], said)
        n += 1
    left = producer.flush(within_s)
    if left or failed:
        raise FeedError(f"{left} records not produced, {len(failed)} failed: {failed[:3]}")
    return n


def chunks(deliveries: Iterable[Delivery], size: int) -> Iterator[list[Delivery]]:
    """Deliveries in their order, so many at a time."""
    held: list[Delivery] = []
    for delivery in deliveries:
        held.append(delivery)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held


def _put(
    producer: Producer,
    delivery: Delivery,
    n_partitions: int,
    said: Callable[[object, object], None],
) -> None:
    key = delivery.key.encode()
    partition = partition_of(key, n_partitions)
    while True:
        try:
            producer.produce(delivery.topic, delivery.value, key, partition, on_delivery=said)
        except BufferError:
            producer.poll(0.1)
        else:
            producer.poll(0)
            return
