"""The published JSON Schemas of our notices."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from correlator.service.api.access import Access, Caller
from correlator.service.api.answers import json_answer, whole_answer
from correlator.service.api.columns import Row
from correlator.service.api.models import NOT_MODIFIED
from correlator.service.api.problems import not_found

_SUFFIX = ".schema.json"

_MEDIA_TYPE = "application/schema+json"

_SCHEMA: dict[int | str, Row] = {200: {"content": {_MEDIA_TYPE: {"schema": {"type": "object"}}}}}


def schemas_router(access: Access) -> APIRouter:
    """``/schemas``."""
    router = APIRouter(tags=["schemas"])
    reading = Depends(access.reading)
    folder = files("streams") / "schemas"
    known = {
        file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(_SUFFIX)
    }

    @router.get("/schemas", summary="Schemas of every version")
    async def schemas(request: Request, caller: Caller = reading) -> Response:
        """List the schemas; one that was published is never changed."""
        return json_answer(request, caller, {"items": sorted(known), "next": None})

    @router.get("/schemas/{name}", summary="One schema", responses=_SCHEMA | NOT_MODIFIED)
    async def schema(
        request: Request,
        name: Annotated[str, Path(examples=["coincidence-1.0.0.schema.json"])],
        caller: Caller = reading,
    ) -> Response:
        """Show a schema (JSON Schema 2020-12)."""
        if name not in known:
            raise not_found("schema", name)
        return whole_answer(request, caller, known[name], _MEDIA_TYPE, is_for_ever=True)

    return router
