"""The notice desk: bytes in, the event that they leave behind out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from correlator.audience import PUBLIC, Audience
from correlator.errors import MalformedPacketError
from correlator.event import Event, apply_notice, event_of
from correlator.notice import Notice
from correlator.wire import EventRecord, record_of_event
from ingest_vo.reader import to_notice
from storage.store import Store

CACHED_EVENTS = 100
"""Events kept in memory with their notices; a sky map is about 1 MB."""


class NoticeDesk:
    """Reads notices, folds them into events and remembers both.

    What it holds in memory is a cache: an event that it does not know, or that the store knows
    more of, is folded anew from the packets in the store. So neither a restart nor a second desk
    changes anything.

    Attributes
    ----------
    heard
        Is told of each notice that is in the store with its event.
    """

    def __init__(self, store: Store) -> None:
        self.heard: Callable[[Notice], None] | None = None
        self._store = store
        self._events: OrderedDict[str, Event] = OrderedDict()

    def admit(
        self, packet: bytes, name: str, received_unix_s: float, audience: Audience = PUBLIC
    ) -> EventRecord:
        """Read one packet and return the record of its event as it stands now.

        The notice, the localization and the event are in the store when this returns, in that
        order, so whoever sees the event finds its localization.

        Raises
        ------
        MalformedNoticeError
            The packet cannot be understood.
        """
        notice = replace(to_notice(packet, name), audience=audience)
        self._store.notices.put(notice, packet, name, received_unix_s)
        event = self._folded(notice)
        if event.localization is not None:
            self._store.localizations.put(event.localization)
        record = record_of_event(event)
        self._store.events.put(record)
        self._remember(event)
        if self.heard is not None:
            self.heard(notice)
        return record

    def _folded(self, notice: Notice) -> Event:
        known = self._events.get(notice.event_key)
        stored = self._store.notices.find(event_key=notice.event_key, limit=_ALL)
        identities = {(n.notice_id, n.content_sha256, n.audience) for n in stored}
        if known is not None or len(identities) == 1:
            event = apply_notice(known, notice)
            if {(n.notice_id, n.content_sha256, n.audience) for n in event.notices} == identities:
                return event
        return event_of([notice, *self._stored_notices(notice.event_key)])

    def _stored_notices(self, event_key: str) -> list[Notice]:
        notices = []
        for name, packet, audience in self._store.notices.packets_of_event(event_key):
            try:
                notices.append(replace(to_notice(packet, name), audience=audience))
            except MalformedPacketError:
                # Understood by an earlier release, refused by this one: the others still stand.
                continue
        return notices

    def _remember(self, event: Event) -> None:
        self._events[event.event_key] = event
        self._events.move_to_end(event.event_key)
        while len(self._events) > CACHED_EVENTS:
            self._events.popitem(last=False)


_ALL = 1_000_000
