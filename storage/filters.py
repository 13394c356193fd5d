"""A filter as SQL over the table of coincidences: it selects what the Python predicate lets pass.

Values are parameters of the column's own kind, names are columns of the table, and nothing that a
filter says becomes text of a statement.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Double,
    FromClause,
    Select,
    and_,
    literal,
    not_,
    or_,
    select,
)

from correlator.audience import OPERATOR, Reader
from correlator.filters.fields import FIELDS, Kind, unit_vector
from correlator.filters.predicate import chord_limit
from correlator.filters.tree import (
    AllOf,
    AnyOf,
    Between,
    Compared,
    Comparison,
    Condition,
    Cone,
    Filter,
    IsNull,
    Literal,
    Not,
    OneOf,
)
from storage.columns import COLUMN_OF, UNIT_COLUMNS
from storage.readable import readable
from storage.schema import TEXT, coincidences

# Numbers are compared as doubles whatever the column: a parameter of the kind of a whole column
# would be rounded by PostgreSQL.
_TYPES: dict[Kind, Any] = {
    Kind.NUMBER: Double(),
    Kind.TIME: Double(),
    Kind.BOOL: Boolean(),
    Kind.TEXT: TEXT,
}


def passes(tree: Filter, table: FromClause = coincidences) -> ColumnElement[bool]:
    """Whether a filter lets a revision pass; one that is gone has nothing that could.

    Parameters
    ----------
    table
        The table of coincidences, or an alias of it.
    """
    return and_(table.c.body.is_not(None), _said(tree, table))


def select_sent(
    tree: Filter,
    since_unix_s: float | None,
    until_unix_s: float | None,
    reader: Reader = OPERATOR,
) -> Select[Any]:
    """Revisions that pass or follow one that does, with ``passes``, as they were published.

    Parameters
    ----------
    reader
        To whom they were sent. What follows one that was may not be theirs to read.
    since_unix_s, until_unix_s
        Half-open interval of their publication [s since the Unix epoch]; None is open.
    """
    c, before = coincidences.c, coincidences.alias("before")
    follows = and_(
        before.c.coincidence_id == c.coincidence_id,
        before.c.case_name == c.case_name,
        before.c.revision == c.revision - 1,
    )
    now = and_(passes(tree), *readable(coincidences, reader))
    found = (
        select(coincidences, now.label("passes"))
        .outerjoin(before, follows)
        .where(or_(now, and_(passes(tree, before), *readable(before, reader))))
        .order_by(
            c.published_unix_s, c.event_key, c.case_name, c.rank.nulls_last(), c.coincidence_id,
            c.revision,
        )
    )  # fmt: skip
    if since_unix_s is not None:
        found = found.where(c.published_unix_s >= since_unix_s)
    if until_unix_s is not None:
        found = found.where(c.published_unix_s < until_unix_s)
    return found


def _said(tree: Filter, table: FromClause) -> ColumnElement[bool]:
    match tree:
        case Not(operand=operand):
            return not_(_said(operand, table))
        case AllOf(operands=operands):
            return and_(*(_said(part, table) for part in operands))
        case AnyOf(operands=operands):
            return or_(*(_said(part, table) for part in operands))
        case _:
            return _condition(tree, table)


def _condition(tree: Condition, table: FromClause) -> ColumnElement[bool]:
    match tree:
        case Cone():
            return _within(tree, table)
        case IsNull(field=name):
            return table.c[COLUMN_OF[name]].is_(None)
        case Compared(field=name, comparison=comparison, value=value):
            return _compared(table.c[COLUMN_OF[name]], comparison, _literal(name, value))
        case OneOf(field=name, values=values):
            return table.c[COLUMN_OF[name]].in_([_literal(name, value) for value in values])
        case Between(field=name, low=low, high=high):
            column = table.c[COLUMN_OF[name]]
            return column.between(_literal(name, low), _literal(name, high))


def _literal(name: str, value: Literal) -> ColumnElement[Any]:
    return literal(value, _TYPES[FIELDS[name].kind])


def _compared(
    column: ColumnElement[Any], comparison: Comparison, value: ColumnElement[Any]
) -> ColumnElement[bool]:
    match comparison:
        case Comparison.EQUAL:
            return column == value
        case Comparison.UNEQUAL:
            return column != value
        case Comparison.LESS:
            return column < value
        case Comparison.AT_MOST:
            return column <= value
        case Comparison.MORE:
            return column > value
        case Comparison.AT_LEAST:
            return column >= value


def _within(cone: Cone, table: FromClause) -> ColumnElement[bool]:
    at = unit_vector(cone.ra_deg, cone.dec_deg)
    x, y, z = (
        table.c[name] - literal(part, Double()) for name, part in zip(UNIT_COLUMNS, at, strict=True)
    )
    # In the order of the predicate, term by term, so that both round alike.
    return x * x + y * y + z * z <= literal(chord_limit(cone.radius_deg), Double())
