"""Optical objects, and their light curves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from correlator.audience import Reader
from correlator.object import OpticalObject
from correlator.service.api.access import Access, Caller
from correlator.service.api.answers import json_answer
from correlator.service.api.columns import LIGHT_CURVE, OBJECTS, Row
from correlator.service.api.formats import TABLES, WITH_TOM
from correlator.service.api.lists import Noun, list_answer
from correlator.service.api.models import list_of, one_of
from correlator.service.api.parameters import Id, Paging, Placed, Timed
from correlator.service.api.points import points_of
from correlator.service.api.problems import not_found
from correlator.service.api.regions import region_of
from correlator.service.api.tom import tom_csv
from correlator.service.rows import tag_columns
from correlator.service.times import iso_utc
from storage.search.page import After, Page
from storage.store import Store


def object_row(obj: OpticalObject) -> Row:
    """An object without its light curve."""
    last = obj.positive[-1] if obj.positive else None
    first = obj.detections[0] if obj.detections else None
    return {
        "object_key": obj.object_key,
        "survey": obj.survey,
        "object_id": obj.object_id,
        "version": obj.version,
        "ra_deg": obj.ra_deg,
        "dec_deg": obj.dec_deg,
        "first_time": None if first is None else iso_utc(first.time_unix_s),
        "latest_time": iso_utc(obj.latest_unix_s),
        "n_detections": len(obj.detections),
        "n_limits": len(obj.limits),
        "n_forced": len(obj.forced),
        "last_mag_ab": None if last is None else last.mag_ab,
        "last_band": None if last is None else last.band,
        "last_time": None if last is None else iso_utc(last.time_unix_s),
        "real_bogus": obj.real_bogus,
        "alert_ids": list(obj.alert_ids),
        **tag_columns(obj.ra_deg, obj.dec_deg, obj.tags),
    }


def _tom(found: Sequence[OpticalObject]) -> str:
    rows = [object_row(obj) for obj in found]
    return tom_csv(rows, ("survey", "last_mag_ab", "last_band", "last_time", "n_detections"))


_NOUN = Noun[OpticalObject]("objects", OBJECTS, object_row, WITH_TOM, _tom)
_CURVE = Noun[Row]("lightcurve", LIGHT_CURVE, lambda row: row)

Key = Annotated[Id, Path(description="Survey and id: `ztf:ZTF21aagwbjr`.")]


class ObjectsQuery(Timed, Placed):
    """Which objects: in a region, seen in a time."""


class CurveQuery(Paging):
    """How a light curve is written."""


def objects_router(store: Store, access: Access) -> APIRouter:
    """``/objects``."""
    router = APIRouter(tags=["objects"])
    reading = Depends(access.reading)

    @router.get("/objects", summary="Objects", responses=list_of("Object", WITH_TOM))
    async def objects(
        request: Request, query: Annotated[ObjectsQuery, Query()], caller: Caller = reading
    ) -> Response:
        """List objects seen in a time, in a region of the sky."""
        region = cache(lambda: region_of(store, caller.reader, query))

        def page(after: After | None, limit: int) -> Page[OpticalObject]:
            return store.search.objects(
                caller.reader, region(), query.since, query.until, after, limit
            )

        return await list_answer(request, caller, _NOUN, query, page)

    @router.get(
        "/objects/{object_key:path}/lightcurve",
        summary="A light curve",
        responses=list_of("Point", TABLES),
    )
    async def light_curve(
        request: Request,
        object_key: Key,
        query: Annotated[CurveQuery, Query()],
        caller: Caller = reading,
    ) -> Response:
        """Give the detections, limits and forced measurements of an object, by time."""

        def page(_after: After | None, _limit: int) -> Page[Row]:
            obj = _object(store, caller.reader, object_key)
            return Page(points_of(obj.detections, obj.limits, obj.forced), None)

        return await list_answer(request, caller, _CURVE, query, page)

    @router.get("/objects/{object_key:path}", summary="One object", responses=one_of("Object"))
    async def object_(request: Request, object_key: Key, caller: Caller = reading) -> Response:
        """Show an object with what catalogues have near it."""
        found = await run_in_threadpool(_object, store, caller.reader, object_key)
        return json_answer(request, caller, object_row(found))

    return router


def _object(store: Store, reader: Reader, object_key: str) -> OpticalObject:
    obj = store.search.object(reader, object_key)
    if obj is None:
        raise not_found("object", object_key)
    return obj
