"""Errors as ``application/problem+json`` (RFC 9457), whatever went wrong and wherever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from traceback import format_exception
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from correlator.errors import FilterError, RefusedError
from storage.errors import SearchError, StoreAwayError, is_transient
from streams.published import NoCoincidenceError

MEDIA_TYPE = "application/problem+json"

RETRY_STORE_S = 5
"""When to ask again after the store was away [s]."""

_LIMIT = 120
"""Longest value that an answer repeats [characters]."""

Json = dict[str, Any]

_log = structlog.get_logger()


class Problem(Exception):  # noqa: N818 - the name of RFC 9457
    """Why a request is not answered.

    Parameters
    ----------
    status
        Of HTTP.
    detail
        What is wrong with this request, in words.
    headers
        That go with the answer.
    errors
        Which parameters break which rules: ``in``, ``name``, ``rule`` and ``value`` of each.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Json] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = list(errors)


KINDS = (
    Problem, HTTPException, RequestValidationError, FilterError, RefusedError, NoCoincidenceError,
    SearchError, StoreAwayError, SQLAlchemyError,
)  # fmt: skip
"""Errors that are told as what they are."""


def bad_parameter(name: str, rule: str, value: object, place: str = "query") -> Problem:
    """A parameter that breaks a rule, as 400."""
    error = {"in": place, "name": name, "rule": rule, "value": _shortened(value)}
    return Problem(400, f"{name}: {rule}", errors=[error])


def not_found(noun: str, key: str) -> Problem:
    """There is none of that key, or none that the caller may read: both say the same."""
    return Problem(404, f"there is no {noun} {_shortened(key)}")


def problem_answer(problem: Problem, instance: str) -> Response:
    """A problem as it is sent; ``instance`` is the path that was asked for."""
    said: Json = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
    }
    if problem.errors:
        said["errors"] = problem.errors
    headers = {"Cache-Control": "no-store"} | problem.headers
    # A path may hold half a character.
    content = orjson.dumps(_plain(said))
    return Response(content, problem.status, headers, MEDIA_TYPE)


def tell_problems(app: FastAPI) -> None:
    """Let an application say every error as a problem; none shows how the code failed."""

    async def of_problem(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
            problem.headers["Allow"] = ", ".join(sorted(_allowed(app, request)))
        return problem_answer(problem, request.url.path)

    async def of_anything(request: Request, error: Exception) -> Response:
        _log.error("request_failed", path=request.url.path, exception=_traceback(error))
        detail = "the service failed; its log says why"
        return problem_answer(Problem(500, detail), request.url.path)

    for kind in KINDS:
        app.add_exception_handler(kind, of_problem)
    app.add_exception_handler(Exception, of_anything)


def _allowed(app: FastAPI, request: Request) -> set[str]:
    """Methods of all routes of a path; the router names those of the first one only."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    found: dict[str, set[str]] = {}
    for one in iter_route_contexts(app.routes):
        pattern = getattr(one.original_route, "path_regex", None)
        if one.path and pattern is not None and pattern.match(path):
            found.setdefault(one.path, set()).update(one.methods or ())
    return found.get(path) or set().union(*found.values())


def problem_of(error: Exception) -> Problem:
    """What an error of one of :data:`KINDS` is to whoever asked."""
    match error:
        case Problem():
            said = error
        case RequestValidationError():
            said = _invalid(error)
        case HTTPException():
            said = Problem(error.status_code, error.detail, error.headers)
        case FilterError():
            broken = {"name": "filter", "place": error.place, "rule": error.rule}
            said = Problem(400, str(error), errors=[broken | {"value": error.value}])
        case RefusedError():
            said = Problem(400, str(error))
        case SearchError():
            broken = {"name": error.name, "rule": error.rule, "value": error.value}
            said = Problem(400, str(error), errors=[broken])
        case NoCoincidenceError():
            said = Problem(404, str(error))
        case _ if isinstance(error, StoreAwayError) or is_transient(error):
            wait = {"Retry-After": str(RETRY_STORE_S)}
            said = Problem(503, "the event store is away; ask again", wait)
        case _:
            _log.error("store_failed", exception=_traceback(error))
            said = Problem(500, "the event store failed; the log of the service says why")
    return said


def _traceback(error: Exception) -> str:
    """As Python prints it: without the values of variables, of which some are bearer tokens."""
    return "".join(format_exception(error)).rstrip()


def _invalid(error: RequestValidationError) -> Problem:
    errors = [
        {
            "in": str(said["loc"][0]),
            "name": ".".join(str(part) for part in said["loc"][1:]),
            "rule": said["msg"],
            "value": _shortened(said.get("input")),
        }
        for said in error.errors()
    ]
    first = errors[0]
    return Problem(422, f"{first['name'] or first['in']}: {first['rule']}", errors=errors)


def _shortened(value: object) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool | int | float):
        return value if not isinstance(value, int) or abs(value) < 2**53 else str(value)[:_LIMIT]
    said = value if isinstance(value, str) else repr(value)
    return said if len(said) <= _LIMIT else f"{said[:_LIMIT]}... ({len(said)} long)"


def _plain(said: Any) -> Any:
    """Text that UTF-8 takes, all the way down."""
    match said:
        case str():
            return said.encode(errors="backslashreplace").decode()
        case dict():
            return {name: _plain(value) for name, value in said.items()}
        case list():
            return [_plain(value) for value in said]
    return said
