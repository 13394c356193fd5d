"""The one condition by which a reader sees rows of the store."""

from __future__ import annotations

from sqlalchemy import ColumnElement, FromClause, or_

from correlator.audience import Reader


def readable(table: FromClause, reader: Reader) -> list[ColumnElement[bool]]:
    """Conditions on a table with an audience, for a ``WHERE``; none for whoever reads all."""
    if reader.reads_all:
        return []
    audience = table.c.audience
    if not reader.tags:
        return [audience.is_(None)]
    return [or_(audience.is_(None), audience.in_(reader.texts()))]
