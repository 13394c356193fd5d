"""Conditions on fields: the rules that both spellings of a filter obey."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from correlator.errors import FilterError
from correlator.filters.fields import Field, Fields, Kind
from correlator.filters.tree import (
    MAX_VALUES,
    Between,
    Compared,
    Comparison,
    Cone,
    IsNull,
    Literal,
    OneOf,
)

MAX_TEXT_LENGTH = 450
"""Longest text to compare with [characters]: that of the longest id."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_YEAR, _LAST_YEAR = 1990, 2100
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?Z?)?")
_EQUALITIES = (Comparison.EQUAL, Comparison.UNEQUAL)


def known_field(place: str, name: str, fields: Fields) -> Field[Any]:
    """The field of a name.

    Raises
    ------
    FilterError
        There is none; names one that is spelled alike.
    """
    field = fields.get(name)
    if field is None:
        near = get_close_matches(name[:64], fields, n=1)
        hint = f" (is it {near[0]}?)" if near else ""
        raise FilterError(place, f"the name of a field is expected{hint}", name)
    return field


def compared(place: str, field: Field[Any], comparison: Comparison, value: object) -> Compared:
    """A comparison; texts and truth values have no order.

    Raises
    ------
    FilterError
        The value is not of the field's kind, or the field has no order.
    """
    if field.kind in (Kind.TEXT, Kind.BOOL) and comparison not in _EQUALITIES:
        raise FilterError(place, f"{field.name} is a {field.kind}, which has no order: = or !=",
                          str(comparison))  # fmt: skip
    return Compared(field.name, comparison, literal(place, field, value))


def one_of(place: str, field: Field[Any], values: Sequence[object]) -> OneOf:
    """A list of values, each once and sorted.

    Raises
    ------
    FilterError
        There are none or too many, or one is not of the field's kind.
    """
    if not 0 < len(values) <= MAX_VALUES:
        raise FilterError(place, f"a list has 1 to {MAX_VALUES} values", len(values))
    if field.kind is Kind.BOOL:
        raise FilterError(place, f"{field.name} is a bool, which has no list", None)
    sound = {literal(place, field, value) for value in values}
    return OneOf(field.name, tuple(sorted(sound)))


def between(place: str, field: Field[Any], low: object, high: object) -> Between:
    """A closed interval.

    Raises
    ------
    FilterError
        The field is no number and no time, or the interval ends before it begins.
    """
    if field.kind not in (Kind.NUMBER, Kind.TIME):
        raise FilterError(place, f"{field.name} is a {field.kind}, which has no order", None)
    first, last = literal(place, field, low), literal(place, field, high)
    assert isinstance(first, float) and isinstance(last, float)  # noqa: S101, PT018 - by its kind
    if first > last:
        raise FilterError(place, "an interval ends after it begins", (low, high))
    return Between(field.name, first, last)


def is_null(field: Field[Any]) -> IsNull:
    """Whether the field is unknown."""
    return IsNull(field.name)


def cone(place: str, ra_deg: object, dec_deg: object, radius_deg: object) -> Cone:
    """A circle on the sky [deg].

    Raises
    ------
    FilterError
        A number that is none, or outside [0, 360], [-90, 90] or (0, 180].
    """
    ra, dec, radius = (_number(place, "within", v) for v in (ra_deg, dec_deg, radius_deg))
    if not 0.0 <= ra <= 360.0:
        raise FilterError(place, "RA lies in [0, 360] deg", ra)
    if not -90.0 <= dec <= 90.0:
        raise FilterError(place, "dec lies in [-90, 90] deg", dec)
    if not 0.0 < radius <= 180.0:
        raise FilterError(place, "a radius lies in (0, 180] deg", radius)
    return Cone(ra, dec, radius)


def literal(place: str, field: Field[Any], value: object) -> Literal:
    """A value as fields of its kind have it.

    Raises
    ------
    FilterError
        The value is of another kind, not finite, or what the field never is.
    """
    match field.kind:
        case Kind.NUMBER:
            return _number(place, field.name, value)
        case Kind.BOOL:
            if not isinstance(value, bool):
                raise FilterError(place, f"{field.name} is true or false", _shown(value))
            return value
        case Kind.TIME:
            return _unix_s(place, field.name, value)
    return _text(place, field, value)


def iso_of(unix_s: float) -> str:
    """A time as filters spell it, UTC; the inverse of reading it."""
    # Not by a float product: that is off by a microsecond after 2040.
    when = _EPOCH + timedelta(microseconds=round(Fraction(unix_s) * 1_000_000))
    said = when.isoformat(timespec="microseconds" if when.microsecond else "seconds")
    return said.removesuffix("+00:00") + "Z"


def _number(place: str, name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FilterError(place, f"{name} is compared with a number", _shown(value))
    number = float(value)
    if not math.isfinite(number):
        raise FilterError(place, "a number is finite", number)
    return number + 0.0  # -0 is 0


def _unix_s(place: str, name: str, value: object) -> float:
    rule = f"{name} is a time in UTC such as '2026-11-01T00:00:00Z'"
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise FilterError(place, rule, _shown(value))
    try:
        when = datetime.fromisoformat(value.removesuffix("Z")).replace(tzinfo=UTC)
    except ValueError as error:
        raise FilterError(place, f"{rule}: {error}", value) from None
    if not _FIRST_YEAR <= when.year < _LAST_YEAR:
        raise FilterError(place, f"a time lies in {_FIRST_YEAR}..{_LAST_YEAR}", value)
    return (when - _EPOCH) // timedelta(microseconds=1) / 1_000_000


def _text(place: str, field: Field[Any], value: object) -> str:
    if not isinstance(value, str):
        raise FilterError(place, f"{field.name} is compared with a text", _shown(value))
    if len(value) > MAX_TEXT_LENGTH:
        raise FilterError(place, f"a text has at most {MAX_TEXT_LENGTH} characters", value)
    if not value.isprintable():  # no NUL, no half characters, nothing that hides or turns others
        raise FilterError(place, "a text has printable characters only", value)
    if field.choices and value not in field.choices:
        raise FilterError(place, f"{field.name} is one of {', '.join(field.choices)}", value)
    return value


def _shown(value: object) -> object:
    return "null (say: is null)" if value is None else value
