"""Revisions of coincidences that a reader may read, page by page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    and_,
    case,
    func,
    select,
    true,
    tuple_,
)

from correlator.audience import Reader
from correlator.filters import Filter
from storage.coincidences import CoincidenceRevision, CoincidenceState, revision_of
from storage.database import Database
from storage.filters import passes
from storage.readable import readable
from storage.schema import coincidences
from storage.search.page import MAX_EXAMINED, After, Int32, Page, checked_after, checked_text
from storage.search.region import Inside, Region
from storage.search.spans import EVER, Span
from storage.search.walks import KeyWalk, RegionWalk, hidden, literals, page_of

_KEY = "coincidence_id", "case_name", "revision"
_REVISION = (
    *_KEY, "state", "event_key", "object_key", "published_unix_s", "reason", "body", "index_29",
    "audience",
)  # fmt: skip


_NAMED = frozenset({"event_key", "object_key", "case_name", "is_current", "state"})
_OF_ROWS = frozenset({"object_key"})
"""Of these, what the index by place has not."""

_ORDER = [
    coincidences.c[name] for name in ("published_unix_s", "coincidence_id", "case_name", "revision")
]

WINDOW_ROWS = 10_000
"""Revisions among which a filter looks at once."""


@dataclass(frozen=True, slots=True)
class CoincidenceQuestion:
    """Which revisions are asked for; None asks for any.

    Attributes
    ----------
    is_current
        True for what stands now, gone or not; False for what is superseded.
    tree
        A filter; what is gone passes none.
    published, event
        When it was published, and when its event happened.
    """

    event_key: str | None = None
    object_key: str | None = None
    case: str | None = None
    state: CoincidenceState | None = None
    is_current: bool | None = None
    tree: Filter | None = None
    published: Span = EVER
    event: Span = EVER

    def __post_init__(self) -> None:
        for name in ("event_key", "object_key", "case"):
            checked_text(name, getattr(self, name))

    def conditions(
        self, table: FromClause, reader: Reader, by: Sequence[str]
    ) -> list[ColumnElement[bool]]:
        """What it says of the rows of the table or an alias of it.

        Parameters
        ----------
        by
            Columns by which rows are to be looked up, if they are asked for.
        """
        others = self._equal(table, _NAMED - set(by))
        others += self._of_rows(table)
        others += readable(table, reader)
        return [*self.named(table, by), *(hidden(condition) for condition in others)]

    def of_index(self, table: FromClause, reader: Reader) -> list[ColumnElement[bool]]:
        """What it says of the columns of the index by place; the rest is :meth:`of_rows`."""
        others = [*self._equal(table, _NAMED - _OF_ROWS), *readable(table, reader)]
        return [*self.named(table, ()), *(hidden(condition) for condition in others)]

    def of_rows(self, table: FromClause) -> ColumnElement[bool]:
        """Whether a row is what is asked for, as far as the index by place does not tell."""
        return and_(true(), *self._equal(table, _OF_ROWS), *self._of_rows(table))

    def _of_rows(self, table: FromClause) -> list[ColumnElement[bool]]:
        said = self.event.holds(table.c.event_unix_s)
        return said if self.tree is None else [*said, passes(self.tree, table)]

    def named(self, table: FromClause, by: Sequence[str]) -> list[ColumnElement[bool]]:
        """What it says of some columns, and of the time of publication."""
        return [*self._equal(table, by), *self.published.holds(table.c.published_unix_s)]

    def _equal(self, table: FromClause, names: Collection[str]) -> list[ColumnElement[bool]]:
        named: dict[str, object] = {
            "event_key": self.event_key,
            "object_key": self.object_key,
            "case_name": self.case,
            "is_current": self.is_current,
            "state": None if self.state is None else str(self.state),
        }
        return [
            table.c[name] == value
            for name, value in named.items()
            if name in names and value is not None
        ]

    @property
    def is_of_rows(self) -> bool:
        """Whether no index says all of what is asked for."""
        return self.tree is not None or not self.event.is_open

    @property
    def sought(self) -> Sequence[str]:
        """By which columns a list is looked up; its order is of the same index."""
        if self.object_key is not None:
            return ("object_key",)
        if self.event_key is not None:
            return ("event_key",)
        by_case = "case_name", "is_current", "state"
        is_whole = None not in (self.case, self.is_current, self.state)
        return by_case if is_whole else ()


def coincidences_page(
    database: Database,
    reader: Reader,
    question: CoincidenceQuestion,
    region: Region | None,
    after: Sequence[object] | None,
    limit: int,
    is_falling: bool,
) -> Page[CoincidenceRevision]:
    """See :meth:`storage.search.Search.coincidences`."""
    if region is not None:
        walk = RegionWalk(
            coincidences,
            region.ranges,
            lambda table: _with_place(table, question),
            _KEY,
            lambda table: question.of_index(table, reader),
        )
        last = checked_after(after, (int, str, str, Int32))
        return page_of(database, walk, last, limit, revision_of, _InRegion(region))
    c = coincidences.c
    last = checked_after(after, (float, str, str, Int32))
    asked = question.conditions(coincidences, reader, question.sought)
    found = select(*(c[name] for name in _REVISION)).where(*asked)
    if question.is_of_rows:
        return _page_of_windows(database, question, found, last, limit, is_falling)
    return page_of(database, KeyWalk(found, _ORDER, is_falling), last, limit, revision_of)


def _page_of_windows(
    database: Database,
    question: CoincidenceQuestion,
    found: Select[Any],
    after: After | None,
    limit: int,
    is_falling: bool,
) -> Page[CoincidenceRevision]:
    """A page of what only the rows themselves tell, some thousands of them at a time.

    So a filter that lets nothing pass reads no more for a page than one that lets all pass.
    """
    kept: list[CoincidenceRevision] = []
    sought = question.named(coincidences, question.sought)
    ends = select(*_ORDER).where(*sought).offset(WINDOW_ROWS - 1)
    place = tuple_(*_ORDER)
    for _ in range(MAX_EXAMINED // WINDOW_ROWS):
        with database.reading() as connection:
            ended = KeyWalk(ends, _ORDER, is_falling).rows(connection, after, 1)
        end = None if not ended else tuple(ended[0])
        window = found
        if end is not None:
            last = tuple_(*literals(_ORDER, end))
            window = found.where(place >= last if is_falling else place <= last)
        walk = KeyWalk(window, _ORDER, is_falling)
        page = page_of(database, walk, after, limit - len(kept), revision_of)
        kept += page.rows
        if page.after is not None or end is None:
            return Page(kept, page.after)
        after = end
    return Page(kept, after)


def _with_place(table: FromClause, question: CoincidenceQuestion) -> list[ColumnElement[Any]]:
    """What a revision is made of, whether it is asked for, and where it lies.

    One that is gone lies where the last one lay; of one that is not asked for there is no body.
    """
    before = coincidences.alias("before")
    is_before = and_(
        table.c.ra_deg.is_(None),
        *(before.c[name] == table.c[name] for name in _KEY[:2]),
        before.c.revision == table.c.revision - 1,
    )
    places = [
        func.coalesce(table.c[name], select(before.c[name]).where(is_before).scalar_subquery())
        for name in ("ra_deg", "dec_deg")
    ]
    named = zip(places, ("at_ra_deg", "at_dec_deg"), strict=True)
    is_asked = question.of_rows(table)
    return [
        *(table.c[name] for name in _REVISION if name != "body"),
        case((is_asked, table.c.body)).label("body"),
        is_asked.label("is_asked"),
        *(place.label(name) for place, name in named),
    ]


@dataclass(frozen=True, slots=True)
class _InRegion:
    """The exact test of a region, of what is asked for; where no place is known it is not inside.

    A filter is decided here, so that a page looks at so many rows whatever it lets pass.
    """

    region: Region

    def __call__(self, rows: Sequence[Row[Any]]) -> Inside:
        places = np.array([(row.at_ra_deg, row.at_dec_deg) for row in rows], dtype=np.float64)
        known = np.isfinite(places).all(axis=1) & np.array([bool(row.is_asked) for row in rows])
        inside = np.zeros(len(rows), dtype=np.bool_)
        inside[known] = self.region.contains(places[known, 0], places[known, 1])
        return inside
