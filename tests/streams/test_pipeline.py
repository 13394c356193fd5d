"""The app on the in-process transport: what goes in comes out, whatever happens in between."""

import asyncio
import itertools
import uuid
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.exc import OperationalError

from correlator.policy import DAY_S, Policy
from correlator.service.wiring import running
from correlator.wire import to_json
from ingest_vo.voevent import read_voevent
from storage.store import Store
from streams.settings import StreamSettings
from streams.topics import NOTICES_RAW, OPTICAL_ALERTS, TOPICS, VOEVENTS
from tests.builders import an_alert
from tests.ingest_vo.notice_factory import T0_UNIX_S, gbm, igwn, svom

POLICY = Policy()
NOW = T0_UNIX_S + DAY_S
FIN = gbm("Fin_Pos", 115)


@asynccontextmanager
async def a_pipeline(store, name=None, **changes):
    settings = StreamSettings(
        broker_url=f"memory://{name or uuid.uuid4().hex}",
        ranking_interval_s=0.05,
        commit_interval_s=0.1,
        **changes,
    )
    async with running(settings, store, POLICY, lambda: NOW) as pipeline:
        yield pipeline


def the_alerts():
    return [
        an_alert(str(n), "ZTF26near", 120.5, -30.2, T0_UNIX_S + day * DAY_S)
        for n, day in enumerate((0.2, 0.6))
    ]


async def send_alerts(pipeline, alerts):
    for alert in alerts:
        await pipeline.send(OPTICAL_ALERTS.name, alert.object_id, to_json(alert))


async def send_notice(pipeline, packet, name="a notice"):
    await pipeline.send(NOTICES_RAW.name, name, packet)


def values_of(pipeline, topic):
    return [r.value for r in pipeline.app.transport.broker.read((topic, 0), 0, 100)]


async def test_every_topic_is_made_as_the_table_says(store):
    async with a_pipeline(store, alert_partitions=3, pair_partitions=2) as pipeline:
        made = pipeline.app.transport.broker.topics()
    wanted = {topic.name: topic.partitions for topic in TOPICS}
    wanted |= {"optical.alerts": 3}
    wanted |= dict.fromkeys(("pairs", "revisions", "coincidences", "coincidences.state"), 2)
    wanted |= {f"targets.{case.name}": 1 for case in POLICY.cases}
    assert made == wanted


@pytest.mark.parametrize("alerts_first", [True, False])
async def test_whichever_comes_first_the_pair_is_found_and_published(store, alerts_first):
    async with a_pipeline(store) as pipeline:
        if alerts_first:
            await send_alerts(pipeline, the_alerts())
            await pipeline.idle()
        await send_notice(pipeline, FIN)
        await pipeline.idle()
        if not alerts_first:
            await send_alerts(pipeline, the_alerts())
            await pipeline.idle()
        await pipeline.agents.rank_changed()
    (pair,) = store.pairs.all_live()
    assert (pair.object_key, pair.event_key) == ("ztf:ZTF26near", "fermi-gbm:800190036")
    (revision,) = store.coincidences.current(event_key=pair.event_key)
    assert revision.state == "active"
    (target,) = store.targets.list("grb-afterglow")
    assert target.rank == 1
    (told,) = values_of(pipeline, VOEVENTS.name)
    packet = read_voevent(told, "voevents")
    assert packet.text("coincidence_id") == pair.coincidence_id
    assert packet.citations == (("followup", read_voevent(FIN, "fin").ivorn),)


async def test_a_retraction_retires_the_target_and_deletes_nothing(store):
    wakeup = svom("eclairs-wakeup", 202, place=(120.5, -30.2, 0.1))
    retraction = svom(
        "retraction",
        219,
        place=(120.5, -30.2, 0.1),
        cites={"ivo://org.svom/fsc#sb26051102_eclairs-wakeup": "retraction"},
    )
    async with a_pipeline(store) as pipeline:
        await send_alerts(pipeline, the_alerts())
        await send_notice(pipeline, wakeup, "wakeup")
        await pipeline.idle()
        await pipeline.agents.rank_changed()
        assert [t.rank for t in store.targets.list("grb-afterglow")] == [1]
        await send_notice(pipeline, retraction, "retraction")
        await pipeline.idle()
        await pipeline.agents.rank_changed()
    assert store.targets.list("grb-afterglow") == ()
    (retired,) = store.targets.list("grb-afterglow", include_retired=True)
    assert retired.retired_reason
    (gone,) = store.coincidences.current(event_key="svom:sb26051102", include_gone=True)
    assert (gone.state, gone.reason) == ("retracted", "the event is retracted")
    assert store.counts()["notices"] == 2


async def test_what_cannot_be_understood_is_buried_with_its_bytes_and_the_rest_goes_on(store):
    alert = the_alerts()[0]
    async with a_pipeline(store) as pipeline:
        await send_notice(pipeline, b"<VOEvent", "broken.xml")
        await pipeline.send(OPTICAL_ALERTS.name, "x", b'{"not": "an alert"}')
        await send_alerts(pipeline, [alert])
        await send_notice(pipeline, gbm("Fin_Pos", 115))
        await pipeline.idle()
    letters = store.dead_letters.list()
    assert {store.dead_letters.packet(x.dead_letter_id) for x in letters} == {
        b"<VOEvent",
        b'{"not": "an alert"}',
    }
    assert all(letter.rule and letter.reason for letter in letters)
    assert store.counts()["alerts"] == 1
    assert len(store.pairs.all_live()) == 1


async def test_a_mock_event_stays_out_of_the_join(store):
    async with a_pipeline(store) as pipeline:
        await send_alerts(pipeline, the_alerts())
        await send_notice(pipeline, igwn("MS260511a", time="2026-05-11T11:00:00Z"))
        await pipeline.idle()
    assert [e.state for e in store.events.all()] == ["test"]
    assert store.pairs.all_live() == []


@pytest.mark.parametrize(
    "cut", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 2, 3, 4))]
)
async def test_a_restart_between_any_two_packets_changes_nothing(cut, tmp_path):
    packets = [
        *(("alert", alert) for alert in the_alerts()),
        ("notice", gbm("Flt_Pos", 111, place=(121.0, -30.0, 9.0))),
        ("notice", gbm("Fin_Pos", 115)),
    ]
    url = f"sqlite:///{tmp_path}/events.sqlite"
    for part in (packets[:cut], packets[cut:]):
        with Store.open(url) as store:
            async with a_pipeline(store) as pipeline:
                for n, (kind, packet) in enumerate(part):
                    if kind == "alert":
                        await send_alerts(pipeline, [packet])
                    else:
                        await send_notice(pipeline, packet, f"notice-{cut}-{n}")
                await pipeline.idle()
    with Store.open(url) as store:
        (pair,) = store.pairs.all_live()
        assert (pair.event_version, pair.object_version) == (2, 2)
        assert pair.separation_deg == pytest.approx(0.05, abs=0.01)


class Flaky:
    """A store whose notices cannot be written for a while."""

    def __init__(self, store, failures):
        self._store = store
        self._left = failures

    def __getattr__(self, name):
        return getattr(self._store, name)

    def put(self, *args):
        if self._left > 0:
            self._left -= 1
            raise OperationalError("INSERT", {}, Exception("the disk is away"))
        self._store.put(*args)


async def test_an_absent_store_delays_and_loses_nothing(store):
    store.notices = Flaky(store.notices, failures=3)
    async with a_pipeline(store) as pipeline:
        await send_notice(pipeline, gbm("Fin_Pos", 115))
        await pipeline.idle()
    assert store.counts()["notices"] == 1
    assert store.counts()["dead_letters"] == 0


async def test_repeats_of_everything_change_nothing(store):
    packets = [gbm("Flt_Pos", 111), gbm("Fin_Pos", 115)]
    async with a_pipeline(store) as pipeline:
        for _, packet in itertools.product(range(3), packets):
            await send_notice(pipeline, packet)
            await send_alerts(pipeline, the_alerts())
        await pipeline.idle()
        await pipeline.agents.rank_changed()
        await asyncio.sleep(0)
    counts = store.counts()
    assert (counts["notices"], counts["alerts"], counts["objects"], counts["pairs"]) == (2, 2, 1, 1)
