"""Events, notices, targets and pairs that a reader may read, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, Integer, Row, Select, func, literal, select

from correlator.audience import Reader
from correlator.event import EventState
from correlator.notice import Messenger
from correlator.pair import PairEvidence
from correlator.target import Target, TargetState
from correlator.wire import EventRecord, PairRecord, of_json
from storage.database import Database, equal_to
from storage.notices import NoticeRecord
from storage.readable import readable
from storage.schema import events, notices, pairs, targets
from storage.search.page import After, Int32, Page, checked_after, checked_text
from storage.search.region import Inside, Region
from storage.search.spans import Span
from storage.search.walks import KeyWalk, page_of
from storage.targets import target_of

UNRANKED = 2**31 - 1
"""Place of a target that has no rank any more, behind all that have one."""

_NOTICE = [notices.c[name] for name in NoticeRecord.__dataclass_fields__]
_PAIR = (
    "coincidence_id", "event_key", "object_key", "event_version", "object_version", "is_live",
    "withdrawn_reason", "body",
)  # fmt: skip


def events_page(
    database: Database,
    reader: Reader,
    mission: str | None,
    messenger: Messenger | None,
    state: EventState | None,
    span: Span,
    after: Sequence[object] | None,
    limit: int,
    is_falling: bool,
) -> Page[EventRecord]:
    """See :meth:`storage.search.Search.events`."""
    wanted = equal_to(
        events,
        mission=checked_text("mission", mission),
        messenger=None if messenger is None else str(messenger),
        state=None if state is None else str(state),
    )
    c = events.c
    found = select(c.event_unix_s, c.event_key, c.body).where(
        *wanted, *span.holds(c.event_unix_s), *readable(events, reader)
    )
    last = checked_after(after, (float, str))
    return page_of(database, _EventWalk(found, is_falling), last, limit, _event)


def notices_page(
    database: Database,
    reader: Reader,
    event_key: str | None,
    mission: str | None,
    notice_type: str | None,
    span: Span,
    after: Sequence[object] | None,
    limit: int,
    is_falling: bool,
) -> Page[NoticeRecord]:
    """See :meth:`storage.search.Search.notices`."""
    wanted = equal_to(
        notices,
        event_key=checked_text("event_key", event_key),
        mission=checked_text("mission", mission),
        notice_type=checked_text("notice_type", notice_type),
    )
    c = notices.c
    found = select(*_NOTICE).where(
        *wanted, *span.holds(c.received_unix_s), *readable(notices, reader)
    )
    walk = KeyWalk(found, [c.received_unix_s, c.notice_id, c.content_sha256], is_falling)
    last = checked_after(after, (float, str, str))
    return page_of(database, walk, last, limit, _notice)


def targets_page(
    database: Database,
    reader: Reader,
    case: str | None,
    state: TargetState | None,
    object_key: str | None,
    region: Region | None,
    after: Sequence[object] | None,
    limit: int,
) -> Page[Target]:
    """See :meth:`storage.search.Search.targets`."""
    wanted = equal_to(
        targets,
        case_name=checked_text("case", case),
        object_key=checked_text("object_key", object_key),
        state=None if state is None else str(state),
    )
    c = targets.c
    place = func.coalesce(c.rank, literal(UNRANKED, Integer())).label("place")
    found = select(targets, place).where(*wanted, *readable(targets, reader))
    last = checked_after(after, (str, Int32, str))
    walk = KeyWalk(found, [c.case_name, place, c.target_id])

    def holds(rows: Sequence[Row[Any]]) -> Inside:
        places = np.array([(row.ra_deg, row.dec_deg) for row in rows])
        return (region or Region.whole_sky()).contains(*places.T)

    return page_of(database, walk, last, limit, target_of, None if region is None else holds)


def pairs_page(
    database: Database,
    reader: Reader,
    event_key: str | None,
    object_key: str | None,
    is_live: bool | None,
    after: Sequence[object] | None,
    limit: int,
) -> Page[PairRecord]:
    """See :meth:`storage.search.Search.pairs`."""
    wanted = equal_to(
        pairs,
        event_key=checked_text("event_key", event_key),
        object_key=checked_text("object_key", object_key),
        is_live=is_live,
    )
    found = select(*(pairs.c[name] for name in _PAIR)).where(*wanted, *readable(pairs, reader))
    last = checked_after(after, (str,))
    return page_of(database, KeyWalk(found, [pairs.c.coincidence_id]), last, limit, _pair)


@dataclass(frozen=True, slots=True)
class _EventWalk:
    """Events by their time, then those without one by their key."""

    found: Select[Any]
    is_falling: bool

    def rows(self, connection: Connection, after: After | None, limit: int) -> list[Row[Any]]:
        """See :class:`storage.search.walks.Walk`."""
        c = events.c
        rows: list[Row[Any]] = []
        if after is None or after[0] is not None:
            timed = self.found.where(c.event_unix_s.is_not(None))
            walk = KeyWalk(timed, [c.event_unix_s, c.event_key], self.is_falling)
            rows, after = walk.rows(connection, after, limit), None
        if len(rows) < limit:
            timeless = KeyWalk(self.found.where(c.event_unix_s.is_(None)), [c.event_key])
            last = None if after is None else after[1:]
            rows += timeless.rows(connection, last, limit - len(rows))
        return rows

    def key(self, row: Row[Any]) -> After:
        """See :class:`storage.search.walks.Walk`."""
        return row.event_unix_s, row.event_key


def _event(row: Row[Any]) -> EventRecord:
    return of_json(EventRecord, row.body.encode(), f"event {row.event_key}")


def _notice(row: Row[Any]) -> NoticeRecord:
    return NoticeRecord(**row._mapping)


def _pair(row: Row[Any]) -> PairRecord:
    name = f"pair {row.coincidence_id}"
    evidence = None if row.body is None else of_json(PairEvidence, row.body.encode(), name)
    return PairRecord(
        row.coincidence_id,
        row.event_key,
        row.object_key,
        row.event_version,
        row.object_version,
        evidence,
        row.withdrawn_reason,
    )
