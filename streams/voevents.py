"""Published coincidences as VOEvents: for the topic, the page and the command."""

from __future__ import annotations

from collections.abc import Iterable

from correlator.audience import OPERATOR, PUBLIC_READER, Reader
from correlator.wire import EventRecord
from storage.coincidences import CoincidenceRevision
from storage.store import Store
from streams.outgoing import Outgoing
from streams.published import NoCoincidenceError, chosen, events_of, is_test
from streams.told import key_of, revisions_before, told_to
from streams.topics import VOEVENTS
from streams.voevent import Author, voevent_of

NoVOEventError = NoCoincidenceError


class VOEventDesk:
    """Writes revisions as VOEvents, with what the store knows of their events.

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
        """What everybody is told of revisions on the topic of VOEvents.

        Of what is not public nothing; what was, and is no longer, is taken back.
        """
        made = list(revisions)
        before = revisions_before(self._store, [r for r in made if r.audience])
        events: dict[str, list[EventRecord]] = {}
        told = []
        for revision in made:
            key = revision.event_key
            if key not in events:
                events[key] = events_of(self._store, key)
            one = told_to(PUBLIC_READER, revision, before.get(key_of(revision)), events[key])
            if one is not None:
                xml = self._xml(one.revision, one.events, is_test=is_test(events[key]))
                told.append(Outgoing(VOEVENTS.name, revision.coincidence_id, xml))
        return told

    def find(
        self,
        coincidence_id: str,
        case: str | None = None,
        revision: int | None = None,
        reader: Reader = OPERATOR,
    ) -> bytes:
        """XML of a revision, by default the latest; its case is needed where there are several.

        Raises
        ------
        NoCoincidenceError
            There is no such revision that the reader may read, or it is of several cases.
        """
        history = self._store.coincidences.history(coincidence_id, case, reader)
        found = chosen(history, coincidence_id, revision)
        events = events_of(self._store, found.event_key, reader)
        return self._xml(found, events, is_test=is_test(events))

    def _xml(
        self, revision: CoincidenceRevision, events: list[EventRecord], *, is_test: bool
    ) -> bytes:
        notice_ids = [notice_id for event in events for notice_id in event.notice_ids]
        return voevent_of(revision, self._author, notice_ids, is_test=is_test)
