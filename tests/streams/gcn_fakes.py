"""Stand-ins for GCN's broker, with a clock that the test moves."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from confluent_kafka import OFFSET_END, OFFSET_INVALID, KafkaException, TopicPartition
from structlog.testing import capture_logs

from streams.edge_outbox import Outbox
from streams.gcn_beginning import Beginning
from streams.gcn_edge import GcnEdge, GcnEdgeSettings
from streams.gcn_settings import GCN_HEARTBEAT, GcnSettings
from streams.gcn_source import GcnSource
from streams.spool import Spool
from streams.topics import DEAD_LETTER, HEARTBEAT, NOTICES_RAW
from tests.streams.edge_fakes import FakeProducer, Message, nothing

TOPIC = "gcn.notices.mission"
NOW_UNIX_S = 1_777_593_600.0
SETTINGS = GcnSettings("group", (TOPIC,), mirror="127.0.0.1:1")


@contextmanager
def all_logs():
    """What is logged meanwhile, down to the least, whatever an earlier test has configured."""
    kept = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    try:
        with capture_logs() as logs:
            yield logs
    finally:
        structlog.configure(**kept)


@dataclass
class FakeGcn:
    """A consumer that knows what its broker has, and what its group committed.

    Attributes
    ----------
    times
        Those of the records of each partition [s], from offset 0 on.
    group
        What the group has committed.
    faults
        What the next questions are answered with; None is no fault.
    answers
        Whether commits arrive.
    close_waits_for
        An event without which it does not close.
    """

    config: dict = field(default_factory=dict)
    times: dict = field(default_factory=dict)
    group: dict = field(default_factory=dict)
    faults: list = field(default_factory=list)
    answers: bool = True
    close_waits_for: Any = None
    batches: deque = field(default_factory=deque)
    assigned: dict = field(default_factory=dict)
    commits: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    on_assign: Any = None
    on_revoke: Any = None

    def subscribe(self, topics, on_assign, on_revoke, on_lost):
        del on_lost
        self.calls.append(("subscribe", topics))
        self.on_assign, self.on_revoke = on_assign, on_revoke

    def consume(self, most, timeout):
        del most, timeout
        return self.batches.popleft() if self.batches else []

    def incremental_assign(self, partitions):
        self.assigned |= {(p.topic, p.partition): p.offset for p in partitions}

    def assignment(self):
        return [TopicPartition(*slot) for slot in self.assigned]

    def pause(self, partitions):
        self.calls.append(("pause", {(p.topic, p.partition) for p in partitions}))

    def resume(self, partitions):
        self.calls.append(("resume", {(p.topic, p.partition) for p in partitions}))

    def commit(self, offsets, asynchronous):
        self._fail()
        said = {(o.topic, o.partition): o.offset for o in offsets}
        self.commits.append((said, asynchronous))
        if self.answers:
            self.group |= said
            self.config["on_commit"](None, offsets)

    def committed(self, partitions, timeout):
        del timeout
        self._fail()
        offsets = [self.group.get((p.topic, p.partition), OFFSET_INVALID) for p in partitions]
        return [
            TopicPartition(p.topic, p.partition, offset)
            for p, offset in zip(partitions, offsets, strict=True)
        ]

    def get_watermark_offsets(self, partition, timeout):
        del timeout
        self._fail()
        return 0, len(self.times.get((partition.topic, partition.partition), ()))

    def offsets_for_times(self, partitions, timeout):
        del timeout
        self._fail()
        return [TopicPartition(p.topic, p.partition, self._first(p)) for p in partitions]

    def _first(self, wanted):
        times = self.times.get((wanted.topic, wanted.partition), ())
        return next((at for at, t in enumerate(times) if 1000 * t >= wanted.offset), OFFSET_END)

    def _fail(self):
        if self.faults and (fault := self.faults.pop(0)) is not None:
            raise KafkaException(fault)

    def close(self):
        self.calls.append(("close",))
        if self.close_waits_for is not None:
            self.close_waits_for.wait(30.0)
        if self.on_revoke is not None:
            self.on_revoke(self, self.assignment())


class Harness:
    """An edge between a fake GCN and a fake broker."""

    def __init__(self, folder, begin="earliest", answer=nothing, settings=SETTINGS, **of_edge):
        self.at_s = 0.0
        self.consumers, self.spool = [], Spool(folder / "spool")
        self.outbox = Outbox("127.0.0.1:1", self._producer)
        self.producer.answer = answer
        beginning = Beginning(begin)
        of_edge = {"commit_interval_s": 0.0, "drain_within_s": 0.05} | of_edge
        self.edge = GcnEdge(
            GcnEdgeSettings("edge-gcn", **of_edge),
            lambda finish: GcnSource(settings, beginning, finish, self._consumer),
            self.spool,
            self.outbox,
            now=lambda: NOW_UNIX_S + self.at_s,
            clock=lambda: self.at_s,
        )

    def _consumer(self, config):
        self.consumers.append(FakeGcn(config))
        return self.consumers[-1]

    def _producer(self, config):
        self.producer = FakeProducer(config)
        return self.producer

    @property
    def consumer(self):
        return self.consumers[-1]

    def assign(self, *slots):
        self.edge._source.follow(0.0)
        self.consumer.on_assign(self.consumer, [TopicPartition(*slot) for slot in slots])

    def turn(self, *messages, after_s=0.0):
        """One turn of the loop with these messages."""
        self.at_s += after_s
        self.consumer.batches.append(list(messages))
        self.edge._turn()

    def finish(self):
        return self.edge.run(lambda: True)

    @property
    def heartbeats(self):
        return self.producer.values(HEARTBEAT.name)

    @property
    def sent(self):
        return {r.key.decode(): r.value for r in self.records(NOTICES_RAW.name)}

    @property
    def letters(self):
        return self.records(DEAD_LETTER.name)

    def records(self, topic):
        return [record for record in self.producer.sent if record.topic == topic]


def notice(at, data=None, n=0, topic=TOPIC):
    return Message(b"notice %d" % at if data is None else data, at, n, topic)


def heartbeat(at=0):
    return Message(b"{}", at, 0, GCN_HEARTBEAT)
