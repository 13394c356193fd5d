"""Tokens of readers, for whoever runs the service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Path, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from correlator.audience import MAX_TAGS_OF_A_READER
from correlator.service.api.access import Access, Caller
from correlator.service.api.columns import Row
from correlator.service.api.parameters import UtcTime
from correlator.service.api.problems import Problem, not_found
from correlator.service.times import iso_utc
from storage.store import Store
from storage.tokens import MAX_NAME, Scope, Token


def _printable(said: str) -> str:
    if not (said.isprintable() and said.strip()):
        raise ValueError("printable characters")
    return said


Tag = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")]


class TokenSaid(BaseModel):
    """What a new token allows."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "grandma", "scopes": ["read", "subscribe"]}]},
    )

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_printable)]
    scopes: set[Scope] = Field(min_length=1)
    audience: set[Tag] = Field(set(), max_length=MAX_TAGS_OF_A_READER)
    expires: UtcTime | None = None
    rate_hz: Annotated[float, Field(gt=0.0, le=1e6, allow_inf_nan=False)] | None = None


class TokenRow(BaseModel):
    """A token, without its secret."""

    token_id: str
    name: str
    scopes: list[str]
    audience: list[str]
    rate_hz: float | None
    created_time: str
    expires_time: str | None
    revoked_time: str | None


class NewToken(BaseModel):
    """The secret of a new token: it is shown this once."""

    token_id: str
    secret: str


class Tokens(BaseModel):
    """Every token."""

    items: list[TokenRow]
    next: None = None


def tokens_router(store: Store, access: Access, now_unix_s: Callable[[], float]) -> APIRouter:
    """``/tokens``."""
    router = APIRouter(tags=["tokens"])
    admin = Depends(access.admin)

    @router.get("/tokens", summary="Every token", response_model=Tokens)
    async def tokens(caller: Caller = admin) -> Response:
        """List the tokens, also those that are revoked or past their end; no secret is kept."""
        found = await run_in_threadpool(store.tokens.list)
        content = orjson.dumps({"items": [_row(token) for token in found], "next": None})
        return Response(content, media_type="application/json")

    @router.post("/tokens", status_code=201, summary="Make a token", response_model=NewToken)
    async def make(said: TokenSaid, caller: Caller = admin) -> Response:
        """Make a token, for audiences that the caller has; its secret is shown this once."""
        beyond = said.audience - set(caller.reader.tags)
        if beyond:
            named = ", ".join(sorted(beyond))
            raise Problem(403, f"the token itself is not of the audiences {named}")
        secret = await run_in_threadpool(
            store.tokens.create,
            said.name,
            said.scopes,
            said.audience,
            now_unix_s(),
            said.expires,
            said.rate_hz,
        )
        content = orjson.dumps({"token_id": secret.split("_")[1], "secret": secret})
        return Response(content, 201, media_type="application/json")

    @router.delete("/tokens/{token_id}", status_code=204, summary="Take a token back")
    async def revoke(
        token_id: Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")], caller: Caller = admin
    ) -> Response:
        """Take a token back, for good."""
        if not await run_in_threadpool(store.tokens.revoke, token_id, now_unix_s()):
            raise not_found("token", token_id)
        return Response(status_code=204)

    return router


def _row(token: Token) -> Row:
    return {
        "token_id": token.token_id,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "audience": list(token.audience),
        "rate_hz": token.rate_hz,
        "created_time": iso_utc(token.created_unix_s),
        "expires_time": iso_utc(token.expires_unix_s),
        "revoked_time": iso_utc(token.revoked_unix_s),
    }
