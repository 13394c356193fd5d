"""How long a look back takes: the alerts of a region and of some days among ten million stored.

The region is that which holds 90 % of a merger's map of 300 deg2, the time three days of two weeks.
The same question goes to the runs in memory (:mod:`skymaps.runs`), and, as a worker asks it, to
the stores on SQLite and PostgreSQL; then to healpix-alchemy's tables in the same PostgreSQL. What
they find must be what a look at every alert finds, before anything is timed.
"""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.agreement import require
from benchmarks.counterparts import merger_notices
from benchmarks.databases import NewStore
from benchmarks.lookback_peer import PEER, Peer
from benchmarks.lookback_rows import (
    AlertRows,
    Question,
    alert_rows,
    fill_memory,
    fill_postgresql,
    fill_sqlite,
    number_of,
)
from benchmarks.timing import Effort, Row
from correlator.errors import ConfigurationError
from correlator.policy import DAY_S
from ingest_vo.reader import to_notice
from skymaps.localization import Localization
from storage.regions import RegionRows
from storage.share import Share
from storage.store import Store

UNTIL_UNIX_S = 1_790_000_000.0
SINCE_DAYS, WINDOW_DAYS = 6.0, 3.0
"""The window begins so long before the latest alert, and lasts so long."""

AREA_DEG2, AREA_WITHIN = 300.0, 0.1
LEVEL = 0.9

BARS_MS = {"memory": 2.0, "sqlite": 30.0, "postgresql": 100.0}
"""Medians that a look back may take [ms] (issue 4, 2)."""

LEAST_RATIO = 300.0
"""The peer is to take so many times as long as our question to the same server (issue 4, 2)."""


@dataclass(frozen=True, slots=True)
class LookbackSetting:
    """What to measure.

    Attributes
    ----------
    n_alerts
        Alerts in each engine.
    effort
        How many questions, by turns.
    peer_limit_s
        After which the peer's question is given up [s]; then the limit counts as its time. 0
        leaves the peer out.
    """

    n_alerts: int = 10_000_000
    effort: Effort = field(default_factory=lambda: Effort(rounds=9, sample_s=0.0))
    peer_limit_s: float = 180.0


@dataclass(frozen=True, slots=True)
class Engine:
    """What holds the alerts and can be asked.

    Attributes
    ----------
    ask
        Asks as a look back does, and gives what that gets.
    numbers
        Numbers of the alerts in such an answer, rising.
    """

    ask: Callable[[Question], Any]
    numbers: Callable[[Any], NDArray[np.int64]]


def lookback(new_postgres: NewStore | None, setting: LookbackSetting) -> Iterator[Row]:
    """Fill the engines and ask them; without a PostgreSQL only memory and SQLite."""
    place = a_merger()
    since = UNTIL_UNIX_S - SINCE_DAYS * DAY_S
    question = Question(place.cover(LEVEL), since, since + WINDOW_DAYS * DAY_S)
    alerts = alert_rows(setting.n_alerts, UNTIL_UNIX_S)
    found = alerts.answer(question)
    yield Row("lookback-area", place.area_deg2(LEVEL), "deg2, 90 %")
    yield Row("lookback-ranges", len(question.ranges), "ranges of the region")
    yield Row("lookback-found", len(found), "alerts found")
    with ExitStack() as stack:
        engines: dict[str, Engine] = {}
        for name, fill in _fills(new_postgres).items():
            started = time.perf_counter()
            engine = engines[name] = fill(alerts, stack)
            yield Row(f"lookback-{name}-fill", time.perf_counter() - started, "s to fill")
            _require_equal(engine.numbers(engine.ask(question)), found, name)
        load_1min = os.getloadavg()[0]
        ways = (partial(engine.ask, question) for engine in engines.values())
        with _as_in_a_worker():
            taken = dict(zip(engines, setting.effort.in_turn(*ways), strict=True))
        yield from timed_rows(taken)
        yield Row("lookback-load", load_1min, "load average before it")
        if new_postgres is not None and setting.peer_limit_s > 0.0:
            peer = stack.enter_context(Peer.filled(new_postgres, alerts))
            yield from _peer_rows(peer, engines["postgresql"], alerts, question, setting)
            yield Row("lookback-peer-load", os.getloadavg()[0], "load average after it")


@contextmanager
def _as_in_a_worker() -> Iterator[None]:
    """Look for garbage as seldom as a worker does (``commands/worker.py``)."""
    before = gc.get_threshold()
    gc.set_threshold(2_000_000, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def timed_rows(taken: Mapping[str, Sequence[float]]) -> Iterator[Row]:
    """Medians of the times of each engine [s], against the bars."""
    for name, seconds in taken.items():
        value, bar = 1e3 * median(seconds), BARS_MS[name]
        yield Row(f"lookback-{name}", value, "ms", "the issue's bar", bar, bar / value, 1.0)
        yield Row(f"lookback-{name}-longest", 1e3 * max(seconds), "ms")


def _peer_rows(
    peer: Peer, ours: Engine, alerts: AlertRows, question: Question, setting: LookbackSetting
) -> Iterator[Row]:
    """The peer's times for the question, and for the same region at all times."""
    always = Question(question.ranges, 0.0, UNTIL_UNIX_S)
    for name, asked, bar in (("", question, LEAST_RATIO), ("-all-times", always, None)):
        found = alerts.answer(asked)
        with _as_in_a_worker():
            (seconds,) = setting.effort.in_turn(partial(ours.ask, asked))
        _require_equal(ours.numbers(ours.ask(asked)), found, "postgresql")
        numbers, taken_s = peer.asked(asked, setting.peer_limit_s)
        if numbers is not None:
            _require_equal(numbers, found, PEER)
        said = f"{PEER}{', given up' if numbers is None else ''}"
        ours_ms, ratio = 1e3 * median(seconds), taken_s / median(seconds)
        yield Row(f"lookback-peer{name}", ours_ms, "ms", said, 1e3 * taken_s, ratio, bar)


def _require_equal(told: NDArray[np.int64], found: NDArray[np.int64], name: str) -> None:
    require(np.array_equal(told, found), f"{name} and a look at every alert")


def a_merger() -> Localization:
    """The map of a simulated merger, of the wanted area."""
    for merger in merger_notices(20, UNTIL_UNIX_S, UNTIL_UNIX_S):
        place = to_notice(merger.first.data, merger.first.name).localization
        if place and abs(place.area_deg2(LEVEL) - AREA_DEG2) <= AREA_WITHIN * AREA_DEG2:
            return place
    raise ConfigurationError(f"no map of {AREA_DEG2} deg2")


Fill = Callable[[AlertRows, ExitStack], Engine]
"""Puts alerts into an engine, which goes away with the stack."""


def _fills(new_postgres: NewStore | None) -> dict[str, Fill]:
    def memory(alerts: AlertRows, _stack: ExitStack) -> Engine:
        runs = fill_memory(alerts)
        return Engine(lambda q: runs.find(q.ranges, q.since_unix_s, q.until_unix_s), np.asarray)

    def sqlite(alerts: AlertRows, stack: ExitStack) -> Engine:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="correlator-bench-"))
        fill_sqlite(Path(folder) / "store.sqlite", alerts)
        return _engine_of(f"sqlite:///{folder}/store.sqlite", stack)

    def postgresql(alerts: AlertRows, stack: ExitStack) -> Engine:
        assert new_postgres is not None
        url = stack.enter_context(new_postgres())
        fill_postgresql(url, alerts)
        return _engine_of(url, stack)

    fills: dict[str, Fill] = {"memory": memory, "sqlite": sqlite}
    return fills if new_postgres is None else fills | {"postgresql": postgresql}


def _engine_of(url: str, stack: ExitStack) -> Engine:
    """A store, asked as a worker asks it that has all partitions."""
    store, everything = stack.enter_context(Store.open(url)), Share.everything()

    def ask(q: Question) -> RegionRows:
        return store.alerts.region(q.ranges, q.since_unix_s, q.until_unix_s, everything)

    return Engine(ask, lambda rows: np.sort([number_of(key) for key in rows.keys]))
