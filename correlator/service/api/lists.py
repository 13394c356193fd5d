"""Lists: pages with cursors, whole tables row after row, in the format that is asked for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar
from urllib.parse import quote, urlencode

import orjson
import structlog
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from correlator.service.api.access import Caller
from correlator.service.api.answers import JSON, whole_answer
from correlator.service.api.columns import Columns, Row
from correlator.service.api.cursors import after_of, cursor_of
from correlator.service.api.formats import (
    STREAMED,
    TABLES,
    Format,
    content_type,
    file_name,
    format_of,
)
from correlator.service.api.headers import is_head
from correlator.service.api.parameters import PAGE_ROWS, Paging
from correlator.service.api.problems import Problem
from correlator.service.api.tables import streamed, table_of
from storage.search.page import After, Page
from storage.search.walks import STREAM_ROWS, batches_of

T = TypeVar("T")

MAX_STREAMS, MAX_OF_A_CALLER = 8, 2
"""Whole lists that are sent at once by one process, and to one caller: no slow reader has all."""

STALL_S = 120.0
"""How long whoever is sent a whole list may take for a piece of it [s]."""

_log = structlog.get_logger(__name__)

_streams: Counter[str] = Counter()
_turn = Lock()


@dataclass(frozen=True)
class Noun(Generic[T]):
    """What a list is of, and how it is written.

    Attributes
    ----------
    name
        In the plural: of the route, and of the file.
    row
        A record as JSON has it.
    columns
        A row as tables have it.
    tom
        Records as the file that a TOM imports; None where they are no targets.
    """

    name: str
    columns: Columns
    row: Callable[[T], Row]
    formats: Collection[Format] = TABLES
    tom: Callable[[Sequence[T]], str] | None = None


PageAfter = Callable[[After | None, int], Page[T]]
"""The page after a place, of so many rows: a call that blocks."""


async def list_answer(
    request: Request,
    caller: Caller,
    noun: Noun[T],
    query: Paging,
    page_after: PageAfter[T],
) -> Response:
    """A page of a list; or all of it, row after row, where no limit is said and the format can.

    Raises
    ------
    Problem
        400 for a cursor of another query or a format that the list has not; 503 while too many
        whole lists are being sent.
    """
    form = format_of(request, query.format, noun.formats)
    asked: dict[str, object] = {"list": noun.name, **query.asked()}
    after = after_of(query.cursor, asked)
    if form in STREAMED and query.limit is None and query.cursor is None:
        return await _whole(request, noun, form, page_after)
    last: After | None = None if after is None else tuple(after)  # type: ignore[arg-type]
    limit = query.limit or PAGE_ROWS

    def work() -> tuple[bytes, str | None]:
        page = page_after(last, limit)
        following = cursor_of(page.after, asked)
        return _content(noun, form, page.rows, following), following

    content, following = await run_in_threadpool(work)
    headers = _headers(noun, form)
    if following is not None:
        headers["Link"] = _link(request, following)
    return whole_answer(request, caller, content, content_type(form), headers)


def _content(noun: Noun[T], form: Format, found: Sequence[T], following: str | None) -> bytes:
    if form is Format.TOM_CSV:
        return b"" if noun.tom is None else noun.tom(found).encode()
    rows = [noun.row(one) for one in found]
    if form is Format.JSON:
        return orjson.dumps({"items": rows, "next": following})
    return table_of(rows, noun.columns, form)


async def _whole(
    request: Request, noun: Noun[T], form: Format, page_after: PageAfter[T]
) -> Response:
    headers = _headers(noun, form) | {"Cache-Control": "no-store"}
    if is_head(request):
        return Response(None, 200, headers, content_type(form))
    name = str(request.state.counted_as)
    _take(name)
    try:
        batches = (
            [noun.row(one) for one in batch]
            for batch in batches_of(lambda after: page_after(after, STREAM_ROWS))
        )
        pieces = streamed(batches, noun.columns, form)
        # What is wrong with the question shows before the answer begins.
        first = await run_in_threadpool(next, pieces, b"")
    except BaseException:
        _give_back(name)
        raise
    return _Stream(name, first, pieces, headers, content_type(form))


class _Stream(StreamingResponse):
    """A whole list on its way, which gives its place back however it ends."""

    def __init__(
        self,
        name: str,
        first: bytes,
        pieces: Iterator[bytes],
        headers: Mapping[str, str],
        media_type: str,
    ) -> None:
        super().__init__(_after(first, pieces), headers=headers, media_type=media_type)
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; one that nobody takes breaks off."""

        async def sending(message: Message) -> None:
            async with asyncio.timeout(STALL_S):
                await send(message)

        try:
            await super().__call__(scope, receive, sending)
        except (TimeoutError, ClientDisconnect):
            _log.warning("whole_list_not_taken", caller=self._name, within_s=STALL_S)
        finally:
            _give_back(self._name)


async def _after(first: bytes, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in iterate_in_threadpool(pieces):
        yield piece


def _take(name: str) -> None:
    with _turn:
        if _streams[name] >= MAX_OF_A_CALLER or _streams.total() >= MAX_STREAMS:
            said = f"{_streams[name]} whole lists of yours and {_streams.total()} in all"
            raise Problem(503, f"{said} are being sent", {"Retry-After": "30"})
        _streams[name] += 1


def _give_back(name: str) -> None:
    with _turn:
        _streams[name] -= 1
        if not _streams[name]:
            del _streams[name]


def _headers(noun: Noun[T], form: Format) -> dict[str, str]:
    if content_type(form) == JSON:
        return {}
    return {"Content-Disposition": f'attachment; filename="{file_name(noun.name, form)}"'}


def _link(request: Request, following: str) -> str:
    said = [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"]
    target = f"{quote(request.url.path)}?{urlencode([*said, ('cursor', following)])}"
    return f'<{target}>; rel="next"'
