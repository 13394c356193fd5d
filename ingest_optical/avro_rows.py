"""The flat fields of an Avro record, numbers, flags and short texts, as one regular expression.

Each Avro type is a regular language but for texts of any length; a text of up to
:data:`_MAX_TEXT` ASCII characters is one too. So a run of such fields is one regular expression,
whose groups are the fields that are wanted. No encoding is the beginning of another, so a match is
unique.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ingest_optical.avro_values import LazyRecord, Places, place_of, place_of_flag

_MAX_TEXT = 127
"""Longest text that a pattern reads [characters]; the file names in ZTF's candidates have 60."""

_MAX_FIELDS = 300
"""Most fields of a record that becomes a pattern; Rubin's diaSource has 103. An embedded schema is
foreign, and a pattern takes 0.1 ms a field to compile."""

Read = tuple[Any, int]
"""A value and where it ends."""


FieldTypes = Sequence[Mapping[str, Any]]
"""Fields of a schema, each with its name and type."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Names of the fields of a record that are wanted, and whether all its booleans are."""

    names: frozenset[str]
    booleans: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Fields that are one expression: its groups are the wanted ones."""

    match: Callable[[bytes, int], re.Match[bytes] | None]
    places: Places

    def read(self, data: bytes, at: int) -> Read | None:
        """The wanted fields, and where all of them end."""
        matched = self.match(data, at)
        if matched is None:
            return None
        return LazyRecord(matched, self.places), matched.end()

    def skip(self, data: bytes, at: int) -> Read | None:
        """Where the fields end."""
        matched = self.match(data, at)
        return None if matched is None else (None, matched.end())


def names_of(fields: FieldTypes) -> tuple[str, ...]:
    """Names of some fields, in order."""
    return tuple(field["name"] for field in fields)


def is_flat(kind: Any) -> bool:
    """Whether a type is a number, a flag or a text, or one of these and null."""
    branches = kind if isinstance(kind, list) else [kind]
    return all(_primitive(branch) in _EXPRESSIONS for branch in branches)


def _primitive(kind: Any) -> str:
    """The primitive type of a value; that of a date is its number."""
    if isinstance(kind, dict):
        kind = kind["type"]
    return kind if isinstance(kind, str) else ""


def row_of(fields: FieldTypes, wanted: Selection, in_runs: bool = True) -> Row | None:
    """One expression for some fields.

    Parameters
    ----------
    in_runs
        Whether booleans that stand side by side may share a group; not so where each field
        becomes a column.
    """
    if len(fields) > _MAX_FIELDS or not all(is_flat(field["type"]) for field in fields):
        return None
    expression, places, n_groups = b"", Places(), 0
    for kind, some in groupby(fields, lambda field: field["type"]):
        names = names_of(list(some))
        if wanted.booleans and in_runs and (nulls := _null_of_flag(kind)) is not None:
            n_groups += 1
            places |= {name: place_of_flag(n_groups, n, nulls) for n, name in enumerate(names)}
            expression += b"((?:%b){%d})" % (_expression(kind, False), len(names))
            continue
        for name in names:
            is_wanted = name in wanted.names or (wanted.booleans and "boolean" in _values(kind))
            if is_wanted and not _is_plain(kind):
                return None
            if is_wanted:
                n_groups += 1
                places[name] = place_of(n_groups, _values(kind)[0])
            expression += _expression(kind, is_wanted)
    return Row(re.compile(expression, re.DOTALL).match, places)


def _values(kind: Any) -> list[Any]:
    """The types of a field but for null."""
    return [branch for branch in (kind if isinstance(kind, list) else [kind]) if branch != "null"]


def _is_plain(kind: Any) -> bool:
    """Whether a field is of one type that is no date, or null."""
    return len(_values(kind)) == 1 and not isinstance(_values(kind)[0], dict)


def _null_of_flag(kind: Any) -> bytes | None:
    """The byte that a boolean begins with where it is null, empty for one that never is.

    None for what is no boolean.
    """
    if kind == "boolean":
        return b""
    if isinstance(kind, list) and len(kind) == 2 and set(kind) == {"null", "boolean"}:
        return BRANCHES[kind.index("null")]
    return None


def _expression(kind: Any, is_group: bool) -> bytes:
    if isinstance(kind, list):
        branches = [
            re.escape(BRANCHES[i]) + (b"" if branch == "null" else _expression(branch, is_group))
            for i, branch in enumerate(kind)
        ]
        # Not atomic, which costs more: each branch begins with a byte of its own, so that a
        # mismatch farther on is not tried again.
        return b"(?:%b)" % b"|".join(branches)
    primitive = _primitive(kind)
    if not is_group:
        return _SKIPPED_TEXT if primitive == "string" else _EXPRESSIONS[primitive]
    return b"(%b)" % _EXPRESSIONS[primitive]


def _text_expression(character: bytes) -> bytes:
    sized = [
        re.escape(_short(2 * n)) + (character + b"{%d}" % n if n else b"")
        for n in range(_MAX_TEXT + 1)
    ]
    return b"(?>%b)" % b"|".join(sized)


def _short(zigzag: int) -> bytes:
    """A number below 2**14 in Avro's seven bits a byte."""
    return bytes([zigzag]) if zigzag < 0x80 else bytes([zigzag & 0x7F | 0x80, zigzag >> 7])


BRANCHES = tuple(bytes([2 * i]) for i in range(64))
"""Number of each branch of a union as Avro writes it."""

_EXPRESSIONS: Mapping[str, bytes] = {
    "null": b"",
    "boolean": rb"[\x00\x01]",
    # Of at most 63 bits: what is longer may not fit, which is for fastavro to say.
    "int": rb"[\x80-\xff]{0,8}+[\x00-\x7f]",
    "long": rb"[\x80-\xff]{0,8}+[\x00-\x7f]",
    "float": rb"....",
    "double": rb"........",
    "string": _text_expression(rb"[\x00-\x7f]"),
}
"""The encoding of each type (Avro 1.11 specification)."""

_SKIPPED_TEXT = _text_expression(rb".")
"""A text that nobody wants: so many bytes, whatever they are."""
