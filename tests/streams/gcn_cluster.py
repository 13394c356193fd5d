"""GCN's topics on a real broker, and `correlator ingest gcn` as a process that reads them."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streams.gcn_settings import GCN_HEARTBEAT
from streams.topics import NOTICES_RAW


class Gcn:
    """A broker with GCN's topics: what was sent there, and what a group has of it."""

    def __init__(self, servers):
        self.servers, self.group = servers, f"gcn-{uuid.uuid4().hex}"
        self.ends = {}
        self.sent = {}
        to = {"bootstrap.servers": servers, "log_level": 2}
        self._producer = Producer(to | {"message.max.bytes": 32 * 2**20})
        self._admin = AdminClient(to)
        self._observer = Consumer(to | {"group.id": self.group})

    def make(self, *topics):
        """Topics whose records bear the time that the sender gave them, and stay however old."""
        config = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
        new = [NewTopic(name, 1, 1, config=config) for name in topics]
        for made in self._admin.create_topics(new, request_timeout=60.0).values():
            made.result(60.0)

    def send(self, topic, packet, unix_s=None):
        """Send a packet, and note under which name it is known from now on."""

        def delivered(error, message):
            assert error is None, error
            slot = (topic, message.partition())
            self.sent[f"{topic}/{message.partition()}@{message.offset()}"] = packet or b""
            self.ends[slot] = max(self.ends.get(slot, 0), message.offset() + 1)

        at_ms = 0 if unix_s is None else int(1000 * unix_s)
        self._producer.produce(topic, packet, timestamp=at_ms, on_delivery=delivered)
        self._producer.poll(0)

    def flush(self):
        assert self._producer.flush(60.0) == 0

    def committed(self):
        slots = [TopicPartition(*slot) for slot in sorted(self.ends)]
        found = self._observer.committed(slots, timeout=30.0)
        return {(p.topic, p.partition): max(p.offset, 0) for p in found}

    def lag(self):
        try:
            done = self.committed()
        except KafkaException:  # a coordinator that is being chosen
            return -1
        return sum(end - done[slot] for slot, end in self.ends.items())

    def wait_until_read(self, within_s=90.0):
        wait_until(lambda: self.lag() == 0, within_s, lambda: f"lag {self.lag()}")


def wait_until(holds, within_s, said=lambda: ""):
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until, f"not within {within_s} s; {said()}"
        time.sleep(0.05)


class Edge:
    """A process of the command, with its log."""

    def __init__(self, process, log):
        self.process, self.log = process, log

    def said(self):
        return self.log.read_text(errors="replace")

    def wait_until_said(self, word, within_s=60.0):
        def holds():
            assert self.process.poll() is None, self.said()
            return word in self.said()

        wait_until(holds, within_s, self.said)

    def kill(self):
        assert self.process.poll() is None, self.said()
        self.process.kill()
        assert self.process.wait(30.0) == -signal.SIGKILL

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60.0) == 0, self.said()


@contextmanager
def edge(gcn, ours, folder, *words, topics=(), **environment):
    """A process of ``correlator ingest gcn``; it ends with the block."""
    command = [sys.executable, "-m", "correlator.service.cli", "ingest", "gcn"]
    command += ["--group", gcn.group, "--spool", str(folder / "spool"), *words]
    command += [word for topic in topics for word in ("--topics", topic)]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CORRELATOR_")}
    kept |= {"CORRELATOR_BROKER": f"kafka://{ours}", "CORRELATOR_GCN_SERVERS": gcn.servers}
    kept |= {"CORRELATOR_GCN_SESSION_S": "2"}  # who was killed is waited for so long
    log = folder / f"edge-{uuid.uuid4().hex}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, env=kept | environment, cwd=folder
        )
    try:
        yield Edge(process, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(30.0)


def records(servers, topic=NOTICES_RAW.name):
    """Every record of a topic of one partition: its key and value."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reader"})
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30.0)
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    while len(found) < end:
        for message in consumer.consume(1000, timeout=1.0):
            assert message.error() is None, message.error()
            found.append((message.key().decode(), message.value() or b""))
    consumer.close()
    return found


def spooled(folder):
    """Names of what is in a spool."""
    database = sqlite3.connect(folder / "spool", timeout=30.0)
    names = [name for (name,) in database.execute("SELECT name FROM packets")]
    database.close()
    return names


def slot_and_offset(name):
    topic, n, offset = re.fullmatch(r"(.*)/(\d+)@(\d+)", name).groups()
    return (topic, int(n)), int(offset)


@contextmanager
def beating(gcn):
    """GCN's heartbeat, as often as it is real."""
    over = threading.Event()

    def beat():
        producer = Producer({"bootstrap.servers": gcn.servers})
        while not over.wait(0.5):
            producer.produce(GCN_HEARTBEAT, b'{"alert_datetime": "2026-05-01T00:00:00Z"}')
            producer.poll(0)
        assert producer.flush(30.0) == 0

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
