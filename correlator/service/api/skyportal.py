"""Objects as SkyPortal's ``GENERICBROKER`` asks for alerts: ``/alerts`` and ``/alerts/{id}``.

One row an object: its last detection, brighter than the template, in the time that is asked for.
Rows stand by time, the oldest first: SkyPortal goes on from the newest row that it took, and asks
for no second page. What is asked for and is not known here (``permissions``) is passed over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.routing import APIRoute

from correlator.service.api.access import Access, Caller
from correlator.service.api.problems import KINDS, Problem, not_found, problem_of
from correlator.service.skyportal_alerts import SURVEYS, AlertDesk, TooManyError, Wanted
from correlator.service.skyportal_row import Row
from skymaps.errors import SkyMapError
from storage.errors import SearchError
from storage.store import Store

PREFIX = "/skyportal/v1"
"""Where the facade is mounted: the ``base_url`` of a broker, or with ``/ztf`` or ``/lsst``."""

MAX_ROWS = 5_000
"""Rows of an answer, and how many it has when nobody says how many."""

_PER_DEG = {"deg": 1.0, "arcmin": 60.0, "arcsec": 3600.0}

Units = Literal["deg", "arcmin", "arcsec"]
"""Of a radius; SkyPortal's brokers take arcsec where nobody says, its crossmatch says ``deg``."""

_Id = Annotated[str | None, Query(max_length=200)]


class EnvelopeRoute(APIRoute):
    """A route that tells what went wrong as SkyPortal does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, its errors in the envelope."""
        handle = super().get_route_handler()

        async def enveloped(request: Request) -> Response:
            try:
                return await handle(request)
            except (SkyMapError, SearchError, TooManyError) as error:
                return _refusal(Problem(400, str(error)))
            except KINDS as error:
                return _refusal(problem_of(error))

        return enveloped


def skyportal_router(store: Store, access: Access, surveys: tuple[str, ...] = SURVEYS) -> APIRouter:
    """Alerts of some surveys.

    SkyPortal's crossmatch does not say of which survey its filter is, so that each survey has an
    address of its own.
    """
    router = APIRouter(tags=["skyportal"], route_class=EnvelopeRoute)
    desk = AlertDesk(store)
    reading = Depends(access.reading)

    @router.get("/alerts", summary="Objects of a cone and a time, or of an id")
    def alerts(
        caller: Caller = reading,
        objectId: _Id = None,  # noqa: N803 - as SkyPortal writes it
        candid: _Id = None,
        ra: float | None = None,
        dec: float | None = None,
        radius: float | None = None,
        radius_units: Units = "arcsec",
        jd_start: float = -math.inf,
        jd_end: float = math.inf,
        survey: _Id = None,
        pageNumber: Annotated[int, Query(ge=1, le=10**6)] = 1,  # noqa: N803
        numPerPage: Annotated[int, Query(ge=1, le=MAX_ROWS)] = MAX_ROWS,  # noqa: N803
    ) -> Response:
        """By ``objectId``, else by ``ra``, ``dec`` and ``radius``; ``candid`` among those."""
        wanted = Wanted(_chosen(surveys, survey), jd_start, jd_end)
        if objectId is not None:
            rows = desk.of_object(caller.reader, objectId, wanted)
        elif ra is None or dec is None or radius is None:
            rule = "say objectId, or ra, dec and radius"
            also = "" if candid is None else "; an alert is found by its object only"
            raise Problem(400, rule + also)
        else:
            cone = ra, dec, radius / _PER_DEG[radius_units]
            rows = desk.in_cone(caller.reader, cone, wanted)
        if candid is not None:
            rows = [row for row in rows if str(row["candid"]) == candid]
        return _page(rows, pageNumber, numPerPage)

    @router.get("/alerts/{alert_id}", summary="One object with its light curve")
    def alert(alert_id: str, caller: Caller = reading, survey: _Id = None) -> Response:
        """By the survey's id of the object, or by ours (``ztf:ZTF25aaaaaaa``)."""
        row = desk.whole(caller.reader, alert_id, Wanted(_chosen(surveys, survey)))
        if row is None:
            raise not_found("object", alert_id)
        return _success(row)

    return router


def _chosen(surveys: tuple[str, ...], named: str | None) -> tuple[str, ...]:
    return surveys if named is None else tuple(s for s in surveys if s == named.lower())


def _page(rows: list[Row], number: int, size: int) -> Response:
    first = (number - 1) * size
    counted = {"totalMatches": len(rows), "pageNumber": number, "numPerPage": size}
    return _success(rows[first : first + size], counted)


def _success(data: Any, counted: dict[str, int] | None = None) -> Response:
    content = orjson.dumps({"status": "success", "data": data} | (counted or {}))
    return Response(content, media_type="application/json")


def _refusal(problem: Problem) -> Response:
    """A problem in SkyPortal's words; of a parameter it says 400."""
    said = {"status": "error", "message": problem.detail.encode(errors="replace").decode()}
    status = 400 if problem.status == 422 else problem.status
    headers = {"Cache-Control": "no-store"} | problem.headers
    return Response(orjson.dumps(said), status, headers, "application/json")
