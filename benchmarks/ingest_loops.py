"""``python -m benchmarks.ingest_loops``: one reader of a survey's topic, in a process of its own.

``bare`` is what anybody pays who reads the topic with confluent-kafka and does nothing; ``edge`` is
our edge as ``correlator ingest optical`` runs it. Both begin again at the end of each partition.
"""

from __future__ import annotations

import gc
import resource
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import orjson
from confluent_kafka import Consumer, KafkaError, TopicPartition

from correlator.service.raw_archive import RawArchive
from correlator.service.telemetry import log_to_stderr
from streams.edge import Edge, EdgeSettings
from streams.edge_outbox import Outbox
from streams.edge_source import Source, SourceSettings

WARM_UP_S = 5.0
"""From the first packet on: connections, caches, the first fetches."""

JOIN_S = 15.0
"""Until all readers of a group have joined it, and are warm."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader did after the warming up."""

    n_packets: int
    n_bytes: int
    n_admitted: int
    seconds: float
    cpu_s: float
    own_thread_s: float

    @property
    def rate(self) -> float:
        """Packets a second."""
        return self.n_packets / self.seconds


def together(readings: list[Reading]) -> Reading:
    """What several readers did between the same two moments, as if one had."""
    seconds = max(reading.seconds for reading in readings)
    return Reading(
        n_packets=sum(reading.n_packets for reading in readings),
        n_bytes=sum(reading.n_bytes for reading in readings),
        n_admitted=sum(reading.n_admitted for reading in readings),
        seconds=seconds,
        cpu_s=sum(reading.cpu_s for reading in readings),
        own_thread_s=sum(reading.own_thread_s for reading in readings),
    )


class AgainConsumer:
    """A consumer to which every partition is a ring."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._consumer = Consumer(config)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def consume(self, most: int, timeout: float) -> list[Any]:
        """The next messages; no end of a partition among them."""
        messages = self._consumer.consume(most, timeout=timeout)
        ended = [m for m in messages if m.error() and m.error().code() == KafkaError._PARTITION_EOF]
        for message in ended:
            self._consumer.seek(TopicPartition(message.topic(), message.partition(), 0))
        return [m for m in messages if m not in ended] if ended else messages


class Watch:
    """Says when to stop, and what was done between the warming up and then.

    Parameters
    ----------
    begin_unix_s
        When to begin to count, the same for all readers of a group; else after the warming up.
    """

    def __init__(
        self,
        seconds: float,
        count: Callable[[], tuple[int, int, int]],
        begin_unix_s: float | None = None,
    ) -> None:
        self._seconds = seconds
        self._count = count
        ahead_s = None if begin_unix_s is None else begin_unix_s - time.time()
        self._warm_at = None if ahead_s is None else time.perf_counter() + ahead_s
        self._begin: tuple[float, tuple[int, int, int], float, float] | None = None
        self.reading: Reading | None = None

    def is_over(self) -> bool:
        """Whether it is time to stop."""
        now, counts = time.perf_counter(), self._count()
        if self._warm_at is None and counts[0]:
            self._warm_at = now + WARM_UP_S
        if self._begin is None:
            if self._warm_at is not None and now >= self._warm_at:
                self._begin = now, counts, _cpu_s(), time.thread_time()
            return False
        began, first, cpu_s, own_s = self._begin
        if now - began < self._seconds:
            return False
        done = (last - once for last, once in zip(counts, first, strict=True))
        self.reading = Reading(*done, now - began, _cpu_s() - cpu_s, time.thread_time() - own_s)
        return True


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def bare(settings: SourceSettings, seconds: float) -> Reading:
    """Read, touch each value, forget it."""
    counts = [0, 0]
    watch = Watch(seconds, lambda: (counts[0], counts[1], 0))
    consumer = AgainConsumer(settings.client())
    consumer.subscribe([settings.topic])
    while not watch.is_over():
        for message in consumer.consume(500, 0.1):
            value = message.value()
            counts[0] += 1
            counts[1] += len(value)
    consumer.close()
    assert watch.reading is not None
    return watch.reading


def edge(
    settings: SourceSettings,
    seconds: float,
    begin_unix_s: float,
    survey: str,
    archive: Path | None,
) -> Reading:
    """Our edge, with everything that it does in a night."""
    kept = RawArchive(archive) if archive else None
    ours = Edge(
        EdgeSettings(name="edge-bench", survey=survey),
        lambda finish: Source(settings, finish, AgainConsumer),
        Outbox(settings.servers),
        archive=kept,
    )
    stats = ours.stats
    counts = lambda: (stats.n_packets, stats.n_bytes, stats.n_admitted)  # noqa: E731
    watch = Watch(seconds, counts, begin_unix_s)
    ours.run(watch.is_over)
    if kept is not None:
        kept.close()
    assert watch.reading is not None
    return watch.reading


@click.command()
@click.argument("loop", type=click.Choice(["bare", "edge"]))
@click.option("--broker", required=True, help="HOST:PORT")
@click.option("--topic", required=True)
@click.option("--survey", type=click.Choice(["ztf", "lsst"]), default="ztf")
@click.option("--seconds", type=float, default=60.0)
@click.option("--begin", "begin_unix_s", type=float, help="When edges begin to count.")
@click.option("--group", help="Of several readers that share the topic.")
@click.option("--archive", type=click.Path(path_type=Path))
def main(
    loop: str,
    broker: str,
    topic: str,
    survey: str,
    seconds: float,
    begin_unix_s: float | None,
    group: str | None,
    archive: Path | None,
) -> None:
    """Read a topic for a while, and print what was done as JSON."""
    log_to_stderr(verbose=False)
    gc.freeze()  # as correlator ingest does
    settings = SourceSettings(broker, topic, group or f"bench-{uuid.uuid4().hex}")
    if loop == "bare":
        reading = bare(settings, seconds)
    else:
        begin = time.time() + JOIN_S if begin_unix_s is None else begin_unix_s
        reading = edge(settings, seconds, begin, survey, archive)
    sys.stdout.buffer.write(orjson.dumps(asdict(reading)))


if __name__ == "__main__":
    main()
