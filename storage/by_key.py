"""Single records on behalf of somebody: what they may read of a key, and nothing of the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, Select, Table, literal, select

from correlator.alert import Alert
from correlator.audience import Reader
from correlator.filters import Filter
from correlator.target import Target
from correlator.wire import EventRecord, of_json
from storage.coincidences import CoincidenceRevision, CoincidenceStore, Sent, revision_of
from storage.database import Database, equal_to
from storage.notices import NoticeRecord
from storage.readable import readable
from storage.schema import (
    alerts,
    coincidences,
    events,
    joint_events,
    localizations,
    notices,
    targets,
)
from storage.search.page import checked_text
from storage.targets import target_of

MAX_OF_ONE_ID = 20
"""Events of one id, and contents of one notice, that are told."""

_NOTICE = [notices.c[name] for name in NoticeRecord.__dataclass_fields__]

T = TypeVar("T")


class ByKey:
    """What a reader may read of a key; None or nothing where it is not theirs to read.

    Every method raises a `SearchError` for a text that no row can have.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def event(self, reader: Reader, event_key: str) -> EventRecord | None:
        """Event of a key."""
        found = self._events(reader, event_key=event_key)
        return found[0] if found else None

    def events_of_id(self, reader: Reader, event_id: str) -> list[EventRecord]:
        """Events to which their missions gave that id, by key."""
        return self._events(reader, event_id=event_id)

    def notices(self, reader: Reader, notice_id: str) -> list[NoticeRecord]:
        """Every content of a notice, by hash."""
        c = notices.c
        asked = select(*_NOTICE).where(*_of(notices, reader, notice_id=notice_id))
        return self._all(asked.order_by(c.content_sha256), lambda row: NoticeRecord(*tuple(row)))

    def packet(
        self, reader: Reader, notice_id: str, content_sha256: str | None = None
    ) -> tuple[str, bytes] | None:
        """Hash and bytes of a notice; of several contents, that of a hash, or of the lowest."""
        c = notices.c
        wanted = _of(notices, reader, notice_id=notice_id, content_sha256=content_sha256)
        asked = select(c.content_sha256, c.packet).where(*wanted).order_by(c.content_sha256)
        found = self._all(asked.limit(1), lambda row: (row.content_sha256, bytes(row.packet)))
        return found[0] if found else None

    def names_localization(self, reader: Reader, sha256: str) -> bool:
        """Whether anything that a reader may read names a localization.

        Parameters
        ----------
        sha256
            64 small hexadecimal digits.
        """
        if reader.reads_all:
            return True
        one = select(literal(1)).limit(1)
        named = [
            one.where(*_of(table, reader, localization_sha256=sha256)).select_from(table)
            for table in (notices, events)
        ]
        is_stored = one.where(localizations.c.sha256 == sha256)
        within = one.where(
            joint_events.c.body.contains(sha256, autoescape=True), *readable(joint_events, reader)
        )
        with self._database.reading() as connection:
            if any(connection.execute(asked).first() for asked in named):
                return True
            # Bodies are read through, so only for what there is.
            return all(connection.execute(asked).first() for asked in (is_stored, within))

    def alert(self, reader: Reader, survey: str, object_id: str, alert_id: str) -> Alert | None:
        """One alert."""
        wanted = _of(alerts, reader, survey=survey, object_id=object_id, alert_id=alert_id)
        name = f"alert {survey}:{object_id} {alert_id}"
        found = self._all(
            select(alerts.c.body).where(*wanted), lambda row: of_json(Alert, row[0].encode(), name)
        )
        return found[0] if found else None

    def history(
        self, reader: Reader, coincidence_id: str, case: str | None = None
    ) -> list[CoincidenceRevision]:
        """Every revision of a coincidence, by case and revision."""
        c = coincidences.c
        wanted = _of(coincidences, reader, coincidence_id=coincidence_id, case_name=case)
        asked = select(coincidences).where(*wanted).order_by(c.case_name, c.revision)
        return self._all(asked, revision_of)

    def current(self, reader: Reader, coincidence_id: str) -> list[CoincidenceRevision]:
        """The latest revision of a coincidence in each of its cases, by case."""
        c = coincidences.c
        wanted = _of(coincidences, reader, coincidence_id=coincidence_id)
        asked = select(coincidences).where(*wanted, c.is_current).order_by(c.case_name)
        return self._all(asked, revision_of)

    def target(self, reader: Reader, target_id: str) -> Target | None:
        """Target of an id, active or retired."""
        asked = select(targets).where(*_of(targets, reader, target_id=target_id))
        found = self._all(asked, target_of)
        return found[0] if found else None

    def sent(
        self,
        reader: Reader,
        tree: Filter,
        since_unix_s: float | None,
        until_unix_s: float | None,
        limit: int,
    ) -> tuple[int, list[Sent]]:
        """How many revisions a filter would have sent a reader, and the first of them.

        As :meth:`storage.coincidences.CoincidenceStore.sent`.
        """
        store, span = CoincidenceStore(self._database), (since_unix_s, until_unix_s)
        n_sent = store.count_sent(tree, *span, reader=reader)
        return n_sent, store.sent(tree, *span, limit, reader=reader)

    def _events(self, reader: Reader, **wanted: str) -> list[EventRecord]:
        c = events.c
        asked = select(c.event_key, c.body).where(*_of(events, reader, **wanted))
        return self._all(
            asked.order_by(c.event_key).limit(MAX_OF_ONE_ID),
            lambda row: of_json(EventRecord, row.body.encode(), f"event {row.event_key}"),
        )

    def _all(self, asked: Select[Any], noun: Callable[[Row[Any]], T]) -> list[T]:
        with self._database.reading() as connection:
            return [noun(row) for row in connection.execute(asked)]


def _of(table: Table, reader: Reader, **wanted: str | None) -> list[ColumnElement[bool]]:
    checked = {name: checked_text(name, value) for name, value in wanted.items()}
    return [*equal_to(table, **checked), *readable(table, reader)]
