"""Rows of a table in the order of a key, from after one on: by an index, or by the sky's ranges.

Each statement is bounded: it reads in the order of an index, and stops. Both databases are asked so
that they do (see also `storage.regions`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Table,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal

from storage.database import Database
from storage.regions import plan_by_index
from storage.search.page import MAX_EXAMINED, After, Page
from storage.search.region import Indices, Inside

T = TypeVar("T")
Columns = Callable[[FromClause], Sequence[ColumnElement[Any]]]
"""Columns of a table or an alias of it, or conditions on them."""

FIRST_RANGES, MORE = 64, 4
"""Ranges that are asked for at first, and by how much more each time that they held too little."""

LEAST_ROWS = 200
"""Rows that are read at once at least where an exact test decides; more where it takes few."""

STREAM_ROWS = 2000
"""Rows of a batch of a stream."""


class hidden(ColumnElement[bool]):  # noqa: N801 - it reads as a function of SQL
    """A condition by which SQLite is not to look rows up.

    Without statistics it takes an index with equal columns for better than one in the order that
    is asked for, and sorts a million rows.
    """

    inherit_cache = True
    _traverse_internals = [("condition", InternalTraversal.dp_clauseelement)]  # noqa: RUF012
    type = Boolean()

    def __init__(self, condition: ColumnElement[bool]) -> None:
        self.condition = condition


@compiles(hidden)
def _plain(element: hidden, compiler: SQLCompiler, **options: Any) -> str:
    said = compiler.process(element.condition, **options)
    return f"+({said})" if compiler.dialect.name == "sqlite" else f"({said})"


class Walk(Protocol):
    """Rows in the order of a key."""

    def rows(self, connection: Connection, after: After | None, limit: int) -> Sequence[Any]:
        """The rows after one, in order; fewer than the limit only where there are no more."""
        ...

    def key(self, row: Any) -> After:
        """What :meth:`rows` goes on after."""
        ...


@dataclass(frozen=True, slots=True)
class KeyWalk:
    """Rows by columns that are never null.

    Attributes
    ----------
    found
        The rows, in no order; it selects the columns of the key.
    columns
        The key: together they name one row.
    is_falling
        Whether from the greatest on.
    """

    found: Select[Any]
    columns: Sequence[ColumnElement[Any]]
    is_falling: bool = False

    def rows(self, connection: Connection, after: After | None, limit: int) -> list[Row[Any]]:
        """See :class:`Walk`."""
        order = [c.desc() if self.is_falling else c.asc() for c in self.columns]
        found = self.found.order_by(*order).limit(limit)
        if after is not None:
            place = tuple_(*self.columns)
            last = tuple_(*literals(self.columns, after))
            found = found.where(place < last if self.is_falling else place > last)
        return list(connection.execute(found))

    def key(self, row: Row[Any]) -> After:
        """See :class:`Walk`."""
        return tuple(getattr(row, str(c.key)) for c in self.columns)


@dataclass(frozen=True, slots=True)
class RegionWalk:
    """Rows of some ranges of the sky, by ``index_29`` and then by other columns.

    Attributes
    ----------
    table
        It has an index that begins with ``index_29`` and holds what the conditions ask for.
    ranges
        Half-open, sorted, disjoint, shape ``(n, 2)``.
    selected
        What is read, the columns of the key among it.
    tie
        Columns that tell rows of one ``index_29`` apart.
    conditions
        Which rows.
    """

    table: Table
    ranges: Indices
    selected: Columns
    tie: Sequence[str]
    conditions: Columns

    def rows(self, connection: Connection, after: After | None, limit: int) -> list[Row[Any]]:
        """See :class:`Walk`."""
        ranges = self.ranges if after is None else _from(self.ranges, int(after[0] or 0))
        if connection.dialect.name == "postgresql":
            plan_by_index(connection)
        found: list[Row[Any]] = []
        n = FIRST_RANGES
        while len(ranges) and len(found) < limit:
            some, ranges = ranges[:n], ranges[n:]
            found += connection.execute(self._asked(connection, some, after, limit - len(found)))
            n *= MORE
        return found

    def key(self, row: Row[Any]) -> After:
        """See :class:`Walk`."""
        return row.index_29, *(getattr(row, name) for name in self.tie)

    def _asked(
        self, connection: Connection, ranges: Indices, after: After | None, limit: int
    ) -> Select[Any]:
        """So many rows of some ranges, of each range read so many at most."""
        # SQLite has no LATERAL, but takes a subquery of the row before it, limit and all.
        is_sqlite = connection.dialect.name == "sqlite"
        t = self.table.alias("some")
        lo, hi, bounds = _json_ranges(ranges) if is_sqlite else _unnested(ranges)
        order: list[ColumnElement[Any]] = [t.c.index_29, *(t.c[name] for name in self.tie)]
        conditions = [t.c.index_29 >= lo, t.c.index_29 < hi, *self.conditions(t)]
        if after is not None:
            behind = tuple_(*order[1:]) > tuple_(*literals(order[1:], after[1:]))
            conditions.append(or_(t.c.index_29 > literal(after[0], BigInteger()), behind))
        read = [literal_column("some.rowid")] if is_sqlite else self.selected(t)
        each = select(*read).where(*conditions).order_by(*order).limit(limit).correlate(bounds)
        if is_sqlite:
            whole = self.table.alias("whole")
            rowid: ColumnElement[int] = literal_column("whole.rowid")
            keys = [whole.c.index_29, *(whole.c[name] for name in self.tie)]
            joined = bounds.join(whole, rowid.in_(each))
            return select(*self.selected(whole)).select_from(joined).order_by(*keys).limit(limit)
        lateral = each.lateral("each")
        within: list[ColumnElement[Any]] = [
            lateral.c.index_29,
            *(lateral.c[name] for name in self.tie),
        ]
        joined = bounds.join(lateral, true())
        return select(lateral).select_from(joined).order_by(*within).limit(limit)


def literals(columns: Sequence[ColumnElement[Any]], values: After) -> list[ColumnElement[Any]]:
    """Values as parameters of the kinds of some columns."""
    return [literal(value, c.type) for c, value in zip(columns, values, strict=True)]


def page_of(
    database: Database,
    walk: Walk,
    after: After | None,
    limit: int,
    noun: Callable[[Any], T],
    holds: Callable[[Sequence[Any]], Inside] | None = None,
) -> Page[T]:
    """The first rows of a walk after one that an exact test accepts.

    Parameters
    ----------
    noun
        Makes what the page has of a row.
    holds
        Which of some rows to take; None is all.
    """
    kept: list[T] = []
    examined, least = 0, LEAST_ROWS
    while True:
        asked = limit - len(kept)
        if holds is not None:
            asked = min(max(asked, least), MAX_EXAMINED - examined)
            least = min(2 * least, STREAM_ROWS)
        with database.reading() as connection:
            rows = walk.rows(connection, after, asked)
        inside = [True] * len(rows) if holds is None or not rows else holds(rows)
        for nth, row in enumerate(rows):
            if not inside[nth]:
                continue
            kept.append(noun(row))
            if len(kept) == limit:
                is_last = nth == len(rows) - 1 and len(rows) < asked
                return Page(kept, None if is_last else walk.key(row))
        if len(rows) < asked:
            return Page(kept, None)
        after, examined = walk.key(rows[-1]), examined + len(rows)
        if examined >= MAX_EXAMINED:
            return Page(kept, after)


def batches_of(page_after: Callable[[After | None], Page[T]]) -> Iterator[list[T]]:
    """Page after page to the end; memory holds one."""
    after: After | None = None
    while True:
        page = page_after(after)
        if page.rows:
            yield page.rows
        if page.after is None:
            return
        after = page.after


def _from(ranges: Indices, first: int) -> Indices:
    """What is left of ranges from an index on."""
    left = ranges[ranges[:, 1] > first].copy()
    left[:, 0] = np.maximum(left[:, 0], first)
    return left


_Bounds = tuple[ColumnElement[Any], ColumnElement[Any], FromClause]


def _unnested(ranges: Indices) -> _Bounds:
    arrays = [cast(literal(one.tolist(), ARRAY(BigInteger)), ARRAY(BigInteger)) for one in ranges.T]
    bounds = func.unnest(*arrays).table_valued("lo", "hi", name="bounds").render_derived()
    return bounds.c.lo, bounds.c.hi, bounds


def _json_ranges(ranges: Indices) -> _Bounds:
    bounds = func.json_each(json.dumps(ranges.tolist())).table_valued("value", name="bounds")
    lo, hi = (func.json_extract(bounds.c.value, path) for path in ("$[0]", "$[1]"))
    return lo, hi, bounds
