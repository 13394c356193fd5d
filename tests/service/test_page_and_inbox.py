"""The read-only page, and packets dropped into a folder."""

import asyncio
import contextlib
import time
from dataclasses import replace

import httpx
import pytest

from correlator.policy import Policy
from correlator.service.inbox import watch_inbox
from correlator.service.page import create_page
from correlator.service.serving import create_service
from correlator.service.settings import Settings
from correlator.service.wiring import running
from storage.store import Store
from streams.settings import StreamSettings
from streams.voevent import Author
from streams.voevents import VOEventDesk
from tests.builders import T0_UNIX_S, a_coincidence, a_notice, a_target
from tests.ingest_vo.notice_factory import gbm

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def store():
    with Store.open("sqlite:///:memory:") as opened:
        yield opened


def client(store):
    transport = httpx.ASGITransport(app=create_page(store))
    return httpx.AsyncClient(transport=transport, base_url="http://page")


async def test_an_empty_store_has_a_page(store):
    async with client(store) as page:
        answer = await page.get("/")
    assert answer.status_code == 200
    assert "kilonova" in answer.text
    assert "No target." in answer.text


async def test_what_packets_say_cannot_become_markup(store):
    target = a_target(object_key=f"ztf:{HOSTILE}")
    store.targets.replace_list("grb-afterglow", [target], 0.0)
    async with client(store) as page:
        text = (await page.get("/")).text
        data = (await page.get("/targets.json")).json()
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text
    assert data["grb-afterglow"][0]["object_key"] == f"ztf:{HOSTILE}"
    assert data["grb-afterglow"][0]["p_assoc"] is None


async def test_the_page_tells_its_health(store):
    store.notices.put(a_notice(), b"<xml/>", "a", 0.0)
    async with client(store) as page:
        health = (await page.get("/health")).json()
        assert (await page.get("/events.json")).json() == []
    assert health["status"] == "ok"
    assert health["store"]["notices"] == 1


async def test_whoever_asks_for_the_page_too_often_waits_and_counts_no_table_twice(
    store, monkeypatch
):
    n, summary_of = 0, store.summary.of

    def counted(reader):
        nonlocal n
        n += 1
        return summary_of(reader)

    monkeypatch.setattr(store.summary, "of", counted)
    service = create_service(store, Settings(api_anonymous_rate_hz=0.3))
    transport = httpx.ASGITransport(app=service, client=("192.0.2.1", 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as page:
        answers = [await page.get(path) for path in ("/health", "/health", "/events.json", "/")]
        ours = await page.get("/api/v1/status")
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert (ours.status_code, n) == (429, 1)


async def test_a_coincidence_is_served_as_the_voevent_that_the_command_prints(store):
    found = a_coincidence()
    pair = found.pair
    store.coincidences.publish(pair.event_key, [found], T0_UNIX_S, "gone")
    async with client(store) as page:
        answer = await page.get(f"/coincidences/{pair.coincidence_id}.xml")
        unknown = await page.get("/coincidences/none.xml")
        later = await page.get(f"/coincidences/{pair.coincidence_id}.xml?revision=2")
    assert answer.headers["content-type"] == "application/xml"
    assert answer.content == VOEventDesk(store, Author()).find(pair.coincidence_id)
    assert (unknown.status_code, later.status_code) == (404, 404)
    assert "no coincidence none" in unknown.json()["detail"]


async def test_a_coincidence_that_is_not_for_everybody_is_as_one_that_is_not(store):
    found = a_coincidence()
    sealed = replace(found, pair=replace(found.pair, audience=("ep",)))
    key, other = found.pair.coincidence_id, "0" * len(found.pair.coincidence_id)
    store.coincidences.publish(found.pair.event_key, [sealed], T0_UNIX_S, "gone")
    async with client(store) as page:
        for query in ("", "?case=grb-afterglow", "?revision=1"):
            hidden = await page.get(f"/coincidences/{key}.xml{query}")
            unknown = await page.get(f"/coincidences/{other}.xml{query}")
            assert hidden.status_code == unknown.status_code == 404
            assert hidden.text.replace(key, other) == unknown.text


async def test_packets_dropped_into_the_inbox_are_streamed_in(store, tmp_path):
    (tmp_path / "bad.xml").write_bytes(b"<VOEvent")
    (tmp_path / "lonely.fits").write_bytes(b"SIMPLE  =")
    settings = StreamSettings(broker_url="memory://inbox")
    async with running(settings, store, Policy(), time.time) as pipeline:
        watcher = asyncio.create_task(watch_inbox(tmp_path, pipeline, store))
        await asyncio.sleep(1.5)
        (tmp_path / "good.xml").write_bytes(gbm("Fin_Pos", 115))
        async with asyncio.timeout(20):
            while store.counts()["events"] < 1:
                await asyncio.sleep(0.1)
        await pipeline.idle()
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher
    counts = store.counts()
    assert (counts["notices"], counts["events"], counts["dead_letters"]) == (1, 1, 2)
