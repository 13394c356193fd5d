"""The JSON of a filter: ``{"and": [{"field": "log_lr", "op": ">=", "value": 3}, ...]}``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from correlator.errors import FilterError
from correlator.filters import conditions
from correlator.filters.canonical import text_of
from correlator.filters.conditions import iso_of, known_field
from correlator.filters.fields import FIELDS, Field, Kind
from correlator.filters.tree import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    AllOf,
    AnyOf,
    Between,
    Compared,
    Comparison,
    Cone,
    Filter,
    IsNull,
    Literal,
    Not,
    OneOf,
    all_of,
    any_of,
    check_size,
)

MAX_LENGTH = 65_536
"""Longest JSON of a filter [characters]: four times that of its text."""

_COMPARISONS = {c.value: c for c in Comparison}
_CONE = ("ra_deg", "dec_deg", "radius_deg")


def filter_of_json(text: str) -> Filter:
    """The filter of a JSON document.

    Raises
    ------
    FilterError
        Says the path and the rule.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError("the whole", f"at most {MAX_LENGTH} characters", text)
    try:
        said = json.loads(
            text, parse_int=float, parse_constant=_refused, object_pairs_hook=_without_doubles
        )
    except FilterError:
        raise
    except (ValueError, RecursionError) as error:
        raise FilterError("the whole", f"JSON is expected: {error}", text) from None
    return filter_of_object(said)


def filter_of_object(said: object) -> Filter:
    """The filter of a decoded JSON document.

    Raises
    ------
    FilterError
        Says the path and the rule.
    """
    tree = _node(said, "$", 0)
    check_size(tree)
    text_of(tree)
    return tree


def json_of(tree: Filter) -> dict[str, Any]:  # noqa: PLR0911 - one way for each of the nodes
    """A filter as JSON values; read as the same tree again."""
    match tree:
        case AllOf(operands=operands):
            return {"and": [json_of(part) for part in operands]}
        case AnyOf(operands=operands):
            return {"or": [json_of(part) for part in operands]}
        case Not(operand=operand):
            return {"not": json_of(operand)}
        case Compared(field=name, comparison=comparison, value=value):
            return {"field": name, "op": str(comparison), "value": _value(name, value)}
        case OneOf(field=name, values=values):
            return {"field": name, "op": "in", "value": [_value(name, v) for v in values]}
        case Between(field=name, low=low, high=high):
            return {"field": name, "op": "between", "value": [_value(name, v) for v in (low, high)]}
        case IsNull(field=name):
            return {"field": name, "op": "is null"}
        case Cone():
            return {"within": {name: getattr(tree, name) for name in _CONE}}


def _value(name: str, value: Literal) -> Literal:
    is_time = isinstance(value, float) and FIELDS[name].kind is Kind.TIME
    return iso_of(value) if is_time else value  # type: ignore[arg-type]  # a time is a float


def _node(said: object, path: str, depth: int) -> Filter:
    if depth > MAX_DEPTH:
        raise FilterError(path, f"at most {MAX_DEPTH} levels of and, or and not")
    match said:
        case {"and": operands, **rest} if not rest:
            return all_of(*_operands(operands, f"{path}.and", depth))
        case {"or": operands, **rest} if not rest:
            return any_of(*_operands(operands, f"{path}.or", depth))
        case {"not": operand, **rest} if not rest:
            return Not(_node(operand, f"{path}.not", depth + 1))
        case {"within": place, **rest} if not rest:
            if not isinstance(place, dict) or set(place) != set(_CONE):
                raise FilterError(f"{path}.within", f"{', '.join(_CONE)} are expected", place)
            return conditions.cone(f"{path}.within", *(place[name] for name in _CONE))
        case {"field": str(name), "op": str(op), **rest} if not set(rest) - {"value"}:
            field = known_field(f"{path}.field", name, FIELDS)
            return _condition(field, op, rest, path)
    raise FilterError(path, "and, or, not, within, or field, op and value are expected", said)


def _operands(said: object, path: str, depth: int) -> list[Filter]:
    if not isinstance(said, list) or not 0 < len(said) <= MAX_CONDITIONS:
        raise FilterError(path, f"a list of 1 to {MAX_CONDITIONS} filters is expected", said)
    return [_node(part, f"{path}[{at}]", depth + 1) for at, part in enumerate(said)]


def _condition(field: Field[Any], op: str, rest: Mapping[Any, object], path: str) -> Filter:
    place = f"{path}.value"
    if op == "is null":
        if rest:
            raise FilterError(place, "is null has no value", rest["value"])
        return conditions.is_null(field)
    if "value" not in rest:
        raise FilterError(path, "a value is expected")
    value = rest["value"]
    if op in _COMPARISONS:
        return conditions.compared(place, field, _COMPARISONS[op], value)
    if op not in ("in", "between"):
        known = ", ".join((*_COMPARISONS, "in", "between", "is null"))
        raise FilterError(f"{path}.op", f"one of {known} is expected", op)
    if not isinstance(value, list):
        raise FilterError(place, "a list is expected", value)
    if op == "in":
        return conditions.one_of(place, field, value)
    if len(value) != 2:
        raise FilterError(place, "two ends are expected", value)
    return conditions.between(place, field, *value)


def _refused(constant: str) -> NoReturn:
    raise FilterError("the whole", "a number is finite", constant)


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    said = dict(pairs)
    if len(said) != len(pairs):
        raise FilterError("the whole", "a name comes once in an object", [k for k, _ in pairs])
    return said
