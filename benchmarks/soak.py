"""A worker and an edge for minutes on end, in a replay of old data that goes eight hours a second.

Night follows night without a day between, each with objects of its own, and every four hours of
event time comes a new event. Events close 17 to 19 days after they happened: 17 days are 51 s, so
that after a hundred seconds as many have left as come, and some hundred are live from then on:
what grows after two minutes grows without end. The edge reads real-size packets beside it, on a
broker of its own: its packets are of other nights.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.brokers import own_broker
from benchmarks.counterparts import merger_notice, wide_map
from benchmarks.ingest import IngestSetting, fill_topic
from benchmarks.live_events import live_events, put_events
from benchmarks.processes import Process, running, worker
from benchmarks.slim_sky import slim_nights
from benchmarks.timing import Row
from benchmarks.topic_feed import Feed, Offsets, new_group, paced
from correlator.errors import ConfigurationError
from correlator.policy import HOUR_S, Policy
from correlator.simulation.load_sky import NIGHT_S
from correlator.simulation.notices import Burst, SimulatedNotice
from correlator.simulation.swift import swift_notices
from storage.store import Store
from streams.admin import declare
from streams.topics import GROUP_TOPICS, NOTICES_RAW, OPTICAL_ALERTS, all_topics

START_UNIX_S = 1_709_251_200.0
"""2024-03-01: long before any clock that the worker could look at."""

EVENT_TIME_PER_S = 8 * HOUR_S
NOTICE_EVERY_S = 4 * HOUR_S
SETTLED_AFTER_S = 120.0
BAR = 0.1
"""Memory may grow by so much after the first two minutes, of what it was then (issue 3, 7)."""

_LOOK_S = 5.0
_MERGER_EVERY = 12
_FIRST_TRIGGER = 1_500_000
_ALERT_AFTER_S = 300.0
_EVENTS_IN_BOOK = re.compile(r"events_left_memory.*?n_events[\"']?[=:]\s*(\d+)")
_MIB = 2.0**20


@dataclass(frozen=True, slots=True)
class SoakSetting:
    """What to measure.

    Attributes
    ----------
    seconds
        Length [s].
    rate
        Alerts a second to the worker, and packets a second to the edge.
    real_data
        Folder of real packets, which the edge's are made of; none leaves the edge out.
    program
        What runs the worker, before the module of the command line: a profiler; none, if empty.
    """

    seconds: float = 600.0
    rate: int = 1_000
    real_data: Path | None = None
    program: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """How the worker, and the edge if there is one, stood at a moment [s after the first alert]."""

    at_s: float
    rss_bytes: int
    n_done: int
    n_behind: int
    edge_rss_bytes: int | None = None


@dataclass
class Soak:
    """What was seen in a soak."""

    looks: list[Look] = field(default_factory=list)
    events_left: list[int] = field(default_factory=list)
    n_edge_admitted: int = 0


def soak(servers: str, setting: SoakSetting) -> Soak:
    """Look at a worker every five seconds while alerts and notices come."""
    declare(servers, all_topics(Policy()), 1)
    group = new_group()
    for topic in GROUP_TOPICS:
        offsets = Offsets(servers, group, topic)
        offsets.begin_at_end()
        offsets.close()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="correlator-bench-"))
        url = f"sqlite:///{folder}/store.sqlite"
        with Store.open(url) as store:
            put_events(store, live_events(START_UNIX_S))
        real_data = setting.real_data
        edge = stack.enter_context(_edge(setting, real_data, Path(folder))) if real_data else None
        process = stack.enter_context(worker(servers, url, group, Path(folder), setting.program))
        looks = _watched(servers, group, process, edge, setting)
        left = [int(n) for n in _EVENTS_IN_BOOK.findall(process.said())]
        return Soak(looks, left, edge.sent() if edge else 0)


class _Edge:
    """An edge at work, and what it has let through."""

    def __init__(self, process: Process, servers: str) -> None:
        self.process = process
        self._offsets = Offsets(servers, "nobody")

    def sent(self) -> int:
        """Packets that passed the gate so far."""
        return self._offsets.ends()


@contextmanager
def _edge(setting: SoakSetting, real_data: Path, folder: Path) -> Iterator[_Edge]:
    """An edge on a broker of its own, with a topic of 3 GB that it reads again and again."""
    with own_broker() as servers:
        declare(servers, all_topics(Policy()), 1)
        topic = fill_topic(servers, IngestSetting(real_data))
        options = ["--broker", servers, "--topic", topic, "--rate", str(setting.rate)]
        command = [sys.executable, "-m", "benchmarks.soak_edge", *options]
        with running("edge", command, folder, servers, "sqlite://", "edge") as process:
            yield _Edge(process, servers)


def _watched(
    servers: str, group: str, process: Process, edge: _Edge | None, setting: SoakSetting
) -> list[Look]:
    offsets, looks = Offsets(servers, group), []
    n_before = offsets.committed()
    with _fed(servers, setting) as feeding:
        began = time.monotonic()
        while (at_s := time.monotonic() - began) < setting.seconds:
            process.check()
            if edge is not None:
                edge.process.check()
            n_done = offsets.committed() - n_before
            behind = offsets.ends() - n_before - n_done
            edge_bytes = edge.process.rss_bytes() if edge is not None else None
            looks.append(Look(at_s, process.rss_bytes(), n_done, behind, edge_bytes))
            if not feeding.is_alive():
                raise ConfigurationError("the feed ended before its time")
            time.sleep(_LOOK_S)
    offsets.close()
    return looks


@contextmanager
def _fed(servers: str, setting: SoakSetting) -> Iterator[threading.Thread]:
    """Alerts and notices at their moments, in a thread, until the context ends."""
    stops = threading.Event()

    def produce() -> None:
        feed, at_once = Feed(servers), Feed(servers, linger_ms=0)
        per_night = round(setting.rate * NIGHT_S / EVENT_TIME_PER_S)
        nights = slim_nights(per_night, START_UNIX_S)
        notices = notices_for_ever(START_UNIX_S)
        notice = next(notices)
        for record in paced(nights, setting.rate, float("inf")):
            if stops.is_set():
                break
            while notice.sent_unix_s <= record.time_unix_s:
                at_once.send(NOTICES_RAW, notice.name.encode(), notice.data)
                notice = next(notices)
            feed.send(OPTICAL_ALERTS, record.key, record.value)
        feed.flush()
        at_once.flush()

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stops.set()
        thread.join()


def notices_for_ever(start_unix_s: float) -> Iterator[SimulatedNotice]:
    """A merger, then a burst, and so on, in the order in which they are sent; without end."""
    rng = np.random.default_rng(5)
    number = 0
    while True:
        t0 = start_unix_s + (number + 1) * NOTICE_EVERY_S
        if number % _MERGER_EVERY == 0:
            yield merger_notice(number, t0, t0 + _ALERT_AFTER_S, wide_map(rng)).first
        else:
            place = rng.uniform(0.0, 360.0), float(np.degrees(np.arcsin(rng.uniform(0.0, 0.9))))
            burst = Burst(t0, *place, 20.0)
            yield from swift_notices(burst, _FIRST_TRIGGER + number, rng)[1]
        number += 1


def soak_rows(found: Soak, setting: SoakSetting) -> Iterator[Row]:
    """Memory every half a minute, and how much it grew.

    Raises
    ------
    ConfigurationError
        The worker did nothing.
    """
    looks = found.looks
    if not looks[-1].n_done:
        raise ConfigurationError(f"the worker did none of the alerts in {setting.seconds:g} s")
    last = looks[-1]
    yield from _memory_rows("soak", [(look.at_s, look.rss_bytes) for look in looks])
    yield Row("soak-rate", last.n_done / last.at_s, "alerts/s done")
    yield Row("soak-behind", max(look.n_behind for look in looks), "alerts not yet done, at most")
    days = last.at_s * EVENT_TIME_PER_S / (24 * HOUR_S)
    yield Row("soak-event-time", days, "days of event time")
    for n, n_events in enumerate(found.events_left, start=1):
        yield Row(f"soak-events-left-{n}", n_events, "events in the book after some had closed")
    edge = [(look.at_s, look.edge_rss_bytes) for look in looks if look.edge_rss_bytes is not None]
    if edge:
        yield from _memory_rows("soak-edge", edge)
        yield Row("soak-edge-passed", found.n_edge_admitted / last.at_s, "packets/s that passed")
    yield Row("soak-load", os.getloadavg()[0], "load average after it")


def _memory_rows(name: str, sizes: Sequence[tuple[float, int]]) -> Iterator[Row]:
    """Growth of the memory of a process, and what it was every half a minute."""
    settled = [size for at_s, size in sizes if at_s >= SETTLED_AFTER_S]
    if settled:
        grown, unit = growth(settled), f"of the memory at {SETTLED_AFTER_S:g} s"
        ratio = BAR / max(grown, 1e-3)
        yield Row(f"{name}-growth", grown, unit, "the issue's bar", BAR, ratio, 1.0)
    for at_s, size in sizes[:: round(30.0 / _LOOK_S)]:
        yield Row(f"{name}-rss-{at_s:.0f}s", size / _MIB, "MiB")


def growth(settled: Sequence[int]) -> float:
    """How far memory rose above what it was first, in parts of it; 0 if it never did."""
    return max(settled) / settled[0] - 1.0
