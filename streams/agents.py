"""The agents: receive, ask the core, remember, tell."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import TypeVar

import structlog

from correlator.audience import audience_of_text
from correlator.errors import MalformedPacketError
from correlator.priority import Visibility
from correlator.ranking import Ranking
from correlator.wire import PairRecord, alerts_of_json, of_json, to_json
from storage.coincidences import CoincidenceRevision
from storage.errors import NotOwnerError
from storage.share import Share
from storage.store import Store
from streams.audiences import AUDIENCE_HEADER, audience_of_headers
from streams.desk import NoticeDesk
from streams.gcn_notices import GCNNoticeDesk
from streams.joiner import Joiner
from streams.joint import JointDesk
from streams.lists import ListDesk
from streams.outgoing import Outgoing, Send, records_of, revision_record
from streams.ownership import Assignment, Ownership
from streams.ranker import Ranker
from streams.records import Record, persisting
from streams.subscribers import SubscriberDesk
from streams.told import told_to_all
from streams.topics import (
    DEAD_LETTER,
    EVENTS,
    JOINT_EVENTS,
    PAIRS,
    partition_of,
)
from streams.voevents import VOEventDesk
from streams.window import ReceivedAlert

log = structlog.get_logger(__name__)

_LOOK_AGAIN_S = 60.0
"""After that time a look back that failed for good is tried again [s]."""

PART_ALERTS = 4000
"""Most alerts stored in one transaction, and read while the ones before them are stored."""

FIRST_ALERTS = 500
"""Alerts of a batch that are read while nothing else can be done."""

A = TypeVar("A")
B = TypeVar("B")


@dataclass
class Tally:
    """How many of what went through."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, n: int = 1) -> None:
        """Count ``n`` more."""
        self.counts[what] = self.counts.get(what, 0) + n


@dataclass
class Agents:
    """The handlers of the app's streams, over one store, one join and one ranker.

    Parameters
    ----------
    now
        The clock: seconds since the Unix epoch; a replay gives its own.
    alert_partitions
        Number of partitions of the topic of alerts.
    """

    store: Store
    desk: NoticeDesk
    joint: JointDesk
    joiner: Joiner
    ranker: Ranker
    voevents: VOEventDesk
    gcn_notices: GCNNoticeDesk
    subscribers: SubscriberDesk
    send: Send
    now: Callable[[], float]
    alert_partitions: int
    tally: Tally = field(default_factory=Tally)
    positions: dict[str, int] = field(default_factory=dict)
    last_record_unix_s: float | None = None
    ownership: Ownership = field(init=False)
    lists: ListDesk = field(init=False)
    _ranking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _taking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _subscribing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: dict[str, None] = field(default_factory=dict)
    _waits: asyncio.Event = field(default_factory=asyncio.Event)
    _looking: int = 0

    def __post_init__(self) -> None:
        self.ownership = Ownership(self._take_over, self._epoch_of)
        self.lists = ListDesk(self.store.targets, self.joiner.policy.cases, self._send)

    async def _send(self, records: Iterable[Outgoing]) -> None:
        await self.send(records)

    def handled(self, records: list[Record]) -> None:
        """Note how far the streams are handled."""
        ends = {(record.topic, record.partition): record.offset + 1 for record in records}
        self.positions |= {f"{topic}/{n}": end for (topic, n), end in ends.items()}
        self.last_record_unix_s = self.now()

    # -- what comes in ---------------------------------------------------------------------------

    async def admit_notices(self, records: list[Record]) -> None:
        """Raw notices to events, and to the joint events that they are part of."""
        for record in records:
            name = record.key.decode(errors="replace") if record.key else record.name
            try:
                audience = audience_of_headers(record.headers, record.name)
                admit = partial(self.desk.admit, record.value, name, self.now(), audience)
                event = await asyncio.to_thread(admit)
            except MalformedPacketError as error:
                await self.bury(record, str(error), error.rule)
                continue
            await self.send([Outgoing(EVENTS.name, event.event_key, to_json(event))])
            await self._join_event(event.event_key)
            self.tally.add("notices")

    async def _join_event(self, event_key: str) -> None:
        """Find an event's joint events anew, and tell them until none stands otherwise than told.

        Each notice of an event tells all that it ever was a member of, for the last one who found
        them may not have come to it; and who was held up in between may tell an old revision.
        """
        told = await asyncio.to_thread(self.joint.refresh, event_key)
        while told:
            public = [r for r in told if not r.audience]
            await self.send(Outgoing(JOINT_EVENTS.name, r.joint_id, to_json(r)) for r in public)
            told = await asyncio.to_thread(self.store.joint_events.other_than, told)

    async def join_alerts(self, records: list[Record]) -> None:
        """Alerts into the store and the window, and a look at the open events.

        While some of them are stored, the next ones are read, for the store computes by itself;
        and the pairs of those before are on their way.
        """
        first, *parts = _parts(records)
        reading, telling = asyncio.create_task(self._understood(first)), []
        try:
            for part in [*parts, []]:
                alerts = await reading
                reading = asyncio.create_task(self._understood(part))
                if alerts:
                    pairs = await self._as_owner(self._join, alerts)
                    telling.append(asyncio.create_task(self._tell(pairs)))
                    self.tally.add("alerts", len(alerts))
            await asyncio.gather(*telling)
        finally:
            await asyncio.gather(reading, *telling, return_exceptions=True)

    def _join(self, alerts: list[ReceivedAlert]) -> list[PairRecord]:
        # What was fetched before a rebalance may be another's by now, who has it delivered again.
        share = self.joiner.share
        own = [(a, body) for a, body in alerts if share.holds(a.object_id)]
        if len(own) < len(alerts):
            log.warning("alerts_of_others", n=len(alerts) - len(own))
        return self.joiner.add_alerts(own) if own else []

    async def take_pairs(self, records: list[Record]) -> None:
        """Pairs, which are in the store already: their events wait for the next ranking."""
        await self.ownership.until_owner_or_given_up()
        async with self._taking:
            self.tally.add("pairs", await asyncio.to_thread(self._take, records))

    def _take(self, records: list[Record]) -> int:
        return len(self.ranker.apply([of_json(PairRecord, r.value, r.name) for r in records]))

    async def tell_subscribers(self, records: list[Record]) -> None:
        """Published revisions, to the topics of those whose filters let them pass.

        By a stream of its own, so that no filter is waited for where coincidences are published.
        The subscriptions are looked up for each batch: what is published after one was put is
        seen by it.
        """
        async with self._subscribing:
            if not await asyncio.to_thread(self.subscribers.refresh):
                return
            told = await asyncio.to_thread(self._for_subscribers, records)
        await self.send(told)
        self.tally.add("sent_to_subscribers", len(told))

    async def look_for_subscriptions(self) -> None:
        """Make the topics of new subscriptions, before anything is sent to them."""
        async with self._subscribing:
            await asyncio.to_thread(self.subscribers.refresh)
            await asyncio.to_thread(self.subscribers.make_topics)

    def _for_subscribers(self, records: list[Record]) -> list[Outgoing]:
        revisions = [of_json(CoincidenceRevision, r.value, r.name) for r in records]
        return self.subscribers.records_of(revisions)

    async def keep_dead_letters(self, records: list[Record]) -> None:
        """What could not be understood, by whichever process, into the store."""
        for record in records:
            said = {name: text.decode(errors="replace") for name, text in record.headers}
            put = partial(
                self.store.dead_letters.put,
                source=said.get("source", record.topic),
                packet_name=said.get("name", record.name),
                packet=record.value,
                reason=said.get("reason", "no reason given"),
                received_unix_s=self.now(),
                rule=said.get("rule"),
                record_key=said.get("key"),
                audience=audience_of_text(said.get(AUDIENCE_HEADER)),
            )
            await asyncio.to_thread(put)

    async def bury(self, record: Record, reason: str, rule: str) -> None:
        """Into the dead letter: the bytes, where they came from, and why."""
        if record.topic == DEAD_LETTER.name:
            # Not into itself: it stays on its topic, and in the log.
            log.error("dead_letter_not_stored", record=record.name, reason=reason)
            return
        said = {"source": record.topic, "name": record.name, "rule": rule, "reason": reason}
        if record.key is not None:
            said["key"] = record.key.decode(errors="replace")
        headers = tuple((name, text.encode(errors="replace")) for name, text in said.items())
        headers += tuple(h for h in record.headers if h[0] == AUDIENCE_HEADER)
        await self.send([Outgoing(DEAD_LETTER.name, record.topic, record.value, headers)])
        self.tally.add("dead_letters")

    # -- events ----------------------------------------------------------------------------------

    async def notice_event(self, event_key: bytes) -> None:
        """An event has arrived or changed: it waits for its look back."""
        self._wait_for_look_back([event_key.decode(errors="replace")])

    async def look_back_for_ever(self) -> None:
        """Activate the events that wait, as they come, and look back for each."""
        while True:
            await self._waits.wait()
            self._waits.clear()
            await self.look_back_waiting()

    async def look_back_waiting(self) -> None:
        """Activate the events that wait, and look back for each."""
        while self._waiting:
            event_key = next(iter(self._waiting))
            self._looking += 1
            del self._waiting[event_key]
            try:
                await persisting(self._look_back, event_key)
            except NotOwnerError:
                self._wait_for_look_back([event_key])
            except Exception as error:
                log.error("look_back_failed", event_key=event_key, exc_info=error)
                again = partial(self._wait_for_look_back, [event_key])
                asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, again)
            finally:
                self._looking -= 1

    async def _look_back(self, event_key: str) -> None:
        await self.ownership.until_owner()
        chunks, telling = self.joiner.activate(event_key), asyncio.create_task(self._tell([]))
        try:
            # The pairs of one chunk are on their way while the next one is compared. Before the
            # look back counts as done comes an empty one, and with it the wait for the last.
            while (pairs := await self._next_chunk(chunks)) is not None:
                await telling
                telling = asyncio.create_task(self._tell(pairs))
        finally:
            await asyncio.gather(telling, return_exceptions=True)

    async def _next_chunk(self, chunks: Iterator[list[PairRecord]]) -> list[PairRecord] | None:
        try:
            return await asyncio.to_thread(next, chunks, None)
        except NotOwnerError as error:
            await self.ownership.own_again(error)
            raise

    def _wait_for_look_back(self, event_keys: Iterable[str]) -> None:
        self._waiting.update(dict.fromkeys(event_keys))
        self._waits.set()

    async def _tell(self, pairs: list[PairRecord]) -> None:
        await self.send(Outgoing(PAIRS.name, p.event_key, to_json(p)) for p in pairs)

    # -- ownership -------------------------------------------------------------------------------

    def leave(self) -> None:
        """The group has called its members together, and waits until ours is at rest."""
        self.ownership.leave()

    def disown(self) -> None:
        """Handle nothing until the new share is known."""
        self.ownership.disown()

    async def own(self, alerts: Share, pair_partitions: Collection[int]) -> None:
        """Begin to own a share of the objects and of the events; finish what others began."""
        await self.ownership.own(alerts, pair_partitions)

    async def _take_over(self, assigned: Assignment) -> None:
        await asyncio.to_thread(self.joiner.own, assigned.alerts)
        async with self._ranking, self._taking:
            stream = self._stream_unix_s
            await asyncio.to_thread(self.ranker.own, assigned.pair_partitions, stream)
        if assigned.pair_partitions:
            self.lists.take_over()
        self._wait_for_look_back(await asyncio.to_thread(self.joiner.undone))

    def _epoch_of(self, name: str) -> int:
        return max(self.joiner.epoch_of(name), self.ranker.epoch_of(name))

    async def _as_owner(self, act: Callable[[A], B], argument: A) -> B:
        """Do something that only an owner may do, once we are one."""
        while True:
            await self.ownership.until_owner_or_given_up()
            try:
                return await asyncio.to_thread(act, argument)
            except NotOwnerError as error:
                await self.ownership.own_again(error)

    @property
    def is_owner(self) -> bool:
        """Whether a share is owned; not so in a rebalance."""
        return self.ownership.is_owner

    @property
    def is_leaving(self) -> bool:
        """Whether the group waits for us to finish or to give up what is begun."""
        return self.ownership.is_leaving

    @property
    def looks_back(self) -> bool:
        """Whether a look back waits or is under way."""
        return bool(self._waiting or self._looking)

    @property
    def pending(self) -> int:
        """Look backs and rankings that are not done."""
        rankings = self.ranker.n_changed + self.lists.are_old + self._ranking.locked()
        return len(self._waiting) + self._looking + rankings

    # -- rankings --------------------------------------------------------------------------------

    async def rank_changed(self) -> None:
        """Rank all that changed since it was last ranked, publish what is new."""
        self.ranker.close(self._stream_unix_s)
        for _ in range(2):  # the joint events after their members
            await self.find_joint()
            if self.is_owner and (self.ranker.n_changed or self.lists.are_old):
                await self._rank(None)
        if self.is_owner and self.lists.are_old:
            await self.refresh_lists()

    async def find_joint(self) -> None:
        """Look for joint events of ours that members changed, here or in another worker."""
        if self.is_owner:
            await asyncio.to_thread(self.ranker.find_joint)

    async def rank_due(self, interval_s: float) -> None:
        """Rank what changed and was not ranked for a while, publish what is new."""
        self.ranker.close(self._stream_unix_s)
        due = self.ranker.due(time.monotonic(), interval_s) if self.is_owner else []
        if due:
            await self._rank(due)

    async def _rank(self, event_keys: list[str] | None) -> None:
        try:
            async with self._ranking:
                as_of = self._stream_unix_s
                if not math.isfinite(as_of):
                    return
                rankings = await asyncio.to_thread(self.ranker.rank_changed, as_of, event_keys)
                self.lists.are_old |= bool(rankings)
                await self._publish_or_keep(rankings, as_of)
        except NotOwnerError as error:
            await self.ownership.own_again(error)

    @property
    def _stream_unix_s(self) -> float:
        """The stream's own time: of the latest that came, and never ahead of the clock [s]."""
        return min(self.now(), max(self.joiner.stream_unix_s, self.ranker.stream_unix_s))

    async def rank_all(self, visibilities: Mapping[str, Visibility] | None = None) -> list[Ranking]:
        """Rank every event anew, publish what is new."""
        async with self._ranking:
            as_of = self.now()
            rankings = await asyncio.to_thread(self.ranker.rank_all, as_of, visibilities)
            await self._publish_or_keep(rankings, as_of)
            await self.lists.replace(rankings, as_of)
        return rankings

    async def _publish_or_keep(self, rankings: list[Ranking], as_of_unix_s: float) -> None:
        """New revisions of coincidences; what could not be published is ranked again."""
        left = list(rankings)
        try:
            while left:
                begin_s = time.monotonic()
                await self._publish(left[0], as_of_unix_s)
                took_s = time.monotonic() - begin_s
                self.ranker.ranked(left.pop(0).event_key, begin_s, took_s)
        finally:
            self.ranker.rank_again(left)

    async def _publish(self, ranking: Ranking, as_of_unix_s: float) -> None:
        key = ranking.event_key
        await self._tell_of(key, await asyncio.to_thread(self.ranker.untold, key))
        publish = partial(self.ranker.publish, ranking, as_of_unix_s)
        await self._tell_of(key, await asyncio.to_thread(publish))

    async def _tell_of(self, event_key: str, revisions: list[CoincidenceRevision]) -> None:
        # Those who write for subscribers read of all, whoever it is for.
        records = [revision_record(revision) for revision in revisions]
        public = revisions
        if any(revision.audience for revision in revisions):
            public = await asyncio.to_thread(told_to_all, self.store, revisions)
        await self.send([*records, *(r for revision in public for r in records_of(revision))])
        await self.send(await asyncio.to_thread(self.voevents.records_of, revisions))
        await self.send(await asyncio.to_thread(self.gcn_notices.records_of, revisions))
        self.ranker.told(event_key)

    async def refresh_lists(self) -> None:
        """The lists that follow from what is published of all events, whoever published it."""
        if not self.lists.are_old:
            return
        async with self._ranking:
            as_of = self._stream_unix_s
            if math.isfinite(as_of):
                await self.lists.refresh(as_of)
            else:
                # Nothing ever came, so nothing is published.
                self.lists.are_old = False

    # -- decoding --------------------------------------------------------------------------------

    async def _understood(self, records: list[Record]) -> list[ReceivedAlert]:
        """The alerts of some records; those that cannot be understood are buried."""
        if not records:
            return []
        try:
            return await asyncio.to_thread(_alerts, records, self.alert_partitions)
        except MalformedPacketError:
            pass
        understood: list[ReceivedAlert] = []
        for record in records:
            try:
                understood += _alerts([record], self.alert_partitions)
            except MalformedPacketError as error:
                await self.bury(record, str(error), error.rule)
        return understood


def _parts(records: list[Record]) -> list[list[Record]]:
    """A batch in parts: a small one, and then those of the usual size."""
    starts = [0, *range(FIRST_ALERTS, len(records), PART_ALERTS)]
    return [records[at:end] for at, end in pairwise([*starts, len(records)])]


def _alerts(records: list[Record], n_partitions: int) -> list[ReceivedAlert]:
    alerts = alerts_of_json((r.value, r.name) for r in records)
    for alert, record in zip(alerts, records, strict=True):
        place = partition_of(alert.object_id.encode(), n_partitions)
        if record.partition != place:
            # Whoever owns its object never reads it there.
            rule = "an alert in its object's partition: crc32 of the object id, modulo their number"
            raise MalformedPacketError(record.name, rule, f"{record.partition}, not {place}")
    return [(alert, record.value) for alert, record in zip(alerts, records, strict=True)]
