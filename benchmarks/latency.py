"""How long after an alert or a notice its coincidences are out, through Kafka and one worker.

Alerts come at a steady rate, with 100 live events. First each n-th alert is the second one of a
true counterpart of some event: from the moment at which the producer gets the alert to that at
which a subscriber has its coincidence. Then, with the same alerts going on, notices of mergers
come one by one to a store with millions of objects: from the moment at which the producer gets the
notice to those at which a subscriber has the first hundred coincidences of it, and 99 % of its
pairs. A merger is retracted before the next one comes, so that each finds the same book.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import structlog

from benchmarks.arrivals import Arrivals
from benchmarks.counterparts import MergerNotice, merger_notices, with_counterparts
from benchmarks.full_store import make_full_store
from benchmarks.live_events import live_events, put_events
from benchmarks.processes import Process, worker
from benchmarks.slim_sky import SlimRecord, slim_night
from benchmarks.timing import Row
from benchmarks.topic_feed import Feed, Offsets, new_group, paced, wait_until
from correlator.errors import ConfigurationError
from correlator.event import Event
from correlator.policy import DAY_S, Policy
from correlator.simulation.load_sky import NIGHT_S
from storage.share import Share
from storage.store import Store
from streams.admin import declare
from streams.heartbeat import latest_heartbeats
from streams.settings import StreamSettings
from streams.topics import (
    COINCIDENCES,
    GROUP_TOPICS,
    NOTICES_RAW,
    OPTICAL_ALERTS,
    PAIRS,
    all_topics,
)

log = structlog.get_logger(__name__)

ALERT_BAR_S, NOTICE_BAR_S = 1.0, 2.0
"""99 in 100 alerts, and notices, are to be quicker [s] (issue 3, 6)."""

COUNTERPART_EVERY = 20
_DEBOUNCE_S = StreamSettings().ranking_interval_s
"""An event that was ranked a moment ago waits so long."""

WARM_UP_S = 5.0
FIRST_COINCIDENCES = 100
EVENT_AGE_S = DAY_S
"""The mergers happened so long before the latest object of the store was seen."""

_LATE_AFTER_S = 20.0
_READY_WITHIN_S = 300.0
_QUIET_S = 2.0
_QUIET_PAIRS = 50
"""The look back is over when fewer pairs than that came in the last two seconds: some come with
the alerts that go on."""

_NOTICE_WITHIN_S = 120.0
_MOST = 0.99


@dataclass(frozen=True, slots=True)
class LatencySetting:
    """What to measure.

    Attributes
    ----------
    rate
        Alerts a second.
    seconds
        Length of the part with counterparts [s].
    n_notices
        Notices, one after the other; none leaves the second part out.
    n_objects
        Objects of the store that the notices find.
    store_file
        Where that store is, or will be; it is copied before it is used.
    """

    rate: float = 300.0
    seconds: float = 60.0
    n_notices: int = 20
    n_objects: int = 5_000_000
    store_file: Path | None = None


class AlertTiming(NamedTuple):
    """What came of one counterpart's alert.

    Attributes
    ----------
    taken_s
        From the producer to the subscriber [s]; None where no coincidence came.
    is_quiet
        Whether no pair of its event had come out within the debounce before.
    """

    taken_s: float | None
    is_quiet: bool


@dataclass(frozen=True, slots=True)
class NoticeTiming:
    """What came of one notice, in seconds after it was handed to the producer."""

    first_s: float
    first_hundred_s: float
    most_pairs_s: float
    most_coincidences_s: float
    n_pairs: int
    n_coincidences: int
    area_90_deg2: float

    @property
    def pairs_per_s(self) -> float:
        """Rate of the pairs from the notice on."""
        return _MOST * self.n_pairs / self.most_pairs_s


def latency(servers: str, setting: LatencySetting) -> Iterator[Row]:
    """Both parts, the second one if there are notices."""
    declare(servers, all_topics(Policy()), 1)
    with tempfile.TemporaryDirectory(prefix="correlator-bench-") as name:
        folder = Path(name)
        load_1min = os.getloadavg()[0]
        taken = _alerts(servers, setting, folder)
        yield from alert_rows("latency-alert", [t.taken_s for t in taken])
        quiet = [t.taken_s for t in taken if t.is_quiet]
        if quiet:
            yield from alert_rows("latency-alert-quiet-event", quiet)
        yield Row("latency-alert-load", load_1min, "load average before it")
        if setting.n_notices:
            path = _full_store(setting, folder)
            load_1min = os.getloadavg()[0]
            yield from notice_rows(_notices(servers, path, setting, folder))
            yield Row("latency-notice-load", load_1min, "load average before it")


# -- alerts --------------------------------------------------------------------------------------


def _alerts(servers: str, setting: LatencySetting, folder: Path) -> list[AlertTiming]:
    """What came of each counterpart's alert."""
    start_unix_s = time.time() - NIGHT_S
    events = list(live_events(start_unix_s))
    url = f"sqlite:///{folder}/alerts.sqlite"
    with Store.open(url) as store:
        put_events(store, events)
    n_warm = int(WARM_UP_S * setting.rate)
    night = list(slim_night(n_warm + int(setting.seconds * setting.rate), start_unix_s))
    records = list(with_counterparts(night, events, COUNTERPART_EVERY, n_warm))
    event_of = {f"ztf:{r.key.decode()}": key for r, key in records if key is not None}
    with (
        _working(servers, url, folder),
        Arrivals(servers, COINCIDENCES) as coincidences,
        Arrivals(servers, PAIRS) as pairs,
    ):
        sent = send_paced(servers, [record for record, _ in records], setting.rate)
        time.sleep(_QUIET_S)
        until = time.monotonic() + _LATE_AFTER_S
        while time.monotonic() < until and not coincidences.of_objects().keys() >= event_of.keys():
            time.sleep(0.2)
        return [
            alert_timing(sent[key], coincidences.of_event(event).get(key), pairs.moments(event))
            for key, event in event_of.items()
        ]


def alert_timing(
    sent_unix_s: float, came_unix_s: float | None, pairs_unix_s: Sequence[float]
) -> AlertTiming:
    """Timing of an alert by when it was sent, when its coincidence came, and its event's pairs."""
    is_quiet = not any(0.0 < sent_unix_s - unix_s < _DEBOUNCE_S for unix_s in pairs_unix_s)
    return AlertTiming(None if came_unix_s is None else came_unix_s - sent_unix_s, is_quiet)


def send_paced(servers: str, records: Sequence[SlimRecord], rate: float) -> dict[str, float]:
    """Produce alerts at a rate; when each was handed over, by object [s since the epoch]."""
    feed, sent = Feed(servers), {}
    for record in paced(records, rate, len(records) / rate):
        sent[f"ztf:{record.key.decode()}"] = time.time()
        feed.send(OPTICAL_ALERTS, record.key, record.value)
    feed.flush()
    return sent


def alert_rows(name: str, taken_s: Sequence[float | None]) -> Iterator[Row]:
    """Quantiles of the latencies; what never came counts as slower than all."""
    came = [s for s in taken_s if s is not None]
    if not came:
        raise ConfigurationError(f"no coincidence came of any of {len(taken_s)} counterparts")
    whole = came + [np.inf] * (len(taken_s) - len(came))
    p50, p90, p99 = (_quantile(whole, q) for q in (0.5, 0.9, 0.99))
    yield Row(f"{name}-p50", p50, "s")
    yield Row(f"{name}-p90", p90, "s")
    yield Row(f"{name}-p99", p99, "s", "the issue's bar", ALERT_BAR_S, ALERT_BAR_S / p99, 1.0)
    yield Row(f"{name}-max", max(came), "s")
    yield Row(f"{name}-n", len(taken_s), "alerts of counterparts")
    yield Row(f"{name}-lost", len(taken_s) - len(came), "of them without a coincidence")


# -- notices -------------------------------------------------------------------------------------


def _full_store(setting: LatencySetting, folder: Path) -> Path:
    """A copy of the full store that may be changed."""
    known = setting.store_file or folder / "full.sqlite"
    if not known.exists():
        part = known.with_suffix(".part")
        part.unlink(missing_ok=True)
        make_full_store(part, setting.n_objects, time.time())
        part.rename(known)
    copy = folder / "notices.sqlite"
    shutil.copyfile(known, copy)
    return copy


def _notices(servers: str, path: Path, setting: LatencySetting, folder: Path) -> list[NoticeTiming]:
    """What came of each notice."""
    url = f"sqlite:///{path}"
    with Store.open(url) as store:
        latest_unix_s = store.alerts.latest_unix_s() or time.time()
        _put_events_looked_back(store, list(live_events(time.time() - NIGHT_S)))
    t0_unix_s = latest_unix_s - EVENT_AGE_S
    mergers = list(merger_notices(setting.n_notices, t0_unix_s, time.time()))
    with (
        _working(servers, url, folder) as process,
        Arrivals(servers, COINCIDENCES) as coincidences,
        Arrivals(servers, PAIRS) as pairs,
        _alerts_going_on(servers, setting.rate),
    ):
        time.sleep(WARM_UP_S)
        feed, timings = Feed(servers, linger_ms=0), []
        for merger in mergers:
            timings.append(_one_notice(feed, merger, pairs, coincidences, process))
            log.info("notice_timed", **asdict(timings[-1]))
            _retract(feed, merger, pairs, coincidences, process)
    return timings


def _one_notice(
    feed: Feed, merger: MergerNotice, pairs: Arrivals, coincidences: Arrivals, process: Process
) -> NoticeTiming:
    began = time.time()
    feed.send(NOTICES_RAW, merger.first.name.encode(), merger.first.data)
    feed.flush()
    before: list[int] = []
    until = time.monotonic() + _NOTICE_WITHIN_S
    while True:
        process.check()
        n = len(pairs.of_event(merger.event_key)) + len(coincidences.of_event(merger.event_key))
        before.append(n)
        if len(before) > _QUIET_S / 0.2:
            came = n - before[-1 - int(_QUIET_S / 0.2)]
            if n and came < _QUIET_PAIRS and coincidences.of_event(merger.event_key):
                break
        if time.monotonic() > until:
            raise ConfigurationError(f"{merger.event_key}: {n} pairs and coincidences in time")
        time.sleep(0.2)
    return timing_of(
        began,
        list(pairs.of_event(merger.event_key).values()),
        list(coincidences.of_event(merger.event_key).values()),
        merger.area_90_deg2,
    )


def timing_of(
    began_unix_s: float, pairs: list[float], coincidences: list[float], area_90_deg2: float
) -> NoticeTiming:
    """Timing of a notice by the moments at which its pairs and coincidences first came.

    Raises
    ------
    ConfigurationError
        There are no hundred coincidences to wait for.
    """
    if len(coincidences) < FIRST_COINCIDENCES:
        raise ConfigurationError(f"{len(coincidences)} coincidences of a notice: too few objects")
    out, made = sorted(coincidences), sorted(pairs)
    return NoticeTiming(
        first_s=out[0] - began_unix_s,
        first_hundred_s=out[FIRST_COINCIDENCES - 1] - began_unix_s,
        most_pairs_s=_quantile(made, _MOST) - began_unix_s,
        most_coincidences_s=_quantile(out, _MOST) - began_unix_s,
        n_pairs=len(made),
        n_coincidences=len(out),
        area_90_deg2=area_90_deg2,
    )


def _retract(
    feed: Feed, merger: MergerNotice, pairs: Arrivals, coincidences: Arrivals, process: Process
) -> None:
    """Retract a merger, and wait until every pair is withdrawn and no more is told of it."""
    n_made = len(pairs.moments(merger.event_key))
    n_withdrawn = n_made + len(pairs.of_event(merger.event_key))
    feed.send(NOTICES_RAW, merger.retraction.name.encode(), merger.retraction.data)
    feed.flush()
    wait_until(
        lambda: len(pairs.moments(merger.event_key)) >= n_withdrawn,
        f"the pairs of {merger.event_key} are withdrawn",
        _NOTICE_WITHIN_S,
    )
    before = -_QUIET_PAIRS
    while (n := pairs.n_records + coincidences.n_records) >= before + _QUIET_PAIRS:
        process.check()
        before = n
        time.sleep(_QUIET_S)


def notice_rows(timings: Sequence[NoticeTiming]) -> Iterator[Row]:
    """Quantiles over the notices, and what followed."""
    hundred = [t.first_hundred_s for t in timings]
    p99 = _quantile(hundred, 0.99)
    yield Row("latency-notice-first-p50", _quantile([t.first_s for t in timings], 0.5), "s")
    yield Row("latency-notice-100-p50", _quantile(hundred, 0.5), "s")
    yield Row(
        "latency-notice-100-p99", p99, "s", "the issue's bar", NOTICE_BAR_S, NOTICE_BAR_S / p99, 1.0
    )
    yield Row("latency-notice-n", len(timings), "notices")
    for name, unit in (
        ("pairs_per_s", "pairs/s from the notice to 99 % of the pairs, median"),
        ("most_pairs_s", "s to 99 % of the pairs, median"),
        ("most_coincidences_s", "s to 99 % of the coincidences, median"),
        ("n_pairs", "pairs a notice, median"),
        ("n_coincidences", "coincidences a notice, median"),
        ("area_90_deg2", "deg2, median"),
    ):
        value = float(np.median([getattr(t, name) for t in timings]))
        yield Row(f"latency-notice-{name.replace('_', '-')}", value, unit)
    for number, timing in enumerate(timings, start=1):
        yield Row(f"latency-notice-100-of-{number}", timing.first_hundred_s, "s")


def _put_events_looked_back(store: Store, events: Sequence[Event]) -> None:
    """Let a store know events that were searched for already: no worker does it at its start."""
    put_events(store, events)
    everything = Share(frozenset(range(OPTICAL_ALERTS.partitions)), OPTICAL_ALERTS.partitions)
    for event in events:
        store.lookbacks.mark(event.event_key, event.version, everything)


# -- both ----------------------------------------------------------------------------------------


@contextmanager
def _working(servers: str, store_url: str, folder: Path) -> Iterator[Process]:
    """A worker that has done what was there and begins at the ends of the topics."""
    group = new_group()
    for topic in GROUP_TOPICS:
        offsets = Offsets(servers, group, topic)
        offsets.begin_at_end()
        offsets.close()
    with worker(servers, store_url, group, folder) as process:

        def is_ready() -> bool:
            process.check()
            beat = latest_heartbeats(servers, 5.0).get(f"{group}-worker")
            return beat is not None and beat.is_idle

        wait_until(is_ready, "the worker is idle", _READY_WITHIN_S)
        yield process


@contextmanager
def _alerts_going_on(servers: str, rate: float) -> Iterator[None]:
    """Alerts at a rate, in a thread, until the context ends."""
    stops = threading.Event()
    n = int(rate * 3600.0)

    def produce() -> None:
        feed = Feed(servers)
        for record in paced(slim_night(n, time.time() - NIGHT_S), rate, n / rate):
            feed.send(OPTICAL_ALERTS, record.key, record.value)
            if stops.is_set():
                break
        feed.flush()

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stops.set()
        thread.join()


def _quantile(values: Sequence[float], q: float) -> float:
    """The least value that so many of the values do not exceed."""
    return float(np.quantile(values, q, method="inverted_cdf"))
