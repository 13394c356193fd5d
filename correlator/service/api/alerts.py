"""Optical alerts: what was understood of each."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from correlator.alert import Alert
from correlator.service.alert_row import alert_row
from correlator.service.api.access import Access, Caller
from correlator.service.api.answers import json_answer
from correlator.service.api.columns import ALERTS, Row
from correlator.service.api.formats import TABLES
from correlator.service.api.lists import Noun, list_answer
from correlator.service.api.models import list_of, one_of
from correlator.service.api.parameters import Id, Placed, Timed
from correlator.service.api.points import points_of
from correlator.service.api.problems import not_found
from correlator.service.api.regions import region_of
from correlator.service.rows import tag_columns
from storage.search.page import After, Page
from storage.store import Store

_NOUN = Noun[Alert]("alerts", ALERTS, alert_row)


class AlertsQuery(Timed, Placed):
    """Which alerts: of objects in a region, of a time."""

    object: Id | None = Field(None, description="Key of an object.", examples=["ztf:ZTF21aagwbjr"])


def alerts_router(store: Store, access: Access) -> APIRouter:
    """``/alerts``."""
    router = APIRouter(tags=["alerts"])
    reading = Depends(access.reading)

    @router.get("/alerts", summary="Alerts", responses=list_of("Alert", TABLES))
    async def alerts(
        request: Request, query: Annotated[AlertsQuery, Query()], caller: Caller = reading
    ) -> Response:
        """List alerts, in a region those of the objects that lie in it."""
        region = cache(lambda: region_of(store, caller.reader, query))

        def page(after: After | None, limit: int) -> Page[Alert]:
            return store.search.alerts(
                caller.reader, region(), query.since, query.until, query.object, after, limit
            )

        return await list_answer(request, caller, _NOUN, query, page)

    @router.get(
        "/alerts/{survey}/{object_id}/{alert_id}", summary="One alert", responses=one_of("Alert")
    )
    async def alert(
        request: Request,
        survey: Annotated[Id, Path(description="`ztf` or `lsst`.")],
        object_id: Annotated[Id, Path(description="The survey's own.")],
        alert_id: Annotated[Id, Path(description="The survey's own.")],
        caller: Caller = reading,
    ) -> Response:
        """Show an alert with the light curve that its packet holds."""
        found = await run_in_threadpool(
            store.by_key.alert, caller.reader, survey, object_id, alert_id
        )
        if found is None:
            raise not_found("alert", f"{survey}/{object_id}/{alert_id}")
        return json_answer(request, caller, _whole_row(found))

    return router


def _whole_row(alert: Alert) -> Row:
    curve = points_of((*alert.history, alert.detection), alert.limits, alert.forced)
    tags = tag_columns(alert.ra_deg, alert.dec_deg, alert.tags)
    return alert_row(alert) | tags | {"light_curve": curve}
