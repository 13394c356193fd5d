"""Telling others: what is stored is told, and nothing that is told stops a worker."""

import asyncio
import json
import uuid
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaTimeoutError

from correlator.audience import PUBLIC_READER
from correlator.policy import DAY_S
from correlator.service.wiring import running
from correlator.wire import pair_record, record_of_event, to_json
from ingest_vo.voevent import read_voevent
from skymaps.errors import SkyMapError
from storage.coincidences import NOT_YOURS
from streams import agents, app
from streams.app import create_app
from streams.log import drop_log, open_log
from streams.notice_reader import read_notice
from streams.settings import StreamSettings
from streams.topics import EVENTS, OPTICAL_ALERTS
from tests.builders import DEC_DEG, T0_UNIX_S, a_circle, a_notice, an_alert, an_event
from tests.streams.workers import (
    NOUNS,
    NOW,
    POLICY,
    Cluster,
    Crash,
    assert_subscribers_have_what_would_be_sent,
    subscribe,
)

pytestmark = pytest.mark.usefixtures("no_pause")

TARGETS = "targets.grb-afterglow"
NOTICES = ("coincidence.all", "coincidence.grb")
TOLD = ("coincidences", "coincidences.state", "voevents", *NOTICES, TARGETS)


async def test_a_look_back_counts_as_done_only_when_its_pairs_are_told(store):
    cluster = Cluster(store)
    await cluster.assign()
    cluster.tell_alert(an_alert())
    await cluster.finish()
    agents, may_send = cluster.workers[0].agents, asyncio.Event()

    async def send(outgoing):
        await may_send.wait()
        await cluster.produce_all(outgoing)

    agents.send = send
    event_key = cluster.tell_event(a_notice())
    await agents.notice_event(event_key.encode())
    looking = asyncio.create_task(agents.look_back_waiting())
    while not store.pairs.all_live():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert agents.joiner.undone() == [event_key]
    may_send.set()
    await looking
    assert agents.joiner.undone() == []
    assert len(cluster.last_of_keys("pairs")) == 1


# -- what is stored is told -----------------------------------------------------------------------


class FailingSend:
    """Sends up to the first record of some topic, and there fails, once."""

    def __init__(self, cluster, topic, error):
        self._cluster, self._topic, self._error = cluster, topic, error
        self.has_failed = False

    async def __call__(self, outgoing):
        for record in outgoing:
            if record.topic == self._topic and not self.has_failed:
                self.has_failed = True
                raise self._error
            await self._cluster.produce_all([record])


async def finish_through(cluster, topic, error):
    """Go on to the end though a send fails, or a worker dies instead of sending."""
    send = FailingSend(cluster, topic, error)
    cluster.workers[0].agents.send = send
    try:
        await cluster.finish()
    except Crash:
        cluster.workers = [None]
        await cluster.assign()
        await cluster.finish()
    assert send.has_failed


def states(cluster, topic):
    told = cluster.last_of_keys(topic).values()
    if topic == "voevents":
        return [read_voevent(xml, topic).text("state") for xml in told]
    if topic in NOTICES:
        return [read_notice(value, topic).coincidence.state for value in told]
    return [json.loads(value)["state"] for value in told]


FAILURES = pytest.mark.parametrize("error", [KafkaTimeoutError(), Crash()], ids=repr)


@FAILURES
@pytest.mark.parametrize("topic", TOLD)
async def test_what_was_stored_and_not_told_is_told_by_whoever_goes_on(store, topic, error):
    cluster = Cluster(store)
    await cluster.assign()
    cluster.tell_event(a_notice())
    cluster.tell_alert(an_alert())
    await finish_through(cluster, topic, error)
    assert len(store.coincidences.current()) == len(store.targets.list("grb-afterglow")) == 1
    for each in TOLD:
        assert states(cluster, each) == ["active"]


@FAILURES
@pytest.mark.parametrize("topic", TOLD)
async def test_that_something_is_no_more_is_told_too(store, topic, error):
    cluster = Cluster(store)
    await cluster.assign()
    cluster.tell_event(a_notice())
    cluster.tell_alert(an_alert())
    await cluster.finish()
    gone = a_notice("ivo://tests/gbm#2", is_retraction=True, notice_unix_s=T0_UNIX_S + 120.0)
    cluster.tell_event(a_notice(), gone)
    await finish_through(cluster, topic, error)
    assert states(cluster, "coincidences") == ["retracted"]
    assert states(cluster, "coincidences.state") == ["retracted"]
    for each in ("voevents", *NOTICES):
        assert states(cluster, each) == ["retracted"]
    assert states(cluster, TARGETS) == ["retired"]


@pytest.mark.parametrize("topic", ["coincidences", "voevents", *NOTICES, "coincidence.user.all"])
async def test_no_revision_is_overtaken_of_which_nobody_was_told(store, topic):
    """One is stored, its teller dies, and another one is due before anybody takes over."""
    subscribe(store)
    cluster = Cluster(store)
    await cluster.assign()
    cluster.tell_event(a_notice())
    cluster.tell_alert(an_alert())
    cluster.workers[0].agents.send = FailingSend(cluster, topic, Crash())
    with pytest.raises(Crash):
        await cluster.finish()
    cluster.tell_alert(an_alert("later", time_unix_s=T0_UNIX_S + 0.3 * DAY_S))
    cluster.workers = [None]
    await cluster.assign()
    await cluster.finish()
    (current,) = store.coincidences.current()
    assert current.revision == 2
    records = [r for p in range(2) for r in cluster.log.read(("coincidences", p), 0, 100)]
    told = [json.loads(record.value)["revision"] for record in records]
    assert sorted(set(told)) == [1, 2]
    assert told == sorted(told)
    notices = [read_notice(r.value) for r in cluster.log.read(("coincidence.all", 0), 0, 100)]
    assert {notice.record_number for notice in notices} == {1, 2}
    assert_subscribers_have_what_would_be_sent(cluster)


async def test_what_was_told_is_not_told_again(store):
    cluster = Cluster(store)
    await cluster.assign()
    cluster.tell_event(a_notice())
    cluster.tell_alert(an_alert())
    await finish_through(cluster, TARGETS, KafkaTimeoutError())
    told = slots_of(cluster, *TOLD)
    ends = [cluster.log.end(slot) for slot in told]
    tally = cluster.workers[0].agents.tally
    taken = tally.counts["pairs"]
    (pair,) = store.pairs.all_live()
    cluster.produce("pairs", pair.event_key, to_json(pair_record(pair)))
    await cluster.finish()
    assert tally.counts["pairs"] == taken + 1, "it was ranked again"
    assert [cluster.log.end(slot) for slot in told] == ends


def slots_of(cluster, *topics):
    return [(topic, p) for topic in topics for p in range(cluster.log.topics()[topic])]


# -- what is told stops nobody --------------------------------------------------------------------


async def until(holds):
    async with asyncio.timeout(60.0):
        while not holds():
            await asyncio.sleep(0.005)


@pytest.fixture
def broker():
    name = uuid.uuid4().hex
    yield name
    drop_log(name)


def settings_of(broker):
    return StreamSettings(broker_url=f"memory://{broker}", ranking_interval_s=0.05)


async def test_a_key_that_is_no_text_does_not_stop_the_follower_of_the_events(store, broker):
    async with running(settings_of(broker), store, POLICY, lambda: NOW) as pipeline:
        log = open_log(broker)
        await pipeline.send(OPTICAL_ALERTS.name, "ZTF25aaaaaaa", to_json(an_alert()))
        await pipeline.idle()
        for key in (b"\xff\xfe", b""):
            log.append(EVENTS.name, b"x", key, 0)
        event = an_event(a_notice())
        store.localizations.put(event.localization)
        store.events.put(record_of_event(event))
        log.append(EVENTS.name, to_json(record_of_event(event)), event.event_key.encode(), 0)
        await until(store.pairs.all_live)
        await pipeline.idle()
        assert not pipeline.has_failed


async def test_an_app_whose_follower_has_died_says_that_it_has_failed(store, broker, monkeypatch):
    async def dies(_agents, _key):
        raise RuntimeError("a defect of ours")

    monkeypatch.setattr(app, "_LAST_DRAIN_S", 0.1)
    monkeypatch.setattr(agents.Agents, "notice_event", dies)
    pipeline = create_app(settings_of(broker), store, POLICY, lambda: NOW)
    await pipeline.start()
    try:
        assert not pipeline.has_failed
        open_log(broker).append(EVENTS.name, b"x", b"key", 0)
        await until(lambda: pipeline.has_failed)
    finally:
        await pipeline.stop()


class Unreadable:
    """The localizations of a store, one of which cannot be read."""

    def __init__(self, real):
        self._real = real
        self.sha256 = None

    def __getattr__(self, name):
        return getattr(self._real, name)

    def get(self, sha256):
        if sha256 == self.sha256:
            raise SkyMapError("a localization can be read", b"\0")
        return self._real.get(sha256)


def with_unreadable(store):
    nouns = {noun: getattr(store, noun) for noun in (*NOUNS, "dead_letters")}
    return SimpleNamespace(**(nouns | {"localizations": Unreadable(store.localizations)}))


BAD = {"event_id": "bad", "localization": a_circle(radius_deg=3.0)}


async def test_an_event_that_cannot_be_looked_back_for_does_not_stop_the_others(store, monkeypatch):
    monkeypatch.setattr(agents, "_LOOK_AGAIN_S", 0.02)
    seen = with_unreadable(store)
    seen.localizations.sha256 = BAD["localization"].sha256
    cluster = Cluster(seen)
    await cluster.assign()
    (worker,) = cluster.workers
    cluster.tell_alert(an_alert())
    await cluster.finish()
    bad = cluster.tell_event(a_notice("ivo://tests/bad#1", **BAD))
    good = cluster.tell_event(a_notice())
    async with asyncio.timeout(60.0):
        await worker.follow(10)
    assert [pair.event_key for pair in store.pairs.all_live()] == [good]
    # It is tried again, and found once it can be read.
    seen.localizations.sha256 = None
    await until(lambda: worker.agents.pending)
    await cluster.finish()
    assert {pair.event_key for pair in store.pairs.all_live()} == {bad, good}


async def test_alerts_are_joined_with_the_others_while_an_event_cannot_be_read(store):
    seen = with_unreadable(store)
    seen.localizations.sha256 = BAD["localization"].sha256
    cluster = Cluster(seen)
    await cluster.assign()
    bad = cluster.tell_event(a_notice("ivo://tests/bad#1", **BAD))
    good = cluster.tell_event(a_notice())
    await cluster.finish()
    cluster.tell_alert(an_alert())
    await cluster.finish()
    assert [pair.event_key for pair in store.pairs.all_live()] == [good]
    assert sum(cluster.log.end(slot) for slot in slots_of(cluster, "dead_letter")) == 0
    seen.localizations.sha256 = None
    await cluster.workers[0].agents.notice_event(bad.encode())
    await cluster.finish()
    assert {pair.event_key for pair in store.pairs.all_live()} == {bad, good}


async def test_the_last_word_on_a_list_is_that_of_the_store(store):
    """A worker tells a list after another has told a newer one, as one that was paused does."""
    cluster = Cluster(store, n_workers=2)
    await cluster.assign()
    cluster.tell_event(a_notice())
    cluster.tell_alert(an_alert("1", "ZTF26first"))
    await cluster.finish()
    late = cluster.workers[0].agents
    (older,) = store.targets.list("grb-afterglow")
    cluster.tell_alert(an_alert("2", "ZTF26second", dec_deg=DEC_DEG))
    await cluster.finish()
    await late.lists.tell("grb-afterglow", [older])
    told = cluster.last_of_keys(TARGETS)
    newer = {t.target_id.encode(): t for t in store.targets.list("grb-afterglow")}
    assert newer[older.target_id.encode()].rank != older.rank
    assert {key: json.loads(body)["rank"] for key, body in told.items()} == {
        key: t.rank for key, t in newer.items()
    }


# -- what is public, and what was -----------------------------------------------------------------


async def test_what_was_public_is_told_to_be_gone_and_what_never_was_is_not_told(store):
    cluster = Cluster(store)
    await cluster.assign()
    cluster.tell_event(a_notice())
    cluster.tell_alert(an_alert("seen", "ZTF26seen"))
    cluster.tell_alert(an_alert("never", "ZTF26never", audience=("partners",)))
    await cluster.finish()
    cluster.tell_alert(
        an_alert("more", "ZTF26seen", time_unix_s=T0_UNIX_S + 0.3 * DAY_S, audience=("partners",))
    )
    await cluster.finish()
    stored = {r.object_key: r.audience for r in store.coincidences.current()}
    assert stored == dict.fromkeys(("ztf:ZTF26never", "ztf:ZTF26seen"), ("partners",))
    for topic in (*TOLD, "coincidence.user.all"):
        if topic in cluster.log.topics():
            said = [r for slot in slots_of(cluster, topic) for r in cluster.log.read(slot, 0, 100)]
            assert not any(b"never" in r.value or b"partners" in r.value for r in said), topic
    assert states(cluster, "coincidences.state") == ["retracted"]
    (target,) = cluster.last_of_keys(TARGETS).values()
    assert json.loads(target)["state"] == "retired"
    assert json.loads(target)["coincidence"]["pair"]["object_version"] == 1
    assert [t.object_key for t in store.targets.list("grb-afterglow", reader=PUBLIC_READER)] == []
    all_told = [
        r for slot in slots_of(cluster, "revisions") for r in cluster.log.read(slot, 0, 100)
    ]
    assert any(b"never" in r.value for r in all_told)


async def test_what_a_private_notice_takes_back_is_gone_for_those_who_may_read_it(store):
    cluster = Cluster(store)
    await cluster.assign()
    cluster.tell_event(a_notice())
    cluster.tell_alert(an_alert())
    await cluster.finish()
    back = a_notice("ivo://tests/gbm#2", is_retraction=True, instrument=None, audience=("gbm",))
    cluster.tell_event(a_notice(), back)
    await cluster.finish()
    (current,) = store.coincidences.current(include_gone=True)
    assert (str(current.state), current.audience) == ("retracted", ("gbm",))
    told = [json.loads(value) for value in cluster.last_of_keys("coincidences.state").values()]
    assert [(t["state"], t["reason"]) for t in told] == [("retracted", NOT_YOURS)]
