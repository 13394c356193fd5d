"""Pairs: the evidence of every object near every event, published or not."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from correlator.service.api.access import Access, Caller
from correlator.service.api.columns import PAIRS, Row
from correlator.service.api.formats import TABLES
from correlator.service.api.lists import Noun, list_answer
from correlator.service.api.models import ROWS, list_of
from correlator.service.api.parameters import Id, Paging
from correlator.service.rows import pair_row
from correlator.wire import PairRecord
from storage.search.page import After, Page
from storage.store import Store

_NAMES = tuple(ROWS["Pair"]["properties"])


def record_row(record: PairRecord) -> Row:
    """The evidence of a pair, or why there is none any more."""
    said = dict.fromkeys(_NAMES) if record.evidence is None else pair_row(record.evidence)
    return said | {
        "coincidence_id": record.coincidence_id,
        "event_key": record.event_key,
        "object_key": record.object_key,
        "event_version": record.event_version,
        "object_version": record.object_version,
        "is_live": record.evidence is not None,
        "withdrawn_reason": record.withdrawn_reason,
    }


_NOUN = Noun[PairRecord]("pairs", PAIRS, record_row)


class PairsQuery(Paging):
    """Which pairs."""

    event: Id | None = Field(None, description="Key of the event.")
    object: Id | None = Field(None, description="Key of the object.")
    withdrawn: bool = Field(False, description="Also those that hold no longer.")


def pairs_router(store: Store, access: Access) -> APIRouter:
    """``/pairs``."""
    router = APIRouter(tags=["pairs"])
    reading = Depends(access.reading)

    @router.get("/pairs", summary="Pairs", responses=list_of("Pair", TABLES))
    async def pairs(
        request: Request, query: Annotated[PairsQuery, Query()], caller: Caller = reading
    ) -> Response:
        """List pairs by the id of their coincidence."""

        def page(after: After | None, limit: int) -> Page[PairRecord]:
            is_live = None if query.withdrawn else True
            return store.search.pairs(
                caller.reader, query.event, query.object, is_live, after, limit
            )

        return await list_answer(request, caller, _NOUN, query, page)

    return router
