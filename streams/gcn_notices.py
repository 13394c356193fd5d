"""Published coincidences as notices on GCN's core schema: for the topics and the command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from correlator.audience import OPERATOR, PUBLIC_READER, Reader
from correlator.notice import Messenger
from correlator.wire import EventRecord
from storage.coincidences import CoincidenceRevision
from storage.store import Store
from streams.gcn_notice import SCHEMA_URL, Json, document_of, to_bytes
from streams.joint import is_joint
from streams.outgoing import Outgoing
from streams.published import chosen, events_of, is_test
from streams.told import Told, key_of, revisions_before, told_to
from streams.topics import (
    COINCIDENCE_ALL,
    COINCIDENCE_GRB,
    COINCIDENCE_GW,
    COINCIDENCE_NU,
    COINCIDENCE_TEST,
    COINCIDENCE_XRAY,
    Topic,
)
from streams.voevent import Author

_OF_MESSENGER = {
    Messenger.GRAVITATIONAL_WAVE: COINCIDENCE_GW,
    Messenger.GAMMA_RAY: COINCIDENCE_GRB,
    Messenger.X_RAY: COINCIDENCE_XRAY,
    Messenger.NEUTRINO: COINCIDENCE_NU,
}


class GCNNoticeDesk:
    """Writes revisions as notices, with what the store knows of them and of their events.

    Parameters
    ----------
    store
        Where the events and the coincidences are.
    author
        Who sends.
    """

    def __init__(self, store: Store, author: Author) -> None:
        self._store = store
        self._author = author

    def records_of(self, revisions: Iterable[CoincidenceRevision]) -> list[Outgoing]:
        """What everybody is told of revisions on the topics of notices, in their order.

        Of what is not public nothing; what was, and is no longer, is taken back.
        """
        told = list(revisions)
        before = revisions_before(self._store, [r for r in told if r.body is None or r.audience])
        events: dict[str, list[EventRecord]] = {}
        records = []
        for revision in told:
            key = revision.event_key
            if key not in events:
                events[key] = events_of(self._store, key)
            one = told_to(PUBLIC_READER, revision, before.get(key_of(revision)), events[key])
            if one is not None:
                document = document_of(one.revision, one.body, one.events, self._author)
                records += _records(document, topics_of(events[key], one))
        return records

    def find(
        self,
        coincidence_id: str,
        case: str | None = None,
        revision: int | None = None,
        reader: Reader = OPERATOR,
    ) -> Json:
        """The notice of a revision, by default of the latest; its case is needed where there are
        several.

        Raises
        ------
        NoCoincidenceError
            There is no such revision that the reader may read, or it is of several cases.
        """
        history = self._store.coincidences.history(coincidence_id, case, reader)
        found = chosen(history, coincidence_id, revision)
        last = [r for r in history if (r.case, r.revision) == (found.case, found.revision - 1)]
        events = events_of(self._store, found.event_key, reader)
        return self._document(found, last[0] if last else None, events)

    def _document(
        self,
        revision: CoincidenceRevision,
        before: CoincidenceRevision | None,
        events: list[EventRecord],
    ) -> Json:
        body = revision.body
        if body is None and before is not None:
            body = before.body
        return document_of(revision, body, events, self._author)


def topics_of(events: list[EventRecord], told: Told | None = None) -> tuple[Topic, ...]:
    """Where a notice goes: all, and each messenger's; tests only to their own.

    That a coincidence of a joint event is gone goes to those of every messenger.

    Parameters
    ----------
    told
        What is told of it, where that is not of all of the events.
    """
    if is_test(events):
        return (COINCIDENCE_TEST,)
    if told is not None and told.revision.body is None and is_joint(told.revision.event_key):
        # Its members were perhaps others when it was told, or public: wherever that was.
        return (COINCIDENCE_ALL, *_OF_MESSENGER.values())
    messengers = [event.messenger for event in (events if told is None else told.events)]
    if told is not None and told.body is not None and told.body.event is not None:
        # Where it was told before, though its event may not be told of any more.
        messengers.append(told.body.event.messenger)
    of_messengers = {_OF_MESSENGER.get(messenger): None for messenger in messengers}
    return (COINCIDENCE_ALL, *(topic for topic in of_messengers if topic is not None))


def _records(document: Json, topics: Iterable[Topic]) -> list[Outgoing]:
    first, *others = topics
    record = notice_record(document, first)
    return [record, *(replace(record, topic=topic.name) for topic in others)]


def notice_record(document: Json, topic: Topic) -> Outgoing:
    """A notice on a topic, with headers that a reader can choose by without reading the value."""
    (key,) = document["id"]
    headers = (
        ("schema", SCHEMA_URL.encode()),
        ("content-type", b"application/json"),
        ("alert_type", document["alert_type"].encode()),
        ("revision", str(document["record_number"]).encode()),
    )
    return Outgoing(topic.name, key, to_bytes(document), headers)
