"""Joint events on the stream: found anew when a member changes, compared with the members' objects.

What is stored is a function of the stored events; what is compared, of the stored events, objects
and pairs. So whoever does either again, after a crash or in place of another, ends with the same.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import structlog

from correlator.coincidence import Miss, admission, correlate_many
from correlator.errors import CorrelatorError
from correlator.event import Event
from correlator.joint import PREFIX, JointEvent, joint_events
from correlator.object import OpticalObject
from correlator.pair import PairEvidence
from correlator.policy import JointRules, Policy
from correlator.window import closes_unix_s
from correlator.wire import EventRecord, event_of_record, record_of_joint
from skymaps.healpix import Positions
from skymaps.localization import LEVEL_SLACK, Localization
from storage.joint_events import BehindError, JointRevision, JointState
from storage.store import Store

log = structlog.get_logger(__name__)

_TRIES = 50
"""So many times the joint events of a notice are found anew while others change their members."""

CACHED_ANSWERS = 8
"""Answers kept in memory: up to 10 MB each, mostly combined localizations."""

_Versions = frozenset[tuple[str, int]]


def is_joint(event_key: str) -> bool:
    """Whether a key is the id of a joint event."""
    return event_key.startswith(PREFIX)


class JointFinder:
    """The joint events among some stored events, kept in memory while none of them changes."""

    def __init__(self, store: Store, policy: Policy) -> None:
        self._store, self._policy = store, policy
        self._known: OrderedDict[_Versions, list[JointEvent]] = OrderedDict()

    def found(self, records: Collection[EventRecord]) -> list[JointEvent]:
        """The joint events that these events imply, by id."""
        versions = frozenset((record.event_key, record.version) for record in records)
        if versions not in self._known:
            events = located_events(self._store, self._policy, records)
            self._known[versions] = joint_events(events, self._policy)
        self._known.move_to_end(versions)
        while len(self._known) > CACHED_ANSWERS:
            self._known.popitem(last=False)
        return self._known[versions]


class JointDesk:
    """Finds the joint events that the events near one of them imply, and remembers them.

    Parameters
    ----------
    now
        The clock [s since the Unix epoch].
    """

    def __init__(self, store: Store, policy: Policy, now: Callable[[], float]) -> None:
        self._store, self._policy, self._now = store, policy, now
        self._finder = JointFinder(store, policy)

    def refresh(self, event_key: str) -> list[JointRevision]:
        """Find the joint events of an event anew; those that it is or ever was a member of, by id.

        Changed or not: whoever calls tells them all, as he may not have come to it before a crash.

        Raises
        ------
        BehindError
            The stored events move on faster than they are looked at.
        """
        members = {event_key}
        for left in reversed(range(_TRIES)):
            known = self._store.joint_events.of_events([event_key])
            standing = [r for r in known if r.state is JointState.LIVE]
            members.update(key for r in standing for key in r.body.event_keys)
            records = self._around(members)
            if len(records) < 2 and not standing:
                return known
            found = [
                joint
                for joint in self._finder.found(records.values())
                if members.intersection(joint.event_keys)
            ]
            for joint in found:
                if joint.localization is not None:
                    self._store.localizations.put(joint.localization)
            bodies = [record_of_joint(joint) for joint in found]
            versions = dict.fromkeys(members, 0)
            versions |= {key: record.version for key, record in records.items()}
            try:
                return self._store.joint_events.replace(bodies, versions, members, self._now())
            except BehindError as error:
                if not left:
                    raise
                members |= error.event_keys
        raise AssertionError("unreachable")

    def _around(self, event_keys: Collection[str]) -> dict[str, EventRecord]:
        """Some events and all that hang together with them in time, by key."""
        rules = self._policy.joint
        near = self._store.events.get_many(event_keys)
        while True:
            times = [r.event_unix_s for r in near.values() if r.event_unix_s is not None]
            if not times:
                return near
            reach = rules.longest_s + rules.longest_event_s
            found = self._store.events.between(min(times) - reach, max(times) + reach)
            grown = dict(near)
            for chain in chains(found, rules):
                if any(record.event_key in near for record in chain):
                    grown |= {record.event_key: record for record in chain}
            if len(grown) == len(near):
                return near
            near = grown


def chains(records: Iterable[EventRecord], rules: JointRules) -> Iterator[list[EventRecord]]:
    """Events that hang together in time, each near enough to another of its chain to be joined."""
    timed = [(*_span(r, rules), r) for r in records if r.event_unix_s is not None]
    chain: list[EventRecord] = []
    reach = math.inf
    for begin, end, record in sorted(timed, key=lambda span: (span[0], span[2].event_key)):
        if chain and begin > reach + rules.longest_s:
            yield chain
            chain = []
        reach = max(reach, end) if chain else end
        chain.append(record)
    if chain:
        yield chain


def _span(record: EventRecord, rules: JointRules) -> tuple[float, float]:
    begin = record.event_unix_s
    assert begin is not None  # noqa: S101 - asked for
    end = max(begin, record.event_end_unix_s or begin)
    return begin, min(end, begin + rules.longest_event_s)


def located_events(store: Store, policy: Policy, records: Iterable[EventRecord]) -> list[Event]:
    """Events that may take part, with their localizations; what is damaged is left out, and said.

    The others must not wait for it: its own look back fails and says so again and again.
    """
    events = []
    for record in records:
        bare = event_of_record(record, None)
        sha = record.localization_sha256
        if admission(bare, policy) not in (None, Miss.NO_LOCALIZATION):
            continue
        try:
            place = store.localizations.get(sha) if sha else None
        except (CorrelatorError, ValueError) as error:
            log.error("event_unreadable", event_key=record.event_key, error=str(error))
            continue
        events.append(replace(bare, localization=place))
    return events


class JointPairs(NamedTuple):
    """A joint event as it is to the join, and the pairs that it makes."""

    event: Event
    pairs: list[PairEvidence]


class JointBook:
    """Joint events that stand, and the pairs that they make."""

    def __init__(self, store: Store, policy: Policy) -> None:
        self._store, self._policy = store, policy
        self._finder = JointFinder(store, policy)

    def event(self, joint_id: str) -> Event | None:
        """What a joint event is to the join; None if its members are no joint event of that id."""
        joint = self._standing(joint_id)
        return None if joint is None else joint.event

    def pairs(self, joint_id: str) -> JointPairs | None:
        """What a joint event makes of the objects; None as for :meth:`event`."""
        joint = self._standing(joint_id)
        return None if joint is None else pairs_of(self._store, self._policy, joint)

    def _standing(self, joint_id: str) -> JointEvent | None:
        revision = self._store.joint_events.get(joint_id)
        if revision is None or revision.state is not JointState.LIVE:
            return None
        records = self._store.events.get_many(revision.body.event_keys)
        found = self._finder.found(records.values())
        return next((joint for joint in found if joint.joint_id == joint_id), None)


def pairs_of(store: Store, policy: Policy, joint: JointEvent) -> JointPairs:
    """What a joint event makes of the objects that its lead makes a pair with, by object.

    It closes with its lead, so whatever an alert may still change for it changes a pair of the lead
    too: whoever ranks that has the joint event ranked.
    """
    event = joint.event
    if event.localization is None:
        return JointPairs(event, [])
    keys = _paired_near(store, joint.lead_key, event.localization, policy.widest_level)
    objects = _until(store, store.alerts.get_objects(keys).values(), event, policy)
    results = correlate_many(objects, event, policy)
    return JointPairs(event, [pair for pair in results if isinstance(pair, PairEvidence)])


def _paired_near(
    store: Store, lead_key: str, localization: Localization, level: float
) -> list[str]:
    """Objects of the lead's pairs that lie in the combined region, sorted."""
    rows = store.alerts.places(store.pairs.live_objects(lead_key))
    if not rows.keys:
        return []
    match = localization.match(Positions(rows.ra_deg, rows.dec_deg, rows.index_29))
    inside = match.inside(level + LEVEL_SLACK).tolist()
    return sorted(key for key, is_in in zip(rows.keys, inside, strict=True) if is_in)


def _until(
    store: Store, objects: Iterable[OpticalObject], event: Event, policy: Policy
) -> list[OpticalObject]:
    """Objects by the alerts that came before the event closed."""
    closes = closes_unix_s(event, policy)
    found = []
    for obj in sorted(objects, key=lambda o: o.object_key):
        if closes is None or obj.latest_unix_s <= closes:
            found.append(obj)
            continue
        until = store.alerts.object_until(obj.survey, obj.object_id, closes)
        if until is not None:
            found.append(until)
    return found
