"""Heartbeats: what each source of records says of itself, once a second."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from correlator.errors import MalformedPacketError
from correlator.wire import of_json
from streams.admin import BrokerError
from streams.topics import HEARTBEAT

_ANSWER_WITHIN_S = 10.0
"""How long a broker may take for one answer [s]."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a worker or an edge says of itself.

    Attributes
    ----------
    source
        Which process: ``worker-HOST-PID``, ``edge-ztf-HOST-PID``.
    time_unix_s
        When it said so.
    last_record_unix_s
        When it took its latest record; None before the first.
    positions
        Next offset of each partition that it reads, by ``TOPIC/PARTITION``.
    pending
        Records that it has taken and not finished.
    is_idle
        Nothing is under way and nothing waits.
    complaint
        What it cannot do just now, in words; None when all is well.
    """

    source: str
    time_unix_s: float
    last_record_unix_s: float | None
    positions: dict[str, int]
    pending: int
    is_idle: bool
    complaint: str | None = None


def latest_heartbeats(servers: str, within_s: float) -> dict[str, Heartbeat]:
    """The latest heartbeat of each source that had one lately, by source.

    Parameters
    ----------
    servers
        ``HOST:PORT[,HOST:PORT...]``.
    within_s
        How far back to look [s]: the broker's clock against ours.

    Raises
    ------
    BrokerError
        The broker does not answer, or has no such topic.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "nobody",  # the client wants one; without subscribing it joins nothing
            "enable.auto.commit": False,
            "log_level": 2,
        }
    )
    try:
        return latest_of(_read(consumer, int((time.time() - within_s) * 1000.0)))
    except KafkaException as error:
        raise BrokerError(servers, HEARTBEAT.name, "can be read", error) from error
    finally:
        consumer.close()


def _read(consumer: Any, since_unix_ms: int) -> Iterator[bytes]:
    """Values from a time to what is the end of the topic now."""
    wanted = TopicPartition(HEARTBEAT.name, 0, since_unix_ms)
    _, end = consumer.get_watermark_offsets(wanted, timeout=_ANSWER_WITHIN_S)
    (begin,) = consumer.offsets_for_times([wanted], timeout=_ANSWER_WITHIN_S)
    if begin.error:
        raise KafkaException(begin.error)
    if begin.offset < 0 or begin.offset >= end:  # below 0: nothing is that young
        return
    consumer.assign([begin])
    offset = begin.offset
    while offset < end:
        messages = consumer.consume(min(1000, end - offset), timeout=_ANSWER_WITHIN_S)
        if not messages:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
            yield message.value() or b""
            offset = message.offset() + 1


def latest_of(values: Iterable[bytes]) -> dict[str, Heartbeat]:
    """The latest heartbeat of each source among some records; what is none is passed over."""
    found: dict[str, Heartbeat] = {}
    for value in values:
        try:
            heartbeat = of_json(Heartbeat, value, HEARTBEAT.name)
        except MalformedPacketError:
            continue  # of another release: its source counts as silent, and that is seen
        known = found.get(heartbeat.source)
        if known is None or known.time_unix_s <= heartbeat.time_unix_s:
            found[heartbeat.source] = heartbeat
    return found
