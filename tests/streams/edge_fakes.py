"""Stand-ins for confluent-kafka's clients, and packets for a survey's topic."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError

from storage.catalogs.tagger import untagged
from streams.edge import Edge, EdgeSettings
from streams.edge_outbox import Outbox
from streams.edge_source import Source, SourceSettings
from tests.ingest_optical.packet_factory import ztf_packet

TOPIC = "ztf_20240115_programid1"
NOW_UNIX_S = 1_705_320_000.0
SETTINGS = SourceSettings("127.0.0.1:1", TOPIC, "edge")


class Fault:
    """An error as the client gives it."""

    def __init__(self, code, fatal=False):
        self._code, self._fatal = code, fatal

    def code(self):
        return self._code

    def fatal(self):
        return self._fatal

    def __str__(self):
        return f"fault {self._code}"


@dataclass
class Message:
    data: bytes | None
    at: int
    n: int = 0
    name: str = TOPIC
    said_key: bytes | None = None
    fault: Any = None

    def value(self):
        return self.data

    def offset(self):
        return self.at

    def partition(self):
        return self.n

    def topic(self):
        return self.name

    def key(self):
        return self.said_key

    def error(self):
        return self.fault


def the_end(n=0):
    return Message(None, -1, n, fault=Fault(KafkaError._PARTITION_EOF))


@dataclass
class FakeConsumer:
    """Gives batches that were put into it; what is not there is an empty one."""

    config: dict
    batches: deque = field(default_factory=deque)
    committed: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    on_assign: Any = None
    on_revoke: Any = None
    on_lost: Any = None

    def subscribe(self, topics, on_assign, on_revoke, on_lost):
        self.calls.append(("subscribe", topics))
        self.on_assign, self.on_revoke, self.on_lost = on_assign, on_revoke, on_lost

    def consume(self, most, timeout):
        del most, timeout
        batch = self.batches.popleft() if self.batches else []
        return batch() if callable(batch) else batch

    def commit(self, offsets, asynchronous):
        said = {(o.topic, o.partition): o.offset for o in offsets}
        self.committed.append((said, asynchronous))

    def pause(self, partitions):
        self.calls.append(("pause", partitions))

    def resume(self, partitions):
        self.calls.append(("resume", partitions))

    def assignment(self):
        return ["all"]

    def close(self):
        self.calls.append(("close",))


@dataclass
class Sent:
    topic: str
    value: bytes
    key: bytes
    headers: Any
    on_delivery: Any

    @property
    def said(self):
        return {name: text.decode() for name, text in self.headers or ()}


def nothing(_):
    """No fault."""


@dataclass
class FakeProducer:
    """Acknowledges as ``answer`` says: each record gets None, a fault, or ``...`` for later."""

    config: dict
    sent: list = field(default_factory=list)
    waiting: list = field(default_factory=list)
    answer: Any = field(default=nothing)
    refuse: Any = field(default=nothing)

    def produce(self, topic, value, key, headers=None, on_delivery=None):
        record = Sent(topic, value, key, headers, on_delivery)
        if (error := self.refuse(record)) is not None:
            raise error
        self.sent.append(record)
        if on_delivery is not None:
            self.waiting.append(record)

    def poll(self, timeout):
        del timeout
        waiting, self.waiting = self.waiting, []
        for record in waiting:
            said = self.answer(record)
            if said is ...:
                self.waiting.append(record)
            else:
                record.on_delivery(said, None)

    def values(self, topic):
        return [record.value for record in self.sent if record.topic == topic]


class Harness:
    """An edge between a fake survey and a fake broker."""

    def __init__(
        self, archive=None, schemas=None, settings=SETTINGS, tag=untagged, nights=None, **of_edge
    ):
        self.outbox = Outbox("127.0.0.1:1", self._producer)
        of_edge = {"commit_interval_s": 0.0, "drain_within_s": 0.2} | of_edge
        more = {} if schemas is None else {"schemas": schemas}
        self.edge = Edge(
            EdgeSettings("edge-test", of_edge.pop("survey", "ztf"), **of_edge),
            lambda finish: Source(settings, finish, self._consumer),
            self.outbox,
            archive=archive,
            nights=nights,
            now=lambda: NOW_UNIX_S,
            tag=tag,
            **more,
        )

    def _consumer(self, config):
        self.consumer = FakeConsumer(config)
        return self.consumer

    def _producer(self, config):
        self.producer = FakeProducer(config)
        return self.producer

    def run(self, *batches, partitions=(0,), spare_rounds=3):
        """Give the batches and as many empty ones; whether all was committed at the end."""
        self.consumer.batches.extend(batches)
        rounds = iter(range(len(batches) + spare_rounds))

        def is_over():
            if self.consumer.on_assign is not None and not self._is_assigned:
                self.assign(*partitions)
            return next(rounds, None) is None

        self._is_assigned = False
        self.edge._source.follow(NOW_UNIX_S)
        return self.edge.run(is_over)

    def assign(self, *partitions, name=TOPIC):
        self._is_assigned = True
        self.consumer.on_assign(None, [Slot(name, n) for n in partitions])

    def revoke(self, *partitions, name=TOPIC):
        self.consumer.on_revoke(None, [Slot(name, n) for n in partitions])

    def lose(self, *partitions, name=TOPIC):
        self.consumer.on_lost(None, [Slot(name, n) for n in partitions])

    @property
    def committed(self):
        """The latest committed offset of each partition."""
        latest = {}
        for said, _ in self.consumer.committed:
            latest |= said
        return latest


@dataclass
class Slot:
    topic: str
    partition: int


def ztf_message(at, n=0, **values):
    """A message with an alert of our own; ``candid`` follows from its place."""
    candid = 2_570_000_000_000_000_000 + 1000 * at + n
    record = {"candid": candid, "pid": 2_570_000_000_000 + at // 4, **values}
    return Message(ztf_packet(**record).data, at, n)
