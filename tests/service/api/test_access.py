"""Who is let in, how often, and how a refusal reads."""

from types import SimpleNamespace

import pytest
import structlog

from correlator.service.api import problems
from correlator.service.api.access import AccessRules
from storage.tokens import Scope
from tests.service.api.asking import NOW_UNIX_S, Asked

PROBLEM = "application/problem+json"


@pytest.mark.parametrize("scheme", ["Bearer", "Token", "token", "bearer"])
async def test_every_scheme_of_the_field_carries_the_same_token(asked, scheme):
    secret = asked.token(Scope.READ)
    async with asked.client(secret, scheme) as client:
        assert (await client.get("/status")).status_code == 200


@pytest.mark.parametrize(
    "said", ["Basic dTpw", "Bearer", "Bearer ", "Bearer \x80", "Bearer " + "a" * 5000, "mmc_1_2"]
)
async def test_what_is_no_token_is_refused_with_a_challenge(asked, said):
    async with asked.client() as client:
        answer = await client.get("/status", headers={"Authorization": said.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == PROBLEM
    assert answer.headers["www-authenticate"].startswith('Bearer realm="correlator"')
    assert answer.json()["status"] == 401


async def test_two_tokens_at_once_are_none(asked):
    secret = asked.token(Scope.READ)
    two = [("Authorization", f"Bearer {secret}"), ("Authorization", f"Bearer {secret}")]
    async with asked.client() as client:
        assert (await client.get("/status", headers=two)).status_code == 401


async def test_a_token_without_the_scope_is_told_which_it_lacks(asked):
    async with asked.client(asked.token(Scope.WRITE)) as client:
        answer = await client.get("/status")
    assert answer.status_code == 403
    assert 'scope="read"' in answer.headers["www-authenticate"]


async def test_an_installation_may_want_a_token_of_everybody(store):
    asked = Asked(store, AccessRules(lets_anonymous_read=False))
    async with asked.client() as client:
        assert (await client.get("/status")).status_code == 401
        assert (await client.get("/livez")).status_code == 200


async def test_a_token_that_ends_soon_says_so(asked):
    soon = asked.store.tokens.create("tests", [Scope.READ], (), NOW_UNIX_S, NOW_UNIX_S + 3600.0)
    for secret, says in ((soon, True), (asked.token(Scope.READ), False)):
        async with asked.client(secret) as client:
            assert ("token-expires" in (await client.get("/status")).headers) is says


async def test_times_that_no_answer_can_write_are_refused(asked):
    async with asked.client(asked.token(*Scope)) as client:
        for said in ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"):
            query = {"filter": "log_lr >= 5", "since": said}
            assert (await client.get("/filters/sent", params=query)).status_code == 422
        for said in (1e300, -1e300, "9999-12-31T23:59:59-12:00"):
            body = {"name": "late", "scopes": ["read"], "expires": said}
            assert (await client.post("/tokens", json=body)).status_code == 422
        assert (await client.get("/tokens")).status_code == 200


async def test_whoever_asks_too_often_is_told_when_to_come_back(store):
    asked = Asked(store, AccessRules(True, anonymous_rate_hz=0.2, token_rate_hz=0.3))
    async with asked.client() as client, asked.client(host="10.0.0.2") as other:
        first, second = [await client.get("/status") for _ in range(2)]
        third = await client.get("/status")
        assert (first.status_code, second.status_code, third.status_code) == (200, 200, 429)
        assert first.headers["ratelimit-limit"] == "2"
        assert second.headers["ratelimit-remaining"] == "0"
        assert third.headers["retry-after"] == "5"
        assert third.headers["content-type"] == PROBLEM
        assert (await other.get("/status")).status_code == 200
        asked.clocks.monotonic_s = 5.0
        assert (await client.get("/status")).status_code == 200


async def test_a_token_has_its_own_rate_wherever_it_comes_from(store):
    asked = Asked(store, AccessRules(True, 1e6, token_rate_hz=1e6))
    slow = store.tokens.create("slow", [Scope.READ], (), NOW_UNIX_S, rate_hz=0.1)
    async with asked.client(slow) as here, asked.client(slow, host="10.0.0.2") as there:
        assert (await here.get("/status")).status_code == 200
        assert (await there.get("/status")).status_code == 429


async def test_guessed_tokens_are_counted_too(store):
    asked = Asked(store, AccessRules(True, anonymous_rate_hz=0.2))
    async with asked.client("mmc_0123456789abcdef_" + "A" * 43) as client:
        said = [(await client.get("/status")).status_code for _ in range(3)]
    assert said == [401, 401, 429]


async def test_addresses_of_one_ipv6_network_are_one(store):
    asked = Asked(store, AccessRules(True, anonymous_rate_hz=0.1))
    said = []
    for host in ("2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1"):
        async with asked.client(host=host) as client:
            said.append((await client.get("/status")).status_code)
    assert said == [200, 429, 200]


async def test_addresses_of_ipv4_are_each_their_own_however_they_are_written(store):
    asked = Asked(store, AccessRules(anonymous_rate_hz=0.1))
    for host in ("::ffff:192.0.2.1", "::ffff:192.0.2.2"):
        async with asked.client(host=host) as client:
            assert (await client.get("/schemas")).status_code == 200
    async with asked.client(host="192.0.2.1") as client:
        assert (await client.get("/schemas")).status_code == 429


async def test_unknown_routes_and_methods_are_problems_too(asked):
    async with asked.client() as client:
        for method, path, status in (
            ("GET", "/nothing", 404),
            ("DELETE", "/status", 405),
            ("GET", "/status%00", 400),
            ("GET", "/status?a=%00", 400),
            ("GET", "/status?a=" + "a" * 40_000, 414),
            ("POST", "/filters/check", 413),
        ):
            body = b" " * 70_000 if method == "POST" else b""
            answer = await client.request(method, path, content=body)
            assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
            assert answer.json()["title"]


async def test_head_is_get_without_content(asked):
    async with asked.client() as client:
        answer = await client.head("/livez")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "15"


async def test_a_mistake_of_ours_shows_no_code(asked, monkeypatch):
    def fails(*_):
        raise AttributeError("secret of the code")

    said = []
    monkeypatch.setattr(asked.store.search, "events", fails)
    monkeypatch.setattr(problems, "_log", SimpleNamespace(error=lambda *a, **_: said.extend(a)))
    async with asked.client() as client:
        client._transport.raise_app_exceptions = False
        answer = await client.get("/events")
    assert (answer.status_code, answer.headers["content-type"]) == (500, PROBLEM)
    assert "secret" not in answer.text
    assert said == ["request_failed"]


async def test_the_documentation_needs_no_network(asked):
    async with asked.client() as client:
        page = await client.get("/docs")
        said = (await client.get("/openapi.json")).json()
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "<script" not in page.text
    assert said["openapi"].startswith("3.1")
    assert said["servers"] == [{"url": "/api/v1"}]


@pytest.fixture
def logs_not_set_up():
    kept = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**kept)


@pytest.mark.usefixtures("logs_not_set_up")
async def test_a_failure_is_logged_without_the_token_of_whoever_asked(asked, monkeypatch, capsys):
    secret = asked.token(Scope.READ)

    def fails(secret: str, _now_unix_s: float) -> None:
        raise ValueError(f"a token of {len(secret)} characters")

    monkeypatch.setattr(asked.store.tokens, "check", fails)
    async with asked.client(secret) as client:
        with pytest.raises(ValueError, match="a token of"):
            await client.get("/status")
    said = "".join(capsys.readouterr())
    assert "ValueError: a token of" in said
    assert "Traceback" in said
    assert secret[:24] not in said
