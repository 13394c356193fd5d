"""What every answer says in its headers, and HEAD as a GET without its content."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from correlator.service.api.problems import Problem, problem_answer

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept, Authorization",
}

_IS_HEAD = "correlator.is_head"

MAX_TARGET_BYTES = 32_768
"""Longest path and query together [bytes]."""

MAX_BODY_BYTES = 65_536
"""Longest body of a request [bytes]."""


def is_head(request: Request) -> bool:
    """Whether only the headers are wanted: a stream then need not begin."""
    return bool(request.scope.get(_IS_HEAD))


class Headers:
    """The outermost layer of the interface.

    A path or a query with a NUL is refused here: no database takes one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        head = scope["method"] == "HEAD"
        if head:
            scope = {**scope, "method": "GET", _IS_HEAD: True}

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(MutableHeaders(scope=message), state)
            elif head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        if problem := _refused(scope):
            await problem_answer(problem, scope["path"])(scope, receive, sending)
            return
        await self._app(scope, _bounded(receive), sending)


def _bounded(receive: Receive) -> Receive:
    """What comes, until it is more than a body may have and did not say so."""
    taken = 0

    async def receiving() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_BYTES:
            raise Problem(413, f"a body has at most {MAX_BODY_BYTES} bytes")
        return message

    return receiving


def _complete(headers: MutableHeaders, state: Mapping[str, object]) -> None:
    for name, value in _ALWAYS.items():
        headers.setdefault(name, value)
    rates = state.get("rate_headers")
    if isinstance(rates, Mapping):
        headers.update(rates)
    if expires := state.get("token_expires"):
        headers["Token-Expires"] = str(expires)
    headers.setdefault("Cache-Control", "no-store")


def _refused(scope: Scope) -> Problem | None:
    query = scope.get("query_string", b"")
    if len(scope.get("raw_path") or b"") + len(query) > MAX_TARGET_BYTES:
        return Problem(414, f"path and query have at most {MAX_TARGET_BYTES} bytes")
    said = dict(scope["headers"]).get(b"content-length", b"0")
    if not said.isdigit() or len(said) > 12 or int(said) > MAX_BODY_BYTES:
        return Problem(413, f"a body has at most {MAX_BODY_BYTES} bytes")
    if "\0" in scope["path"] or b"%00" in query or b"\0" in query:
        return Problem(400, "path and query hold no NUL")
    return None
