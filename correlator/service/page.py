"""The read-only page: target lists and recent events that everybody may read, from the store."""

from __future__ import annotations

import time
from html import escape
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.responses import HTMLResponse, JSONResponse

from correlator.audience import PUBLIC_READER
from correlator.policy import Policy
from correlator.service.api.access import Access
from correlator.service.api.problems import tell_problems
from correlator.service.api.status import Summaries
from correlator.service.rows import event_row, target_row
from storage.store import Store
from streams.published import chosen
from streams.voevent import UNNAMED_AUTHOR, Author
from streams.voevents import NoVOEventError, VOEventDesk

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem; }
th, td { text-align: right; padding: .3rem .6rem; white-space: nowrap;
         font-variant-numeric: tabular-nums; }
th.text, td.text { text-align: left; }
thead th, tr.last td { border-bottom: 1px solid #8886; }
td.why { text-align: left; white-space: normal; font-size: .85em; opacity: .75; padding-top: 0; }
"""

MAX_ROWS = 1_000
"""Targets of a list that are shown."""

_MAX_REVISION = 2**31 - 1

MAX_EVENTS = 10_000
"""Events that are told as data, the latest."""

_Column = tuple[str, str, str]
"""Heading, name in the row, and how a number is written."""


def create_page(
    store: Store, author: Author = UNNAMED_AUTHOR, access: Access | None = None
) -> FastAPI:
    """Make the web application over a store; the author is that of our VOEvents.

    Parameters
    ----------
    access
        Counts who asks how often; None counts nobody.
    """
    page = FastAPI(
        title="Multi-messenger correlator",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[] if access is None else [Depends(access.passing)],
    )
    summaries = Summaries(store, time.time)

    @page.get("/", response_class=HTMLResponse)
    def lists() -> str:
        return _html(store)

    @page.get("/targets.json")
    def targets() -> JSONResponse:
        return JSONResponse({c.name: _targets(c.name, store) for c in Policy().cases})

    @page.get("/events.json")
    def events() -> JSONResponse:
        found = store.search.events(PUBLIC_READER, limit=MAX_EVENTS, newest_first=True)
        return JSONResponse([event_row(e) for e in found.rows])

    @page.get("/coincidences/{coincidence_id}.xml", response_class=Response)
    def coincidence(
        coincidence_id: str, case: str | None = None, revision: int | None = None
    ) -> Response:
        if revision is not None and abs(revision) > _MAX_REVISION:
            raise HTTPException(404, f"no revision {revision}")
        try:
            _check_public(store, coincidence_id, case)
            xml = VOEventDesk(store, author).find(coincidence_id, case, revision, PUBLIC_READER)
        except NoVOEventError as error:
            raise HTTPException(404, str(error)) from error
        return Response(xml, media_type="application/xml")

    @page.get("/health")
    def health() -> dict[str, Any]:
        summary = summaries.of(PUBLIC_READER)
        return {
            "status": "ok",
            "store": {
                "events": summary.events,
                "notices": summary.notices,
                "coincidences": summary.coincidences,
                "targets": summary.targets,
            },
        }

    tell_problems(page)
    return page


def _targets(case: str, store: Store) -> list[dict[str, Any]]:
    found = store.search.targets(PUBLIC_READER, case, limit=MAX_ROWS)
    return [target_row(target) for target in found.rows]


def _check_public(store: Store, coincidence_id: str, case: str | None) -> None:
    """Refuse a coincidence of which any revision is not for everybody, as if there were none."""
    seen = store.by_key.history(PUBLIC_READER, coincidence_id, case)
    if len(seen) != len(store.coincidences.history(coincidence_id, case)):
        chosen([], coincidence_id, None)


def _html(store: Store) -> str:
    lists = "".join(_list(c.name, store) for c in Policy().cases)
    events = store.search.events(PUBLIC_READER, limit=50, newest_first=True)
    rows = [event_row(event) for event in events.rows]
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<title>Multi-messenger correlator</title><style>{_STYLE}</style>"
        "<h1>Multi-messenger correlator</h1>"
        f"{lists}<h2>Events</h2>{_table(rows, _EVENTS)}"
        "<p>The same as data: <a href='targets.json'>targets</a>, "
        "<a href='events.json'>events</a>.</p></html>"
    )


_TARGETS: tuple[_Column, ...] = (
    ("#", "rank", "d"),
    ("Object", "object_key", ""),
    ("Event", "event_key", ""),
    ("RA (deg)", "ra_deg", ".5f"),
    ("Dec (deg)", "dec_deg", "+.5f"),
    ("Class", "class", ""),
    ("mag", "last_mag_ab", ".2f"),
    ("Credible level", "credible_level", ".3f"),
    ("ln LR", "log_lr", ".2f"),
    ("Priority", "priority", ".2f"),
)
_EVENTS: tuple[_Column, ...] = (
    ("Time (UTC)", "event_time", ""),
    ("Event", "event_key", ""),
    ("Mission", "mission", ""),
    ("State", "state", ""),
    ("Notices", "version", "d"),
    ("FAR (Hz)", "far_hz", ".2g"),
)


def _list(case: str, store: Store) -> str:
    rows = _targets(case, store)
    if not rows:
        return f"<h2>{escape(case)}</h2><p>No target.</p>"
    return f"<h2>{escape(case)}</h2>{_table(rows, _TARGETS, with_reasons=True)}"


def _table(
    rows: list[dict[str, Any]], columns: tuple[_Column, ...], with_reasons: bool = False
) -> str:
    heads = "".join(f"<th{_side(form)}>{escape(head)}</th>" for head, _, form in columns)
    body = "".join(_row(row, columns, with_reasons) for row in rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _row(row: dict[str, Any], columns: tuple[_Column, ...], with_reasons: bool) -> str:
    cells = "".join(
        f"<td{_side(form)}>{escape(_cell(row[name], form))}</td>" for _, name, form in columns
    )
    if not with_reasons:
        return f"<tr class='last'>{cells}</tr>"
    reasons = " · ".join(f"{t['name']}: {t['reason']}" for t in row["priority_terms"])
    why = f"<td class='why' colspan='{len(columns) - 1}'>{escape(reasons)}</td>"
    return f"<tr>{cells}</tr><tr class='last'><td></td>{why}</tr>"


def _side(form: str) -> str:
    return "" if form else " class='text'"


def _cell(value: Any, form: str) -> str:
    return "–" if value is None else format(value, form)
