"""Objects and alerts that a reader may read, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import ColumnElement, Connection, FromClause, Row, select

from correlator.alert import Alert
from correlator.audience import Reader
from correlator.object import OpticalObject
from correlator.wire import of_json
from storage.database import Database
from storage.readable import readable
from storage.rows import KEYS_AT_ONCE
from storage.schema import alerts, objects
from storage.search.page import MAX_EXAMINED, After, Page, checked_after
from storage.search.region import Inside, Region
from storage.search.spans import Span
from storage.search.walks import KeyWalk, RegionWalk, page_of

_PLACE = "index_29", "object_key", "ra_deg", "dec_deg"

_BEHIND_ALL = "\U0010ffff"
"""Behind the id of every alert of an object."""


def objects_page(
    database: Database,
    reader: Reader,
    region: Region | None,
    span: Span,
    after: Sequence[object] | None,
    limit: int,
) -> Page[OpticalObject]:
    """See :meth:`storage.search.Search.objects`."""
    if region is None and span.is_open:
        c = objects.c
        found = select(c.object_key, c.body).where(*readable(objects, reader))
        last = checked_after(after, (str,))
        return page_of(database, KeyWalk(found, [c.object_key]), last, limit, object_of_row)
    walk = _region_walk(reader, region, span, (*_PLACE, "body"))
    last = checked_after(after, (int, str))
    return page_of(database, walk, last, limit, object_of_row, _inside(region))


def alerts_page(
    database: Database,
    reader: Reader,
    region: Region | None,
    span: Span,
    object_key: str | None,
    after: Sequence[object] | None,
    limit: int,
) -> Page[Alert]:
    """See :meth:`storage.search.Search.alerts`."""
    c = alerts.c
    if object_key is None and (region is not None or not span.is_open):
        last = checked_after(after, (int, str, str))
        return _AlertWalk(reader, region, span).page(database, last, limit)
    found = select(c.survey, c.object_id, c.alert_id, c.body).where(
        *readable(alerts, reader), *span.holds(c.time_unix_s)
    )
    if object_key is not None:
        survey, _, object_id = object_key.partition(":")
        found = found.where(c.survey == survey, c.object_id == object_id)
    last = checked_after(after, (str, str, str))
    holds = None if region is None else _inside(region)
    if holds is not None:
        found = found.add_columns(c.ra_deg, c.dec_deg)
    walk = KeyWalk(found, [c.survey, c.object_id, c.alert_id])
    return page_of(database, walk, last, limit, alert_of_row, holds)


def object_of_row(row: Any) -> OpticalObject:
    """Object of its key and body."""
    return of_json(OpticalObject, row.body.encode(), f"object {row.object_key}")


def alert_of_row(row: Any) -> Alert:
    """Alert of its key and body."""
    name = f"alert {row.survey}:{row.object_id} {row.alert_id}"
    return of_json(Alert, row.body.encode(), name)


def _region_walk(
    reader: Reader, region: Region | None, span: Span, names: Sequence[str]
) -> RegionWalk:
    where = Region.whole_sky() if region is None else region

    def conditions(table: FromClause) -> list[ColumnElement[bool]]:
        return [*span.meets(table), *readable(table, reader)]

    def selected(table: FromClause) -> list[ColumnElement[Any]]:
        return [table.c[name] for name in names]

    return RegionWalk(objects, where.ranges, selected, ("object_key",), conditions)


class _Inside:
    """The exact test of a region on the places of rows."""

    def __init__(self, region: Region) -> None:
        self._region = region

    def __call__(self, rows: Sequence[Row[Any]]) -> Inside:
        return self._region.contains(
            np.array([row.ra_deg for row in rows]), np.array([row.dec_deg for row in rows])
        )


def _inside(region: Region | None) -> _Inside | None:
    return None if region is None else _Inside(region)


class _AlertRow(NamedTuple):
    index_29: int
    object_key: str
    survey: str
    object_id: str
    alert_id: str
    body: str


@dataclass(frozen=True, slots=True)
class _AlertWalk:
    """Alerts of the objects of a region, object by object.

    An object whose place is beyond the reader is not looked at: where it lies would show in which
    of its alerts are found.
    """

    reader: Reader
    region: Region | None
    span: Span

    def page(self, database: Database, after: After | None, limit: int) -> Page[Alert]:
        """The alerts after one; it ends early where many objects have none that is asked for."""
        near = _region_walk(self.reader, self.region, self.span, _PLACE)
        last = None if after is None else after[:2]
        n, n_examined, is_end = max(min(limit // 4, KEYS_AT_ONCE), 2), 0, False
        with database.reading() as connection:
            found = [] if after is None else self._rest(connection, after)
            while len(found) < limit and n_examined < MAX_EXAMINED and not is_end:
                rows = near.rows(connection, last, n)
                found += self._of_those_inside(connection, rows)
                n_examined, is_end = n_examined + len(rows), len(rows) < n
                last = near.key(rows[-1]) if rows else last
                n = min(2 * n, KEYS_AT_ONCE)
        kept = [alert_of_row(row) for row in found[:limit]]
        if len(found) >= limit:
            row = found[limit - 1]
            return Page(kept, (row.index_29, row.object_key, row.alert_id))
        return Page(kept, None if is_end or last is None else (*last, _BEHIND_ALL))

    def _rest(self, connection: Connection, after: After) -> list[_AlertRow]:
        """Alerts behind one of the same object."""
        index_29, object_key, alert_id = after
        rest = self._of(connection, {str(object_key): int(index_29 or 0)})
        return [row for row in rest if row.alert_id > str(alert_id)]

    def _of_those_inside(self, connection: Connection, rows: Sequence[Row[Any]]) -> list[_AlertRow]:
        inside = [True] * len(rows)
        if self.region is not None and rows:
            inside = list(_Inside(self.region)(rows))
        kept = [row for row, is_in in zip(rows, inside, strict=True) if is_in]
        return self._of(connection, {row.object_key: row.index_29 for row in kept})

    def _of(self, connection: Connection, place_of: Mapping[str, int]) -> list[_AlertRow]:
        """Alerts of some objects, in their order."""
        c = alerts.c
        by_survey: dict[str, list[str]] = {}
        for key in place_of:
            survey, _, object_id = key.partition(":")
            by_survey.setdefault(survey, []).append(object_id)
        of_object: dict[str, list[_AlertRow]] = {}
        for survey, ids in by_survey.items():
            asked = (
                select(c.object_id, c.alert_id, c.body)
                .where(c.survey == survey, c.object_id.in_(ids))
                .where(*readable(alerts, self.reader), *self.span.holds(c.time_unix_s))
                .order_by(c.object_id, c.alert_id)
            )
            for object_id, alert_id, body in connection.execute(asked):
                key = f"{survey}:{object_id}"
                row = _AlertRow(place_of[key], key, survey, object_id, alert_id, body)
                of_object.setdefault(key, []).append(row)
        return [row for key in place_of for row in of_object.get(key, ())]
