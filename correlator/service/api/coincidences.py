"""Published coincidences: how each stands, every revision of it, and the notice that it is."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from correlator.service.api.access import Access, Caller
from correlator.service.api.answers import json_answer
from correlator.service.api.columns import COINCIDENCES
from correlator.service.api.formats import TABLES
from correlator.service.api.lists import Noun, list_answer
from correlator.service.api.models import list_of, one_of
from correlator.service.api.parameters import Filtered, Id, Paging, Placed, Timed, UtcTime
from correlator.service.api.problems import bad_parameter, not_found
from correlator.service.api.regions import event_key_of, region_of
from correlator.service.rows import revision_row
from storage.coincidences import CoincidenceRevision, CoincidenceState
from storage.search.page import After, Page
from storage.store import Store

_NOUN = Noun[CoincidenceRevision]("coincidences", COINCIDENCES, revision_row)

CoincidenceId = Annotated[Id, Path(description="The same for ever for an object and an event.")]
Case = Annotated[Id | None, Query(description="Science case, where there are several.")]


class CoincidencesQuery(Timed, Placed, Filtered):
    """Which coincidences; `since` and `until` are of their publication."""

    object: Id | None = Field(None, description="Key of the object.")
    case: Id | None = Field(None, description="Science case.", examples=["kilonova"])
    state: CoincidenceState | None = None
    current: bool = Field(
        True, description="The latest revision of each only, also of those that are gone."
    )
    event_since: UtcTime | None = Field(None, description="T0 of the event at this time or later.")
    event_until: UtcTime | None = Field(None, description="T0 of the event before this time.")
    newest_first: bool = Field(False, description="The latest published first.")


class RevisionsQuery(Paging):
    """Which revisions of a coincidence."""

    case: Id | None = Field(None, description="Science case.")


def coincidences_router(store: Store, access: Access) -> APIRouter:
    """``/coincidences``."""
    router = APIRouter(tags=["coincidences"])
    reading = Depends(access.reading)

    @router.get("/coincidences", summary="Coincidences", responses=list_of("Coincidence", TABLES))
    async def coincidences(
        request: Request, query: Annotated[CoincidencesQuery, Query()], caller: Caller = reading
    ) -> Response:
        """List coincidences by the time of their publication; in a region, by place.

        With `event` those of that event; with `credible` too, those inside that region of it.
        """
        tree = query.tree()
        # Once for all pages of a whole list, and in a thread.
        region = cache(lambda: region_of(store, caller.reader, query))
        event_key = cache(lambda: event_key_of(store, caller.reader, query.event))

        def page(after: After | None, limit: int) -> Page[CoincidenceRevision]:
            return store.search.coincidences(
                caller.reader,
                region(),
                after,
                limit,
                query.newest_first,
                event_key=event_key(),
                object_key=query.object,
                case=query.case,
                state=query.state,
                is_current=True if query.current else None,
                tree=tree,
                since_unix_s=query.since,
                until_unix_s=query.until,
                event_since_unix_s=query.event_since,
                event_until_unix_s=query.event_until,
            )

        return await list_answer(request, caller, _NOUN, query, page)

    @router.get(
        "/coincidences/{coincidence_id}",
        summary="One coincidence",
        responses=one_of("Coincidence"),
    )
    async def coincidence(
        request: Request, coincidence_id: CoincidenceId, case: Case = None, caller: Caller = reading
    ) -> Response:
        """Show a coincidence as it stands, with the terms of its likelihood ratio."""
        found = await run_in_threadpool(store.by_key.current, caller.reader, coincidence_id)
        chosen = [one for one in found if case in {None, one.case}]
        if not chosen:
            raise not_found("coincidence", coincidence_id)
        if len(chosen) > 1:
            cases = ", ".join(one.case for one in chosen)
            raise bad_parameter("case", f"it is of several: say one of {cases}", case)
        return json_answer(request, caller, revision_row(chosen[0]))

    @router.get(
        "/coincidences/{coincidence_id}/revisions",
        summary="Every revision of a coincidence",
        responses=list_of("Coincidence", TABLES),
    )
    async def revisions(
        request: Request,
        coincidence_id: CoincidenceId,
        query: Annotated[RevisionsQuery, Query()],
        caller: Caller = reading,
    ) -> Response:
        """List what was published of a coincidence, by case and revision; nothing is deleted."""

        def page(_after: After | None, _limit: int) -> Page[CoincidenceRevision]:
            found = store.by_key.history(caller.reader, coincidence_id, query.case)
            if not found:
                raise not_found("coincidence", coincidence_id)
            return Page(found, None)

        return await list_answer(request, caller, _NOUN, query, page)

    return router
