"""The read-only page: target lists and recent events, from the store."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse

from correlator.policy import Policy
from correlator.service.rows import event_row, target_row
from storage.store import Store

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #8884;
         font-variant-numeric: tabular-nums; white-space: nowrap; }
th:nth-child(2), td:nth-child(2), th:nth-child(3), td:nth-child(3) { text-align: left; }
td.why { text-align: left; white-space: normal; font-size: .85em; opacity: .8; }
"""


def create_page(store: Store) -> FastAPI:
    """Make the web application over a store."""
    page = FastAPI(title="Multi-messenger correlator", docs_url=None, redoc_url=None)

    @page.get("/", response_class=HTMLResponse)
    def lists() -> str:
        return _html(store)

    @page.get("/targets.json")
    def targets() -> JSONResponse:
        cases = Policy().cases
        return JSONResponse(
            {c.name: [target_row(t) for t in store.targets.list(c.name)] for c in cases}
        )

    @page.get("/events.json")
    def events() -> JSONResponse:
        return JSONResponse([event_row(e) for e in store.events.all()])

    @page.get("/health")
    def health() -> dict[str, Any]:
        return {"status": "ok", "store": store.counts()}

    return page


def _html(store: Store) -> str:
    lists = "".join(_list(c.name, store) for c in Policy().cases)
    events = sorted(store.events.all(), key=lambda e: -(e.event_unix_s or 0.0))
    rows = [event_row(e) for e in events[:50]]
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<title>Multi-messenger correlator</title><style>{_STYLE}</style>"
        "<h1>Multi-messenger correlator</h1>"
        f"{lists}<h2>Events</h2>{_table(rows, _EVENT_COLUMNS)}"
        "<p>The same as data: <a href='targets.json'>targets</a>, "
        "<a href='events.json'>events</a>.</p></html>"
    )


_TARGET_COLUMNS = ("rank", "object_key", "event_key", "ra_deg", "dec_deg", "last_mag_ab",
                   "credible_level", "log_lr", "priority")  # fmt: skip
_EVENT_COLUMNS = ("event_time", "event_key", "mission", "state", "version", "far_hz")


def _list(case: str, store: Store) -> str:
    rows = [target_row(target) for target in store.targets.list(case)]
    if not rows:
        return f"<h2>{escape(case)}</h2><p>No target.</p>"
    return f"<h2>{escape(case)}</h2>{_table(rows, _TARGET_COLUMNS, with_reasons=True)}"


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...], with_reasons: bool = False) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in columns)
    if with_reasons:
        heads += "<th>why</th>"
    body = "".join(f"<tr>{_row(row, columns, with_reasons)}</tr>" for row in rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _row(row: dict[str, Any], columns: tuple[str, ...], with_reasons: bool) -> str:
    cells = "".join(f"<td>{escape(_cell(row[name]))}</td>" for name in columns)
    if with_reasons:
        reasons = "; ".join(f"{t['name']}: {t['reason']}" for t in row["priority_terms"])
        cells += f"<td class='why'>{escape(reasons)}</td>"
    return cells


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
