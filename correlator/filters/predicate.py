"""A filter as a function of one coincidence.

Unknown values are SQL's: a comparison with one is unknown, and a filter passes only what is true.
Here every ``not`` is first brought down to the conditions. What is left are and, or and conditions,
turned round or not, and for these it is the same whether something is unknown or does not hold.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic

from correlator.filters.fields import FIELDS, Field, S, place_of, unit_vector
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
    Not,
    OneOf,
)
from correlator.ranking import Coincidence

Predicate = Callable[[Coincidence], bool]
"""Whether a filter lets a coincidence pass."""

_OPERATORS: dict[Comparison, Callable[[Any, Any], bool]] = {
    Comparison.EQUAL: operator.eq,
    Comparison.UNEQUAL: operator.ne,
    Comparison.LESS: operator.lt,
    Comparison.AT_MOST: operator.le,
    Comparison.MORE: operator.gt,
    Comparison.AT_LEAST: operator.ge,
}


def predicate_of(tree: Filter) -> Predicate:
    """The filter compiled; nothing is parsed or looked up when it is called."""
    return predicate_over(tree, FIELDS, place_of)


def predicate_over(
    tree: Filter,
    fields: Mapping[str, Field[S]],
    place: Callable[[S], tuple[float, float, float] | None],
) -> Callable[[S], bool]:
    """The same over other things than coincidences.

    Parameters
    ----------
    fields
        Those that the filter was read with.
    place
        Where a thing is on the unit sphere; None where it has no place.
    """
    return _Compiler(fields, place).compiled(tree, holds=True)


def chord_limit(radius_deg: float) -> float:
    """Largest square of the chord between two places of the unit sphere within a radius.

    By the chord and not by the cosine, which says nothing below an arcsecond.
    """
    if radius_deg >= 180.0:
        return 5.0  # more than any chord, rounded or not
    return (2.0 * math.sin(math.radians(radius_deg) / 2.0)) ** 2


@dataclass(frozen=True, slots=True)
class _Compiler(Generic[S]):
    fields: Mapping[str, Field[S]]
    place: Callable[[S], tuple[float, float, float] | None]

    def compiled(self, tree: Filter, holds: bool) -> Callable[[S], bool]:
        match tree:
            case Not(operand=operand):
                return self.compiled(operand, not holds)
            case AllOf(operands=operands):
                return _joined([self.compiled(part, holds) for part in operands], every=holds)
            case AnyOf(operands=operands):
                return _joined([self.compiled(part, holds) for part in operands], every=not holds)
            case _:
                return self.condition(tree, holds)

    def condition(self, tree: Condition, holds: bool) -> Callable[[S], bool]:
        match tree:
            case IsNull(field=name):
                take = self.fields[name].take
                return lambda c: (take(c) is None) is holds
            case Cone():
                return self.within(tree, holds)
            case Compared(field=name, comparison=comparison, value=value):
                compare = _OPERATORS[comparison]
                return self.known(name, lambda known: compare(known, value) is holds)
            case OneOf(field=name, values=values):
                listed = frozenset(values)
                return self.known(name, lambda known: (known in listed) is holds)
            case Between(field=name, low=low, high=high):
                return self.known(name, lambda known: (low <= known <= high) is holds)

    def known(self, name: str, test: Callable[[Any], bool]) -> Callable[[S], bool]:
        take = self.fields[name].take
        return lambda c: (value := take(c)) is not None and test(value)

    def within(self, cone: Cone, holds: bool) -> Callable[[S], bool]:
        x, y, z = unit_vector(cone.ra_deg, cone.dec_deg)
        limit, place_of_it = chord_limit(cone.radius_deg), self.place

        def test(thing: S) -> bool:
            place = place_of_it(thing)
            if place is None:
                return False
            a, b, c = place
            # In the order of the SQL, term by term, so that both round alike.
            return ((a - x) * (a - x) + (b - y) * (b - y) + (c - z) * (c - z) <= limit) is holds

        return test


def _joined(parts: list[Callable[[S], bool]], every: bool) -> Callable[[S], bool]:
    if every:

        def all_hold(thing: S) -> bool:
            for part in parts:  # noqa: SIM110 - a third of the time of all()
                if not part(thing):
                    return False
            return True

        return all_hold

    def some_holds(thing: S) -> bool:
        for part in parts:  # noqa: SIM110
            if part(thing):
                return True
        return False

    return some_holds
