"""Events as they stand: the highest version of each."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, func, select

from correlator.audience import OPERATOR, Reader, audience_text
from correlator.event import EventState
from correlator.wire import EventRecord, of_json, to_json
from storage.columns import nature_columns
from storage.database import Database
from storage.readable import readable
from storage.rows import found_of_keys
from storage.schema import events

_COPIED = (
    "event_key",
    "event_id",
    "mission",
    "version",
    "is_burst",
    "event_unix_s",
    "localization_sha256",
    "far_hz",
    "significance",
    "significance_kind",
)


class EventStore:
    """One row an event."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, event: EventRecord) -> None:
        """Store an event unless a higher version of it is stored."""
        row = {name: getattr(event, name) for name in _COPIED}
        row |= {"messenger": str(event.messenger), "state": str(event.state)}
        row |= nature_columns(event.verdicts)
        row |= {"body": to_json(event).decode(), "audience": audience_text(event.audience)}
        self._database.upsert(events, [row], "excluded.version >= events.version")

    def get(self, event_key: str) -> EventRecord | None:
        """Event of a key; None when it is not stored."""
        return self.get_many([event_key]).get(event_key)

    def get_many(self, event_keys: Collection[str]) -> dict[str, EventRecord]:
        """Events by key, those of the keys that are stored."""
        found = """
            SELECT e.event_key, e.body FROM {wanted} CROSS JOIN events AS e
            WHERE e.event_key = wanted.key
        """
        with self._database.reading() as connection:
            rows = found_of_keys(connection, found, event_keys)
        return {key: _event(key, body) for key, body in rows}

    def since(self, event_unix_s: float) -> list[EventRecord]:
        """Events that happened at a moment or later, by key."""
        return self._found(events.c.event_unix_s >= event_unix_s)

    def between(self, first_unix_s: float, last_unix_s: float) -> list[EventRecord]:
        """Events that happened from one moment to another, both included, by key."""
        return self._found(events.c.event_unix_s.between(first_unix_s, last_unix_s))

    def all(self, reader: Reader = OPERATOR) -> list[EventRecord]:
        """Every event that is for a reader, by key."""
        return self._found(*readable(events, reader))

    def latest_unix_s(self) -> float | None:
        """T0 of the latest event that is no test; None when there is none."""
        c = events.c
        found = select(func.max(c.event_unix_s)).where(c.state != str(EventState.TEST))
        with self._database.reading() as connection:
            latest: float | None = connection.execute(found).scalar()
        return latest

    def _found(self, *conditions: ColumnElement[bool]) -> list[EventRecord]:
        c = events.c
        found = select(c.event_key, c.body).where(*conditions).order_by(c.event_key)
        with self._database.reading() as connection:
            rows = connection.execute(found).all()
        return [_event(key, body) for key, body in rows]


def _event(event_key: str, body: str) -> EventRecord:
    return of_json(EventRecord, body.encode(), f"event {event_key}")
