"""Published coincidences as VOEvents: for the topic, the page and the command."""

from __future__ import annotations

from collections.abc import Iterable

from correlator.errors import CorrelatorError
from correlator.event import EventState
from correlator.wire import EventRecord
from storage.coincidences import CoincidenceRevision
from storage.store import Store
from streams.joint import is_joint
from streams.outgoing import Outgoing
from streams.topics import VOEVENTS
from streams.voevent import Author, voevent_of


class NoVOEventError(CorrelatorError):
    """No published coincidence is the one that was asked for."""


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
        """What is told of revisions on the topic of VOEvents."""
        events: dict[str, list[EventRecord]] = {}
        told = []
        for revision in revisions:
            key = revision.event_key
            if key not in events:
                events[key] = self._events_of(key)
            xml = self._xml(revision, events[key])
            told.append(Outgoing(VOEVENTS.name, revision.coincidence_id, xml))
        return told

    def find(
        self, coincidence_id: str, case: str | None = None, revision: int | None = None
    ) -> bytes:
        """XML of a revision, by default the latest; its case is needed where there are several.

        Raises
        ------
        NoVOEventError
            There is no such revision, or it is of several cases.
        """
        history = self._store.coincidences.history(coincidence_id, case)
        found = [r for r in history if revision in (None, r.revision)]
        if not found:
            raise NoVOEventError(f"no coincidence {coincidence_id} of that case and revision")
        if len({r.case for r in found}) > 1:
            cases = ", ".join(sorted({r.case for r in found}))
            raise NoVOEventError(f"{coincidence_id} is in several cases, choose one: {cases}")
        return self._xml(found[-1], self._events_of(found[-1].event_key))

    def _xml(self, revision: CoincidenceRevision, events: list[EventRecord]) -> bytes:
        notice_ids = [notice_id for event in events for notice_id in event.notice_ids]
        is_test = any(event.state is EventState.TEST for event in events)
        return voevent_of(revision, self._author, notice_ids, is_test=is_test)

    def _events_of(self, event_key: str) -> list[EventRecord]:
        """The event, or the members of the joint event."""
        keys: tuple[str, ...] = (event_key,)
        if is_joint(event_key):
            joint = self._store.joint_events.get(event_key)
            keys = () if joint is None else joint.body.event_keys
        found = self._store.events.get_many(keys)
        return [found[key] for key in keys if key in found]
