"""What goes on while readers are timed: the readers themselves, and a worker that writes."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.synchronize import Event as Flag
from typing import Any

import numpy as np

from benchmarks.event_store_asking import Asking, Cone
from benchmarks.event_store_coincidences import a_merger
from benchmarks.event_store_rows import UNTIL_UNIX_S, Objects, new_alerts, object_name
from correlator.errors import ConfigurationError
from correlator.object import OpticalObject, apply_alert
from correlator.pair import coincidence_id
from correlator.policy import DAY_S
from correlator.wire import to_json
from storage.store import Store

KINDS = "object", "cone", "page"
MIX = ("object",) * 12 + ("cone",) * 6 + ("page",) * 2
"""Kinds of twenty requests of a reader."""

RADIUS_DEG = 1.0
WEEK_S = 7 * DAY_S

PUBLISHED_AT_ONCE = 20
"""Coincidences of a new event that the worker publishes each second."""

_WRITES_EVERY_S = 0.5
_STARTS_WITHIN_S = _STOPS_WITHIN_S = 60.0


@dataclass
class Taken:
    """Seconds that each kind of question took, and what went wrong."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    errors: list[BaseException] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions about drawn objects."""

    objects: Objects
    rng: np.random.Generator

    def key(self) -> str:
        """Key of any object."""
        return f"ztf:{object_name(int(self.rng.integers(len(self.objects))))}"

    def cone(self) -> Cone:
        """A cone of one degree around any object, and a week of those that are stored."""
        row = int(self.rng.integers(len(self.objects)))
        since = UNTIL_UNIX_S - float(self.rng.uniform(WEEK_S, 40 * DAY_S))
        place = float(self.objects.ra_deg[row]), float(self.objects.dec_deg[row])
        return Cone(*place, RADIUS_DEG, since, since + WEEK_S)

    def ask(self, asking: Asking, kind: str) -> object:
        """Ask a question of a kind."""
        if kind == "object":
            return asking.one(self.key())
        return asking.cone(self.cone()) if kind == "cone" else asking.page()


@contextmanager
def reading(asking: Asking, objects: Objects, n_readers: int) -> Iterator[Taken]:
    """So many readers, each of which asks once a second, until the context ends."""
    taken, stop = Taken(), threading.Event()
    threads = [
        threading.Thread(target=_read, args=(asking, objects, nth, n_readers, taken, stop))
        for nth in range(n_readers)
    ]
    for thread in threads:
        thread.start()
    try:
        yield taken
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if taken.errors:
        raise taken.errors[0]


def _read(
    asking: Asking, objects: Objects, nth: int, of: int, taken: Taken, stop: threading.Event
) -> None:
    questions = Questions(objects, np.random.default_rng(1000 + nth))
    kinds = questions.rng.permutation(MIX).tolist()
    due = time.monotonic() + nth / of
    asked = 0
    while not stop.wait(max(0.0, due - time.monotonic())):
        kind = kinds[asked % len(kinds)]
        started = time.perf_counter()
        try:
            questions.ask(asking, kind)
        except Exception as error:  # noqa: BLE001 - the one who waits for the readers raises it
            taken.errors.append(error)
            return
        taken.seconds[kind].append(time.perf_counter() - started)
        asked += 1
        # Who waited for longer than a second asks again at once, and is not to catch up.
        due = max(due + 1.0, time.monotonic())


@dataclass
class Written:
    """What a worker stored meanwhile.

    Attributes
    ----------
    n_alerts, n_coincidences
        How many.
    put_s
        Seconds of each of its batches of alerts.
    duration_s
        How long it wrote [s].
    """

    n_alerts: int = 0
    n_coincidences: int = 0
    put_s: list[float] = field(default_factory=list)
    duration_s: float = 0.0


@contextmanager
def writing(store_url: str, alerts_hz: float) -> Iterator[Callable[[], Written]]:
    """A worker's writes in a process of its own until the context ends; then tells of them."""
    context = multiprocessing.get_context("spawn")
    begun, stop, told = context.Event(), context.Event(), context.Queue()
    args = store_url, alerts_hz, begun, stop, told
    process = context.Process(target=_write, args=args, daemon=True)
    process.start()
    written: list[Written] = []
    try:
        if not begun.wait(_STARTS_WITHIN_S):
            raise ConfigurationError(f"no worker writes after {_STARTS_WITHIN_S} s")
        yield lambda: written[0] if written else Written()
    finally:
        stop.set()
        try:
            written.append(told.get(timeout=_STOPS_WITHIN_S))
        finally:
            process.join(_STOPS_WITHIN_S)
            if process.is_alive():
                process.kill()


def _write(store_url: str, alerts_hz: float, begun: Flag, stop: Flag, told: Any) -> None:
    written = Written()
    # No two runs into one store have the same numbers.
    number = 100_000_000 + int(time.time()) % 800_000 * 1000
    n_at_once = max(1, round(alerts_hz * _WRITES_EVERY_S))
    rng = np.random.default_rng(number)
    a_merger()
    with Store.open(store_url, migrate=False) as store:
        begun.set()
        turn, began = 0, time.monotonic()
        while not stop.wait(max(0.0, began + turn * _WRITES_EVERY_S - time.monotonic())):
            started = time.perf_counter()
            # Each object comes with two alerts: the second time it is there already.
            objects = _put(store, number + turn // 2 * n_at_once, n_at_once, turn % 2, rng)
            written.put_s.append(time.perf_counter() - started)
            written.n_alerts += n_at_once
            if turn % 2:
                written.n_coincidences += _publish(store, f"lvk:BENCH{number + turn}", objects)
            turn += 1
        written.duration_s = time.monotonic() - began
    told.put(written)


def _put(
    store: Store, first: int, n: int, nth: int, rng: np.random.Generator
) -> list[OpticalObject]:
    """Store the nth alerts of some objects as a worker does: with the objects that they make."""
    folded: dict[str, OpticalObject] = {}
    received = []
    places = np.random.default_rng(first)
    for number in range(first, first + n):
        ra, dec = float(places.uniform(0.0, 360.0)), float(places.uniform(-25.0, 80.0))
        times = [UNTIL_UNIX_S + number % 1000, UNTIL_UNIX_S + DAY_S + number % 1000]
        made = new_alerts(number, round(ra, 7), round(dec, 7), times)
        received.append((made[nth], to_json(made[nth])))
        obj: OpticalObject | None = None
        for alert in made[: nth + 1]:
            obj = apply_alert(obj, alert)
        assert obj is not None
        folded[obj.object_key] = obj
    return store.alerts.put_batch(received, list(folded.values()))


def _publish(store: Store, event_key: str, objects: list[OpticalObject]) -> int:
    """Publish coincidences of a new event with some objects."""
    template = a_merger().template
    found = []
    for rank, obj in enumerate(objects[:PUBLISHED_AT_ONCE], 1):
        pair = replace(
            template.pair,
            coincidence_id=coincidence_id(event_key, obj.object_key),
            event_key=event_key,
            object_key=obj.object_key,
            object=replace(template.pair.object, ra_deg=obj.ra_deg, dec_deg=obj.dec_deg),
        )
        found.append(replace(template, pair=pair, rank=rank))
    return len(store.coincidences.publish(event_key, found, UNTIL_UNIX_S, "unused"))
