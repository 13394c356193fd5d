"""The canonical text of a filter: the same for the same tree."""

from __future__ import annotations

from typing import Any

from correlator.errors import FilterError
from correlator.filters.conditions import iso_of
from correlator.filters.fields import FIELDS, Field, Fields, Kind
from correlator.filters.tree import (
    AllOf,
    AnyOf,
    Between,
    Compared,
    Condition,
    Cone,
    Filter,
    IsNull,
    Literal,
    Not,
    OneOf,
)

MAX_LENGTH = 16_384
"""Longest text of a filter [characters]."""


def text_of(tree: Filter, fields: Fields = FIELDS) -> str:
    """The text of a tree, which is read as that tree again.

    Raises
    ------
    FilterError
        It would be longer than a text may be.
    """
    text = _said(tree, fields)
    if len(text) > MAX_LENGTH:
        raise FilterError("the whole", f"at most {MAX_LENGTH} characters, written out", len(text))
    return text


def _said(tree: Filter, fields: Fields) -> str:  # noqa: PLR0911 - one way for each of the nodes
    match tree:
        case AnyOf(operands=operands):
            return " or ".join(_said(part, fields) for part in operands)
        case AllOf(operands=operands):
            return " and ".join(_part(part, fields, AnyOf) for part in operands)
        case Not(operand=IsNull(field=name)):
            return f"{name} is not null"
        case Not(operand=OneOf(field=name, values=values)):
            return f"{name} not in ({_listed(fields[name], values)})"
        case Not(operand=Between() as inner):
            return f"{inner.field} not between {_ends(fields[inner.field], inner)}"
        case Not(operand=operand):
            return f"not {_part(operand, fields, AnyOf, AllOf)}"
        case _:
            return _condition(tree, fields)


def _condition(tree: Condition, fields: Fields) -> str:
    match tree:
        case Compared(field=name, comparison=comparison, value=value):
            return f"{name} {comparison} {_value(fields[name], value)}"
        case OneOf(field=name, values=values):
            return f"{name} in ({_listed(fields[name], values)})"
        case Between(field=name):
            return f"{name} between {_ends(fields[name], tree)}"
        case IsNull(field=name):
            return f"{name} is null"
        case Cone():
            place = (tree.ra_deg, tree.dec_deg, tree.radius_deg)
            return f"within({', '.join(map(number_text, place))})"


def _part(tree: Filter, fields: Fields, *looser: type) -> str:
    """An operand, in parentheses where it binds looser than what it stands in."""
    return f"({_said(tree, fields)})" if isinstance(tree, looser) else _said(tree, fields)


def _ends(field: Field[Any], tree: Between) -> str:
    return f"{_value(field, tree.low)} and {_value(field, tree.high)}"


def _listed(field: Field[Any], values: tuple[Literal, ...]) -> str:
    return ", ".join(_value(field, value) for value in values)


def _value(field: Field[Any], value: Literal) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        doubled = value.replace("'", "''")
        return f"'{doubled}'"
    return f"'{iso_of(value)}'" if field.kind is Kind.TIME else number_text(value)


def number_text(value: float) -> str:
    """The shortest text that is read as that number again."""
    return repr(value).removesuffix(".0")
