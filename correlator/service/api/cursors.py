"""Cursors: where a page ends, opaque and bound to the query that it is a page of."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

import orjson

from correlator.service.api.problems import bad_parameter
from storage.search.page import After

MAX_LENGTH = 8_192
"""Longest cursor that is read [characters]."""

_RULE = "it must be the `next` of a page of the same query"


def cursor_of(after: After | None, query: Mapping[str, object]) -> str | None:
    """The cursor of the next page; None where there is none.

    Parameters
    ----------
    query
        What the pages are of, without the number of their rows.
    """
    if after is None:
        return None
    content = orjson.dumps(after)
    return urlsafe_b64encode(_bound(content, query) + content).rstrip(b"=").decode()


def after_of(cursor: str | None, query: Mapping[str, object]) -> list[object] | None:
    """Where a page goes on.

    Raises
    ------
    Problem
        400, for one that :func:`cursor_of` did not make of that query.
    """
    if cursor is None:
        return None
    if len(cursor) > MAX_LENGTH or not cursor.isascii():
        raise bad_parameter("cursor", _RULE, cursor)
    try:
        said = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        bound, content = said[:_BOUND_BYTES], said[_BOUND_BYTES:]
        after = orjson.loads(content)
    except ValueError as error:
        raise bad_parameter("cursor", _RULE, cursor) from error
    # No secret: whoever makes one up reads what they may read anyhow, from another place on.
    if bound != _bound(content, query) or not isinstance(after, list):
        raise bad_parameter("cursor", _RULE, cursor)
    return after


_BOUND_BYTES = 12


def _bound(content: bytes, query: Mapping[str, object]) -> bytes:
    said = orjson.dumps({k: v for k, v in query.items() if v is not None}, option=_SORTED)
    return hashlib.sha256(said + b"\0" + content).digest()[:_BOUND_BYTES]


_SORTED = orjson.OPT_SORT_KEYS
