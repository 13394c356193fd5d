"""Every route of the application, and what each kind of caller gets there.

A route that is not in the table fails the first test: say there who may do what, then serve it.
"""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

from correlator.service.serving import create_service
from correlator.service.settings import Settings
from storage.store import Store
from storage.tokens import Scope
from tests.builders import a_coincidence
from tests.service.api.filling import EVENT, NOTICE, OBJECT, fill, localization_of

COINCIDENCE = a_coincidence().pair.coincidence_id
CALLERS = ("none", "read", "subscribe", "write", "admin", "expired", "revoked", "garbage")

_REFUSED = {"expired": 401, "revoked": 401, "garbage": 401}


def _only(scope: Scope, status: int) -> dict[str, int]:
    """A route for one scope: whoever shows no token may read, and do nothing else."""
    anonymous = status if scope is Scope.READ else 401
    others = {str(other): 403 for other in Scope if other is not scope}
    return {"none": anonymous, **others, str(scope): status, **_REFUSED}


READ = _only(Scope.READ, 200)
SUBSCRIBE = _only(Scope.SUBSCRIBE, 200)
OPEN = dict.fromkeys(CALLERS, 200)
"""No token is looked at: what is there is for everybody."""

ROUTES: dict[tuple[str, str], dict[str, int]] = {
    ("GET", "/"): OPEN,
    ("GET", "/targets.json"): OPEN,
    ("GET", "/events.json"): OPEN,
    ("GET", "/coincidences/{coincidence_id}.xml"): OPEN,
    ("GET", "/health"): OPEN,
    ("GET", "/api/v1/openapi.json"): OPEN,
    ("GET", "/api/v1/docs"): OPEN,
    ("GET", "/api/v1/livez"): OPEN,
    ("GET", "/api/v1/readyz"): OPEN,
    ("GET", "/api/v1/status"): READ,
    ("GET", "/api/v1/coincidences"): READ,
    ("GET", "/api/v1/coincidences/{coincidence_id}"): READ,
    ("GET", "/api/v1/coincidences/{coincidence_id}/revisions"): READ,
    ("GET", "/api/v1/coincidences/{coincidence_id}/feedback"): READ,
    ("POST", "/api/v1/coincidences/{coincidence_id}/feedback"): _only(Scope.WRITE, 201),
    ("GET", "/api/v1/targets"): READ,
    ("GET", "/api/v1/targets/{target_id:path}"): READ,
    ("GET", "/api/v1/pairs"): READ,
    ("GET", "/api/v1/events"): READ,
    ("GET", "/api/v1/events/{event_key:path}"): READ,
    ("GET", "/api/v1/notices"): READ,
    ("GET", "/api/v1/notices/{notice_id:path}"): READ,
    ("GET", "/api/v1/notices/{notice_id:path}/packet"): READ,
    ("GET", "/api/v1/localizations/{sha256}"): READ,
    ("GET", "/api/v1/objects"): READ,
    ("GET", "/api/v1/objects/{object_key:path}"): READ,
    ("GET", "/api/v1/objects/{object_key:path}/lightcurve"): READ,
    ("GET", "/api/v1/alerts"): READ,
    ("GET", "/api/v1/alerts/{survey}/{object_id}/{alert_id}"): READ,
    ("GET", "/api/v1/filters"): READ,
    ("GET", "/api/v1/filters/sent"): READ,
    ("GET", "/api/v1/filters/{name}"): READ,
    ("POST", "/api/v1/filters/check"): READ,
    ("GET", "/api/v1/schemas"): READ,
    ("GET", "/api/v1/schemas/{name}"): READ,
    ("GET", "/api/v1/subscriptions"): SUBSCRIBE,
    ("GET", "/api/v1/subscriptions/{name}"): SUBSCRIBE,
    ("PUT", "/api/v1/subscriptions/{name}"): SUBSCRIBE,
    ("DELETE", "/api/v1/subscriptions/{name}"): _only(Scope.SUBSCRIBE, 204),
    ("GET", "/api/v1/tokens"): _only(Scope.ADMIN, 200),
    ("POST", "/api/v1/tokens"): _only(Scope.ADMIN, 201),
    ("DELETE", "/api/v1/tokens/{token_id}"): _only(Scope.ADMIN, 204),
    ("GET", "/skyportal/v1/alerts"): READ,
    ("GET", "/skyportal/v1/alerts/{alert_id}"): READ,
    ("GET", "/skyportal/v1/ztf/alerts"): READ,
    ("GET", "/skyportal/v1/ztf/alerts/{alert_id}"): READ,
    ("GET", "/skyportal/v1/lsst/alerts"): READ,
    # Of LSST there is none in the store.
    ("GET", "/skyportal/v1/lsst/alerts/{alert_id}"): _only(Scope.READ, 404),
    ("GET", "/scs"): READ,
    ("GET", "/scs/coincidences"): READ,
    ("GET", "/scs/objects"): READ,
}

CONE = "?RA=150&DEC=20&SR=1"
QUERIES = {
    **{f"/skyportal/v1{s}/alerts": "?objectId=ZTF25aaaaaaa" for s in ("", "/ztf", "/lsst")},
    "/api/v1/filters/sent": "?filter=log_lr>0&since=2020-01-01&until=2020-02-01",
    "/scs": CONE,
    "/scs/coincidences": CONE,
    "/scs/objects": CONE,
}
BODIES = {
    ("POST", "/api/v1/coincidences/{coincidence_id}/feedback"): {"status": "confirmed"},
    ("POST", "/api/v1/filters/check"): {"filter": "log_lr > 1"},
    ("PUT", "/api/v1/subscriptions/{name}"): {"filter": "grandma-gw"},
    ("POST", "/api/v1/tokens"): {"name": "new", "scopes": ["read"]},
}


@pytest.fixture(scope="module")
def served():
    """The whole application, tokens of every kind, and what the paths are filled in with."""
    settings = Settings(api_anonymous_rate_hz=1e6, api_token_rate_hz=1e6)
    with Store.open("sqlite:///:memory:") as store:
        fill(store)
        now = 1_760_100_000.0
        tokens = {str(s): store.tokens.create("tests", [s], (), now) for s in Scope}
        everything = list(Scope)
        tokens["expired"] = store.tokens.create("tests", everything, (), now, now + 1.0)
        tokens["revoked"] = store.tokens.create("tests", everything, (), now)
        store.tokens.revoke(tokens["revoked"].split("_")[1], now)
        tokens["garbage"] = tokens["read"][:-4] + "AAAA"
        other = store.tokens.create("other", everything, (), now).split("_")[1]
        parts = {
            "coincidence_id": COINCIDENCE,
            "target_id": quote(f"grb-afterglow/{OBJECT}"),
            "event_key": EVENT,
            "notice_id": quote(NOTICE, safe=""),
            "sha256": localization_of(store),
            "object_key": OBJECT,
            "survey": "ztf",
            "object_id": OBJECT.partition(":")[2],
            "alert_id": "2000000000001",
            "token_id": other,
        }
        yield store, create_service(store, settings), tokens, parts


def _routes(app, prefix=""):
    for one in iter_route_contexts(app.routes):
        route = one.original_route
        if isinstance(route, Mount):
            yield from _routes(route.app, prefix + one.path)
        elif isinstance(getattr(route, "endpoint", None), FastAPI):
            yield from _routes(route.endpoint, prefix)
        else:
            yield from ((method, prefix + one.path) for method in one.methods or {"?"})


def test_every_route_is_in_the_table(served):
    _, app, _, _ = served
    assert set(_routes(app)) == set(ROUTES)


def test_the_table_says_all_of_every_route():
    for route, expected in ROUTES.items():
        assert set(expected) == set(CALLERS), route


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=str)
async def test_who_is_let_in_where(served, method, path):
    store, app, tokens, parts = served
    transport = httpx.ASGITransport(app=app)
    said = {"name": "coincidence-1.0.0.schema.json" if "schemas" in path else "grandma-gw"}
    if path.startswith("/skyportal"):
        said["alert_id"] = parts["object_id"]
    target = path.replace(":path}", "}").format(**parts | said)
    found = {}
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for caller in CALLERS:
            if "/subscriptions/{name}" in path:
                store.subscriptions.put("grandma-gw", "tests", "log_lr > 1", (), 1.0)
            headers = {"Authorization": f"Bearer {tokens[caller]}"} if caller in tokens else {}
            url, body = target + QUERIES.get(path, ""), BODIES.get((method, path))
            answer = await client.request(method, url, headers=headers, json=body)
            found[caller] = answer.status_code
    assert found == ROUTES[method, path]


async def test_without_anonymous_readers_only_probes_and_documentation_are_open(served):
    store, _, _, parts = served
    app = create_service(store, Settings(api_anonymous=False, api_anonymous_rate_hz=1e6))
    transport = httpx.ASGITransport(app=app)
    open_ones = set()
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for method, path in ROUTES:
            target = path.replace(":path}", "}").format(**parts | {"name": "x"})
            answer = await client.request(method, target)
            if answer.status_code not in {401, 404}:
                open_ones.add(path)
    probes = {"openapi.json", "docs", "livez", "readyz"}
    assert open_ones == {f"/api/v1/{name}" for name in probes}
