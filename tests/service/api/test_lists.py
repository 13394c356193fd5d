"""Pages, cursors, regions and conditions of lists, and what the answers say in their headers."""

import asyncio
from dataclasses import replace
from urllib.parse import quote

import pytest
from sqlalchemy.exc import OperationalError

from correlator.priority import Priority, PriorityTerm
from correlator.service.api import lists
from correlator.service.api import subscriptions as api_subscriptions
from correlator.service.api.app import PREFIX
from correlator.service.api.parameters import MAX_ROWS
from storage.tokens import Scope
from tests.builders import T0_UNIX_S, a_coincidence, a_notice, a_summary, a_target
from tests.service.api.filling import (
    AUDIENCE,
    EVENT,
    NOTICE,
    OBJECT,
    PACKET,
    SECRET,
    fill_sealed,
    localization_of,
)

JSON_FILTER = '{"field": "log_lr", "op": ">", "value": 99}'
LISTS = ("coincidences", "targets", "pairs", "events", "notices", "objects", "alerts")


async def _items(client, path):
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_pages_hold_every_row_once_and_in_the_order_of_one_page(written):
    store = written.store
    for n in range(25):
        store.notices.put(a_notice(f"ivo://tests/{n}"), b"", "a", T0_UNIX_S + n % 5)
    async with written.client() as client:
        whole = await _items(client, "/notices")
        found, path = [], "/notices?limit=4"
        while path:
            answer = await client.get(path)
            found += answer.json()["items"]
            link = answer.headers.get("link")
            path = link and link.partition(">")[0].removeprefix("</api/v1")
            assert (path is None) is (answer.json()["next"] is None)
    assert found == whole
    assert len(found) >= 25


@pytest.mark.slow
async def test_a_site_weighs_its_list_which_has_pages_too(asked):
    # Never up at Palomar, and high for some hours of every night.
    declinations = {"ztf:ZTF25south": -80.0, "ztf:ZTF25pole": 85.0, "ztf:ZTF25north": 80.0}
    terms = (PriorityTerm("evidence", 3.0, "tests"), PriorityTerm("visibility", 0.0, "no site"))
    targets = [
        replace(t, coincidence=replace(t.coincidence, priority=Priority(3.0, terms)))
        for t in (
            a_target(n, case="kilonova", object_key=key, object=a_summary(dec_deg=dec))
            for n, (key, dec) in enumerate(declinations.items(), 1)
        )
    ]
    asked.store.targets.replace_list("kilonova", targets, T0_UNIX_S)
    path = "/targets?case=kilonova&site=palomar"
    async with asked.client() as client:
        stored = await _items(client, "/targets?case=kilonova")
        whole = await _items(client, path)
        first = (await client.get(f"{path}&limit=2")).json()
        rest = (await client.get(f"{path}&limit=2&cursor={first['next']}")).json()
    assert [item["object_key"] for item in stored] == list(declinations)
    assert whole[-1]["object_key"] == "ztf:ZTF25south"
    assert [item["rank"] for item in whole] == [1, 2, 3]
    assert first["items"] + rest["items"] == whole
    assert rest["next"] is None


async def test_a_cursor_of_another_query_or_of_nobody_is_refused(filled):
    async with filled.client() as client:
        cursor = (await client.get("/alerts?limit=1")).json()["next"]
        assert (await client.get(f"/alerts?limit=2&cursor={cursor}")).status_code == 200
        for path in (
            f"/alerts?object={OBJECT}&cursor={cursor}",
            f"/objects?cursor={cursor}",
            "/alerts?cursor=" + cursor[:-2] + "AA",
            "/alerts?cursor=",
            "/alerts?cursor=%F0%9F%92%A5",
            "/alerts?cursor=" + "A" * 9000,
            "/alerts?cursor=bm90aGluZw",
        ):
            answer = await client.get(path)
            assert answer.status_code == 400, path
            assert answer.json()["errors"][0]["name"] == "cursor"


@pytest.mark.parametrize(
    ("path", "n"),
    [
        ("/objects?ra=150&dec=20&radius=0.2", 1),
        ("/objects?ra=150&dec=20&radius=0.05", 0),
        ("/objects?box=149,151,19,21", 1),
        ("/objects?box=151,149,19,21", 0),
        ("/objects?moc=0/0-11", 1),
        (f"/objects?event={EVENT}&credible=0.9", 1),
        (f"/objects?event={EVENT}&credible=0.001", 0),
        ("/objects?since=2025-10-10", 1),
        ("/objects?since=2025-10-11", 0),
        ("/objects?until=2025-10-09T11:00:00Z", 0),
        (f"/coincidences?event={EVENT}", 2),
        ("/coincidences?event=781692805", 2),
        (f"/coincidences?event={EVENT}&state=active", 1),
        (f"/coincidences?event={EVENT}&current=false", 3),
        ("/coincidences?case=kilonova", 0),
        ("/coincidences?filter=log_lr%20%3E%207", 1),
        (f"/coincidences?filter={quote(JSON_FILTER)}", 0),
        ("/coincidences?ra=150&dec=20&radius=0.2", 2),
        ("/coincidences?event_since=2025-10-10", 0),
        ("/alerts?ra=150&dec=20&radius=0.2", 2),
        (f"/alerts?object={OBJECT}", 2),
        ("/targets?case=grb-afterglow", 1),
        ("/targets?case=grb-afterglow&state=all", 2),
        ("/targets?case=grb-afterglow&state=retired", 1),
        (f"/targets?event={EVENT}", 1),
        ("/targets?filter=log_lr%20%3C%200", 0),
        ("/targets?ra=10&dec=20&radius=1", 0),
        ("/pairs", 1),
        (f"/pairs?object={OBJECT}", 1),
        ("/events?mission=Fermi&messenger=gamma-ray", 1),
        ("/events?mission=Swift", 0),
        ("/events?until=2025-10-09T08:53:20Z", 0),
        ("/notices?notice_type=GBM_Fin_Pos", 1),
        (f"/objects/{OBJECT}/lightcurve", 6),
    ],
)  # fmt: skip
async def test_lists_hold_what_was_asked_for(filled, path, n):
    async with filled.client() as client:
        assert len(await _items(client, path)) == n


@pytest.mark.parametrize(
    "path",
    [
        "/objects?ra=150&dec=20",
        "/objects?ra=150&dec=20&radius=1&moc=0/1",
        "/objects?box=1,2,3",
        "/objects?box=1,2,80,95",
        "/objects?box=1,2,3,nan",
        "/objects?moc=wrong",
        "/objects?moc=0/99",
        "/objects?credible=0.9",
        "/objects?event=unknown&credible=0.9",
        "/objects?ra=nan&dec=0&radius=1",
        "/objects?ra=1e999&dec=0&radius=1",
        "/objects?radius_deg=1",
        "/objects?since=yesterday",
        "/objects?format=xlsx",
        "/events?format=tom-csv",
        "/events?limit=0",
        f"/events?limit={MAX_ROWS + 1}",
        "/events?messenger=light",
        "/coincidences?filter=log_lr",
        "/coincidences?filter=nothing%20%3E%201",
        "/coincidences?event=unknown",
        "/filters/sent?filter=log_lr%3E1",
        "/notices/none",
        "/notices/none/packet",
        "/events/none",
        "/objects/none",
        "/objects/ztf:none/lightcurve",
        "/alerts/ztf/none/none",
        "/coincidences/none",
        "/coincidences/none/revisions",
        "/coincidences/none/feedback",
        "/targets/none",
        "/filters/none",
        "/schemas/none",
        "/schemas/..%2F..%2Fpyproject.toml",
        "/localizations/" + "0" * 64,
        "/localizations/0",
    ],
)
async def test_what_cannot_be_asked_is_said_in_words(filled, path):
    async with filled.client() as client:
        answer = await client.get(path)
    assert answer.status_code in {400, 404, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == answer.status_code
    assert said["detail"]
    assert "Traceback" not in answer.text


async def test_what_a_filter_would_have_sent_is_told_of_62_days_at_most(filled):
    spans = {
        "since=1970-01-01": 400,
        "since=2025-08-01": 400,
        "since=2025-08-01&until=2025-10-03": 400,
        "since=2025-08-01&until=2025-10-02": 200,
        "since=2025-10-01": 200,
        "since=1970-01-01&until=1970-02-01": 200,
    }
    async with filled.client() as client:
        for span, status in spans.items():
            answer = await client.get(f"/filters/sent?filter=log_lr%20%3E%20-1e9&limit=1&{span}")
            assert answer.status_code == status, span
            if status == 400:
                assert "at most 62 days before `until`" in answer.json()["detail"]
        said = (await client.get("/filters/sent?filter=log_lr%3E0&since=2025-10-01")).json()
    assert said["n_sent"] > 0


async def test_what_did_not_change_is_not_sent_again(written):
    async with written.client() as client:
        first = await client.get("/coincidences")
        tag = first.headers["etag"]
        again = await client.get("/coincidences", headers={"If-None-Match": f'"x", W/{tag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        written.store.coincidences.publish(EVENT, [a_coincidence()], T0_UNIX_S + 900.0, "gone")
        later = await client.get("/coincidences", headers={"If-None-Match": tag})
        assert later.status_code == 200
        head = await client.head("/coincidences")
        assert head.headers["etag"] == later.headers["etag"]
        assert int(head.headers["content-length"]) == len(later.content)


async def test_whole_lists_are_few_at_once_and_give_their_places_back(filled, monkeypatch):
    path = "/events?format=parquet"
    async with filled.client() as client, filled.client(host="10.0.0.2") as other:
        for _ in range(2 * lists.MAX_STREAMS):
            assert (await client.get(path)).status_code == 200
        monkeypatch.setitem(lists._streams, "address 127.0.0.1", lists.MAX_OF_A_CALLER)
        refused = await client.get(path)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
        assert (await other.get(path)).status_code == 200
        assert (await client.get(f"{path}&limit=5")).status_code == 200
        monkeypatch.setitem(lists._streams, "somebody", lists.MAX_STREAMS)
        assert (await other.get(path)).status_code == 503


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
async def test_a_reader_who_takes_nothing_gives_the_place_back(filled, monkeypatch, spec_version):
    monkeypatch.setattr(lists, "STALL_S", 0.05, raising=False)
    sent = []

    async def wait(*message):
        sent.extend(message)
        if not message or message[0]["type"] == "http.response.body":
            await asyncio.sleep(3600.0)

    path = f"{PREFIX}/coincidences"
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": spec_version}, "method": "GET",
        "http_version": "1.1", "scheme": "http", "path": path, "raw_path": path.encode(),
        "root_path": "", "query_string": b"format=csv", "headers": [], "server": ("test", 80),
        "client": ("192.0.2.7", 5),
    }  # fmt: skip
    async with asyncio.timeout(5.0):
        await filled.app(scope, wait, wait)
    assert sent[0]["status"] == 200
    assert not any(message.get("more_body") is False for message in sent)
    assert lists._streams.total() == 0


async def test_a_store_that_is_away_is_asked_again_later(filled, monkeypatch):
    def away(*_):
        raise OperationalError("SELECT secret", {}, Exception("no route"))

    monkeypatch.setattr(filled.store.summary, "ping", away)
    async with filled.client() as client:
        answer = await client.get("/readyz")
        assert (await client.get("/livez")).status_code == 200
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "secret" not in answer.text


async def test_what_a_token_reads_is_kept_by_nobody_else(filled):
    sha256 = localization_of(filled.store)
    async with filled.client() as client, filled.client(filled.token(Scope.READ)) as reader:
        path = f"/localizations/{sha256}?format=fits"
        assert (await client.get(path)).headers["cache-control"].startswith("public")
        said = (await reader.get(path)).headers
    assert said["cache-control"].startswith("private")
    assert "Authorization" in said["vary"]


async def test_a_packet_comes_back_as_it_came(filled):
    async with filled.client() as client:
        answer = await client.get(f"/notices/{quote(NOTICE, safe='')}/packet")
        head = await client.head(f"/notices/{quote(NOTICE, safe='')}/packet")
    assert answer.content == PACKET
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (head.content, head.headers["content-length"]) == (b"", str(len(PACKET)))


async def test_feedback_is_of_whom_the_token_is(written):
    token = written.token(Scope.WRITE, name="grandma")
    path = f"/coincidences/{a_coincidence().pair.coincidence_id}/feedback"
    said = {"status": "rejected", "viable": False, "viability_reason": "a flare of a CV"}
    async with written.client(token) as writer, written.client() as reader:
        made = await writer.post(path, json=said)
        assert made.status_code == 201, made.text
        assert (await writer.post(path, json={"status": "maybe"})).status_code == 422
        assert (await writer.post(path, json=said | {"author": "me"})).status_code == 422
        (item,) = await _items(reader, path)
    assert item == made.json()
    assert (item["author"], item["viable"], item["status"]) == ("grandma", False, "rejected")


async def test_subscriptions_are_their_owners(written):
    mine = written.token(Scope.SUBSCRIBE, name="mine", audience=(AUDIENCE,))
    theirs = written.token(Scope.SUBSCRIBE, name="theirs")
    async with written.client(mine) as me, written.client(theirs) as they:
        made = await me.put("/subscriptions/bright", json={"filter": "last_mag_ab < 18"})
        assert made.status_code == 200, made.text
        assert made.json()["audience"] == [AUDIENCE]
        assert written.store.subscriptions.get("bright").is_of_token
        assert len(await _items(me, "/subscriptions")) == 1
        assert await _items(they, "/subscriptions") == []
        assert (await they.get("/subscriptions/bright")).status_code == 404
        taken = await they.put("/subscriptions/bright", json={"filter": "log_lr > 1"})
        assert taken.status_code == 409
        assert (await they.delete("/subscriptions/bright")).status_code == 404
        assert (await me.delete("/subscriptions/bright")).status_code == 204


async def test_names_of_an_owner_are_so_many_also_those_that_were_removed(written, monkeypatch):
    monkeypatch.setattr(api_subscriptions, "MAX_SUBSCRIPTIONS", 2)
    said = {"filter": "last_mag_ab < 18"}
    async with written.client(written.token(Scope.SUBSCRIBE, name="many")) as me:
        for name in ("one", "two"):
            assert (await me.put(f"/subscriptions/{name}", json=said)).status_code == 200
            assert (await me.delete(f"/subscriptions/{name}")).status_code == 204
        refused = await me.put("/subscriptions/three", json=said)
        assert refused.status_code == 409
        assert "2 names" in refused.json()["detail"]
        assert (await me.put("/subscriptions/two", json=said)).status_code == 200
    async with written.client(written.token(Scope.SUBSCRIBE, name="other")) as other:
        assert (await other.put("/subscriptions/one", json=said)).status_code == 409
        assert (await other.put("/subscriptions/three", json=said)).status_code == 200


async def test_a_token_gives_no_audience_that_it_has_not(written):
    said = {"name": "new", "scopes": ["read"], "audience": [AUDIENCE]}
    without = written.token(Scope.ADMIN)
    within = written.token(Scope.ADMIN, audience=(AUDIENCE,))
    async with written.client(without) as one, written.client(within) as other:
        assert (await one.post("/tokens", json=said)).status_code == 403
        made = (await other.post("/tokens", json=said)).json()
        listed = await _items(other, "/tokens")
        token = written.store.tokens.check(made["secret"], written.clocks.now_unix_s)
        assert token.audience == (AUDIENCE,)
        assert made["secret"] not in str(listed)
        assert (await other.delete(f"/tokens/{made['token_id']}")).status_code == 204
        assert written.store.tokens.check(made["secret"], written.clocks.now_unix_s) is None


async def test_nothing_of_a_proprietary_stream_reaches_whoever_may_not_read_it(written):
    async with written.client() as client:
        before = {path: (await client.get(path)).text for path in _paths(written.store)}
    fill_sealed(written.store)
    entitled = written.token(Scope.READ, audience=(AUDIENCE,))
    async with written.client() as client, written.client(entitled) as reader:
        for path, text in before.items():
            assert (await client.get(path)).text == text, path
        for name in LISTS:
            answer = await reader.get(f"/{name}?format=ndjson")
            assert SECRET in answer.text, name
        for path in _sealed_paths(written.store):
            assert (await client.get(path)).status_code == 404, path
            assert (await reader.get(path)).status_code == 200, path


def _paths(store):
    formats = ("json", "csv", "parquet")
    yield from (f"/{name}?format={form}" for name in LISTS for form in formats)
    yield from (f"/{name}?ra=33&dec=3&radius=5" for name in ("objects", "alerts", "coincidences"))
    yield "/coincidences?current=false"
    yield "/targets?state=all&format=tom-csv"
    yield "/filters/sent?filter=log_lr%20%3E%200&since=2025-10-01"


def _sealed_paths(store):
    found = a_coincidence(event_key=f"{SECRET}:1", object_key=f"ztf:ZTF{SECRET}")
    notice = quote(f"ivo://{SECRET}#1", safe="")
    yield f"/coincidences/{found.pair.coincidence_id}"
    yield f"/coincidences/{found.pair.coincidence_id}/revisions"
    yield f"/coincidences/{found.pair.coincidence_id}/feedback"
    yield f"/targets/kilonova/ztf:ZTF{SECRET}"
    yield f"/events/{SECRET}:1"
    yield f"/notices/{notice}"
    yield f"/notices/{notice}/packet"
    yield f"/objects/ztf:ZTF{SECRET}"
    yield f"/objects/ztf:ZTF{SECRET}/lightcurve"
    yield f"/alerts/ztf/ZTF{SECRET}/{SECRET}9"
    yield f"/localizations/{localization_of(store, f'{SECRET}:1')}"
    yield f"/objects?event={SECRET}:1&credible=0.9"
    yield f"/coincidences?event={SECRET}:1"
