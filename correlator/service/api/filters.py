"""The filter language: its presets and fields, the check of a filter, and what one would send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from correlator.filters import Filter, filter_id, filter_of_json, text_of
from correlator.filters.preset import presets
from correlator.policy import DAY_S
from correlator.service.api.access import Access, Caller
from correlator.service.api.answers import json_answer
from correlator.service.api.parameters import MAX_FILTER_LENGTH, Id, UtcTime, filter_of
from correlator.service.api.problems import bad_parameter, not_found
from correlator.service.filter_rows import (
    field_rows,
    filter_row,
    preset_row,
    preset_rows,
    sent_row,
)
from correlator.service.times import iso_utc
from storage.store import Store

SENT_ROWS = 100
"""Revisions that are shown when nobody says how many."""

SENT_DAYS = 62
"""Longest span that is counted [days]; the command line counts any."""


class FilterSaid(BaseModel):
    """A filter to be checked."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"filter": "log_lr >= 5"}]}
    )

    filter: Annotated[str, Field(max_length=MAX_FILTER_LENGTH)] | dict[str, Any]


class FilterRead(BaseModel):
    """A filter as it was understood."""

    filter_id: str
    text: str
    json_form: Any = Field(alias="json")


class SentQuery(BaseModel):
    """What would have been sent, and when."""

    model_config = ConfigDict(extra="forbid")

    filter: str = Field(max_length=MAX_FILTER_LENGTH, examples=["grandma-gw", "log_lr >= 5"])
    since: UtcTime = Field(
        description=f"Published at this time or later; at most {SENT_DAYS} days before `until`."
    )
    until: UtcTime | None = Field(
        None, description="Published before this time; without it the span ends now."
    )
    limit: int = Field(SENT_ROWS, ge=1, le=1000, description="Revisions that are shown.")


def filters_router(store: Store, access: Access, now_unix_s: Callable[[], float]) -> APIRouter:
    """``/filters``."""
    router = APIRouter(tags=["filters"])
    reading = Depends(access.reading)

    @router.get("/filters", summary="Presets and fields")
    async def filters(request: Request, caller: Caller = reading) -> Response:
        """List the presets with the source of each cut, and the fields that a filter can name."""
        return json_answer(request, caller, {"presets": preset_rows(), "fields": field_rows()})

    @router.get("/filters/sent", summary="What a filter would have sent")
    async def sent(
        request: Request, query: Annotated[SentQuery, Query()], caller: Caller = reading
    ) -> Response:
        """List the revisions that whoever subscribed by a filter would have been sent.

        What was sent and passes no longer, or is gone, is sent once more, with `passes` false. A
        span of more than 62 days is refused: ask for one after the other.
        """
        _check_span(query, now_unix_s())
        tree = filter_of(query.filter)
        n_sent, found = await run_in_threadpool(
            store.by_key.sent, caller.reader, tree, query.since, query.until, query.limit
        )
        said = {
            "filter_id": filter_id(tree),
            "text": text_of(tree),
            "since": iso_utc(query.since),
            "until": iso_utc(query.until),
            "n_sent": n_sent,
            "sent": [sent_row(one) for one in found],
        }
        return json_answer(request, caller, said)

    @router.get("/filters/{name}", summary="One preset")
    async def preset(
        request: Request,
        name: Annotated[Id, Path(examples=["grandma-gw"])],
        caller: Caller = reading,
    ) -> Response:
        """Show a preset with the source of each cut."""
        found = presets().get(name)
        if found is None:
            raise not_found("preset", name)
        return json_answer(request, caller, preset_row(found))

    @router.post("/filters/check", summary="Check a filter", response_model=FilterRead)
    async def check(said: FilterSaid, caller: Caller = reading) -> Response:
        """Read a filter, as text or JSON, and give it as it was understood; 400 says where not."""
        tree = _tree(said.filter)
        return Response(orjson.dumps(filter_row(tree)), media_type="application/json")

    return router


def _check_span(query: SentQuery, now_unix_s: float) -> None:
    end_unix_s = now_unix_s if query.until is None else query.until
    if end_unix_s - query.since > SENT_DAYS * DAY_S:
        rule = f"at most {SENT_DAYS} days before `until`, or before now without `until`"
        raise bad_parameter("since", rule, iso_utc(query.since))


def _tree(said: str | dict[str, Any]) -> Filter:
    if isinstance(said, str):
        return filter_of(said)
    try:
        text = orjson.dumps(said).decode()
    except (TypeError, ValueError) as error:
        raise bad_parameter("filter", "JSON that can be written", str(error), "body") from error
    return filter_of_json(text)
