"""The edge as a process on real Kafka: stopped, killed, cut off from its brokers, shared."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from correlator.alert import Alert
from correlator.wire import of_json, to_json
from ingest_optical.decoder import Rejected, admit, look_at
from ingest_optical.exposures import Exposure, ExposureLog
from ingest_optical.packets import RawPacket, read_packets
from streams.heartbeat import latest_heartbeats
from streams.topics import DEAD_LETTER, EXPOSURES, OPTICAL_ALERTS, partition_of
from tests.ingest_optical.packet_factory import ztf_non_detection, ztf_packet

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PARTITIONS = 5
PAST = [{"candid": 11}, ztf_non_detection(2460320.6)]


def packets(n, seed):
    """Alerts of images of 8, of which a third fails the gate; now and then one that is broken."""
    rng = random.Random(seed)
    for i in range(n):
        if i % 50 == 49:
            yield b"broken %d" % i
            continue
        values = {
            "candid": 3_000_000_000_000_000_000 + i + 10**5 * seed,
            "pid": 3_000_000_000_000 + i // 8 + 10**5 * seed,
            "rb": 0.2 if i % 3 == 0 else 0.9,
            "ra": rng.uniform(0.0, 360.0),
        }
        yield ztf_packet(past=PAST, **values).data


class Survey:
    """A topic of a survey with packets, and what must come of them."""

    def __init__(self, servers, n=0, topic=None):
        self.servers = servers
        self.topic = topic or f"ztf_{uuid.uuid4().hex}"
        self.group = f"edge-{uuid.uuid4().hex}"
        self.alerts, self.broken, self._log = set(), set(), ExposureLog()
        self.admin = AdminClient({"bootstrap.servers": servers})
        self.n = 0
        # No alert of another test: they share our topics.
        self.seed = 1000 * random.randrange(10**6)
        # It joins nothing; it only asks what the group has committed.
        self._observer = Consumer({"bootstrap.servers": servers, "group.id": self.group})
        if n:
            self.make()
            self.produce(n)

    def make(self):
        self.admin.create_topics([NewTopic(self.topic, PARTITIONS, 1)])[self.topic].result(30.0)

    def produce(self, n):
        producer = Producer({"bootstrap.servers": self.servers, "partitioner": "random"})
        for data in packets(n, self.seed):
            producer.produce(self.topic, data)
            packet = RawPacket("p", "ztf", data)
            if data.startswith(b"broken"):
                self.broken.add(data)
                continue
            result = admit(packet)
            if not isinstance(result, Rejected):
                self.alerts.add(to_json(result))
            self._log.note(look_at(packet), not isinstance(result, Rejected))
        assert producer.flush(30.0) == 0
        self.n += n
        self.seed += 1

    @property
    def exposures(self):
        if not hasattr(self, "_exposures"):
            self._exposures = {e.exposure_id: e for e in self._log.empty()}
        return self._exposures

    def lag(self):
        if not self.n:
            return 0
        slots = [TopicPartition(self.topic, n) for n in range(PARTITIONS)]
        try:
            found = self._observer.committed(slots, timeout=30.0)
        except KafkaException:  # a broker that is away, a coordinator that is being chosen
            return self.n
        return self.n - sum(max(slot.offset, 0) for slot in found)

    def wait_until_read(self, within_s=240.0, left=0):
        until = time.monotonic() + within_s
        while (lag := self.lag()) > left:
            assert time.monotonic() < until, f"{lag} records are left after {within_s} s"
            time.sleep(0.1)


@contextmanager
def edge(survey, folder, **more):
    """A process of ``correlator ingest optical``; it ends with the block."""
    words = [sys.executable, "-m", "correlator.service.cli", "ingest", "optical", "--survey", "ztf"]
    words += ["--source", f"kafka://{survey.servers}/{more.get('topic', survey.topic)}"]
    words += ["--group", survey.group, "--archive", str(folder / "raw"), "--registry", ""]
    words += more.get("words", [])
    log = (folder / f"edge-{uuid.uuid4().hex}.log").open("wb")
    environment = os.environ | {"CORRELATOR_BROKER": f"kafka://{survey.servers}"}
    process = subprocess.Popen(words, stdout=log, stderr=log, env=environment, cwd=folder)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(30.0)
        log.close()


def stop(process):
    process.send_signal(signal.SIGTERM)
    return process.wait(60.0)


def kill(process):
    process.kill()
    return process.wait(30.0)


def records(servers, topic):
    """Every record of a topic of ours."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    n = len(consumer.list_topics(topic.name, timeout=10.0).topics[topic.name].partitions)
    consumer.assign([TopicPartition(topic.name, i, 0) for i in range(n)])
    found, ended = [], 0
    while ended < n:
        for message in consumer.consume(1000, timeout=0.2):
            if message.error():
                ended += 1
            else:
                found.append(message)
    consumer.close()
    return found, n


def assert_all_arrived(survey, folder):
    """Everything that follows from the survey's packets is on our topics, and in the archive."""
    sent, n_partitions = records(survey.servers, OPTICAL_ALERTS)
    mine = [m for m in sent if m.value() in survey.alerts]
    assert {m.value() for m in mine} == survey.alerts
    for message in mine:
        assert message.key() == of_json(Alert, message.value()).object_id.encode()
        assert message.partition() == partition_of(message.key(), n_partitions)
    joined = {}
    for message in records(survey.servers, EXPOSURES)[0]:
        exposure = of_json(Exposure, message.value())
        known = joined.get(exposure.exposure_id)
        joined[exposure.exposure_id] = exposure if known is None else known.joined(exposure)
    assert {i: joined[i] for i in survey.exposures} == survey.exposures
    letters = [
        m for m in records(survey.servers, DEAD_LETTER)[0] if m.key() == survey.topic.encode()
    ]
    assert {m.value() for m in letters} == survey.broken
    kept = {to_json(admit(p)) for p in read_packets(folder / "raw") if p.problem is None}
    assert kept == survey.alerts
    return Counter(m.value() for m in mine)


def test_an_edge_reads_commits_and_ends_when_told(kafka_server, tmp_path):
    survey = Survey(kafka_server.bootstrap, 400)
    with edge(survey, tmp_path) as process:
        survey.wait_until_read()
        heartbeats = latest_heartbeats(survey.servers, 60.0).values()
        (mine,) = [h for h in heartbeats if h.source.endswith(f"-{process.pid}")]
        assert {name.rpartition("/")[0] for name in mine.positions} <= {survey.topic}
        assert stop(process) == 0
    assert set(assert_all_arrived(survey, tmp_path).values()) == {1}
    with edge(survey, tmp_path) as process:
        survey.produce(100)
        survey.wait_until_read()
        assert stop(process) == 0
    del survey._exposures
    assert len(survey.alerts) > 300


@pytest.mark.parametrize("end", [stop, kill])
def test_an_edge_that_ends_in_mid_work_loses_nothing(kafka_server, tmp_path, end):
    """Told to stop, it also does nothing twice."""
    survey = Survey(kafka_server.bootstrap, 100)
    rng = random.Random(3)
    codes, lags = [], []
    for _ in range(3):
        with edge(survey, tmp_path) as process, ThreadPoolExecutor(1) as feeder:
            survey.wait_until_read()
            fed = feeder.submit(survey.produce, 2000)
            time.sleep(rng.uniform(0.3, 0.6))
            codes.append(end(process))
            fed.result(60.0)
            lags.append(survey.lag())
    assert min(lags) > 0
    with edge(survey, tmp_path) as process:
        survey.wait_until_read()
        assert stop(process) == 0
    times = assert_all_arrived(survey, tmp_path)
    if end is stop:
        assert set(codes) == {0}
        assert set(times.values()) == {1}


def test_an_edge_outlives_its_brokers(own_kafka_server, tmp_path):
    survey = Survey(own_kafka_server.bootstrap, 500)
    with edge(survey, tmp_path) as process:
        survey.wait_until_read(left=400)
        for how in (own_kafka_server.kill, own_kafka_server.stop):
            how()
            time.sleep(3.0)
            own_kafka_server.start()
            survey.produce(500)
        survey.wait_until_read()
        assert stop(process) == 0
    assert_all_arrived(survey, tmp_path)


def test_two_edges_share_a_topic_and_either_may_go(kafka_server, tmp_path):
    survey = Survey(kafka_server.bootstrap, 1000)
    with edge(survey, tmp_path) as first:
        survey.wait_until_read(left=900)
        with edge(survey, tmp_path) as second:
            for _ in range(8):
                survey.produce(250)
                time.sleep(0.5)
            survey.wait_until_read()
            assert stop(first) == 0
            survey.produce(500)
            survey.wait_until_read()
            assert stop(second) == 0
    assert_all_arrived(survey, tmp_path)


def test_a_night_whose_topic_comes_later_is_read_when_it_comes(kafka_server, tmp_path):
    prefix = f"ztf{uuid.uuid4().hex[:8]}"
    tonight = time.strftime("%Y%m%d", time.gmtime())
    survey = Survey(kafka_server.bootstrap, topic=f"{prefix}_{tonight}_programid1")
    with edge(survey, tmp_path, topic=prefix + "_{date}_programid1") as process:
        time.sleep(6.0)
        survey.make()
        survey.produce(100)
        survey.wait_until_read()
        assert stop(process) == 0
    assert_all_arrived(survey, tmp_path)
