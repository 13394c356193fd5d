"""Times of interest, as conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause

from storage.search.page import checked_time


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open time of interest [s since the Unix epoch]; None is open.

    Raises
    ------
    SearchError
        A time that is no finite number.
    """

    since_unix_s: float | None = None
    until_unix_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("since_unix_s", "until_unix_s"):
            checked_time(name, getattr(self, name))

    def holds(self, column: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """Conditions by which a time lies in it."""
        conditions = []
        if self.since_unix_s is not None:
            conditions.append(column >= self.since_unix_s)
        if self.until_unix_s is not None:
            conditions.append(column < self.until_unix_s)
        return conditions

    def meets(self, table: FromClause) -> list[ColumnElement[bool]]:
        """Conditions by which an object was seen in it, from its first to its latest time."""
        conditions = []
        if self.since_unix_s is not None:
            conditions.append(table.c.time_unix_s >= self.since_unix_s)
        if self.until_unix_s is not None:
            conditions.append(table.c.first_unix_s < self.until_unix_s)
        return conditions

    @property
    def is_open(self) -> bool:
        """Whether it is all of time."""
        return self.since_unix_s is None and self.until_unix_s is None


EVER = Span()
"""All of time."""
