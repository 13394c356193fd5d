"""Answers with an entity tag, so that what did not change is not sent again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Request, Response

from correlator.service.api.access import Caller

JSON = "application/json"

FOR_EVER = "max-age=31536000, immutable"
"""Of what is named by the hash of its content."""

_ASK_AGAIN = "no-cache"


def whole_answer(
    request: Request,
    caller: Caller,
    content: bytes,
    media_type: str = JSON,
    headers: Mapping[str, str] | None = None,
    *,
    is_for_ever: bool = False,
) -> Response:
    """Content with its entity tag; 304 when the client has it.

    Parameters
    ----------
    is_for_ever
        Whether what this address names can never change.
    """
    tag = f'"{hashlib.sha256(media_type.encode() + content).hexdigest()[:32]}"'
    # What a token let through must not be kept for others.
    scope = "public" if caller.name is None else "private"
    said = {
        **(headers or {}),
        "ETag": tag,
        "Cache-Control": f"{scope}, {FOR_EVER if is_for_ever else _ASK_AGAIN}",
    }
    if _is_known(request.headers.get("if-none-match"), tag):
        return Response(None, 304, said)
    return Response(content, 200, said | {"Content-Type": media_type})


def json_answer(request: Request, caller: Caller, value: Any) -> Response:
    """A value as JSON, with its entity tag."""
    return whole_answer(request, caller, orjson.dumps(value))


def _is_known(said: str | None, tag: str) -> bool:
    if said is None:
        return False
    known = {one.strip().removeprefix("W/") for one in said.split(",")}
    return tag in known or "*" in known
