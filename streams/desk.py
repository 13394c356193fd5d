"""The notice desk: bytes in, the event that they leave behind out."""

from __future__ import annotations

from correlator.errors import MalformedPacketError
from correlator.event import Event, apply_notice, event_of
from correlator.wire import EventRecord, record_of_event
from ingest_vo.reader import to_notice
from storage.store import Store


class NoticeDesk:
    """Reads notices, folds them into events and remembers both.

    What it holds in memory is a cache: an event that it does not know is folded anew from the
    packets in the store, so a restart changes nothing.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events: dict[str, Event] = {}

    def admit(self, packet: bytes, name: str, received_unix_s: float) -> EventRecord:
        """Read one packet and return the record of its event as it stands now.

        The notice, the localization and the event are in the store when this returns, in that
        order, so whoever sees the event finds its localization.

        Raises
        ------
        MalformedNoticeError
            The packet cannot be understood.
        """
        notice = to_notice(packet, name)
        event = apply_notice(self._known(notice.event_key), notice)
        self._store.notices.put(notice, packet, name, received_unix_s)
        if event.localization is not None:
            self._store.localizations.put(event.localization)
        record = record_of_event(event)
        self._store.events.put(record)
        self._events[event.event_key] = event
        return record

    def _known(self, event_key: str) -> Event | None:
        if event_key in self._events:
            return self._events[event_key]
        notices = []
        for name, packet in self._store.notices.packets_of_event(event_key):
            try:
                notices.append(to_notice(packet, name))
            except MalformedPacketError:
                # Understood by an earlier release, refused by this one: the others still stand.
                continue
        return event_of(notices) if notices else None
