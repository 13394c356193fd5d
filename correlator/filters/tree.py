"""What a filter says, as a tree, however it was spelled; what is built here is sound."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from correlator.errors import FilterError

MAX_DEPTH = 20
"""Levels of and, or and not: SQLite's own parser has a stack of 100."""

MAX_CONDITIONS = 256
"""Conditions of a filter: SQLite's expressions are at most 1000 deep."""

MAX_VALUES = 1000
"""Values of all conditions together: SQLite takes 32,766 parameters, and a filter none such."""

Literal = float | str | bool
"""A value to compare with; a time is in seconds since the Unix epoch, a whole microsecond."""


class Comparison(StrEnum):
    """How a field is compared with a value."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Compared:
    """The field compares so with the value."""

    field: str
    comparison: Comparison
    value: Literal


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field is one of the values, which are sorted and distinct."""

    field: str
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """The field lies in the closed interval."""

    field: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class IsNull:
    """The field is unknown."""

    field: str


@dataclass(frozen=True, slots=True)
class Cone:
    """The object lies within a radius of a place, the edge included (ICRS) [deg]."""

    ra_deg: float
    dec_deg: float
    radius_deg: float


@dataclass(frozen=True, slots=True)
class Not:
    """The operand does not hold; unknown where the operand is unknown."""

    operand: Filter


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every operand holds; there are two or more, and none is an ``AllOf``."""

    operands: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some operand holds; there are two or more, and none is an ``AnyOf``."""

    operands: tuple[Filter, ...]


Condition = Compared | OneOf | Between | IsNull | Cone
Filter = Condition | Not | AllOf | AnyOf


def all_of(*operands: Filter) -> Filter:
    """And: of one operand that itself; what is an and already is taken apart."""
    flat = [
        part for one in operands for part in (one.operands if isinstance(one, AllOf) else (one,))
    ]
    return flat[0] if len(flat) == 1 else AllOf(tuple(flat))


def any_of(*operands: Filter) -> Filter:
    """Or: of one operand that itself; what is an or already is taken apart."""
    flat = [
        part for one in operands for part in (one.operands if isinstance(one, AnyOf) else (one,))
    ]
    return flat[0] if len(flat) == 1 else AnyOf(tuple(flat))


def check_size(tree: Filter) -> None:
    """Refuse a tree that is deeper or larger than a filter may be.

    Raises
    ------
    FilterError
        Says which bound, and what the tree has.
    """
    depth, n_conditions, n_values = 0, 0, 0
    level: list[Filter] = [tree]
    while level:
        below: list[Filter] = []
        for node in level:
            match node:
                case Not(operand=operand):
                    below.append(operand)
                case AllOf(operands=operands) | AnyOf(operands=operands):
                    below.extend(operands)
                case OneOf(values=values):
                    n_conditions, n_values = n_conditions + 1, n_values + len(values)
                case _:
                    n_conditions, n_values = n_conditions + 1, n_values + 1
        if below and (depth := depth + 1) > MAX_DEPTH:
            raise FilterError("the whole", f"at most {MAX_DEPTH} levels of and, or and not")
        level = below
    for most, n, what in ((MAX_CONDITIONS, n_conditions, "conditions"),
                          (MAX_VALUES, n_values, "values")):  # fmt: skip
        if n > most:
            raise FilterError("the whole", f"at most {most} {what}", n)
