"""How much memory a schema can make of the bytes that follow it.

A list of a million records of one byte each is a megabyte on the wire and 250 MB as Python
objects; deflated it is a kilobyte. The rate of a schema, times the length of a body, bounds what
decoding it can take, before anything is decoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RATES = (32, 48, 64, 96, 128, 256, 512)
"""Rates that are told apart [B of memory a byte of Avro]."""

_PRIMITIVES = {
    "null": (0, 0),
    "boolean": (0, 1),
    "int": (32, 1),
    "long": (32, 1),
    "float": (24, 4),
    "double": (24, 8),
    "bytes": (34, 1),
    "string": (80, 1),
}
"""Memory of a value of each primitive type and the fewest bytes that it takes, without what grows
with the length of a text: at most 4 B a byte, below every rate. Sizes of CPython 3.11."""

_RECORD, _FIELD, _LIST, _ITEM, _MAP, _ENTRY, _LOGICAL = 160, 40, 64, 9, 240, 160, 128
"""Memory of a dict with its share for each field, of a list and a place in it, of a map and an
entry with its key, and of a date or a decimal beyond its number."""


def rate_of(parsed: Mapping[str, Any]) -> int:
    """Least of :data:`RATES` that bounds the memory of a record of a schema.

    Parameters
    ----------
    parsed
        Schema with full names, as ``fastavro.parse_schema`` gives it.

    Raises
    ------
    ValueError
        The items of an array take next to no bytes beside what they become.
    """
    for rate in RATES:
        if _Excess(rate).is_bounded(parsed):
            return rate
    raise ValueError(f"an item of an array must not grow more than {RATES[-1]} times")


class _Excess:
    """Most that a value can take beyond ``rate`` times its own bytes, by its type.

    The excess of a record is the sum over its fields and that of a union the largest of its
    branches; an array is bounded when its items have none, however many they are.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._named: dict[str, int] = {}
        self._bounded = True

    def is_bounded(self, parsed: Any) -> bool:
        self._of(parsed)
        return self._bounded

    def _of(self, node: Any) -> int:
        if isinstance(node, list):
            return max(map(self._of, node), default=0) - self._rate
        if isinstance(node, str):
            if node in self._named:
                return self._named[node]
            size, n_bytes = _PRIMITIVES[node]
            return size - self._rate * n_bytes
        return self._of_complex(node) + (_LOGICAL if "logicalType" in node else 0)

    def _of_complex(self, node: Mapping[str, Any]) -> int:
        match node["type"]:
            case "array":
                self._bounded &= self._of(node["items"]) + _ITEM <= 0
                return _LIST - self._rate
            case "map":
                self._bounded &= self._of(node["values"]) + _ENTRY - self._rate <= 0
                return _MAP - self._rate
            case "enum":
                self._named[node["name"]] = excess = -self._rate
            case "fixed":
                self._named[node["name"]] = excess = 34 + node["size"] * (1 - self._rate)
            case "record" | "error":
                excess = _RECORD + sum(_FIELD + self._of(f["type"]) for f in node["fields"])
                self._named[node["name"]] = excess
            case other:
                excess = self._of(other)
        return excess
