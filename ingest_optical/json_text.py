"""JSON of alerts as Python's writers make it: NaN stands for what is unknown."""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

JSONDecodeError = orjson.JSONDecodeError
"""What :func:`loads` raises."""

MAX_BYTES, MAX_NANS = 16 * 2**20, 1_000_000
"""Longest document with NaNs, and most of them; Lasair's object of ten sources has 46 kB and 146.
Sixteen megabytes of what takes longest take 2 s."""

_NAN = b"NaN"

_BEFORE_NAN = re.compile(rb'(?:[^"N]++|"(?:[^"\\]++|\\.?)*+"?|N(?!aN))*+', re.DOTALL)
"""What stands before the next NaN outside of a text, even of one that does not end."""


def loads(data: bytes) -> object:
    """The value of a JSON document; NaN, which JSON does not have, becomes None.

    Raises
    ------
    JSONDecodeError
        It is none, NaN aside, or is too long to have any, or has too many.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        if len(data) > MAX_BYTES or not 0 < data.count(_NAN) <= MAX_NANS:
            raise
    return orjson.loads(b"null".join(_between_nans(data)))


def _between_nans(data: bytes) -> Iterator[bytes]:
    at = 0
    while found := _BEFORE_NAN.match(data, at):  # always, and it may be empty
        yield found[0]
        at = found.end() + len(_NAN)
        if at > len(data):
            return
