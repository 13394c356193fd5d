"""Notices: what was understood of each, and its packet as it came."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from correlator.service.api.access import Access, Caller
from correlator.service.api.answers import json_answer, whole_answer
from correlator.service.api.columns import NOTICES, Row
from correlator.service.api.formats import TABLES
from correlator.service.api.lists import Noun, list_answer
from correlator.service.api.models import NOT_MODIFIED, list_of, one_of
from correlator.service.api.parameters import Id, Timed
from correlator.service.api.problems import not_found
from correlator.service.times import iso_utc
from storage.notices import NoticeRecord
from storage.search.page import After, Page
from storage.store import Store

SHA256 = r"^[0-9a-f]{64}$"


def notice_row(notice: NoticeRecord) -> Row:
    """What the store says of a notice."""
    said = {name: getattr(notice, name) for name in NoticeRecord.__dataclass_fields__}
    for name in ("event", "notice", "received"):
        said[f"{name}_time"] = iso_utc(said.pop(f"{name}_unix_s"))
    return said


_NOUN = Noun[NoticeRecord]("notices", NOTICES, notice_row)

_BYTES: dict[int | str, Row] = {
    200: {
        "description": "The bytes as received.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

NoticeId = Annotated[Id, Path(description="As the sender has it; `/` and `#` are escaped.")]
Content = Annotated[str | None, Query(max_length=64, description="Of several, that of a hash.")]


class NoticesQuery(Timed):
    """Which notices, by when they came here."""

    event: Id | None = Field(None, description="Key of the event.")
    mission: Id | None = Field(None, description="Who sent it.", examples=["Swift"])
    notice_type: Id | None = Field(None, examples=["GBM_Fin_Pos"])
    newest_first: bool = Field(False, description="The latest first.")


def notices_router(store: Store, access: Access) -> APIRouter:
    """``/notices``."""
    router = APIRouter(tags=["notices"])
    reading = Depends(access.reading)

    @router.get("/notices", summary="Notices by arrival", responses=list_of("Notice", TABLES))
    async def notices(
        request: Request, query: Annotated[NoticesQuery, Query()], caller: Caller = reading
    ) -> Response:
        """List notices."""

        def page(after: After | None, limit: int) -> Page[NoticeRecord]:
            return store.search.notices(
                caller.reader, query.event, query.mission, query.notice_type, query.since,
                query.until, after, limit, query.newest_first,
            )  # fmt: skip

        return await list_answer(request, caller, _NOUN, query, page)

    @router.get(
        "/notices/{notice_id:path}/packet",
        summary="The packet of a notice",
        responses=_BYTES | NOT_MODIFIED,
    )
    async def packet(
        request: Request,
        notice_id: NoticeId,
        content_sha256: Content = None,
        caller: Caller = reading,
    ) -> Response:
        """Download the bytes as they came."""
        found = await run_in_threadpool(
            store.by_key.packet, caller.reader, notice_id, content_sha256
        )
        if found is None:
            raise not_found("notice", notice_id)
        sha256, content = found
        headers = {"Content-Disposition": f'attachment; filename="{sha256}.packet"'}
        # Whatever it is, no browser is to run it.
        return whole_answer(
            request,
            caller,
            content,
            "application/octet-stream",
            headers,
            is_for_ever=content_sha256 is not None,
        )

    @router.get("/notices/{notice_id:path}", summary="One notice", responses=one_of("Notice"))
    async def notice(
        request: Request,
        notice_id: NoticeId,
        content_sha256: Content = None,
        caller: Caller = reading,
    ) -> Response:
        """Show what was understood; `contents` has the hash of each packet with that id."""
        found = await run_in_threadpool(store.by_key.notices, caller.reader, notice_id)
        chosen = [n for n in found if content_sha256 in {None, n.content_sha256}]
        if not chosen:
            raise not_found("notice", notice_id)
        contents = [one.content_sha256 for one in found]
        return json_answer(request, caller, notice_row(chosen[0]) | {"contents": contents})

    return router
