"""Subscriptions: filters by which coincidences are sent to a topic of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from starlette.concurrency import run_in_threadpool

from correlator.errors import RefusedError
from correlator.service.api.access import Access, Caller
from correlator.service.api.columns import Row
from correlator.service.api.parameters import MAX_FILTER_LENGTH, filter_of
from correlator.service.api.problems import Problem, not_found
from correlator.service.times import iso_utc
from storage.store import Store
from storage.subscriptions import Subscription

MAX_SUBSCRIPTIONS = 100
"""Names of one owner; one that was removed counts, as it stays its owner's."""

Name = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="Last word of the topic.")
]


class SubscriptionSaid(BaseModel):
    """What is wanted."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"filter": "grandma-gw"}]}
    )

    filter: str = Field(
        max_length=MAX_FILTER_LENGTH, description="As text or JSON, or the name of a preset."
    )
    is_active: StrictBool = True


class SubscriptionRow(BaseModel):
    """A subscription as it stands."""

    name: str
    owner: str
    filter: str
    is_active: bool
    audience: list[str]
    created_time: str


class Subscriptions(BaseModel):
    """The subscriptions of the caller."""

    items: list[SubscriptionRow]
    next: None = None


def subscriptions_router(
    store: Store, access: Access, now_unix_s: Callable[[], float]
) -> APIRouter:
    """``/subscriptions``; their owner is the name of the token."""
    router = APIRouter(tags=["subscriptions"])
    subscribing = Depends(access.subscribing)

    @router.get("/subscriptions", summary="One's subscriptions", response_model=Subscriptions)
    async def subscriptions(caller: Caller = subscribing) -> Response:
        """List the subscriptions of the caller."""
        found = await run_in_threadpool(store.subscriptions.list, caller.name)
        return _answer({"items": [subscription_row(one) for one in found], "next": None})

    @router.get("/subscriptions/{name}", summary="One subscription", response_model=SubscriptionRow)
    async def subscription(name: Name, caller: Caller = subscribing) -> Response:
        """Show a subscription of the caller."""
        found = await run_in_threadpool(store.subscriptions.get, name)
        if found is None or found.owner != caller.name:
            raise not_found("subscription", name)
        return _answer(subscription_row(found))

    @router.put(
        "/subscriptions/{name}",
        summary="Subscribe",
        response_model=SubscriptionRow,
        responses={409: {"description": "It is another owner's, or there are too many."}},
    )
    async def put(name: Name, said: SubscriptionSaid, caller: Caller = subscribing) -> Response:
        """Make a subscription or change it; its audiences are the token's, and end with it."""
        tree, owner = filter_of(said.filter), caller.name or ""

        def work() -> Subscription:
            try:
                return store.subscriptions.put(
                    name,
                    owner,
                    tree,
                    caller.reader.tags,
                    now_unix_s(),
                    is_active=said.is_active,
                    is_of_token=True,
                    most=MAX_SUBSCRIPTIONS,
                )
            except RefusedError as error:
                # Name, filter and tags are sound here: what is left is whose it is, or how many.
                raise Problem(409, str(error)) from error

        return _answer(subscription_row(await run_in_threadpool(work)))

    @router.delete("/subscriptions/{name}", status_code=204, summary="Unsubscribe")
    async def remove(name: Name, caller: Caller = subscribing) -> Response:
        """Forget a subscription of the caller."""
        if not await run_in_threadpool(store.subscriptions.remove, name, caller.name):
            raise not_found("subscription", name)
        return Response(status_code=204)

    return router


def subscription_row(subscription: Subscription) -> Row:
    """A subscription as it stands."""
    return {
        "name": subscription.name,
        "owner": subscription.owner,
        "filter": subscription.filter,
        "is_active": subscription.is_active,
        "audience": list(subscription.audience),
        "created_time": iso_utc(subscription.created_unix_s),
    }


def _answer(row: Row) -> Response:
    return Response(orjson.dumps(row), media_type="application/json")
