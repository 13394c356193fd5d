"""Simple Cone Search of the IVOA: ``/scs`` over coincidences, ``/scs/objects`` over objects.

``RA``, ``DEC`` and ``SR`` are degrees (ICRS), ``VERB`` is 1 to 3, ``MAXREC`` bounds the rows; names
in any case of letters, others are passed over. A parameter that breaks a rule is told in a VOTable
of status 200, as version 1.03 has it; a token that does not count, or too many requests, have the
status of HTTP as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute

from correlator.audience import Reader
from correlator.object import OpticalObject
from correlator.service.api.access import Access, Caller
from correlator.service.api.problems import KINDS, Problem, problem_of
from correlator.service.cone_columns import COINCIDENCES, OBJECTS, Published
from correlator.service.cone_table import MEDIA_TYPE, Column, Verbosity, error_of, results_of
from skymaps.errors import SkyMapError
from storage.coincidences import CoincidenceState
from storage.errors import SearchError
from storage.search import Page, Region
from storage.store import Store

PREFIX = "/scs"
"""Where the coincidences are asked for."""

PATHS = (PREFIX, f"{PREFIX}/coincidences", f"{PREFIX}/objects")

MAX_RECORDS = 10_000
"""Rows of an answer, and how many it has when nobody says how many."""

_PAGE_ROWS = 1_000

_FORMATS = {
    "votable", MEDIA_TYPE, "text/xml", "application/xml", "text/xml;content=x-votable",
}  # fmt: skip
"""Values of RESPONSEFORMAT that mean what is answered anyhow."""

T = TypeVar("T")

_Next = Callable[[Sequence[object] | None, int], Page[T]]
"""Gives the next rows after some, at most so many."""


class Cone(NamedTuple):
    """What is asked for."""

    ra_deg: float
    dec_deg: float
    radius_deg: float
    verbosity: Verbosity
    max_records: int


class TableRoute(APIRoute):
    """A route that tells what went wrong in a VOTable."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, its errors in a table."""
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handle(request)
            except (SkyMapError, SearchError) as error:
                return _refusal(Problem(400, str(error)))
            except KINDS as error:
                return _refusal(problem_of(error))

        return told


def scs_router(store: Store, access: Access) -> APIRouter:
    """The cone searches, at :data:`PATHS`."""
    router = APIRouter(tags=["cone search"], route_class=TableRoute)
    reading = Depends(access.reading)

    def coincidences(request: Request, caller: Caller = reading) -> Response:
        cone = cone_of(request.query_params.multi_items())
        return _answer(cone, COINCIDENCES, _published(store, caller.reader, cone), _ABOUT[0])

    def objects(request: Request, caller: Caller = reading) -> Response:
        cone = cone_of(request.query_params.multi_items())
        return _answer(cone, OBJECTS, _objects(store, caller.reader, cone), _ABOUT[1])

    for path in PATHS[:2]:
        router.add_api_route(path, coincidences, methods=["GET"])
    router.add_api_route(PATHS[2], objects, methods=["GET"])
    return router


_ABOUT = (
    "Coincidences, as published and standing, of optical objects with gamma-ray, X-ray, neutrino "
    "and gravitational-wave events",
    "Optical objects of ZTF and LSST that passed the gate",
)


def cone_of(said: Sequence[tuple[str, str]]) -> Cone:
    """What parameters ask for.

    Raises
    ------
    Problem
        One is missing, comes twice, is no number or out of its range.
    """
    given: dict[str, str] = {}
    for name, value in said:
        if name.upper() in given and name.upper() in _SINGLE:
            raise Problem(400, f"{name.upper()} is said twice")
        given[name.upper()] = value
    if given.get("RESPONSEFORMAT", "votable").lower().replace(" ", "") not in _FORMATS:
        raise Problem(400, f"RESPONSEFORMAT is votable, got {given['RESPONSEFORMAT'][:80]!r}")
    verb = given.get("VERB", Verbosity.USUAL)
    if verb not in set(Verbosity):
        raise Problem(400, f"VERB is 1, 2 or 3, got {verb[:80]!r}")
    most = given.get("MAXREC", str(MAX_RECORDS))
    if not (most.isascii() and most.isdecimal() and len(most) <= 18):
        raise Problem(400, f"MAXREC is a whole number of rows, got {most[:80]!r}")
    return Cone(
        _number(given, "RA", 0.0, 360.0),
        _number(given, "DEC", -90.0, 90.0),
        _number(given, "SR", 0.0, 180.0),
        Verbosity(verb),
        min(int(most), MAX_RECORDS),
    )


_SINGLE = {"RA", "DEC", "SR", "VERB", "MAXREC", "RESPONSEFORMAT"}


def _number(given: dict[str, str], name: str, least: float, most: float) -> float:
    said = given.get(name)
    if said is None:
        raise Problem(400, f"{name} must be said, in degrees")
    try:
        value = float(said)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise Problem(400, f"{name} lies in [{least:g}, {most:g}] deg, got {said[:80]!r}")
    return value


def _objects(store: Store, reader: Reader, cone: Cone) -> Iterator[OpticalObject]:
    region = Region.cone(*cone[:3])
    return _walked(
        lambda after, limit: store.search.objects(reader, region, None, None, after, limit)
    )


def _published(store: Store, reader: Reader, cone: Cone) -> Iterator[Published]:
    region = Region.cone(*cone[:3])
    active = CoincidenceState.ACTIVE
    found = _walked(
        lambda after, limit: store.search.coincidences(
            reader, region, after, limit, is_current=True, state=active
        )
    )
    return (Published(r, r.body) for r in found if r.body is not None)


def _walked(page_after: _Next[T]) -> Iterator[T]:
    after: Sequence[object] | None = None
    while True:
        page = page_after(after, _PAGE_ROWS)
        yield from page.rows
        if page.after is None:
            return
        after = page.after


def _answer(cone: Cone, columns: Sequence[Column[T]], found: Iterator[T], about: str) -> Response:
    """The table, cut where it has too many rows; a radius of 0 asks for its columns only."""
    rows: list[T] = []
    overflows = False
    if cone.radius_deg > 0.0 and cone.max_records > 0:
        for row in found:
            if len(rows) == cone.max_records:
                overflows = True
                break
            rows.append(row)
    content = results_of(columns, rows, cone.verbosity, about, overflows=overflows)
    return Response(content, media_type=MEDIA_TYPE)


def _refusal(problem: Problem) -> Response:
    is_of_parameters = problem.status in {400, 422}
    headers = {"Cache-Control": "no-store"} | problem.headers
    return Response(
        error_of(problem.detail), 200 if is_of_parameters else problem.status, headers, MEDIA_TYPE
    )
