"""A SkyPortal in memory that takes what the real one takes, and refuses what it refuses.

Its rules are those of the handlers of August 2026: `candidate.py`, `annotation.py`,
`sources_confirmed_in_gcn.py` with the statuses of `GcnEventObj`, and PostgreSQL's unique keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

TOKEN = "00000000-0000-0000-0000-000000000000"
STATUSES = ("pending", "confirmed", "ambiguous", "rejected")
OBJ_FIELDS = {"id", "ra", "dec", "ra_dis", "dec_dis", "score", "origin", "alias", "redshift"}


class RefusedError(Exception):
    def __init__(self, message: str, status: int = 400) -> None:
        self.message, self.status = message, status


@dataclass
class FakeSkyPortal:
    events: dict[str, list[str]]
    """Names of the localizations of each event, by its `dateobs`, the oldest first."""
    objs: dict[str, dict[str, Any]] = field(default_factory=dict)
    candidates: list[tuple[str, int, str, int | None]] = field(default_factory=list)
    annotations: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    links: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Statuses and headers of the next answers, whatever is asked."""
    broken: set[str] = field(default_factory=set)
    """Objects of which nothing can be posted."""

    def __post_init__(self) -> None:
        self.app = self._made()

    @property
    def changes(self) -> list[tuple[str, str]]:
        return [r for r in self.requests if r[0] != "GET"]

    def _made(self) -> FastAPI:
        app = FastAPI(openapi_url=None)

        @app.api_route("/sky/api/{path:path}", methods=["GET", "POST", "PUT"])
        async def answer(path: str, request: Request) -> JSONResponse:
            self.requests.append((request.method, path))
            if self.refusals:
                status, headers = self.refusals.pop(0)
                return JSONResponse({"status": "error", "message": "later"}, status, headers)
            if request.headers.get("authorization") != f"token {TOKEN}":
                return JSONResponse({"status": "error", "message": "Unauthorized"}, 401)
            body = await request.json() if request.method != "GET" else {}
            try:
                data = self._answer(request.method, path.split("/"), body)
            except RefusedError as refusal:
                said = {"status": "error", "message": refusal.message, "data": {}}
                return JSONResponse(said, refusal.status)
            return JSONResponse({"status": "success", "data": data, "version": "tests"})

        return app

    def _answer(self, method: str, path: list[str], body: dict[str, Any]) -> Any:
        match method, *path:
            case "POST", "candidates":
                return self._candidate(body)
            case "GET", "sources", obj_id, "annotations":
                self._obj(obj_id)
                return list(self.annotations.get(obj_id, {}).values())
            case "POST", "sources", obj_id, "annotations":
                return self._annotate(obj_id, body)
            case "PUT", "sources", obj_id, "annotations", number:
                return self._change_annotation(obj_id, int(number), body)
            case "GET", "gcn_event", dateobs:
                return {"dateobs": dateobs, "localizations": self._localizations(dateobs)}
            case "GET", "sources_in_gcn", dateobs, obj_id:
                self._localizations(dateobs)
                link = self.links.get((dateobs, obj_id))
                return [] if link is None else [link]
            case "POST", "sources_in_gcn", dateobs:
                return self._link(dateobs, body)
        raise RefusedError(f"no such thing: {method} {path}", 404)

    def _candidate(self, body: dict[str, Any]) -> Any:
        name = body["id"]
        if name in self.broken:
            raise RefusedError("out of order", 500)
        if body.get("passed_at") is None:
            raise RefusedError("Missing required parameter: `passed_at`.")
        passed_at = datetime.fromisoformat(body["passed_at"])
        if not body.get("filter_ids"):
            raise RefusedError("Missing required filter_ids parameter.")
        if unknown := set(body) - OBJ_FIELDS - {"filter_ids", "passed_at", "passing_alert_id"}:
            raise RefusedError(f"Invalid/missing parameters: {sorted(unknown)}")
        if body.get("ra") is None or body.get("dec") is None:
            raise RefusedError("RA must not be null for a new Obj")
        alert = body.get("passing_alert_id")
        assert alert is None or (isinstance(alert, int) and abs(alert) < 2**63)
        new = [(name, f, passed_at.isoformat(), alert) for f in body["filter_ids"]]
        known = {c[:3] for c in self.candidates}
        if any(c[:3] in known for c in new):
            raise RefusedError(
                f"Failed to post candidate for object {name}: (psycopg2.errors.UniqueViolation) "
                'duplicate key value violates unique constraint "candidates_main_index"'
            )
        self.objs.setdefault(name, {k: body.get(k) for k in OBJ_FIELDS})
        self.candidates += new
        return {"ids": list(range(len(new)))}

    def _obj(self, obj_id: str) -> None:
        if obj_id not in self.objs:
            raise RefusedError("Could not find any accessible objects", 403)

    def _annotate(self, obj_id: str, body: dict[str, Any]) -> Any:
        self._obj(obj_id)
        origin = body["origin"]
        if not isinstance(body.get("data"), dict) or not body["data"]:
            raise RefusedError("Invalid data: the annotation data must be an object")
        if origin in self.annotations.setdefault(obj_id, {}):
            raise RefusedError("Annotation already exists: duplicate key value")
        number = 1 + sum(len(x) for x in self.annotations.values())
        self.annotations[obj_id][origin] = {
            "id": number,
            "origin": origin,
            "data": body["data"],
            "groups": body.get("group_ids"),
        }
        return {"annotation_id": number}

    def _change_annotation(self, obj_id: str, number: int, body: dict[str, Any]) -> None:
        (kept,) = [a for a in self.annotations[obj_id].values() if a["id"] == number]
        kept["data"] = body["data"]

    def _localizations(self, dateobs: str) -> list[dict[str, Any]]:
        datetime.fromisoformat(dateobs)
        if dateobs not in self.events:
            raise RefusedError(f"GCN event not found for dateobs: {dateobs}")
        return [
            {"localization_name": name, "created_at": f"2026-01-01T00:00:0{n}"}
            for n, name in enumerate(self.events[dateobs])
        ]

    def _link(self, dateobs: str, body: dict[str, Any]) -> Any:
        for name in ("source_id", "localization_name", "localization_cumprob"):
            if body.get(name) is None:
                raise RefusedError("Missing required fields")
        for name in ("start_date", "end_date"):
            datetime.fromisoformat(body[name])
        if body.get("status") not in STATUSES:
            raise RefusedError(f"status must be one of {STATUSES}")
        if body["localization_name"] not in self.events.get(dateobs, []):
            raise RefusedError("Localization not found")
        self._obj(body["source_id"])
        kept = {k: body.get(k) for k in ("status", "explanation", "notes")}
        self.links[dateobs, body["source_id"]] = kept | {"obj_id": body["source_id"]}
        return {"id": 1}
