"""The cross-match service of CDS may be down, slow or mad: nothing waits, no class changes."""

import asyncio
import inspect
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from correlator.crossmatch import (
    AnswerState,
    CatalogAnswer,
    CatalogTag,
    SkyClass,
    placement,
)
from streams.cds_settings import CdsSettings
from streams.cds_xmatch import CdsXmatch

HEADER = "angDist,our_row,our_ra,our_dec,main_id,ra,dec,main_type,redshift\n"


def row(number, *, sep=0.4, main_type="QSO", name="3C 273", redshift="0.158"):
    return f"{sep},{number},187.0,2.0,{name},187.2779,2.0524,{main_type},{redshift}\n"


class Service:
    """Answers as it is told, and remembers what was asked."""

    def __init__(self):
        self.forms = []
        self.answer = lambda n: web.Response(text=HEADER)
        self.hangs = asyncio.Event()

    async def handle(self, request):
        form = dict(await request.post())
        positions = form["cat1"].file.read().decode().splitlines()
        self.forms.append((form, positions))
        answer = self.answer(len(positions) - 1)
        if inspect.isawaitable(answer):
            return await answer
        return answer


@asynccontextmanager
async def served():
    service = Service()
    application = web.Application()
    application.router.add_post("/sync", service.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    try:
        yield service, f"http://127.0.0.1:{port}/sync"
    finally:
        service.hangs.set()
        await runner.cleanup()


@asynccontextmanager
async def asking(url, **how):
    """A running enrichment and the answers that it has told."""
    told = {}

    def tell(key, answer):
        assert key not in told, "exactly one answer"
        told[key] = answer

    cds = CdsXmatch(CdsSettings(url=url, **{"timeout_s": 10.0} | how), tell)
    task = asyncio.create_task(cds.run())
    try:
        yield cds, told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition):
    async with asyncio.timeout(20.0):
        while not condition():
            await asyncio.sleep(0.005)


async def one_answer(url, **how):
    async with asking(url, **how) as (cds, told):
        cds.offer("a", 187.0, 2.0)
        await until(lambda: told)
        return told["a"]


async def test_what_is_there_becomes_tags_from_the_nearest_on():
    async with served() as (service, url):
        service.answer = lambda _: web.Response(
            text=HEADER
            + row(1, sep=0.9, main_type="Star", name="b", redshift="")
            + row(1)
            + row(0, main_type="AGN_Candidate", redshift="")
        )
        async with asking(url) as (cds, told):
            for key in ("a", "b", "c"):
                cds.offer(key, 187.0, 2.0)
            await until(lambda: len(told) == 3)
    assert [tag.object_id for tag in told["b"].tags] == ["3C 273", "b"]
    quasar = told["b"].tags[0]
    assert (quasar.catalog, quasar.sky_class, quasar.type_name) == (
        "cds:simbad",
        SkyClass.AGN,
        "QSO",
    )
    assert (quasar.value("z"), quasar.separation_arcsec) == (0.158, 0.4)
    assert told["a"].tags[0].sky_class is None  # a candidate is none
    assert told["c"].state is AnswerState.NOTHING_THERE
    assert placement([told["a"], told["c"]]).is_extragalactic is None
    form, positions = service.forms[0]
    asked = {name: form[name] for name in ("request", "cat2", "distMaxArcsec", "RESPONSEFORMAT")}
    assert asked == {
        "request": "xmatch", "cat2": "simbad", "distMaxArcsec": "1", "RESPONSEFORMAT": "csv",
    }  # fmt: skip
    assert positions[:2] == ["our_row,our_ra,our_dec", "0,187.0,2.0"]


def broken(service):
    async def hang(_=None):
        await service.hangs.wait()
        return web.Response(text=HEADER)

    async def drop(_=None):
        raise ConnectionResetError

    return {
        "500": lambda _: web.Response(status=500),
        "504": lambda _: web.Response(status=504, text="Fail 504"),
        "redirect": lambda _: web.Response(status=302, headers={"Location": "http://[::1]/"}),
        "hang": hang,
        "drop": drop,
        "empty": lambda _: web.Response(text=""),
        "page": lambda _: web.Response(text="<html>Service temporarily unavailable</html>"),
        "columns": lambda _: web.Response(text="angDist,main_type\n0.1,Galaxy\n"),
        "not asked": lambda _: web.Response(text=HEADER + row(7, main_type="Galaxy")),
        "no number": lambda _: web.Response(text=HEADER + row("x", main_type="Galaxy")),
        "too far": lambda _: web.Response(text=HEADER + row(0, sep=1e6, main_type="Galaxy")),
        "nan": lambda _: web.Response(text=HEADER + row(0, sep="nan", main_type="Galaxy")),
        "cut": lambda _: web.Response(text=HEADER + row(0, main_type="Galaxy") + "0.3"),
        "bytes": lambda _: web.Response(body=b"\xff\xfe\x00\x80" * 100),
        "endless": lambda _: web.Response(text=HEADER + row(0) * 20_000),
    }


KINDS = [
    *("500", "504", "redirect", "hang", "drop", "empty", "page", "columns", "not asked"),
    *("no number", "too far", "nan", "cut", "bytes", "endless"),
]


@pytest.mark.parametrize("kind", KINDS)
async def test_whatever_goes_wrong_is_unknown_and_says_why(kind):
    async with served() as (service, url):
        service.answer = broken(service)[kind]
        how = {"timeout_s": 0.3} if kind == "hang" else {}
        answer = await one_answer(url, max_answer_bytes=100_000, **how)
    assert answer.state is AnswerState.UNKNOWN
    assert answer.reason
    assert answer.tags == ()


async def test_a_service_that_is_down_is_unknown():
    async with served() as (_, url):
        pass
    answer = await one_answer(url)
    assert answer.state is AnswerState.UNKNOWN
    assert "ClientConnectorError" in answer.reason


LOCAL = [
    [],
    [CatalogAnswer.of("glade", [CatalogTag("glade", "v", "g", 1.0, 1.0, 0.3, SkyClass.GALAXY)])],
    [CatalogAnswer.of("vsx", [CatalogTag("vsx", "v", "s", 1.0, 1.0, 0.3, SkyClass.VARIABLE_STAR)])],
    [CatalogAnswer.of("gaia", [])],
]


@pytest.mark.parametrize("kind", ["500", "hang", "page", "cut"])
async def test_an_outage_changes_no_class(kind):
    async with served() as (service, url):
        service.answer = broken(service)[kind]
        answer = await one_answer(url, **({"timeout_s": 0.3} if kind == "hang" else {}))
    for local in LOCAL:
        assert placement([*local, answer]) == placement(local)
    assert placement([answer]).is_extragalactic is None


@pytest.mark.parametrize("kind", ["hang", "500"])
async def test_the_stream_goes_on_whatever_the_service_does(kind):
    """Offering is no coroutine: all records pass before the service has said one word."""
    async with served() as (service, url):
        service.answer = broken(service)[kind]
        async with asking(url, max_waiting=300, batch=100) as (cds, told):
            assert not inspect.iscoroutinefunction(cds.offer)
            cds.offer("first", 1.0, 1.0)
            await until(lambda: service.forms)
            passed = []
            for i in range(2_000):
                assert cds.offer(f"o{i}", 10.0, 10.0) is None
                passed.append(i)
            assert len(passed) == 2_000
            assert cds.n_waiting <= 300  # the queue is bounded
            assert sum(key != "first" for key in told) >= 1_700  # the rest is unknown at once
            reasons = {answer.reason for key, answer in told.items() if key != "first"}
            assert reasons == {"300 positions wait already"}
        assert len(told) == 2_001  # each has its answer when the asking ends
        assert {answer.state for answer in told.values()} == {AnswerState.UNKNOWN}


async def test_after_some_failures_the_service_is_left_alone():
    async with served() as (service, url):
        service.answer = lambda _: web.Response(status=503)
        async with asking(url, failures=3, pause_s=600.0, batch=1) as (cds, told):
            for i in range(50):
                cds.offer(f"o{i}", 1.0, 1.0)
            await until(lambda: len(told) == 50)
    assert len(service.forms) == 3
    assert sum("left alone" in answer.reason for answer in told.values()) == 47


async def test_after_the_pause_it_is_asked_again_and_believed():
    async with served() as (service, url):
        service.answer = lambda _: web.Response(status=503)
        async with asking(url, failures=1, pause_s=0.2, longest_pause_s=0.2) as (cds, told):
            cds.offer("a", 1.0, 1.0)
            await until(lambda: "a" in told)
            service.answer = lambda _: web.Response(text=HEADER + row(0))
            n = 0
            while not any(one.state is AnswerState.FOUND for one in told.values()) and n < 400:
                cds.offer(f"b{n}", 1.0, 1.0)
                n += 1
                await asyncio.sleep(0.02)
    assert any(answer.state is AnswerState.FOUND for answer in told.values())
    assert told["b0"].state is AnswerState.UNKNOWN


async def test_a_position_that_is_none_is_not_sent():
    async with served() as (service, url), asking(url) as (cds, told):
        cds.offer("a", float("nan"), 1.0)
        assert told["a"].reason == "the position is no number"
        cds.offer("b", 1.0, 1.0)
        await until(lambda: "b" in told)
        assert len(service.forms[0][1]) == 2
        assert cds.counts == {"unknown": 1, "nothing-there": 1}


@pytest.mark.parametrize("how", [{"radius_arcsec": 0.0}, {"radius_arcsec": 181.0}, {"batch": 0}])
def test_settings_that_cannot_work_are_refused(how):
    with pytest.raises(ValueError, match="got"):
        CdsSettings(**how)
