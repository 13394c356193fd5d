"""The last records of a topic, read once and in no group."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.admin import BrokerError
from streams.topics import Topic

_ANSWER_WITHIN_S = 10.0
"""How long a broker may take for one answer [s]."""


def read_topic(servers: str, topic: Topic, within_s: float) -> Iterator[bytes]:
    """Values of a topic, from some time ago to what is its end now.

    Parameters
    ----------
    servers
        ``HOST:PORT[,HOST:PORT...]``.
    within_s
        How far back to read [s]: the broker's clock against ours.

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
        since_unix_ms = max(0, int((time.time() - within_s) * 1000.0))
        for partition in range(topic.partitions):
            yield from _read(consumer, TopicPartition(topic.name, partition, since_unix_ms))
    except KafkaException as error:
        raise BrokerError(servers, topic.name, "can be read", error) from error
    finally:
        consumer.close()


def _read(consumer: Any, wanted: TopicPartition) -> Iterator[bytes]:
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
            offset = message.offset() + 1
            if offset <= end:
                yield message.value() or b""
