"""The join: whichever of object and event comes second finds the other, by one function.

What closes the race between the sides is order: objects are in the store before they are matched
with the book, and an event is in the book before the store is searched for it. Both happen in the
worker that owns the object's partition, so nothing rests on clocks or on other workers.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import RLock
from typing import NamedTuple

import numpy as np
import structlog

from correlator.audience import union
from correlator.coincidence import Miss, admission, compare_many
from correlator.errors import CorrelatorError
from correlator.event import Event
from correlator.object import OpticalObject
from correlator.pair import PairEvidence, coincidence_id
from correlator.policy import DAY_S, Policy
from correlator.scored import scored
from correlator.window import closes_unix_s
from correlator.wire import EventRecord, PairRecord, event_of_record, pair_record
from skymaps.healpix import Positions
from skymaps.localization import LEVEL_SLACK
from storage.owners import Fence
from storage.share import Share
from storage.store import Store
from streams.book import EventBook
from streams.window import AlertWindow, ReceivedAlert

log = structlog.get_logger(__name__)

LATENESS_S = 2 * DAY_S
"""How late an alert may come without a closed event being read from the store again."""

MAX_CLOSED_EVENTS = 64
"""Closed events that stay in memory for the late."""

MAX_CLOSED_WHEN_LATE = 1_000
"""The same while alerts come late all the time: a shuffled replay."""

MAX_ENTERED_AT_ONCE = 2_000
"""Events that a late alert may bring in together, a map of 0.6 MB each at most: a hundred days of
all missions, far more than are open at a time."""

_IN_ORDER_BATCHES = 20
"""So many batches without a late alert are in order again."""

CHUNK_OBJECTS = 500
"""Objects that a look back compares at once: the most likely places first."""


class Joiner:
    """One worker's join: its events, its share of the objects, the pairs that they made.

    Calls block and may come from several threads: alerts from one, look backs from others. What
    compares and stores the pairs is one step at a time: nothing may change an event or an object
    between the comparison and the pair.

    Parameters
    ----------
    holder
        Who joins: the name of the worker.
    now
        The clock [s since the Unix epoch]: no stream is ahead of it.

    Attributes
    ----------
    heard
        Is told of the objects that alerts have changed, and of the keys of those with pairs, once
        the pairs are stored; it must return at once.
    """

    def __init__(self, store: Store, policy: Policy, holder: str, now: Callable[[], float]) -> None:
        self.heard: Callable[[Sequence[OpticalObject], set[str]], None] | None = None
        self.book = EventBook()
        self.window = AlertWindow(store.alerts)
        self.policy = policy
        self.stream_unix_s = -math.inf
        self._store = store
        self._holder = holder
        self._now = now
        self._tenure = _Tenure(Share(frozenset(), 1), ())
        self._looking: set[str] = set()
        self._batches_in_order = 0
        self._paired = _Paired()
        self._horizon_unix_s = math.inf
        self._turn = RLock()

    def own(self, share: Share) -> None:
        """Begin to own a share of the objects; what was known of another is forgotten.

        Each partition gets a new epoch in the store: whoever owned it before can store no pairs
        any more. What is in memory is brought up to the store's state after that.
        """
        with self._turn:
            names = [f"objects/{p}/{share.of}" for p in share.partitions]
            fences = self._store.owners.take_many(names, self._holder)
            self._tenure = _Tenure(share, tuple(fences))
            self.window.forget()
            self._paired = _Paired()
            # An event that others have searched for in this share may be none of our book: the
            # next alerts bring it in.
            self._horizon_unix_s = math.inf
            if not math.isfinite(self.stream_unix_s):
                self._pass(self._store.alerts.latest_unix_s())
                self._pass(self._store.events.latest_unix_s())
            keys = [event.event_key for event in self.book.events()]
            for record in self._store.events.get_many(keys).values():
                self._enter_if_readable(record)

    @property
    def share(self) -> Share:
        """The objects that are ours."""
        return self._tenure.share

    def epoch_of(self, name: str) -> int:
        """Our epoch of an ownership; 0 for what is not ours."""
        return next((f.epoch for f in self._tenure.fences if f.name == name), 0)

    def add_alerts(self, alerts: Sequence[ReceivedAlert]) -> list[PairRecord]:
        """Store alerts with their objects; every pair that this changes, stored.

        Raises
        ------
        NotOwnerError
            Some of the share belongs to another worker by now.
        """
        tenure = self._tenure
        objects = self.window.fold(alerts)
        since = _earliest_of_objects(alerts)
        self._reach_back(objects, since)
        with self._turn:
            records = self._compared(self._to_compare(objects, since))
            self._store.pairs.put_many(records, tenure.fences)
        if self.heard is not None:
            self.heard(objects, {record.object_key for record in records})
        self._advance(max(alert.time_unix_s for alert, _ in alerts))
        return records

    def activate(self, event_key: str) -> Iterator[list[PairRecord]]:
        """Take an event as it stands in the store and look back; the pairs that change, stored.

        The most likely places come first, so that the first pairs are out before the last ones
        are made. An empty list comes last: whoever asks for more after it has told all pairs, and
        the look back counts as done.

        Raises
        ------
        NotOwnerError
            Some of the share belongs to another worker by now.
        """
        record = self._store.events.get(event_key)
        if record is None:
            return
        with self._turn:
            tenure, event = self._tenure, self._enter(record)
            self._looking.add(event_key)
        try:
            if not tenure.share.is_none:
                yield from self._look_back(event, tenure)
                yield []
                self._store.lookbacks.mark(event_key, event.version, tenure.share, tenure.fences)
        finally:
            self._looking.discard(event_key)

    def undone(self) -> list[str]:
        """Keys of the events that some partition of this share has not been searched for."""
        return self._store.lookbacks.undone(self.share)

    def _enter(self, record: EventRecord) -> Event:
        """Take an event into the book; one that can have no pairs only if it once had some."""
        bare = event_of_record(record, None)
        self._recall_pairs(record.event_key)
        if admission(bare, self.policy) not in (None, Miss.NO_LOCALIZATION):
            self.book.remove(record.event_key)
            if self._paired.objects_of(record.event_key):
                self.book.put(bare)
            return bare
        sha = record.localization_sha256
        event = event_of_record(record, self._store.localizations.get(sha) if sha else None)
        self.book.put(event)
        self._pass(event.event_unix_s)
        return event

    def _enter_if_readable(self, record: EventRecord) -> None:
        """Take an event into the book, unless what is stored of it is damaged.

        The others must not wait for it; its own look back fails and says so again and again.
        """
        try:
            self._enter(record)
        except (CorrelatorError, ValueError) as error:
            log.error("event_unreadable", event_key=record.event_key, error=str(error))

    def _pass(self, unix_s: float | None) -> None:
        """Let the stream's time go on; a date in the future does not."""
        if unix_s is not None:
            self.stream_unix_s = max(self.stream_unix_s, min(unix_s, self._now()))

    def _recall_pairs(self, event_key: str) -> None:
        for object_key, *_ in self._store.pairs.known(event_key, self.share):
            self._paired.add(event_key, object_key)

    def _to_compare(
        self, objects: list[OpticalObject], since: dict[str, float]
    ) -> list[tuple[Event, list[OpticalObject]]]:
        """Events that alerts may have changed something for, with the objects."""
        chosen: dict[str, dict[str, OpticalObject]] = defaultdict(dict)
        for event, place in self.book.candidates(objects, self.policy):
            chosen[event.event_key][objects[place].object_key] = objects[place]
        for obj in objects:
            for event_key in self._paired.events_of(obj.object_key):
                chosen[event_key][obj.object_key] = obj
        found = []
        for event_key in sorted(chosen):
            known = self.book.get(event_key)
            if known is not None:
                closes = _closes(known, self.policy)
                open_to = [o for key, o in chosen[event_key].items() if since[key] <= closes]
                found.append((known, open_to))
        return found

    def _look_back(self, event: Event, tenure: _Tenure) -> Iterator[list[PairRecord]]:
        keys = self._keys_in_region(event, tenure.share)
        inside = set(keys)
        keys += sorted(self._paired.objects_of(event.event_key) - inside)
        for start in range(0, len(keys), CHUNK_OBJECTS):
            chunk = keys[start : start + CHUNK_OBJECTS]
            with self._turn:
                found = self.window.get_many(chunk)
                known = [found[key] for key in chunk if key in found]
                records = self._compared([(event, known)])
                self._store.pairs.put_many(records, tenure.fences)
            yield records

    def _keys_in_region(self, event: Event, share: Share) -> list[str]:
        t0, localization = event.event_unix_s, event.localization
        if admission(event, self.policy) is not None or t0 is None or localization is None:
            return []
        rows = self.window.region(
            self.book.region(event, self.policy),
            t0 - self.policy.prior_tolerance_s,
            _closes(event, self.policy),
            share,
        )
        if not rows.keys:
            return []
        match = localization.match(Positions(rows.ra_deg, rows.dec_deg, rows.index_29))
        inside = np.flatnonzero(match.inside(self.policy.widest_level + LEVEL_SLACK))
        best = np.argsort(-match.probdensity_per_sr[inside], kind="stable")
        return [rows.keys[row] for row in inside[best]]

    def _compared(
        self, comparisons: Iterable[tuple[Event, Sequence[OpticalObject]]]
    ) -> list[PairRecord]:
        """Records of the pairs of events with objects, and of those that are none any more."""
        gone: list[PairRecord] = []
        pairs: list[tuple[PairEvidence, OpticalObject]] = []
        for event, objects in comparisons:
            seen = self._seen(event, objects, gone)
            paired = self._paired.objects_of(event.event_key)
            for obj, result in zip(seen, compare_many(seen, event, self.policy), strict=True):
                if isinstance(result, PairEvidence):
                    self._paired.add(event.event_key, obj.object_key)
                    pairs.append((result, obj))
                elif obj.object_key in paired:
                    gone.append(_withdrawal(obj, event, result, obj.version))
        return [*map(pair_record, scored(pairs, self.policy)), *gone]

    def _seen(
        self, event: Event, objects: Iterable[OpticalObject], gone: list[PairRecord]
    ) -> list[OpticalObject]:
        """Objects by what came before the event closed; what was paired and has nothing is gone."""
        closes = _closes(event, self.policy)
        seen = []
        for obj in objects:
            until = self.window.until(obj, closes)
            if until is not None:
                seen.append(until)
            elif obj.object_key in self._paired.objects_of(event.event_key):
                gone.append(_withdrawal(obj, event, Miss.AFTER_CLOSING, version=0))
        return seen

    def _reach_back(self, objects: Sequence[OpticalObject], since: Mapping[str, float]) -> None:
        """Have every event in the book that alerts of objects since some moments can still change.

        A single alert of long ago must not bring in everything that happened since: where that
        would be too much, only what one of the objects may be of comes, and the next such alert
        asks anew.
        """
        self._batches_in_order += 1
        late = [obj for obj in objects if since[obj.object_key] < self._horizon_unix_s]
        if not late:
            return
        unix_s = min(since[obj.object_key] for obj in late)
        self._batches_in_order = 0
        with self._turn:
            records = [
                record
                for record in self._store.events.since(unix_s - self.policy.longest_open_s)
                if self.book.get(record.event_key) is None
                and _closes(event_of_record(record, None), self.policy) >= unix_s
            ]
            if len(records) <= MAX_ENTERED_AT_ONCE:
                self._horizon_unix_s = unix_s
            else:
                # No object is of an event that came after its latest detection.
                latest = max(obj.latest_unix_s for obj in late) + self.policy.prior_tolerance_s
                records = [r for r in records if (r.event_unix_s or -math.inf) <= latest]
            for record in records:
                self._enter_if_readable(record)

    def _advance(self, unix_s: float) -> None:
        """Let the events go that closed long before the stream's time, the oldest first.

        Not so many while alerts come late, which need them: a shuffled replay would read them
        anew for each batch.
        """
        with self._turn:
            self._pass(unix_s)
            closed = self.book.closed_before(self.stream_unix_s - LATENESS_S, self.policy)
            closed = [event for event in closed if event.event_key not in self._looking]
            is_in_order = self._batches_in_order > _IN_ORDER_BATCHES
            most = MAX_CLOSED_EVENTS if is_in_order else MAX_CLOSED_WHEN_LATE
            if len(closed) <= most:
                return
            closed.sort(key=lambda e: _closes(e, self.policy))
            for event in closed[: len(closed) - most // 2]:
                self.book.remove(event.event_key)
                self._paired.forget(event.event_key)
                after = math.nextafter(_closes(event, self.policy), math.inf)
                self._horizon_unix_s = max(self._horizon_unix_s, after)
            log.info("events_left_memory", n_events=len(self.book), n_objects=len(self.window))


class _Tenure(NamedTuple):
    """A share and the epochs in whose name its pairs are stored."""

    share: Share
    fences: tuple[Fence, ...]


class _Paired:
    """Which pairs were ever made of the objects of a share and the events in the book.

    Withdrawn ones too: a batch that is handled again after a crash must say the same again.
    """

    def __init__(self) -> None:
        self._objects: dict[str, set[str]] = {}
        self._events: dict[str, set[str]] = {}

    def add(self, event_key: str, object_key: str) -> None:
        self._objects.setdefault(event_key, set()).add(object_key)
        self._events.setdefault(object_key, set()).add(event_key)

    def objects_of(self, event_key: str) -> set[str]:
        return self._objects.get(event_key, set())

    def events_of(self, object_key: str) -> set[str]:
        return self._events.get(object_key, set())

    def forget(self, event_key: str) -> None:
        for object_key in self._objects.pop(event_key, set()):
            events = self._events[object_key]
            events.discard(event_key)
            if not events:
                del self._events[object_key]


def _closes(event: Event, policy: Policy) -> float:
    closes = closes_unix_s(event, policy)
    # An event without a time or a class makes no pairs, and must not be closed to withdrawals.
    return math.inf if closes is None else closes


def _earliest_of_objects(alerts: Sequence[ReceivedAlert]) -> dict[str, float]:
    earliest: dict[str, float] = {}
    for alert, _ in alerts:
        key = f"{alert.survey}:{alert.object_id}"
        earliest[key] = min(alert.time_unix_s, earliest.get(key, math.inf))
    return earliest


def _withdrawal(obj: OpticalObject, event: Event, miss: Miss, version: int) -> PairRecord:
    return PairRecord(
        coincidence_id(event.event_key, obj.object_key),
        event.event_key,
        obj.object_key,
        event.version,
        version,
        evidence=None,
        withdrawn_reason=miss.value,
        audience=union((event.audience, obj.audience)),
    )
