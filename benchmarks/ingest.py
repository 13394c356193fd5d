"""The edge against a bare consumer: a survey's packets out of Kafka, read again and again.

One run is bare, edge, bare, edge, bare: each edge has a bare loop before and after it, and its
ratio is to their mean. With ``with_worker`` a worker handles what the edge sends, on the same
machine; a second row says how many of those it did a second, until none was left.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.ingest_loops import JOIN_S, Reading, together
from benchmarks.survey_packets import PACKETS
from benchmarks.timing import Row
from benchmarks.topic_feed import begin_at_end, ends_of
from correlator.errors import ConfigurationError
from correlator.policy import Policy
from streams.admin import declare, lag_of
from streams.topics import OPTICAL_ALERTS, all_topics

TOPIC_BYTES = 3 * 10**9
"""Size of the survey's topic: it stays in memory, so that the disk is not what is measured."""

_PARTITIONS = 15
"""Of ZTF's topics (optical.md 1)."""

_BARE_S = 15.0
_PEER = "confluent_kafka.Consumer.consume(500) of the same topic, values touched and forgotten"

BARS: Mapping[tuple[str, float], tuple[float, float | None]] = {
    ("ztf", 0.1): (3000.0, 0.4),
    ("ztf", 0.5): (1500.0, None),
    ("lsst", 0.1): (0.0, 0.4),
}
"""Least rate [packets/s] and least ratio, by survey and share that passes (issue 3, 4)."""


@dataclass(frozen=True, slots=True)
class IngestSetting:
    """What to measure.

    Attributes
    ----------
    seconds
        Length of each measurement of the edge.
    share
        Share of the packets that passes the gate.
    rounds
        Measurements of the edge.
    n_edges
        Edges that share the topic, each a process.
    archive
        Whether the edge also keeps the packets that pass, on disk.
    with_worker
        Whether a worker handles what the edge sends.
    """

    real_data: Path
    survey: str = "ztf"
    share: float = 0.1
    seconds: float = 60.0
    rounds: int = 1
    n_edges: int = 1
    archive: bool = False
    with_worker: bool = True


def ingest(servers: str, setting: IngestSetting) -> Iterator[Row]:
    """Rate of the edge, its cost, and its ratio to the bare loop."""
    declare(servers, all_topics(Policy()), 1)
    topic = fill_topic(servers, setting)
    bare, edges, workers = [_bare(servers, topic, setting)], [], []
    for _ in range(setting.rounds):
        with _worker(servers, setting) as group:
            n_before, began = ends_of(servers), time.perf_counter()
            edges.append(_edges(servers, topic, setting))
            workers.append(_worker_rate(servers, group, n_before, began))
        bare.append(_bare(servers, topic, setting))
    yield from _rows(setting, bare, edges, workers)


def fill_topic(servers: str, setting: IngestSetting) -> str:
    """Make and fill the survey's topic."""
    topic = f"bench.{setting.survey}.{setting.share:g}.{uuid.uuid4().hex[:8]}"
    new = NewTopic(topic, _PARTITIONS, 1, config={"max.message.bytes": str(10 * 2**20)})
    admin = AdminClient({"bootstrap.servers": servers})  # kept: its end would end the asking
    admin.create_topics([new])[topic].result()
    producer = Producer({"bootstrap.servers": servers, "queue.buffering.max.kbytes": 2**18})
    size = {"ztf": 73_000, "lsst": 139_000}[setting.survey]
    for packet in PACKETS[setting.survey](setting.real_data, TOPIC_BYTES // size, setting.share):
        while True:
            try:
                producer.produce(topic, packet)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    if producer.flush(60.0):
        raise ConfigurationError(f"topic {topic}: the broker did not take it within 60 s")
    return topic


def _edges(servers: str, topic: str, setting: IngestSetting) -> Reading:
    """What all edges did together, between the same two moments."""
    group, begin = f"bench-{uuid.uuid4().hex}", time.time() + JOIN_S
    with tempfile.TemporaryDirectory(prefix="correlator-bench-") as folder:
        archive = ["--archive", folder] if setting.archive else []
        common = ["--group", group, "--begin", str(begin)]
        started = [
            _loop("edge", servers, topic, setting, setting.seconds, *common, *archive)
            for _ in range(setting.n_edges)
        ]
        return together([_reading(process, setting.seconds) for process in started])


def _bare(servers: str, topic: str, setting: IngestSetting) -> Reading:
    seconds = min(_BARE_S, setting.seconds)
    return _reading(_loop("bare", servers, topic, setting, seconds), seconds)


def _loop(
    name: str, servers: str, topic: str, setting: IngestSetting, seconds: float, *more: str
) -> subprocess.Popen[bytes]:
    options = ["--broker", servers, "--topic", topic, "--survey", setting.survey]
    command = [sys.executable, "-m", "benchmarks.ingest_loops", name, *options, *more]
    return subprocess.Popen([*command, "--seconds", str(seconds)], stdout=subprocess.PIPE)


def _reading(process: subprocess.Popen[bytes], seconds: float) -> Reading:
    try:
        said, _ = process.communicate(timeout=seconds + 120.0)
    finally:
        process.kill()  # nothing, once it has ended
    if process.returncode:
        raise ConfigurationError(f"a reader ended with status {process.returncode}")
    return Reading(**orjson.loads(said))


@contextmanager
def _worker(servers: str, setting: IngestSetting) -> Iterator[str | None]:
    """A worker on a new store; its consumer group, which begins at what is there now."""
    if not setting.with_worker:
        yield None
        return
    group = f"bench-{uuid.uuid4().hex}"
    begin_at_end(servers, group)
    with tempfile.TemporaryDirectory(prefix="correlator-bench-") as folder:
        environment = os.environ | {
            "CORRELATOR_BROKER": f"kafka://{servers}",
            "CORRELATOR_APP_ID": group,
            "CORRELATOR_STORE": f"sqlite:///{folder}/store.sqlite",
        }
        command = [sys.executable, "-m", "correlator.service.cli"]
        subprocess.run([*command, "db", "upgrade"], env=environment, check=True, stdout=-3)
        process = subprocess.Popen([*command, "worker"], env=environment)
        try:
            yield group
        finally:
            process.terminate()
            process.wait(60.0)


def _worker_rate(servers: str, group: str | None, n_before: int, began: float) -> float | None:
    """Slim alerts a second that the worker handled since, until none was left."""
    if group is None:
        return None
    n = ends_of(servers) - n_before
    until = time.perf_counter() + 120.0
    while waiting := lag_of(servers, group, [OPTICAL_ALERTS.name])[OPTICAL_ALERTS.name]:
        if time.perf_counter() > until:
            raise ConfigurationError(f"the worker left {waiting} slim alerts undone")
        time.sleep(0.2)
    return n / (time.perf_counter() - began)


def _rows(
    setting: IngestSetting,
    bare: list[Reading],
    edges: list[Reading],
    workers: list[float | None],
) -> Iterator[Row]:
    parts = [setting.survey, f"{100 * setting.share:g}%"]
    parts += [f"{setting.n_edges}-edges"] * (setting.n_edges > 1)
    parts += ["archive"] * setting.archive + ["worker"] * setting.with_worker
    name = "ingest-" + "-".join(parts)
    least_rate, least_ratio = BARS.get((setting.survey, setting.share), (0.0, None))
    peers = [(one.rate + other.rate) / 2.0 for one, other in pairwise(bare)]
    ratio = median(ours.rate / peer for ours, peer in zip(edges, peers, strict=True))
    rate = median(ours.rate for ours in edges)
    yield Row(name, rate, "packets/s", _PEER, median(peers), ratio, least_ratio)
    if least_rate:
        yield Row(
            f"{name}-rate", rate, "packets/s", "the issue's bar", least_rate, rate / least_rate, 1.0
        )
    costs: dict[str, Any] = {
        "cpu-per-packet": lambda r: 1e6 * r.cpu_s / r.n_packets,
        "own-thread-per-packet": lambda r: 1e6 * r.own_thread_s / r.n_packets,
    }
    for what, cost in costs.items():
        ours, theirs = median(map(cost, edges)), median(map(cost, bare))
        yield Row(f"{name}-{what}", ours, "us", _PEER, theirs, theirs / ours)
    if workers and workers[0] is not None:
        yield Row(f"{name}-slim", median(w for w in workers if w is not None), "slim alerts/s")
