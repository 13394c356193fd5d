"""Slim alerts through one worker: Kafka, the join with 100 live events, the store, Kafka again.

The topic is filled once. Each run has a consumer group and a store of its own, with the events in
it; the worker starts, and from its first commit to its last one counts.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.databases import NewStore
from benchmarks.live_events import live_events, put_events
from benchmarks.processes import Process, worker
from benchmarks.slim_sky import slim_night
from benchmarks.stream_profile import profile_rows, recorded
from benchmarks.timing import Row
from benchmarks.topic_feed import Feed, Offsets, begin_at_end, ends_of, new_group
from correlator.errors import ConfigurationError
from correlator.policy import Policy
from storage.store import Store
from streams.admin import declare
from streams.topics import GROUP_TOPICS, OPTICAL_ALERTS, PAIRS, all_topics

START_UNIX_S = 1_790_000_000.0
"""When the night begins."""

BAR = 8_000.0
"""Alerts a second of one worker (issue 3, 5)."""

PROFILE_S = 10.0
"""How long the profiler looks on [s]."""

_STARTS_WITHIN_S = 6.0
_LOOK_S = 0.05
_LEAST_RATE = 200.0
"""A run that is slower than that is given up [alerts/s]."""


@dataclass(frozen=True, slots=True)
class StreamSetting:
    """What to measure.

    Attributes
    ----------
    n_alerts
        Alerts of a run.
    n_runs
        Runs on each store, the best of which counts.
    profile
        Where the stacks of one more run go, in which a profiler looks on; None for no such run.
    """

    n_alerts: int = 200_000
    n_runs: int = 5
    profile: Path | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run: what was done between two commits, and how busy the machine was before it."""

    n_alerts: int
    seconds: float
    cpu_s: float
    pairs_per_alert: float
    load_1min: float
    stacks: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Alerts a second."""
        return self.n_alerts / self.seconds


def fill(servers: str, n_alerts: int) -> float:
    """Make the topics and fill that of the alerts; the median size of an alert [bytes].

    Raises
    ------
    ConfigurationError
        There are alerts in it already.
    """
    declare(servers, all_topics(Policy()), 1)
    if (n_known := ends_of(servers)) > 0:
        raise ConfigurationError(
            f"broker {servers}: an empty one is needed, {n_known} alerts found"
        )
    feed, sizes = Feed(servers), []
    for record in slim_night(n_alerts, START_UNIX_S):
        feed.send(OPTICAL_ALERTS, record.key, record.value)
        sizes.append(len(record.value))
    feed.flush()
    return median(sizes)


def stream(servers: str, stores: dict[str, NewStore], setting: StreamSetting) -> Iterator[Row]:
    """Rates on each store, the runs on them by turns; the topic must be filled."""
    runs: dict[str, list[Run]] = {name: [] for name in stores}
    for _ in range(setting.n_runs):
        for name, new_store in stores.items():
            with new_store() as url:
                runs[name].append(one_run(servers, url, setting))
    for name, new_store in stores.items():
        yield from run_rows(f"stream-{name}", runs[name])
        if setting.profile is not None:
            with new_store() as url:
                run = one_run(servers, url, setting, setting.profile)
            yield Row(f"stream-{name}-profiled", run.rate, "alerts/s")
            yield from profile_rows(f"stream-{name}", list(run.stacks), PROFILE_S, run.rate)


def one_run(
    servers: str, store_url: str, setting: StreamSetting, profile: Path | None = None
) -> Run:
    """All alerts of the topic through a new worker on an empty store.

    Parameters
    ----------
    profile
        Where the stacks that a profiler sees go; None for no profiler.
    """
    load_1min = os.getloadavg()[0]
    with Store.open(store_url) as store:
        put_events(store, live_events(START_UNIX_S))
    group = new_group()
    for topic in GROUP_TOPICS:
        if topic is not OPTICAL_ALERTS:
            begin_at_end(servers, group, topic)
    pairs = Offsets(servers, group, PAIRS)
    n_before = pairs.ends()
    with (
        tempfile.TemporaryDirectory(prefix="correlator-bench-") as folder,
        worker(servers, store_url, group, Path(folder)) as process,
        ThreadPoolExecutor(1) as aside,
    ):
        looking = None if profile is None else aside.submit(_profiled, process.pid, profile)
        n, seconds, cpu_s = _watched(process, Offsets(servers, group), setting.n_alerts)
        n_pairs = pairs.ends() - n_before
        stacks = () if looking is None else tuple(looking.result())
    pairs.close()
    return Run(n, seconds, cpu_s, n_pairs / setting.n_alerts, load_1min, stacks)


def _profiled(pid: int, file: Path) -> list[str]:
    """What a worker does once it has started."""
    time.sleep(_STARTS_WITHIN_S)
    return recorded(pid, PROFILE_S, file)


def _watched(process: Process, offsets: Offsets, n_alerts: int) -> tuple[int, float, float]:
    """Alerts, wall-clock time and processor time between the first commit and the last."""
    until = time.perf_counter() + 60.0 + n_alerts / _LEAST_RATE
    n_first, n_done, began, cpu_s = 0, 0, 0.0, 0.0
    while n_done < n_alerts:
        time.sleep(_LOOK_S)
        process.check()
        n_done = offsets.committed()
        now = time.perf_counter()
        if n_done and not n_first:
            n_first, began, cpu_s = n_done, now, process.cpu_s()
        if now > until:
            raise ConfigurationError(f"the worker committed {n_done} of {n_alerts} alerts in time")
    offsets.close()
    if n_first == n_alerts:
        raise ConfigurationError(f"{n_alerts} alerts were one commit: too few to measure")
    return n_alerts - n_first, now - began, process.cpu_s() - cpu_s


def run_rows(name: str, runs: list[Run]) -> Iterator[Row]:
    """The best run against the bar, every run with the load before it, and what an alert took."""
    best = max(runs, key=lambda run: run.rate)
    yield Row(name, best.rate, "alerts/s", "the issue's bar", BAR, best.rate / BAR, 1.0)
    for number, run in enumerate(runs, start=1):
        yield Row(f"{name}-run-{number}", run.rate, "alerts/s")
        yield Row(f"{name}-run-{number}-load", run.load_1min, "load average before it")
    yield Row(f"{name}-cpu", 1e6 * best.cpu_s / best.n_alerts, "us of processor an alert")
    yield Row(f"{name}-pairs", best.pairs_per_alert, "pairs an alert")
