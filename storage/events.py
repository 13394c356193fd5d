"""Events as they stand: the highest version of each."""

from __future__ import annotations

from sqlalchemy import select

from correlator.wire import EventRecord, of_json, to_json
from storage.database import Database, equal_to
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
        row["body"] = to_json(event).decode()
        self._database.upsert(
            events, [row], lambda new, stored: new["version"] >= stored["version"]
        )

    def get(self, event_key: str) -> EventRecord | None:
        """Event of a key; None when it is not stored."""
        found = self._found(event_key=event_key)
        return found[0] if found else None

    def all(self) -> list[EventRecord]:
        """Every event, by key."""
        return self._found()

    def _found(self, **wanted: object) -> list[EventRecord]:
        found = (
            select(events.c.event_key, events.c.body)
            .where(*equal_to(events, **wanted))
            .order_by(events.c.event_key)
        )
        with self._database.reading() as connection:
            rows = connection.execute(found).all()
        return [of_json(EventRecord, body.encode(), f"event {key}") for key, body in rows]
