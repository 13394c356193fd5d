"""The OpenAPI document of the interface, and a page that lists it without any script."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse

from correlator.service.api.models import ROWS
from correlator.service.api.problems import MEDIA_TYPE
from storage.tokens import Scope

Json = dict[str, Any]

_ABOUT = """\
Coincidences of optical transients with events of gamma rays, X-rays, neutrinos and gravitational
waves, and what they are made of. Times are UTC in ISO 8601, intervals half-open, angles degrees
(ICRS). A list comes in pages: follow `next`, or the header `Link`, until there is none. Errors are
`application/problem+json` (RFC 9457)."""

_PROBLEM: Json = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "What the status means."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong with this request."},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "errors": {
            "type": "array",
            "description": "Which parameters break which rules.",
            "items": {"type": "object"},
        },
    },
}

_REFUSALS = {
    "400": "A parameter breaks a rule, or the cursor is of another query.",
    "401": "A token is needed, or the one that was shown does not count.",
    "403": "The token lacks the scope.",
    "404": "There is no such thing, or none that the caller may read.",
    "409": "It is somebody else's.",
    "413": "The body is too long.",
    "414": "Path and query are too long.",
    "422": "A parameter is of another kind.",
    "429": "Too many requests: wait for `Retry-After` seconds.",
    "503": "The event store is away.",
}

_METHODS = ("get", "put", "post", "delete", "patch")

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
code, h3 { font-family: ui-monospace, monospace; } h3 { font-size: 1em; margin: 1.5rem 0 .2rem; }
table { border-collapse: collapse; } td { padding: .1rem .8rem .1rem 0; vertical-align: top; }
"""


def document(api: FastAPI) -> None:
    """Give an application ``/openapi.json``, and ``/docs`` for people."""

    def openapi() -> Json:
        if api.openapi_schema is None:
            made = get_openapi(
                title=api.title, version=api.version, description=_ABOUT, routes=api.routes
            )
            api.openapi_schema = _completed(made)
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]

    @api.get("/openapi.json", include_in_schema=False)
    async def openapi_json(request: Request) -> JSONResponse:
        root = request.scope.get("root_path", "")
        return JSONResponse(openapi() | {"servers": [{"url": root or "/"}]})

    @api.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(_page(openapi(), request.scope.get("root_path", "")))


def _completed(made: Json) -> Json:
    """A document with every refusal as a problem, and reading without a token allowed."""
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas |= ROWS | {"Problem": _PROBLEM}
    answer = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for path in made["paths"].values():
        for method in _METHODS:
            if operation := path.get(method):
                _complete(operation, answer)
    return made


def _complete(operation: Json, answer: Json) -> None:
    responses = operation["responses"]
    if operation.get("security"):
        if all(Scope.READ in scopes for one in operation["security"] for scopes in one.values()):
            # None is needed for what is public.
            operation["security"] = [{}, *operation["security"]]
        wanted = set(_REFUSALS) - {"404", "409"}
    else:
        wanted = {"400", "413", "414", "422", "503"}
    if "{" in str(operation.get("operationId")) or operation.get("parameters"):
        wanted |= {"404"}
    for status in sorted(wanted | (set(responses) & set(_REFUSALS))):
        said = responses.get(status, {}).get("description")
        responses[status] = {
            "description": _REFUSALS[status] if said in {None, "Validation Error"} else said,
            "content": {MEDIA_TYPE: answer},
        }


def _page(said: Json, root: str) -> str:
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<title>{escape(said['info']['title'])}: REST</title><style>{_STYLE}</style>"
        f"<h1>{escape(said['info']['title'])}: <code>{escape(root)}</code></h1>"
        f"<p>{escape(said['info']['description'])}</p>"
        f"<p>The same for programs: <a href='{escape(root)}/openapi.json'>openapi.json</a>.</p>"
    ]
    by_tag: dict[str, list[str]] = {}
    for path, methods in said["paths"].items():
        for method in _METHODS:
            if operation := methods.get(method):
                tag = operation.get("tags", ["other"])[0]
                by_tag.setdefault(tag, []).append(_entry(method, root + path, operation))
    for tag, entries in by_tag.items():
        parts.append(f"<h2>{escape(tag)}</h2>{''.join(entries)}")
    return "".join(parts) + "</html>"


def _entry(method: str, path: str, operation: Json) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p['in'])}</td>"
        f"<td>{escape(p.get('description', ''))}</td></tr>"
        for p in operation.get("parameters", ())
        if p["name"] != "Authorization"
    )
    return (
        f"<h3>{method.upper()} {escape(path)}</h3>"
        f"<div>{escape(operation.get('description') or operation.get('summary', ''))}</div>"
        f"<table>{rows}</table>"
    )
