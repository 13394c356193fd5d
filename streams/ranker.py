"""The one owner of an event's ranking: holds its pairs, ranks them when asked."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from threading import Lock
from typing import NamedTuple

import structlog

from correlator.audience import PUBLIC, Audience, union
from correlator.errors import CorrelatorError
from correlator.event import Event, EventState
from correlator.pair import coincidence_id
from correlator.policy import Policy
from correlator.priority import Visibility
from correlator.ranking import Ranking, rank_event
from correlator.rules import rejections
from correlator.window import closes_unix_s
from correlator.wire import PairRecord, event_of_record, pair_record
from storage.coincidences import CoincidenceRevision, CoincidenceState, Gone
from storage.owners import Fence
from storage.share import Share
from storage.store import Store
from streams.joint import JointBook, is_joint
from streams.topics import partition_of

log = structlog.get_logger(__name__)

CACHED_PAIRS = 200_000
"""Pairs kept in memory, over all events: about 2 kB each."""


_STEPS = 4
"""An event's rankings settle in so many steps: see :meth:`Ranker.due`."""

_QUIET_S = 2.0
"""An event that was not ranked for so long begins anew."""


class _Rest(NamedTuple):
    """When the last publication of an event began, how long it took [s], and its step."""

    begin_s: float
    took_s: float
    step: int


_NEVER = _Rest(-math.inf, 0.0, 0)


class Ranker:
    """Which events changed since they were last ranked, and a cache of their pairs.

    Rivals change each other's place, so a ranking is made for a whole event at once, and for many
    changes at once: the caller asks what is due. Calls block; one thread at a time, but
    for :meth:`apply`, which may come while something is ranked or published.

    Parameters
    ----------
    holder
        Who ranks: the name of the worker.
    partitions
        Number of partitions of the topic of pairs, by which events are shared out.
    """

    def __init__(self, store: Store, policy: Policy, holder: str, partitions: int) -> None:
        self._store = store
        self._policy = policy
        self._holder = holder
        self._partitions = partitions
        self._fences: dict[int, Fence] = {}
        self._memory = Lock()
        """Held while the pairs in memory are looked at or changed."""
        self._pairs: OrderedDict[str, dict[str, PairRecord]] = OrderedDict()
        self._changed: set[str] = set()
        self._untold: set[str] = set()
        self._rests: dict[str, _Rest] = {}
        self._costs_s: dict[str, float] = {}
        self._closings: dict[str, float] = {}
        self._joint = JointBook(store, policy)
        self._touches = 0
        self.stream_unix_s = -math.inf

    def own(self, partitions: Collection[int], stream_unix_s: float) -> None:
        """Begin to own the events of some partitions, and them only.

        Each partition gets a new epoch in the store: whoever owned it before cannot publish any
        more. What the last owner may have left undone is done again, for every event that is
        still open or has something published.
        """
        fences = self._store.owners.take_many([self._name(p) for p in partitions], self._holder)
        epochs = {fence.name: fence for fence in fences}
        self._fences = {p: epochs[self._name(p)] for p in partitions}
        self._pairs.clear()
        self._rests.clear()
        open_since = stream_unix_s - self._policy.longest_open_s
        keys = {r.event_key for r in self._store.events.since(open_since)}
        keys &= set(self._store.pairs.keys_with_pairs())
        self._touches = self._store.joint_events.last_touch()
        # Those too that are dissolved: perhaps nobody was told that their coincidences are gone.
        keys |= set(self._store.joint_events.ids_since(open_since))
        published = set(self._store.coincidences.published_keys())
        mine = {key for key in keys | published if self.owns(key)}
        self._changed, self._untold = set(mine), set(mine)
        self._closings = {}
        for record in self._store.events.get_many(sorted(published & mine)).values():
            self._note_closing(event_of_record(record, None), is_open=True)

    def find_joint(self) -> None:
        """Let the joint events of ours change of which a member, or a pair of one, changed."""
        ids, self._touches = self._store.joint_events.touched_after(self._touches)
        self._changed.update(joint_id for joint_id in ids if self.owns(joint_id))

    def epoch_of(self, name: str) -> int:
        """Our epoch of an ownership; 0 for what is not ours."""
        return next((f.epoch for f in self._fences.values() if f.name == name), 0)

    def close(self, stream_unix_s: float) -> None:
        """Let the events change that were ranked, or published, and have closed by now."""
        closed = [key for key, closes in self._closings.items() if closes < stream_unix_s]
        for key in closed:
            del self._closings[key]
        self._changed.update(closed)

    @property
    def n_changed(self) -> int:
        """Events that wait for their ranking."""
        return len(self._changed)

    @property
    def n_pairs_held(self) -> int:
        """Pairs in memory."""
        return sum(map(len, self._pairs.values()))

    def apply(self, records: Iterable[PairRecord]) -> list[PairRecord]:
        """Take in pair records; those that were not out of date."""
        mine = [r for r in records if self.owns(r.event_key)]
        with self._memory:
            taken = [record for record in mine if self._hold(record)]
        for record in taken:
            if record.evidence is not None:
                self.stream_unix_s = max(self.stream_unix_s, record.evidence.object.last_unix_s)
            self._changed.add(record.event_key)
        return taken

    def _hold(self, record: PairRecord) -> bool:
        """Take a record into memory; whether it was not out of date."""
        held = self._pairs.get(record.event_key)
        if held is None:
            return True  # an event that is not in memory is read from the store when it is ranked
        known = held.get(record.object_key)
        if known is not None and versions(record) < versions(known):
            return False
        held[record.object_key] = record
        return True

    def due(self, moment_s: float, interval_s: float) -> list[str]:
        """Changed events whose last ranking is long enough ago.

        An event that was quiet is due at once, and soon again: of a new one the first candidates
        are to be out quickly, when most pairs are still to come. In four steps it comes to rest
        for the interval; or for four times as long as its publication took, if that is longer,
        so that publishing a large event takes a quarter of the time at most.

        Parameters
        ----------
        moment_s
            Time on any clock that only goes forward [s].
        interval_s
            Least time between two rankings of a busy event [s].
        """
        rests = self._rests
        changed = list(self._changed)  # at once: pairs may come meanwhile
        return [k for k in changed if _is_over(rests.get(k, _NEVER), moment_s, interval_s)]

    def rank_changed(
        self, as_of_unix_s: float, event_keys: Iterable[str] | None = None
    ) -> list[Ranking]:
        """Rank the events that changed since they were last ranked, or some of them."""
        chosen = self._changed if event_keys is None else self._changed.intersection(event_keys)
        changed = sorted(chosen)
        self._changed.difference_update(changed)
        done = False
        try:
            rankings = [r for key in changed if (r := self._timed(key, as_of_unix_s)) is not None]
            # Their pairs are in the store, where whoever owns the joint events finds them.
            self._store.joint_events.touch([key for key in changed if not is_joint(key)])
            done = True
        finally:
            if not done:
                self._changed.update(changed)
        return rankings

    def _timed(self, event_key: str, as_of_unix_s: float) -> Ranking | None:
        """The ranking of an event; None, and said, if what is stored of it cannot be read.

        The others must not wait for it; it is tried again when it changes again.
        """
        begin_s = time.monotonic()
        try:
            ranking = self._rank(event_key, as_of_unix_s)
        except (CorrelatorError, ValueError, TypeError) as error:
            log.error("ranking_failed", event_key=event_key, exc_info=error)
            return None
        if ranking is not None:
            self._costs_s[event_key] = time.monotonic() - begin_s
        return ranking

    def ranked(self, event_key: str, moment_s: float, took_s: float) -> None:
        """Note that an event was ranked and published, when and how long publishing took."""
        took_s += self._costs_s.pop(event_key, 0.0)
        last = self._rests.get(event_key, _NEVER)
        is_quiet = moment_s - last.begin_s - last.took_s > _QUIET_S
        step = 1 if is_quiet else min(last.step + 1, _STEPS)
        self._rests[event_key] = _Rest(moment_s, took_s, step)

    def rank_all(
        self, as_of_unix_s: float, visibilities: Mapping[str, Visibility] | None = None
    ) -> list[Ranking]:
        """Rank every event of ours that ever had pairs, at one moment."""
        self._changed.clear()
        # A joint event that is dissolved may have something published still.
        joint = {revision.joint_id for revision in self._store.joint_events.live()}
        joint |= {key for key in self._store.coincidences.published_keys() if is_joint(key)}
        every = [*self._store.pairs.keys_with_pairs(), *sorted(joint)]
        keys = [key for key in every if self.owns(key)]
        return [r for k in keys if (r := self._rank(k, as_of_unix_s, visibilities)) is not None]

    def rank_again(self, rankings: Iterable[Ranking]) -> None:
        """Take rankings back that could not be published: their events count as changed."""
        self._changed.update(r.event_key for r in rankings if self.owns(r.event_key))

    def untold(self, event_key: str) -> list[CoincidenceRevision]:
        """What is stored of an event and perhaps not told, to be told before more is published.

        That is every current revision, after a change of owner or when the last ones could not be
        told. As nothing is published before, no revision is ever overtaken that nobody was told.
        """
        if event_key not in self._untold:
            return []
        return self._store.coincidences.current(event_key=event_key, include_gone=True)

    def publish(self, ranking: Ranking, as_of_unix_s: float) -> list[CoincidenceRevision]:
        """Make a ranking what is published of its event; the new revisions, for others to be told.

        Raises
        ------
        NotOwnerError
            The event belongs to another worker by now.
        """
        key = ranking.event_key
        partition = self._partition(key)
        # No epoch is 0: what is not owned cannot be published.
        fence = self._fences.get(partition, Fence(self._name(partition), 0))
        event = self._event(key)

        audiences = self._joint_audiences(key, event) if is_joint(key) else None

        def why_gone(revision: CoincidenceRevision) -> Gone:
            said = self._why_gone(revision, event, as_of_unix_s)
            gone = Gone(said) if isinstance(said, str) else said
            if audiences is not None:
                return replace(gone, audience=audiences.get(revision.object_key, PUBLIC))
            return replace(gone, audience=self._audience_of_pair(revision, event))

        found = list(ranking.coincidences)
        self._untold.add(key)
        made = self._store.coincidences.publish(key, found, as_of_unix_s, why_gone, fence)
        if event is not None:
            is_closed = _is_closed(event, self._policy, as_of_unix_s)
            self._note_closing(event, is_open=not is_closed)
            if is_closed:
                # Nothing changes it any more but what comes late, which reads it from the store.
                with self._memory:
                    self._pairs.pop(key, None)
        return made

    def told(self, event_key: str) -> None:
        """Note that everybody was told what :meth:`untold` or :meth:`publish` said."""
        self._untold.discard(event_key)

    @property
    def is_first(self) -> bool:
        """Whether the first partition is ours: one worker at a time says so."""
        return 0 in self._fences

    def owns(self, event_key: str) -> bool:
        """Whether an event is ours to rank."""
        return self._partition(event_key) in self._fences

    def _joint_audiences(self, joint_id: str, event: Event | None) -> dict[str, Audience]:
        """Who may read what of a joint event and each object that is published with it."""
        stored = self._store.joint_events.get(joint_id)
        of_event = [each.audience for each in (event, stored) if each is not None]
        published = self._store.coincidences.current(event_key=joint_id)
        objects = self._store.alerts.get_objects({r.object_key for r in published})
        return {key: union([*of_event, obj.audience]) for key, obj in objects.items()}

    def _audience_of_pair(self, revision: CoincidenceRevision, event: Event | None) -> Audience:
        with self._memory:
            record = self._held(revision.event_key).get(revision.object_key)
        return union(each.audience for each in (event, record) if each is not None)

    def _why_gone(
        self, revision: CoincidenceRevision, event: Event | None, as_of_unix_s: float
    ) -> str | Gone:
        if event is None and is_joint(revision.event_key):
            return "its members are one burst no longer, or under another id"
        if event is not None and event.state is not EventState.LIVE:
            return f"the event is {event.state}"
        if event is not None and _is_closed(event, self._policy, as_of_unix_s):
            return Gone("the event is closed", CoincidenceState.EXPIRED)
        if is_joint(revision.event_key):
            return "the joint event's members do not make a pair with it together"
        with self._memory:
            record = self._held(revision.event_key).get(revision.object_key)
        if record is None or record.evidence is None:
            return (record and record.withdrawn_reason) or "the pair is withdrawn"
        rules = next((c for c in self._policy.cases if c.name == revision.case), None)
        broken = rejections(record.evidence, rules, self._policy) if rules else ()
        return ", ".join(broken) or "it belongs to another science case now"

    def _rank(
        self,
        event_key: str,
        as_of_unix_s: float,
        visibilities: Mapping[str, Visibility] | None = None,
    ) -> Ranking | None:
        if is_joint(event_key):
            joint = self._joint.pairs(event_key)
            if joint is None:
                return Ranking(event_key, as_of_unix_s, (), ())
            return rank_event(*joint, self._policy, as_of_unix_s, visibilities)
        event = self._event(event_key)
        if event is None:
            # A pair is made of a stored event: this one was deleted by hand.
            return None
        with self._memory:
            held = dict(self._held(event_key))
        pairs = [e for key in sorted(held) if (e := held[key].evidence) is not None]
        return rank_event(event, pairs, self._policy, as_of_unix_s, visibilities)

    def _event(self, event_key: str) -> Event | None:
        if is_joint(event_key):
            return self._joint.event(event_key)
        record = self._store.events.get(event_key)
        return None if record is None else event_of_record(record, None)

    def _held(self, event_key: str) -> dict[str, PairRecord]:
        """Pairs of an event in memory, read from the store if need be."""
        held = self._pairs.get(event_key)
        if held is None:
            held = self._pairs[event_key] = self._read(event_key)
        self._pairs.move_to_end(event_key)
        n = self.n_pairs_held
        while n > CACHED_PAIRS and len(self._pairs) > 1:
            n -= len(self._pairs.popitem(last=False)[1])
        return held

    def _read(self, event_key: str) -> dict[str, PairRecord]:
        """Pairs of an event as stored; of the withdrawn ones the versions count."""
        held = {}
        for object_key, event_version, object_version, audience in self._store.pairs.known(
            event_key, Share.everything()
        ):
            key = coincidence_id(event_key, object_key)
            held[object_key] = PairRecord(
                key,
                event_key,
                object_key,
                event_version,
                object_version,
                None,
                audience=audience,
            )
        return held | {p.object_key: pair_record(p) for p in self._store.pairs.live(event_key)}

    def _note_closing(self, event: Event, *, is_open: bool) -> None:
        closes = closes_unix_s(event, self._policy)
        self._closings.pop(event.event_key, None)
        if is_open and closes is not None:
            self._closings[event.event_key] = closes

    def _name(self, partition: int) -> str:
        return f"events/{partition}/{self._partitions}"

    def _partition(self, event_key: str) -> int:
        return partition_of(event_key.encode(), self._partitions)


def _is_over(rest: _Rest, moment_s: float, interval_s: float) -> bool:
    least_s = max(rest.step * interval_s / _STEPS, rest.step * rest.took_s)
    return moment_s - rest.begin_s >= least_s


def versions(record: PairRecord) -> tuple[int, int]:
    """What decides between two records of one pair: the later event, then the later object."""
    return record.event_version, record.object_version


def _is_closed(event: Event, policy: Policy, as_of_unix_s: float) -> bool:
    closes = closes_unix_s(event, policy)
    return as_of_unix_s > (math.inf if closes is None else closes)
