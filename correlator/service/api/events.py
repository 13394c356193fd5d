"""Events: what the notices of each say together."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from correlator.event import EventState
from correlator.notice import Messenger
from correlator.service.api.access import Access, Caller
from correlator.service.api.answers import json_answer
from correlator.service.api.columns import EVENTS
from correlator.service.api.formats import TABLES
from correlator.service.api.lists import Noun, list_answer
from correlator.service.api.models import list_of, one_of
from correlator.service.api.parameters import Id, Timed
from correlator.service.api.regions import event_of
from correlator.service.rows import event_row
from correlator.wire import EventRecord
from storage.search.page import After, Page
from storage.store import Store

_NOUN = Noun[EventRecord]("events", EVENTS, event_row)


class EventsQuery(Timed):
    """Which events, by their T0."""

    mission: Id | None = Field(None, description="As the notices call it.", examples=["Fermi"])
    messenger: Messenger | None = None
    state: EventState | None = None
    newest_first: bool = Field(False, description="The latest T0 first.")


def events_router(store: Store, access: Access) -> APIRouter:
    """``/events``."""
    router = APIRouter(tags=["events"])
    reading = Depends(access.reading)

    @router.get("/events", summary="Events by T0", responses=list_of("Event", TABLES))
    async def events(
        request: Request, query: Annotated[EventsQuery, Query()], caller: Caller = reading
    ) -> Response:
        """List events; those without a time come last."""

        def page(after: After | None, limit: int) -> Page[EventRecord]:
            return store.search.events(
                caller.reader, query.since, query.until, query.mission, query.messenger,
                query.state, after, limit, query.newest_first,
            )  # fmt: skip

        return await list_answer(request, caller, _NOUN, query, page)

    @router.get("/events/{event_key:path}", summary="One event", responses=one_of("Event"))
    async def event(
        request: Request,
        event_key: Annotated[Id, Path(description="Its key, or its mission's own id.")],
        caller: Caller = reading,
    ) -> Response:
        """Show an event as it stands."""
        found = await run_in_threadpool(event_of, store, caller.reader, event_key)
        return json_answer(request, caller, event_row(found))

    return router
