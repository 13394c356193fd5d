"""The text of a filter: ``log_lr >= 3 and (case = 'kilonova' or prior_activity_days is null)``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from correlator.errors import FilterError
from correlator.filters import conditions
from correlator.filters.conditions import iso_of, known_field
from correlator.filters.fields import FIELDS, Field, Kind
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
    all_of,
    any_of,
    check_size,
)

MAX_LENGTH = 16_384
"""Longest text of a filter [characters]."""

_MAX_NESTED = 64
"""Parentheses and nots inside each other: each costs the reader a few frames of Python's stack."""

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
    |(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z_.]))
    |(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<mark><=|>=|!=|<>|==|[=<>(),])""",
    re.VERBOSE,
)
_COMPARISONS = {c.value: c for c in Comparison} | {
    "==": Comparison.EQUAL,
    "<>": Comparison.UNEQUAL,
}
_WORDS = frozenset({"and", "or", "not", "in", "between", "is", "null", "true", "false", "within"})


class _Token(NamedTuple):
    kind: str
    said: str
    at: int

    @property
    def place(self) -> str:
        return f"character {self.at + 1}"


def filter_of_text(text: str) -> Filter:
    """The filter of a text.

    Raises
    ------
    FilterError
        Says the character and the rule.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError("the whole", f"at most {MAX_LENGTH} characters", text)
    reader = _Reader(_tokens(text))
    tree = reader.either()
    if reader.next.kind != "end":
        raise FilterError(reader.next.place, "and, or, or the end is expected", reader.next.said)
    check_size(tree)
    text_of(tree)
    return tree


def text_of(tree: Filter) -> str:
    """The canonical text: the same for the same tree, and read as that tree again.

    Raises
    ------
    FilterError
        It would be longer than a text may be.
    """
    text = _said(tree)
    if len(text) > MAX_LENGTH:
        raise FilterError("the whole", f"at most {MAX_LENGTH} characters, written out", len(text))
    return text


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            rule = "a text ends with its quote" if text[at] in "'\"" else "no such character here"
            raise FilterError(f"character {at + 1}", rule, text[at : at + 20])
        kind, said = match.lastgroup or "", match.group()
        if kind == "word" and said.lower() in _WORDS:
            kind, said = "key", said.lower()
        if kind != "blank":
            tokens.append(_Token(kind, said, at))
        at = match.end()
    return [*tokens, _Token("end", "the end", len(text))]


@dataclass(slots=True)
class _Reader:
    """Reads tokens from left to right, by the grammar; never goes back."""

    tokens: list[_Token]
    at: int = 0
    nested: int = 0

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def either(self) -> Filter:
        parts = [self.both()]
        while self.take("or"):
            parts.append(self.both())
        return any_of(*parts)

    def both(self) -> Filter:
        parts = [self.one()]
        while self.take("and"):
            parts.append(self.one())
        return all_of(*parts)

    def one(self) -> Filter:
        token = self.next
        if self.take("not"):
            return Not(self.inside(token, self.one))
        if self.take("("):
            tree = self.inside(token, self.either)
            self.expect(")")
            return tree
        return self.condition()

    def inside(self, token: _Token, read: Callable[[], Filter]) -> Filter:
        self.nested += 1
        if self.nested > _MAX_NESTED:
            raise FilterError(token.place, f"at most {_MAX_NESTED} parentheses and nots nest")
        tree = read()
        self.nested -= 1
        return tree

    def condition(self) -> Filter:
        token = self.next
        if self.take("within"):
            self.expect("(")
            place = self.values()
            if len(place) != 3:
                raise FilterError(token.place, "within(ra_deg, dec_deg, radius_deg) is expected")
            return conditions.cone(token.place, *place)
        if token.kind != "word":
            raise FilterError(token.place, "the name of a field is expected", token.said)
        self.at += 1
        field = known_field(token.place, token.said)
        negated = self.take("not")
        said = self.negatable(field, must=negated)
        if said is not None:
            return Not(said) if negated else said
        if self.take("is"):
            return self.null(field)
        return self.comparison(field, token)

    def negatable(self, field: Field, must: bool) -> Condition | None:
        """What follows ``in`` or ``between``, which may have a not before them."""
        token = self.next
        if self.take("in"):
            self.expect("(")
            return conditions.one_of(token.place, field, self.values())
        if self.take("between"):
            low = self.value()
            self.expect("and")
            return conditions.between(token.place, field, low, self.value())
        if must:
            raise FilterError(token.place, "in or between is expected after not", token.said)
        return None

    def null(self, field: Field) -> Filter:
        negated = self.take("not")
        self.expect("null")
        unknown = conditions.is_null(field)
        return Not(unknown) if negated else unknown

    def comparison(self, field: Field, name: _Token) -> Condition:
        token = self.next
        comparison = _COMPARISONS.get(token.said) if token.kind == "mark" else None
        if comparison is not None:
            self.at += 1
            return conditions.compared(token.place, field, comparison, self.value())
        if field.kind is Kind.BOOL:
            return conditions.compared(name.place, field, Comparison.EQUAL, value=True)
        raise FilterError(
            token.place, "a comparison, in, between or is null is expected", token.said
        )

    def values(self) -> list[Literal | None]:
        """Values with commas between, and the closing parenthesis."""
        found = [self.value()]
        while self.take(","):
            found.append(self.value())
        self.expect(")")
        return found

    def value(self) -> Literal | None:
        token = self.next
        self.at += 1
        match token:
            case _Token("number", said):
                return float(said)
            case _Token("text", said):
                quote = said[0]
                return said[1:-1].replace(quote * 2, quote)
            case _Token("key", "true" | "false" | "null" as said):
                return None if said == "null" else said == "true"
        raise FilterError(token.place, "a number, 'text', true or false is expected", token.said)

    def take(self, said: str) -> bool:
        token = self.next
        found = token.kind in ("key", "mark") and token.said == said
        self.at += found
        return found

    def expect(self, said: str) -> None:
        token = self.next
        if not self.take(said):
            raise FilterError(token.place, f"{said} is expected", token.said)


def _said(tree: Filter) -> str:  # noqa: PLR0911 - one way for each of the nodes
    match tree:
        case AnyOf(operands=operands):
            return " or ".join(map(_said, operands))
        case AllOf(operands=operands):
            return " and ".join(_part(part, AnyOf) for part in operands)
        case Not(operand=IsNull(field=name)):
            return f"{name} is not null"
        case Not(operand=OneOf(field=name, values=values)):
            return f"{name} not in ({_listed(name, values)})"
        case Not(operand=Between() as inner):
            return f"{inner.field} not between {_ends(inner)}"
        case Not(operand=operand):
            return f"not {_part(operand, AnyOf, AllOf)}"
        case _:
            return _condition(tree)


def _condition(tree: Condition) -> str:
    match tree:
        case Compared(field=name, comparison=comparison, value=value):
            return f"{name} {comparison} {_value(name, value)}"
        case OneOf(field=name, values=values):
            return f"{name} in ({_listed(name, values)})"
        case Between(field=name):
            return f"{name} between {_ends(tree)}"
        case IsNull(field=name):
            return f"{name} is null"
        case Cone():
            place = (tree.ra_deg, tree.dec_deg, tree.radius_deg)
            return f"within({', '.join(map(number_text, place))})"


def _part(tree: Filter, *looser: type) -> str:
    """An operand, in parentheses where it binds looser than what it stands in."""
    return f"({_said(tree)})" if isinstance(tree, looser) else _said(tree)


def _ends(tree: Between) -> str:
    return f"{_value(tree.field, tree.low)} and {_value(tree.field, tree.high)}"


def _listed(name: str, values: tuple[Literal, ...]) -> str:
    return ", ".join(_value(name, value) for value in values)


def _value(name: str, value: Literal) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        doubled = value.replace("'", "''")
        return f"'{doubled}'"
    return f"'{iso_of(value)}'" if FIELDS[name].kind is Kind.TIME else number_text(value)


def number_text(value: float) -> str:
    """The shortest text that is read as that number again."""
    return repr(value).removesuffix(".0")
