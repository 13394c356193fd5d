"""What follow-up teams say of coincidences, in the words of SkyPortal and of the TOM Toolkit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool
from starlette.concurrency import run_in_threadpool

from correlator.audience import Reader
from correlator.service.api.access import Access, Caller
from correlator.service.api.answers import json_answer
from correlator.service.api.coincidences import CoincidenceId
from correlator.service.api.columns import Row
from correlator.service.api.models import list_of, one_of
from correlator.service.api.problems import not_found
from correlator.service.times import iso_utc
from storage.feedback import MAX_TEXT, Feedback, FeedbackStatus
from storage.store import Store


def _storable(said: str) -> str:
    if "\0" in said or any("\ud800" <= letter <= "\udfff" for letter in said):
        raise ValueError("text of whole characters without NUL")
    return said


Text = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(_storable)]


class FeedbackSaid(BaseModel):
    """What is said."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"status": "rejected", "viable": False, "viability_reason": "a flare of a CV"}
            ]
        },
    )

    status: FeedbackStatus
    viable: StrictBool | None = None
    viability_reason: Text | None = None
    comment: Text | None = None


def feedback_row(said: Feedback) -> Row:
    """One statement."""
    return {
        "feedback_id": said.feedback_id,
        "coincidence_id": said.coincidence_id,
        "author": said.author,
        "status": str(said.status),
        "viable": said.viable,
        "viability_reason": said.viability_reason,
        "comment": said.comment,
        "created_time": iso_utc(said.created_unix_s),
    }


def feedback_router(store: Store, access: Access, now_unix_s: Callable[[], float]) -> APIRouter:
    """``/coincidences/{coincidence_id}/feedback``."""
    router = APIRouter(tags=["feedback"])
    path = "/coincidences/{coincidence_id}/feedback"
    reading, writing = Depends(access.reading), Depends(access.writing)

    @router.get(path, summary="What was said of a coincidence", responses=list_of("Feedback"))
    async def feedback(
        request: Request, coincidence_id: CoincidenceId, caller: Caller = reading
    ) -> Response:
        """List what teams said, the oldest first."""

        def work() -> list[Row]:
            _look_for(store, caller.reader, coincidence_id)
            return [feedback_row(one) for one in store.feedback.of(coincidence_id, caller.reader)]

        rows = await run_in_threadpool(work)
        return json_answer(request, caller, {"items": rows, "next": None})

    @router.post(
        path,
        status_code=201,
        summary="Say something of a coincidence",
        responses={201: one_of("Feedback")[200]},
    )
    async def say(
        coincidence_id: CoincidenceId, said: FeedbackSaid, caller: Caller = writing
    ) -> Response:
        """Add a statement; its author is the name of the token. Nothing is ever changed."""

        def work() -> Row:
            _look_for(store, caller.reader, coincidence_id)
            added = store.feedback.add(
                coincidence_id,
                caller.name or "",
                said.status,
                now_unix_s(),
                viable=said.viable,
                viability_reason=said.viability_reason,
                comment=said.comment,
            )
            return feedback_row(added)

        row = await run_in_threadpool(work)
        return Response(orjson.dumps(row), 201, media_type="application/json")

    return router


def _look_for(store: Store, reader: Reader, coincidence_id: str) -> None:
    if not store.by_key.current(reader, coincidence_id):
        raise not_found("coincidence", coincidence_id)
