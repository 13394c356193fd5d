"""Hostile values in every parameter of every route: nothing fails, is told, or changes."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import product
from urllib.parse import quote

import pytest

from storage.schema import metadata
from storage.store import Store
from storage.tokens import Scope
from tests.service.api.asking import Asked
from tests.service.api.filling import fill

pytestmark = pytest.mark.slow

VALUES = (
    "' OR '1'='1",
    "'; DROP TABLE events; --",
    '" OR ""="',
    "1 UNION SELECT secret_sha256 FROM tokens",
    "'||(SELECT secret_sha256 FROM tokens)||'",
    "1); DELETE FROM tokens; SELECT (1",
    "%' ESCAPE '%",
    "log_lr > 1 or 1 = (select 1)",
    '{"field": "secret_sha256", "op": "=", "value": 1}',
    "../../../../../../etc/passwd",
    "..\\..\\..\\windows\\win.ini",
    "file:///etc/passwd",
    "/etc/passwd",
    "http://127.0.0.1:1/",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "a\r\nSet-Cookie: x=1",
    "<script>alert(1)</script>",
    "NaN",
    "-Infinity",
    "1e400",
    "-1",
    "9" * 400,
    "\u202e\ufeff",
    "\U0001f4a5",
    "\x00",
    "\x7f",
    "",
    " ",
    "[]",
    "0" * 64,
)
TOLD = ("root:", "secret_sha256 FROM", "Traceback", "sqlite3", "psycopg", "sqlalchemy", "SELECT ")
"""What no answer may hold but as what was asked for."""


@pytest.fixture(params=["sqlite", "postgresql"])
def filled(request):
    with ExitStack() as stack:
        url = "sqlite:///:memory:"
        if request.param == "postgresql":
            url = request.getfixturevalue("postgres_server").new_database()
        store = stack.enter_context(Store.open(url))
        fill(store)
        yield Asked(store)


def _contents(store):
    with store.engine.connect() as connection:
        return {
            name: sorted(map(repr, connection.execute(table.select())))
            for name, table in metadata.tables.items()
        }


async def test_hostile_values_are_refused_or_find_nothing(filled):
    token = filled.token(*Scope)
    before, n = _contents(filled.store), 0
    async with filled.client(token) as client:
        for path, methods in filled.api.openapi()["paths"].items():
            for method, operation in methods.items():
                names = [(p["name"], p["in"]) for p in operation.get("parameters", ())]
                for (name, place), value in product(names, VALUES):
                    answer = await _asked(client, method, path, operation, name, place, value)
                    n += 1
                    said = f"{method} {path} {place} {name}={value!r}: {answer.status_code}"
                    assert answer.status_code < 500, f"{said} {answer.text}"
                    assert "set-cookie" not in answer.headers, said
                    text = answer.text.replace(value, "").replace(repr(value)[1:-1], "")
                    if answer.status_code != 200 or place == "path":
                        assert not any(word in text for word in TOLD), f"{said} {text}"
    assert n > 100 * len(VALUES)
    assert _contents(filled.store) == before


async def test_hostile_bodies_are_refused(filled):
    token = filled.token(*Scope)
    before, n = _contents(filled.store), 0
    bodies = [b"", b"{", b"[" * 30_000, b"null", b"\xff", b'{"a": 1}', b'"x"', b"9" * 5_000]
    async with filled.client(token) as client:
        for path, methods in filled.api.openapi()["paths"].items():
            for method, operation in methods.items():
                if "requestBody" not in operation:
                    continue
                for body in bodies:
                    answer = await client.request(method, _filled_in(path, {}), content=body)
                    n += 1
                    assert 400 <= answer.status_code < 500, (method, path, body[:20])
                for value in VALUES:
                    said = {
                        "filter": value,
                        "status": value,
                        "name": value,
                        "scopes": [value],
                    }
                    answer = await client.request(method, _filled_in(path, {}), json=said)
                    n += 1
                    assert 400 <= answer.status_code < 500, (method, path, value)
    assert n > 100
    assert _contents(filled.store) == before


async def _asked(client, method, path, operation, name, place, value):
    said = {name: value} if place == "path" else {}
    query = f"?{name}={quote(value, safe='')}" if place == "query" else ""
    body = {"filter": "("} if "requestBody" in operation else None
    if name.lower() == "authorization":
        return await client.request(method, _filled_in(path, {}))
    return await client.request(method, _filled_in(path, said) + query, json=body)


def _filled_in(path, said):
    """A path with what is said, and the rest of what is nowhere."""
    known = {"sha256": "0" * 64, "token_id": "0" * 16, "name": "nothing"}
    for name in ("coincidence_id", "target_id", "event_key", "notice_id", "object_key", "survey",
                 "object_id", "alert_id"):  # fmt: skip
        known[name] = "nothing"
    return path.format(**known | {k: quote(v, safe="") for k, v in said.items()})
