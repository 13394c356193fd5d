"""The text of a filter: ``log_lr >= 3 and (case = 'kilonova' or prior_activity_days is null)``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from correlator.errors import FilterError
from correlator.filters import conditions
from correlator.filters.canonical import MAX_LENGTH, text_of
from correlator.filters.conditions import known_field
from correlator.filters.fields import FIELDS, Field, Fields, Kind
from correlator.filters.tree import (
    Comparison,
    Condition,
    Filter,
    Literal,
    Not,
    all_of,
    any_of,
    check_size,
)

_MAX_NESTED = 64
"""Parentheses and nots inside each other: each costs the reader a few frames of Python's stack."""

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
    |(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z_.]))
    |(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<mark><=|>=|!=|<>|==|[=<>(),\[\]])""",
    re.VERBOSE,
)
_COMPARISONS = {c.value: c for c in Comparison} | {
    "==": Comparison.EQUAL,
    "<>": Comparison.UNEQUAL,
}
_TURNED = {
    Comparison.LESS: Comparison.MORE,
    Comparison.AT_MOST: Comparison.AT_LEAST,
    Comparison.MORE: Comparison.LESS,
    Comparison.AT_LEAST: Comparison.AT_MOST,
}
"""What a comparison is with its sides exchanged, where that is another one."""
_KEYS = {
    word: word
    for word in ("and", "or", "not", "in", "between", "is", "null", "true", "false", "within")
} | {"none": "null"}
"""Words that are no names, in capitals or not, and the one that stands for another."""


class _Token(NamedTuple):
    kind: str
    said: str
    at: int

    @property
    def place(self) -> str:
        return f"character {self.at + 1}"


def filter_of_text(text: str, fields: Fields = FIELDS) -> Filter:
    """The filter of a text.

    Parameters
    ----------
    fields
        What it may name: those of coincidences, or of whatever else is filtered.

    Raises
    ------
    FilterError
        Says the character and the rule.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError("the whole", f"at most {MAX_LENGTH} characters", text)
    reader = _Reader(_tokens(text), fields)
    tree = reader.either()
    if reader.next.kind != "end":
        raise FilterError(reader.next.place, "and, or, or the end is expected", reader.next.said)
    check_size(tree)
    text_of(tree, fields)
    return tree


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            rule = "a text ends with its quote" if text[at] in "'\"" else "no such character here"
            raise FilterError(f"character {at + 1}", rule, text[at : at + 20])
        kind, said = match.lastgroup or "", match.group()
        if kind == "word" and said.lower() in _KEYS:
            kind, said = "key", _KEYS[said.lower()]
        if kind != "blank":
            tokens.append(_Token(kind, said, at))
        at = match.end()
    return [*tokens, _Token("end", "the end", len(text))]


@dataclass(slots=True)
class _Reader:
    """Reads tokens from left to right, by the grammar; never goes back."""

    tokens: list[_Token]
    fields: Fields
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
        if token.kind in ("number", "text"):
            return self.turned()
        field = self.name()
        negated = self.take("not")
        said = self.negatable(field, must=negated)
        if said is not None:
            return Not(said) if negated else said
        if self.take("is"):
            return self.null(field)
        return self.comparison(field, token)

    def name(self) -> Field[Any]:
        token = self.next
        if token.kind != "word":
            raise FilterError(token.place, "the name of a field is expected", token.said)
        self.at += 1
        return known_field(token.place, token.said, self.fields)

    def turned(self) -> Filter:
        """A value, a comparison and a field; and the field's other end: ``1 <= rank < 3``."""
        value, token = self.value(), self.next
        comparison = self.sign()
        field = self.name()
        first = conditions.compared(token.place, field, _TURNED.get(comparison, comparison), value)
        token = self.next
        if token.said not in _COMPARISONS or token.kind != "mark":
            return first
        return all_of(first, conditions.compared(token.place, field, self.sign(), self.value()))

    def sign(self) -> Comparison:
        token = self.next
        comparison = _COMPARISONS.get(token.said) if token.kind == "mark" else None
        if comparison is None:
            raise FilterError(token.place, "a comparison is expected", token.said)
        self.at += 1
        return comparison

    def negatable(self, field: Field[Any], must: bool) -> Condition | None:
        """What follows ``in`` or ``between``, which may have a not before them."""
        token = self.next
        if self.take("in"):
            closes = "]" if self.take("[") else ")"
            if closes == ")":
                self.expect("(")
            return conditions.one_of(token.place, field, self.values(closes))
        if self.take("between"):
            low = self.value()
            self.expect("and")
            return conditions.between(token.place, field, low, self.value())
        if must:
            raise FilterError(token.place, "in or between is expected after not", token.said)
        return None

    def null(self, field: Field[Any]) -> Filter:
        negated = self.take("not")
        self.expect("null")
        unknown = conditions.is_null(field)
        return Not(unknown) if negated else unknown

    def comparison(self, field: Field[Any], name: _Token) -> Condition:
        token = self.next
        if token.kind == "mark" and token.said in _COMPARISONS:
            return conditions.compared(token.place, field, self.sign(), self.value())
        if field.kind is Kind.BOOL:
            return conditions.compared(name.place, field, Comparison.EQUAL, value=True)
        raise FilterError(
            token.place, "a comparison, in, between or is null is expected", token.said
        )

    def values(self, closes: str = ")") -> list[Literal | None]:
        """Values with commas between, maybe one at the end, and what closes them."""
        found = [self.value()]
        while self.take(","):
            if self.next.said == closes:
                break
            found.append(self.value())
        self.expect(closes)
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
