"""Pages of a list, each of which begins after the last row of the one before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from storage.errors import SearchError

T = TypeVar("T")

After = tuple[str | int | float | None, ...]
"""The sort key of the last row that was read; opaque to whoever pages."""

MAX_LIMIT = 10_000
"""Rows of a page."""

MAX_EXAMINED = 50_000
"""Rows near a region, or before a filter, that a page looks at; it then ends early, and the next
one goes on."""

_MAX_LONG = 2**63 - 1
_MAX_INT = 2**31 - 1
_MAX_TEXT = 2_000


class Int32(int):
    """Kind of a part that is compared with a column of 32 bits, as a revision or a rank is."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list, in its order.

    Attributes
    ----------
    rows
        At most as many as asked for. Fewer do not mean that there are no more.
    after
        What the next page begins after; None when there is nothing more.
    """

    rows: list[T]
    after: After | None


def checked_limit(limit: int) -> int:
    """Refuse a limit that is none.

    Raises
    ------
    SearchError
        It lies outside [1, MAX_LIMIT].
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT:
        raise SearchError("limit", f"a page has 1 to {MAX_LIMIT} rows", limit)
    return limit


def checked_after(after: Sequence[object] | None, kinds: Sequence[type]) -> After | None:
    """Refuse the end of a page of another list; a number may have been through JSON.

    Parameters
    ----------
    kinds
        Of each part ``str``, ``int``, :class:`Int32` or ``float``; a first float may be None.

    Raises
    ------
    SearchError
        It is not of these kinds.
    """
    if after is None:
        return None
    is_sequence = isinstance(after, tuple | list)
    if not is_sequence or len(after) != len(kinds):
        raise SearchError("after", f"the end of a page has {len(kinds)} parts", after)
    pairs = zip(after, kinds, strict=True)
    return tuple(_part(value, kind, nth == 0) for nth, (value, kind) in enumerate(pairs))


def checked_text(name: str, value: str | None) -> str | None:
    """Refuse a text that no row has and a database may choke on.

    Raises
    ------
    SearchError
        It is longer than any key, or holds NUL or half a character.
    """
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not _is_storable(value):
        raise SearchError(name, "a text without NUL, of characters that UTF-8 has", value)
    return str(value)


def checked_time(name: str, value: float | None) -> float | None:
    """Refuse a time that is no number.

    Raises
    ------
    SearchError
        It is not finite.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SearchError(name, "a finite number of seconds since the Unix epoch", value)
    return float(value)


def _part(value: object, kind: type, may_be_none: bool) -> str | int | float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None and kind is float and may_be_none:
        return None
    if kind is str and isinstance(value, str) and len(value) <= _MAX_TEXT and _is_storable(value):
        return value
    most = _MAX_INT if kind is Int32 else _MAX_LONG
    if issubclass(kind, int) and isinstance(value, int) and is_number and abs(value) <= most:
        return value
    if kind is float and isinstance(value, int | float) and is_number and math.isfinite(value):
        return float(value)
    raise SearchError("after", f"a part of the end of a page is of the kind {kind.__name__}", value)


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
