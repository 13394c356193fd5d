"""Reading on behalf of somebody: pages and streams of every noun, of what they may read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select

from correlator.alert import Alert
from correlator.audience import Reader
from correlator.event import EventState
from correlator.filters import Filter
from correlator.notice import Messenger
from correlator.object import OpticalObject
from correlator.target import Target, TargetState
from correlator.wire import EventRecord, PairRecord
from storage.coincidences import CoincidenceRevision, CoincidenceState
from storage.database import Database
from storage.notices import NoticeRecord
from storage.readable import readable
from storage.schema import alerts, objects
from storage.search.coincidences import CoincidenceQuestion, coincidences_page
from storage.search.lists import events_page, notices_page, pairs_page, targets_page
from storage.search.objects import alert_of_row, alerts_page, object_of_row, objects_page
from storage.search.page import Page, checked_limit, checked_text
from storage.search.region import Region
from storage.search.spans import Span
from storage.search.walks import STREAM_ROWS, batches_of

PAGE_ROWS = 1000
"""Rows of a page of which nobody says how many."""


class Search:
    """Lists of the store, a page or a stream at a time.

    A page begins after the last row of the one before (``after``), so each row that is there from
    the first page to the last comes exactly once, whatever is stored meanwhile. What is *near a
    place* is in order of ``index_29``: an object whose best position changes while somebody pages
    may come twice or not at all. Every method takes the reader, and gives what they may read.

    A page may end before it is full, where many rows had to be looked at for it; only ``after``
    tells whether there are more.

    Every method raises a `SearchError` for a limit outside [1, 10,000], an ``after`` of another
    list, a text that no row can have, a time that is no number.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def objects(
        self,
        reader: Reader,
        region: Region | None = None,
        since_unix_s: float | None = None,
        until_unix_s: float | None = None,
        after: Sequence[Any] | None = None,
        limit: int = PAGE_ROWS,
    ) -> Page[OpticalObject]:
        """Objects, by key; those of a region or a time by ``index_29``.

        Parameters
        ----------
        since_unix_s, until_unix_s
            Seen in the half-open time: the latest alert is not older than the one, the earliest
            detection older than the other.
        """
        span = Span(since_unix_s, until_unix_s)
        return objects_page(self._database, reader, region, span, after, checked_limit(limit))

    def stream_objects(
        self,
        reader: Reader,
        region: Region | None = None,
        since_unix_s: float | None = None,
        until_unix_s: float | None = None,
    ) -> Iterator[list[OpticalObject]]:
        """All that :meth:`objects` has, in batches; memory holds one."""
        asked = region, since_unix_s, until_unix_s
        return batches_of(lambda after: self.objects(reader, *asked, after, STREAM_ROWS))

    def object(self, reader: Reader, object_key: str) -> OpticalObject | None:
        """Object of a key; None when it is not stored, or not for this reader."""
        c = objects.c
        key = checked_text("object_key", object_key)
        found = select(c.object_key, c.body).where(c.object_key == key, *readable(objects, reader))
        with self._database.reading() as connection:
            row = connection.execute(found).one_or_none()
        return None if row is None else object_of_row(row)

    def alerts(
        self,
        reader: Reader,
        region: Region | None = None,
        since_unix_s: float | None = None,
        until_unix_s: float | None = None,
        object_key: str | None = None,
        after: Sequence[Any] | None = None,
        limit: int = PAGE_ROWS,
    ) -> Page[Alert]:
        """Alerts, by survey, object and id; those of a region or a time by their objects' places.

        In a region are the alerts of the objects that lie in it and that the reader may read.
        """
        span = Span(since_unix_s, until_unix_s)
        key = checked_text("object_key", object_key)
        return alerts_page(self._database, reader, region, span, key, after, checked_limit(limit))

    def stream_alerts(
        self,
        reader: Reader,
        region: Region | None = None,
        since_unix_s: float | None = None,
        until_unix_s: float | None = None,
    ) -> Iterator[list[Alert]]:
        """All that :meth:`alerts` has, in batches; memory holds one."""
        asked = region, since_unix_s, until_unix_s
        return batches_of(lambda after: self.alerts(reader, *asked, None, after, STREAM_ROWS))

    def light_curve(self, reader: Reader, object_key: str) -> list[Alert]:
        """Alerts of an object that the reader may read, by time."""
        survey, _, object_id = str(checked_text("object_key", object_key)).partition(":")
        c = alerts.c
        found = (
            select(c.survey, c.object_id, c.alert_id, c.body)
            .where(c.survey == survey, c.object_id == object_id, *readable(alerts, reader))
            .order_by(c.time_unix_s, c.alert_id)
        )
        with self._database.reading() as connection:
            rows = connection.execute(found).all()
        return [alert_of_row(row) for row in rows]

    def coincidences(
        self,
        reader: Reader,
        region: Region | None = None,
        after: Sequence[Any] | None = None,
        limit: int = PAGE_ROWS,
        newest_first: bool = False,
        **question: Any,
    ) -> Page[CoincidenceRevision]:
        """Revisions of coincidences, by the time of their publication; in a region by ``index_29``.

        In a region are also those that are gone, where they were when they were last seen.

        Parameters
        ----------
        newest_first
            The latest publication first; has no meaning in a region.
        question
            What else: ``event_key``, ``object_key``, ``case``, ``state``, ``is_current``,
            ``tree``, and the half-open ``since_unix_s``, ``until_unix_s`` of the publication and
            ``event_since_unix_s``, ``event_until_unix_s`` of the event; see
            :func:`coincidence_question`.
        """
        asked = coincidence_question(**question)
        return coincidences_page(
            self._database, reader, asked, region, after, checked_limit(limit), newest_first
        )

    def stream_coincidences(
        self, reader: Reader, region: Region | None = None, **question: Any
    ) -> Iterator[list[CoincidenceRevision]]:
        """All that :meth:`coincidences` has, in batches; memory holds one."""
        asked = coincidence_question(**question)
        return batches_of(
            lambda after: coincidences_page(
                self._database, reader, asked, region, after, STREAM_ROWS, is_falling=False
            )
        )

    def events(
        self,
        reader: Reader,
        since_unix_s: float | None = None,
        until_unix_s: float | None = None,
        mission: str | None = None,
        messenger: Messenger | None = None,
        state: EventState | None = None,
        after: Sequence[Any] | None = None,
        limit: int = PAGE_ROWS,
        newest_first: bool = False,
    ) -> Page[EventRecord]:
        """Events by their time; those without one last, by key."""
        span, rows = Span(since_unix_s, until_unix_s), checked_limit(limit)
        asked = mission, messenger, state, span, after, rows, newest_first
        return events_page(self._database, reader, *asked)

    def notices(
        self,
        reader: Reader,
        event_key: str | None = None,
        mission: str | None = None,
        notice_type: str | None = None,
        since_unix_s: float | None = None,
        until_unix_s: float | None = None,
        after: Sequence[Any] | None = None,
        limit: int = PAGE_ROWS,
        newest_first: bool = False,
    ) -> Page[NoticeRecord]:
        """Notices by the time at which they were received, which the half-open time is of."""
        span, rows = Span(since_unix_s, until_unix_s), checked_limit(limit)
        asked = event_key, mission, notice_type, span, after, rows, newest_first
        return notices_page(self._database, reader, *asked)

    def targets(
        self,
        reader: Reader,
        case: str | None = None,
        state: TargetState | None = TargetState.ACTIVE,
        object_key: str | None = None,
        region: Region | None = None,
        after: Sequence[Any] | None = None,
        limit: int = PAGE_ROWS,
    ) -> Page[Target]:
        """Targets by science case and rank; then, where ``state`` lets them, the retired by id.

        Ranks change: whoever pages while a list is made anew may see a target twice or not.
        """
        asked = case, state, object_key, region, after, checked_limit(limit)
        return targets_page(self._database, reader, *asked)

    def pairs(
        self,
        reader: Reader,
        event_key: str | None = None,
        object_key: str | None = None,
        is_live: bool | None = True,
        after: Sequence[Any] | None = None,
        limit: int = PAGE_ROWS,
    ) -> Page[PairRecord]:
        """Pairs by the id of their coincidence; ``is_live`` None is also what was withdrawn."""
        asked = event_key, object_key, is_live, after, checked_limit(limit)
        return pairs_page(self._database, reader, *asked)


def coincidence_question(
    *,
    event_key: str | None = None,
    object_key: str | None = None,
    case: str | None = None,
    state: CoincidenceState | None = None,
    is_current: bool | None = None,
    tree: Filter | None = None,
    since_unix_s: float | None = None,
    until_unix_s: float | None = None,
    event_since_unix_s: float | None = None,
    event_until_unix_s: float | None = None,
) -> CoincidenceQuestion:
    """What is asked of coincidences; see :class:`CoincidenceQuestion`.

    Raises
    ------
    SearchError
        A text that no row can have, a time that is no number.
    """
    published = Span(since_unix_s, until_unix_s)
    event = Span(event_since_unix_s, event_until_unix_s)
    return CoincidenceQuestion(
        event_key, object_key, case, state, is_current, tree, published, event
    )
