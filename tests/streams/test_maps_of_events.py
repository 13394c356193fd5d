"""Fetched maps in the pipeline: an event lives on with what it has, and gets its map later."""

import asyncio
import json
import random
import shutil
import time
import uuid
from contextlib import asynccontextmanager

import pytest
from click.testing import CliRunner
from faust.types import TP

from correlator.policy import DAY_S, Policy
from correlator.service.archive import archive_files, read_archive
from correlator.service.cli import correlator
from correlator.service.replay import ReplayOptions, replay
from correlator.wire import to_json
from ingest_vo.fetched_map import envelope_of
from ingest_vo.reader import to_notice
from skymaps.fits import read_sky_map
from storage.store import Store
from streams.admin import declare
from streams.app import create_app
from streams.map_fetch import FetchLimits, MapFetcher
from streams.settings import MapSettings, StreamSettings
from streams.topics import NOTICES_RAW, PAIRS, all_topics
from tests.ingest_vo.notice_factory import T0_UNIX_S, gbm
from tests.streams.map_server import HOST, a_map_server, content, redirect, status
from tests.streams.test_law_of_workers import PACKETS, disturbed
from tests.streams.test_pipeline import send_alerts, send_notice, the_alerts
from tests.streams.workers import Cluster, Plan, state_of

POLICY = Policy()
PATH = "/x/glg_healpix_all_bn260511459.fit"
URL = f"http://{HOST}{PATH}"
LOCPLOT = URL.replace("glg_healpix_all", "glg_locplot_all").replace(".fit", ".png")
EVENT = "fermi-gbm:800190036"


def final():
    """As GBM sends it: the URL is that of a picture, beside which the map will be."""
    return gbm("Fin_Pos", 115, params={"LocationMap_URL": LOCPLOT})


@pytest.fixture(scope="module")
def real_map(real_data):
    return (real_data / "notices/fermi/GRB180116A/glg_healpix_all_bn180116026.fit").read_bytes()


@pytest.fixture
def served(tmp_path):
    with a_map_server(tmp_path) as found:
        yield found


@asynccontextmanager
async def a_pipeline(store, served, folder, broker_url=None, **of_maps):
    server, trusted = served

    async def resolve(_host):
        return [("127.0.0.1", server.port)]

    fetch = MapFetcher(
        (HOST,),
        FetchLimits(),
        resolve=resolve,
        is_allowed=lambda address: address == "127.0.0.1",
        trusted=trusted,
    )
    settings = StreamSettings(
        app_id=f"maps-{uuid.uuid4().hex}",
        broker_url=broker_url or f"memory://{uuid.uuid4().hex}",
        ranking_interval_s=0.05,
        commit_interval_s=0.1,
        maps=MapSettings(hosts=(HOST,), cache=folder, first_pause_s=0.05, **of_maps),
    )
    began = time.monotonic()

    def now():
        return T0_UNIX_S + DAY_S + time.monotonic() - began

    pipeline = create_app(settings, store, POLICY, now, fetch)
    try:
        await pipeline.start()
        yield pipeline
    finally:
        await pipeline.stop()


async def until(holds):
    async with asyncio.timeout(60.0):
        while not holds():
            await asyncio.sleep(0.02)


def standing(store):
    """The localization of the event as it stands, and the notice that gave it."""
    event = store.events.get(EVENT)
    return event and store.localizations.get(event.localization_sha256), event


@pytest.mark.real_data
async def test_first_the_circle_then_the_map(store, served, tmp_path, real_map):
    server, _ = served
    may_come = asyncio.Event()

    def answer(s):
        (content(real_map) if may_come.is_set() else status(404))(s)

    server.on(PATH, status(404), status(404), answer)
    async with a_pipeline(store, served, tmp_path / "maps", longest_pause_s=0.1) as pipeline:
        await send_alerts(pipeline, the_alerts())
        await send_notice(pipeline, final(), "fin")
        await pipeline.idle()
        circle, before = standing(store)
        assert circle == to_notice(final(), "x").localization
        assert len(store.pairs.all_live()) == 1
        await until(lambda: len(server.requests) > 2)
        assert standing(store)[1] == before, "two tries in vain change nothing"
        may_come.set()
        await until(lambda: store.events.get(EVENT).version == 2)
        await pipeline.idle()
        await pipeline.agents.rank_changed()
    found, event = standing(store)
    assert found == read_sky_map(real_map)
    assert event.localization_notice_id == to_notice(final(), "x").notice_id + "+map"
    assert [e.event_key for e in store.events.all()] == [EVENT]
    assert store.counts()["dead_letters"] == 0
    (kept,) = (tmp_path / "maps").glob("*.fits*")
    assert kept.read_bytes() == real_map
    # What follows from the event is what follows from its packets, whenever the map came.
    packets = [
        *(("optical.alerts", a.object_id, to_json(a)) for a in the_alerts()),
        ("notices.raw", "map", envelope_of(final(), URL, real_map)),
        ("notices.raw", "fin", final()),
    ]
    implied, found = await implied_by(packets), state_of(store)
    assert found["events"] == implied["events"]
    assert found["pairs"] == implied["pairs"]
    assert found["objects"] == implied["objects"]


async def test_a_url_to_the_inside_is_buried_and_the_event_lives_on(store, served, tmp_path):
    server, _ = served
    server.on(PATH, redirect("https://169.254.169.254/latest/meta-data/"))
    async with a_pipeline(store, served, tmp_path / "maps") as pipeline:
        await send_notice(pipeline, final(), "fin")
        await until(lambda: store.counts()["dead_letters"] == 1)
        await pipeline.idle()
    assert standing(store)[0] == to_notice(final(), "x").localization
    (letter,) = store.dead_letters.list(source="notices.raw")
    assert letter.rule == "the host of a sky map must be on the list of hosts"
    assert store.dead_letters.packet(letter.dead_letter_id) == final()
    assert server.paths == [PATH]


async def test_a_server_that_hangs_does_not_hold_the_stream_up(store, served, tmp_path):
    server, _ = served
    server.on(PATH, lambda _: server.waits(60.0))
    async with a_pipeline(store, served, tmp_path / "maps") as pipeline:
        await send_notice(pipeline, final(), "fin")
        await until(lambda: server.requests)
        await send_alerts(pipeline, the_alerts())
        await send_notice(pipeline, gbm("Flt_Pos", 111), "flt")
        await pipeline.idle()
        assert len(store.pairs.all_live()) == 1
        assert store.events.get(EVENT).version == 2


async def test_the_desk_follows_the_partition_of_notices(store, tmp_path):
    settings = StreamSettings(
        broker_url=f"memory://{uuid.uuid4().hex}", maps=MapSettings(cache=tmp_path)
    )
    pipeline = create_app(settings, store, POLICY, time.time)
    told = []
    pipeline.maps.own = told.append
    for topic in (NOTICES_RAW, PAIRS, NOTICES_RAW):
        await pipeline.app.on_partitions_revoked.send(set())
        await pipeline.app.on_partitions_assigned.send({TP(topic.name, 0)})
    await until(lambda: told == [True, False, True])
    shutil.rmtree(str(pipeline.app.conf.datadir), ignore_errors=True)


async def test_a_pipeline_without_the_setting_asks_nobody(store):
    settings = StreamSettings(broker_url=f"memory://{uuid.uuid4().hex}")
    pipeline = create_app(settings, store, POLICY, time.time)
    assert pipeline.maps is None
    assert pipeline.agents.desk.heard is None


async def implied_by(packets):
    with Store.open("sqlite:///:memory:") as store:
        cluster = Cluster(store)
        await cluster.assign()
        for packet in packets:
            cluster.produce(*packet)
        await cluster.finish()
        return state_of(store)


@pytest.fixture(scope="module")
def packets(real_map):
    """The packets of the law, with a final position that names a map, and that map."""
    return [
        *(p for p in PACKETS if p[1] != "fin"),
        ("notices.raw", "fin", final()),
        ("notices.raw", "map", envelope_of(final(), URL, real_map)),
    ]


@pytest.mark.real_data
@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 12))]
)
def test_any_order_with_repeats_workers_and_crashes_leaves_one_state(packets, seed):
    implied = asyncio.run(implied_by(packets))
    assert any(b"+map" in event for event in implied["events"])
    chance = random.Random(seed)
    order = chance.sample(packets, len(packets)) + chance.choices(packets, k=3)
    plan = Plan(chance.sample(range(150), 3), chance.sample(range(150), 2), seed % 2 == 0)
    assert asyncio.run(disturbed(order, plan, 1 + seed % 3, seed)) == implied


@pytest.mark.real_data
async def test_the_map_alone_is_an_event_and_its_notice_adds_nothing_to_the_place(
    store, served, tmp_path, real_map
):
    async with a_pipeline(store, served, tmp_path / "maps") as pipeline:
        await send_notice(pipeline, envelope_of(final(), URL, real_map), "map")
        await pipeline.idle()
        assert standing(store)[0] == read_sky_map(real_map)
        await send_notice(pipeline, final(), "fin")
        await pipeline.idle()
    assert standing(store)[0] == read_sky_map(real_map)
    assert store.events.get(EVENT).version == 2
    assert served[0].requests == [], "what is there is not fetched"


@pytest.mark.real_data
@pytest.mark.parametrize("seed", [pytest.param(None, marks=pytest.mark.slow), 1])
async def test_a_replay_of_what_came_leaves_what_it_left(store, served, tmp_path, real_map, seed):
    server, _ = served
    server.on(PATH, content(real_map))
    async with a_pipeline(store, served, tmp_path / "maps") as pipeline:
        await send_notice(pipeline, gbm("Flt_Pos", 111), "flt")
        await send_notice(pipeline, final(), "fin")
        await until(lambda: store.counts()["notices"] == 3)
        await pipeline.idle()
    archived = tmp_path / "archive"
    archived.mkdir()
    for n, (_, packet, _) in enumerate(store.notices.packets_of_event(EVENT)):
        ending = "json" if packet.startswith(b"{") else "xml"
        (archived / f"{n}.{ending}").write_bytes(packet)
    archive = read_archive(archive_files([archived]))
    assert (archive.n_notices, archive.refusals) == (3, [])
    with Store.open("sqlite:///:memory:") as again:
        await replay(archive, again, POLICY, ReplayOptions(shuffle_seed=seed))
        assert state_of(again)["events"] == state_of(store)["events"]
        assert state_of(again)["notices"] == state_of(store)["notices"]
    assert len(server.requests) == 1


@pytest.mark.real_data
def test_the_command_prints_an_envelope_like_any_notice(tmp_path, real_map):
    file = tmp_path / "envelope.json"
    file.write_bytes(envelope_of(final(), URL, real_map))
    run = CliRunner().invoke(correlator, ["notice", "--json", str(file)])
    assert run.exit_code == 0, run.output
    (row,) = json.loads(run.output)
    assert (row["mission"], row["event_id"], row["source"]) == ("Fermi", "800190036", "map")
    assert row["localization"]["n_rows"] > 100_000
    assert row["localization"]["url"] == URL


@pytest.mark.slow
@pytest.mark.real_data
async def test_on_a_real_broker_too(own_kafka_server, store, served, tmp_path, real_map):
    server, _ = served
    server.on(PATH, status(503), content(real_map))
    declare(own_kafka_server.bootstrap, all_topics(POLICY), 1)
    async with a_pipeline(store, served, tmp_path / "maps", own_kafka_server.url) as pipeline:
        await send_notice(pipeline, final(), "fin")
        await until(lambda: (e := store.events.get(EVENT)) is not None and e.version == 2)
        assert standing(store)[0] == read_sky_map(real_map)
