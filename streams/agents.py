"""The agents: receive, ask the core, remember, tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from correlator.alert import Alert
from correlator.errors import MalformedPacketError
from correlator.event import EventState
from correlator.priority import Visibility
from correlator.ranking import Ranking
from correlator.wire import EventRecord, PairRecord, event_of_record, of_json, to_json
from storage.coincidences import CoincidenceRevision
from storage.store import Store
from streams.desk import NoticeDesk
from streams.joiner import Joiner
from streams.ranker import Ranker
from streams.records import Record
from streams.topics import COINCIDENCES, DEAD_LETTER, EVENTS, PAIRS, targets_topic

Send = Callable[[str, str, bytes], Any]
"""Produce a record: topic, key, value; returns an awaitable."""


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
    """

    store: Store
    desk: NoticeDesk
    joiner: Joiner
    ranker: Ranker
    send: Send
    now: Callable[[], float]
    tally: Tally = field(default_factory=Tally)
    _ranking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def admit_notices(self, records: list[Record]) -> None:
        """Raw notices to events."""
        for record in records:
            name = record.key.decode(errors="replace") if record.key else record.name
            try:
                event = await asyncio.to_thread(self.desk.admit, record.value, name, self.now())
            except MalformedPacketError as error:
                await self.bury(record, str(error), error.rule)
                continue
            await self.send(EVENTS.name, event.event_key, to_json(event))
            self.tally.add("notices")

    async def activate_events(self, records: list[Record]) -> None:
        """Events into the book, and a look back over the alerts."""
        for record in records:
            event = of_json(EventRecord, record.value, record.name)
            sha = event.localization_sha256
            found = await asyncio.to_thread(self.store.localizations.get, sha) if sha else None
            await self._tell(self.joiner.set_event(event_of_record(event, found)))

    async def join_alerts(self, records: list[Record]) -> None:
        """Alerts into the window, and a look at the open events."""
        alerts = [of_json(Alert, r.value, r.name) for r in records]
        objects, pairs = self.joiner.add_alerts(alerts)
        await asyncio.to_thread(self.store.alerts.put_many, alerts)
        await asyncio.to_thread(self.store.alerts.put_objects, objects)
        await self._tell(pairs)
        self.tally.add("alerts", len(alerts))

    async def take_pairs(self, records: list[Record]) -> None:
        """Pairs into the store; their events wait for the next ranking."""
        pairs = [of_json(PairRecord, r.value, r.name) for r in records]
        await asyncio.to_thread(self.store.pairs.put_many, pairs)
        self.tally.add("pairs", len(self.ranker.apply(pairs)))

    async def rank_changed(self) -> None:
        """Rank what changed since the last time, publish what is new."""
        async with self._ranking:
            as_of = self.now()
            rankings = self.ranker.rank_changed(as_of)
            if rankings:
                await self._publish_or_keep(rankings, as_of)

    async def rank_all(self, visibilities: Mapping[str, Visibility] | None = None) -> list[Ranking]:
        """Rank every event anew, publish what is new."""
        async with self._ranking:
            as_of = self.now()
            rankings = self.ranker.rank_all(as_of, visibilities)
            await self._publish_or_keep(rankings, as_of)
        return rankings

    async def look_back(self) -> None:
        """Once at the start: what a crash may have left between the store and the join."""
        await self._tell(self.joiner.look_back())

    async def _publish_or_keep(self, rankings: list[Ranking], as_of_unix_s: float) -> None:
        published = False
        try:
            await self._publish(rankings, as_of_unix_s)
            published = True
        finally:
            if not published:
                self.ranker.rank_again(rankings)

    async def _publish(self, rankings: Iterable[Ranking], as_of_unix_s: float) -> None:
        """New revisions of coincidences, then the lists that follow from them."""
        for ranking in rankings:
            revisions = await asyncio.to_thread(
                self.store.coincidences.publish,
                ranking.event_key,
                list(ranking.coincidences),
                as_of_unix_s,
                self._why_gone,
            )
            for revision in revisions:
                await self.send(COINCIDENCES.name, ranking.event_key, to_json(revision))
        for case, targets in self.ranker.targets().items():
            replace = self.store.targets.replace_list
            for target in await asyncio.to_thread(replace, case, targets, as_of_unix_s):
                await self.send(targets_topic(case).name, target.target_id, to_json(target))

    async def bury(self, record: Record, reason: str, rule: str) -> None:
        """Into the dead letter: the bytes, where they came from, and why."""
        put = partial(self.store.dead_letters.put, rule=rule)
        await asyncio.to_thread(put, record.topic, record.name, record.value, reason, self.now())
        await self.send(DEAD_LETTER.name, record.topic, record.value)
        self.tally.add("dead_letters")

    async def _tell(self, pairs: list[PairRecord]) -> None:
        for pair in pairs:
            await self.send(PAIRS.name, pair.event_key, to_json(pair))
        self.joiner.told(pairs)

    def _why_gone(self, revision: CoincidenceRevision) -> str:
        event = self.joiner.book.get(revision.event_key)
        if event is not None and event.state is not EventState.LIVE:
            return f"the event is {event.state}"
        return self.ranker.why_gone(revision.event_key, revision.object_key, revision.case)
