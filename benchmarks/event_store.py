"""How fast a store of millions answers twenty readers while a worker writes.

On SQLite and on PostgreSQL, asked directly and over HTTP: an object by its key with its light
curve, the objects of a cone of one degree seen in a week, the first page of the credible region of
a merger of 300 deg2, and all of that region as a stream. What comes must be what a look at every
object finds, before anything is timed.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.agreement import require
from benchmarks.event_store_asking import LEVEL, PAGE_ROWS, Asking, Cone, OfStore, served
from benchmarks.event_store_coincidences import a_merger
from benchmarks.event_store_fill import fsync_of, made_postgres, made_sqlite
from benchmarks.event_store_load import KINDS, Questions, Written, reading, writing
from benchmarks.event_store_rows import Objects, object_name
from benchmarks.timing import Row
from storage.search import Region
from storage.store import Store

FINK_OBJECT = "Fink's object by id, as published (not measured here)"
FINK_CONE = "Fink's cone of 1 deg, as published (not measured here)"
THE_BAR = "the issue's bar"

_PEERS = {
    "object": (FINK_OBJECT, 10.0, 1.0),
    "cone": (FINK_CONE, 60_000.0, 60_000.0 / 50.0),
    "page": (THE_BAR, 500.0, 1.0),
}
"""Of each kind the peer, its time [ms], and the least ratio of the two (issue 7, 6): 10 ms, 50 ms
and 500 ms. Fink: astrolabsoftware's issue 461 of the ZTF portal, and its documentation."""

_CHECKED_CONES = 5


@dataclass(frozen=True, slots=True)
class EventStoreSetting:
    """What to measure.

    Attributes
    ----------
    folder
        Where the stores are kept for the next time.
    n_readers
        Each asks once a second.
    alerts_hz
        Alerts that the worker stores a second.
    duration_s
        How long readers are timed [s].
    databases
        Of ``sqlite`` and ``postgresql``.
    over_http
        Whether a server is measured, too.
    """

    folder: Path
    n_alerts: int = 10_000_000
    n_coincidences: int = 1_000_000
    n_readers: int = 20
    alerts_hz: float = 100.0
    duration_s: float = 60.0
    databases: Sequence[str] = ("sqlite", "postgresql")
    over_http: bool = True


def event_store(setting: EventStoreSetting) -> Iterator[Row]:
    """Make the stores unless they are there, and time their readers."""
    objects = Objects.drawn(setting.n_alerts)
    yield Row("store-alerts", setting.n_alerts, "alerts stored")
    yield Row("store-objects", len(objects), "objects of them")
    yield Row("store-coincidences", setting.n_coincidences, "coincidences stored")
    yield Row("store-area", a_merger().localization.area_deg2(LEVEL), "deg2, 90 % of the merger")
    for name in setting.databases:
        yield from _of_database(name, objects, setting)


def _of_database(name: str, objects: Objects, setting: EventStoreSetting) -> Iterator[Row]:
    with ExitStack() as stack:
        started = time.perf_counter()
        url = stack.enter_context(_MADE[name](setting))
        yield Row(f"store-{name}-made", time.perf_counter() - started, "s to make, or to open")
        if name == "postgresql":
            yield Row("store-postgresql-fsync", float(fsync_of(url) == "on"), "1 is on")
        store = stack.enter_context(Store.open(url, migrate=False))
        yield from _timed(f"store-{name}-direct", OfStore(store), url, objects, setting)
        if setting.over_http:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            http = stack.enter_context(served(url, folder))
            yield from _timed(f"store-{name}-http", http, url, objects, setting)


@contextmanager
def _sqlite(setting: EventStoreSetting) -> Iterator[str]:
    yield made_sqlite(setting.folder / "sqlite", setting.n_alerts, setting.n_coincidences)


def _postgresql(setting: EventStoreSetting) -> AbstractContextManager[str]:
    folder = setting.folder / "postgres"
    return made_postgres(folder, setting.n_alerts, setting.n_coincidences)


_MADE: dict[str, Callable[[EventStoreSetting], AbstractContextManager[str]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
}


def _timed(
    name: str, asking: Asking, url: str, objects: Objects, setting: EventStoreSetting
) -> Iterator[Row]:
    """Times of all questions under load, of one way to ask."""
    _check(asking, objects)
    load_1min = os.getloadavg()[0]
    with (
        writing(url, setting.alerts_hz) as told,
        reading(asking, objects, setting.n_readers) as taken,
    ):
        cpu_s = -asking.cpu_s()
        time.sleep(setting.duration_s)
        cpu_s += asking.cpu_s()
        seconds = {kind: list(times) for kind, times in taken.seconds.items()}
        started = time.perf_counter()
        n_streamed = sum(len(keys) for keys in asking.whole())
        streamed_s = time.perf_counter() - started
    for kind in KINDS:
        yield from timed_rows(f"{name}-{kind}", kind, seconds[kind])
    n_answers = sum(map(len, seconds.values()))
    yield Row(f"{name}-answers", n_answers / setting.duration_s, "answers/s")
    yield Row(f"{name}-cpu", 1e3 * cpu_s / max(n_answers, 1), "ms of processor an answer")
    yield Row(f"{name}-stream", n_streamed / streamed_s, "objects/s, the whole region")
    yield Row(f"{name}-streamed", n_streamed, "objects in the region")
    yield from _written_rows(name, told())
    yield Row(f"{name}-load", load_1min, "load average before it")


def timed_rows(name: str, kind: str, seconds: Sequence[float]) -> Iterator[Row]:
    """Median and 99th percentile of the times of a kind of question [s], against its peer."""
    if not seconds:
        return
    p50, p99 = (1e3 * float(np.percentile(seconds, q)) for q in (50, 99))
    peer, peer_ms, bar = _PEERS[kind]
    yield Row(f"{name}-p50", p50, "ms", peer, peer_ms, peer_ms / p50, bar)
    yield Row(f"{name}-p99", p99, "ms")


def _written_rows(name: str, written: Written) -> Iterator[Row]:
    length_s = max(written.duration_s, 1e-9)
    yield Row(f"{name}-writes", written.n_alerts / length_s, "alerts/s meanwhile")
    yield Row(f"{name}-publishes", written.n_coincidences / length_s, "coincidences/s meanwhile")
    if written.put_s:
        yield Row(f"{name}-write-p50", 1e3 * float(np.median(written.put_s)), "ms a batch")


def _check(asking: Asking, objects: Objects) -> None:
    """See that answers are what a look at every object finds; a worker's new ones aside."""
    last = objects.n_alerts - 1
    rows = np.arange(len(objects))
    ra, dec = _latest_places(objects, last)
    latest = np.round(objects.first_unix_s + last * objects.every_s, 3)
    first = objects.times(rows, 0)
    region = Region.credible(a_merger().localization, LEVEL)
    inside = _names(rows[region.contains(ra, dec)])
    streamed = [key for keys in asking.whole() for key in keys]
    require(len(streamed) == len(set(streamed)), "a region that is streamed and its set")
    require(_known(streamed, len(objects)) == inside, "a region that is streamed and every object")
    page = asking.page()
    require(len(page) == min(PAGE_ROWS, len(streamed)), "rows of a page and those asked for")
    require(page == streamed[: len(page)], "a first page and the beginning of the stream")
    questions = Questions(objects, np.random.default_rng(2))
    for _ in range(_CHECKED_CONES):
        cone = questions.cone()
        near = Region.cone(*cone[:3]).contains(ra, dec)
        near &= (latest >= cone.since_unix_s) & (first < cone.until_unix_s)
        found = asking.cone(cone)
        require(len(found) == len(set(found)), "a cone and its set")
        if len(found) < PAGE_ROWS:
            require(_known(found, len(objects)) == _names(rows[near]), "a cone and every object")
    require(asking.one(questions.key()) > 0, "a light curve and one with points")


def _latest_places(objects: Objects, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ra, dec = np.empty(len(objects)), np.empty(len(objects))
    for nth in np.unique(last).tolist():
        rows = np.flatnonzero(last == nth)
        ra[rows], dec[rows] = objects.places(rows, nth)
    return ra, dec


def _names(rows: np.ndarray) -> set[str]:
    return {f"ztf:{object_name(number)}" for number in rows.tolist()}


def _known(keys: Sequence[str], n_objects: int) -> set[str]:
    """Keys of drawn objects."""
    beyond = f"ztf:{object_name(n_objects)}"
    return {key for key in keys if key < beyond}


__all__ = ["Cone", "EventStoreSetting", "event_store", "timed_rows"]
