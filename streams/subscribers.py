"""Coincidences for their subscribers: what each filter lets pass, and what it takes back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import structlog

from correlator.errors import FilterError
from correlator.filters import Filter, Predicate, filter_id, predicate_of, read_filter
from correlator.wire import EventRecord
from storage.coincidences import CoincidenceRevision
from storage.store import Store
from storage.subscriptions import Subscription
from streams.coincidence_block import SubscriptionSaid
from streams.gcn_notice import Json, document_of, for_subscriber
from streams.gcn_notices import notice_record
from streams.outgoing import Outgoing
from streams.published import events_of
from streams.told import Told, key_of, revisions_before, told_to
from streams.topics import Topic, user_topic
from streams.voevent import Author

log = structlog.get_logger(__name__)

MOST_SUBSCRIPTIONS = 1000
"""So many are served, the oldest first: each costs every revision a few microseconds."""

NO_LONGER = "it passes the filter of the subscription no longer"


@dataclass(frozen=True, slots=True)
class _Served:
    """A subscription with its filter compiled."""

    subscription: Subscription
    filter_id: str
    lets_pass: Predicate

    def passes(self, revision: CoincidenceRevision | None) -> bool:
        """Whether a revision is sent for what it says, as the store selects it."""
        if revision is None or revision.body is None:
            return False
        return self.subscription.reader.may_read(revision.audience) and self.lets_pass(
            revision.body
        )


class SubscriberDesk:
    """Writes for each subscription what its filter would have been sent, as it is published.

    So what is on its topic is what :meth:`storage.coincidences.CoincidenceStore.sent` selects.
    Calls block; one thread at a time.

    Parameters
    ----------
    store
        Where the subscriptions, the coincidences and their events are.
    author
        Who sends.
    make_topics
        Makes those topics that the broker has not.
    now_unix_s
        The clock by which the tokens of subscribers end [s since the Unix epoch].
    """

    def __init__(
        self,
        store: Store,
        author: Author,
        make_topics: Callable[[Sequence[Topic]], None],
        now_unix_s: Callable[[], float],
    ) -> None:
        self._store = store
        self._author = author
        self._make_topics = make_topics
        self._now_unix_s = now_unix_s
        self._served: dict[str, _Served] = {}
        self._refused: dict[str, str] = {}
        self._made: frozenset[str] = frozenset()

    def refresh(self) -> bool:
        """Take up the subscriptions as they are now, topics first; whether there are any."""
        found = self._store.subscriptions.served(self._now_unix_s())
        if len(found) > MOST_SUBSCRIPTIONS:
            log.error("too_many_subscriptions", n=len(found), served=MOST_SUBSCRIPTIONS)
            found = tuple(sorted(found, key=_age)[:MOST_SUBSCRIPTIONS])
        served = [one for each in found if (one := self._compiled(each)) is not None]
        self._served = {one.subscription.name: one for one in served}
        if not self._made.issuperset(self._served):
            self.make_topics()
        return bool(self._served)

    def make_topics(self) -> None:
        """Make the topics of all subscriptions, also those that somebody took away."""
        if self._served:
            self._make_topics([user_topic(name) for name in self._served])
            self._made = frozenset(self._served)

    def _compiled(self, subscription: Subscription) -> _Served | None:
        name = subscription.name
        known = self._served.get(name)
        if known is not None and known.subscription.filter == subscription.filter:
            return replace(known, subscription=subscription)
        if self._refused.get(name) == subscription.filter:
            return None
        try:
            tree: Filter = read_filter(subscription.filter)
        except FilterError as error:
            # Put by a release whose language had more: the others are served.
            log.error("subscription_not_understood", name=name, error=str(error))
            self._refused[name] = subscription.filter
            return None
        return _Served(subscription, filter_id(tree), predicate_of(tree))

    def records_of(self, revisions: Iterable[CoincidenceRevision]) -> list[Outgoing]:
        """What is told of revisions to the subscribers, in their order."""
        told = {key_of(r): r for r in revisions}
        before = revisions_before(self._store, told.values())
        events: dict[str, list[EventRecord]] = {}
        records = []
        for revision in told.values():
            last = before.get(key_of(revision))
            for one in self._served.values():
                passes = one.passes(revision)
                if not passes and not one.passes(last):
                    continue
                key = revision.event_key
                if key not in events:
                    events[key] = events_of(self._store, key)
                told_of = told_to(one.subscription.reader, revision, last, events[key])
                if told_of is not None:
                    records.append(self._record(one, told_of, passes=passes))
        return records

    def _record(self, one: _Served, told: Told, *, passes: bool) -> Outgoing:
        said = SubscriptionSaid(one.subscription.name, one.filter_id, passes)
        document = document_of(told.revision, told.body, told.events, self._author)
        why_gone = NO_LONGER if not passes and told.revision.body is not None else None
        return _outgoing(for_subscriber(document, said, why_gone))


def _age(subscription: Subscription) -> tuple[float, str]:
    return subscription.created_unix_s, subscription.name


def _outgoing(document: Json) -> Outgoing:
    said: SubscriptionSaid = document["coincidence"].subscription
    record = notice_record(document, user_topic(said.name))
    return replace(record, headers=(*record.headers, ("passes", b"1" if said.passes else b"0")))
