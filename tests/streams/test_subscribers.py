"""Topics of subscribers: what their filters let pass, and what is taken back from them."""

import asyncio
import threading
import uuid

import orjson
import pytest

from correlator.policy import DAY_S, Policy
from correlator.service.wiring import running
from correlator.wire import record_of_event, to_json
from storage.schema import subscriptions
from streams import subscribers
from streams.log import drop_log, open_log
from streams.moments import iso_utc
from streams.notice_schema import schema_of_code
from streams.settings import StreamSettings
from streams.subscribers import NO_LONGER, SubscriberDesk
from streams.topics import EVENTS, OPTICAL_ALERTS, user_topic
from streams.voevent import UNNAMED_AUTHOR
from tests.builders import T0_UNIX_S, a_coincidence, a_notice, an_alert, an_event
from tests.gcn_schemas import closed, without_gcn
from tests.streams.workers import NOW, Cluster, sent_to, subscribe, would_be_sent

pytestmark = pytest.mark.usefixtures("no_pause")

LATER = T0_UNIX_S + 0.3 * DAY_S


@pytest.fixture
async def cluster(store):
    made = Cluster(store)
    await made.assign()
    made.tell_event(a_notice())
    return made


def sent_documents(cluster, name):
    return [orjson.loads(r.value) for r in cluster.log.read((user_topic(name).name, 0), 0, 100)]


async def test_what_passes_no_longer_is_taken_back_though_the_coincidence_stands(cluster, store):
    subscribe(store, {"young": "object_version = 1"})
    cluster.tell_alert(an_alert())
    await cluster.finish()
    cluster.tell_alert(an_alert("later", time_unix_s=LATER))
    await cluster.finish()
    first, last = sent_documents(cluster, "young")
    assert [d["alert_type"] for d in (first, last)] == ["initial", "retraction"]
    assert [d["record_number"] for d in (first, last)] == [1, 2]
    assert [d["coincidence"]["subscription"]["passes"] for d in (first, last)] == [True, False]
    assert "subscription" not in last["coincidence"]["null_reasons"]
    assert last["coincidence"]["state"] == "active"
    (target,) = last["data"]["targets"]
    assert (target["viable"], target["viability_reason"]) == (False, NO_LONGER)
    (everybody,) = [r for r in map(orjson.loads, said_to_all(cluster)) if r["record_number"] == 2]
    assert everybody["alert_type"] == "update"
    assert everybody["coincidence"]["subscription"] is None
    assert everybody["coincidence"]["null_reasons"]["subscription"]
    gone = a_notice("ivo://tests/gbm#2", is_retraction=True, notice_unix_s=T0_UNIX_S + 120.0)
    cluster.tell_event(a_notice(), gone)
    await cluster.finish()
    assert len(sent_documents(cluster, "young")) == 2, "what was not theirs is not taken back"


def said_to_all(cluster):
    return [record.value for record in cluster.log.read(("coincidence.all", 0), 0, 100)]


async def test_what_subscribers_are_sent_is_valid_by_our_schema_closed(cluster, store):
    subscribe(store)
    cluster.tell_alert(an_alert())
    await cluster.finish()
    cluster.tell_alert(an_alert("later", time_unix_s=LATER))
    gone = a_notice("ivo://tests/gbm#2", is_retraction=True, notice_unix_s=T0_UNIX_S + 120.0)
    await cluster.finish()
    cluster.tell_event(a_notice(), gone)
    await cluster.finish()
    documents = sent_documents(cluster, "all")
    assert [d["coincidence"]["state"] for d in documents] == ["active", "active", "retracted"]
    for document in documents:
        without_gcn(closed(schema_of_code())).validate(document)


async def test_subscriptions_come_change_and_go_while_the_stream_runs(cluster, store):
    cluster.tell_alert(an_alert())
    await cluster.finish()
    assert not any(name.startswith("coincidence.user.") for name in cluster.log.topics())
    every, none = "rank >= 1", "rank < 0"
    subscribe(store, {"late": every, "changes": none})
    cluster.tell_alert(an_alert("2", time_unix_s=LATER))
    await cluster.finish()
    subscribe(store, {"changes": every})
    cluster.tell_alert(an_alert("3", time_unix_s=LATER + 3600.0))
    await cluster.finish()
    store.subscriptions.put("late", "tests", every, (), 0.0, is_active=False)
    cluster.tell_alert(an_alert("4", time_unix_s=LATER + 7200.0))
    await cluster.finish()
    store.subscriptions.remove("changes")
    cluster.tell_alert(an_alert("5", time_unix_s=LATER + 10800.0))
    await cluster.finish()
    all_of_it = would_be_sent(store, every)
    assert sorted(revision for _, revision in all_of_it) == [1, 2, 3, 4, 5]
    assert sorted(revision for _, revision in sent_to(cluster, "late")) == [2, 3]
    assert sorted(revision for _, revision in sent_to(cluster, "changes")) == [3, 4]
    for name in ("late", "changes"):
        assert sent_to(cluster, name).items() <= all_of_it.items()


async def test_revisions_of_one_coincidence_in_one_batch_follow_each_other(store):
    desk = SubscriberDesk(store, UNNAMED_AUTHOR, lambda _topics: None, lambda: NOW)
    subscribe(store, {"first": "rank = 1"})
    made = []
    for rank in (1, 2, 1, 2, 3):
        (revision,) = store.coincidences.publish(
            "fermi-gbm:781692805", [a_coincidence(rank=rank)], 10.0 + len(made), "unused"
        )
        made.append(revision)
    assert desk.refresh()
    for batch in (made, made[1::2], [made[4], made[1]], [*made, *made]):
        said = [orjson.loads(record.value) for record in desk.records_of(batch)]
        told = [(d["record_number"], d["coincidence"]["subscription"]["passes"]) for d in said]
        right = {1: True, 2: False, 3: True, 4: False}
        numbers = dict.fromkeys(r.revision for r in batch)
        assert told == [(n, right[n]) for n in numbers if n in right]


async def test_a_filter_that_is_none_any_more_stops_nobody_elses(cluster, store):
    subscribe(store, {"bad": "rank = 1", "good": "rank = 1"})
    spoiled = subscriptions.update().where(subscriptions.c.name == "bad").values(filter="rank ~ 1")
    with store.engine.begin() as connection:
        connection.execute(spoiled)
    cluster.tell_alert(an_alert())
    await cluster.finish()
    assert list(sent_to(cluster, "good").values()) == [True]
    assert sent_to(cluster, "bad") == {}
    store.subscriptions.put("bad", "tests", "rank = 1", (), 0.0)
    cluster.tell_alert(an_alert("2", time_unix_s=LATER))
    await cluster.finish()
    assert list(sent_to(cluster, "bad").values()) == [True]


async def test_so_many_are_served_the_oldest_first(store, monkeypatch):
    monkeypatch.setattr(subscribers, "MOST_SUBSCRIPTIONS", 2)
    topics = []
    desk = SubscriberDesk(store, UNNAMED_AUTHOR, topics.extend, lambda: NOW)
    for name, age in (("young", 3.0), ("old", 1.0), ("between", 2.0)):
        store.subscriptions.put(name, "tests", "rank = 1", (), age)
    assert desk.refresh()
    assert {t.name for t in topics} == {"coincidence.user.old", "coincidence.user.between"}


@pytest.mark.parametrize(
    ("is_of_token", "tokens", "n_told"),
    [
        (True, [{}], 1),
        (True, [], 0),
        (True, [{"audience": ["svom"]}], 0),
        (True, [{"expires_unix_s": NOW}], 0),
        (True, [{"expires_unix_s": NOW + 1.0}], 1),
        (True, [{"expires_unix_s": NOW}, {}], 1),
        (True, [{"name": "another"}], 0),
        (False, [], 1),
    ],
)
async def test_what_was_put_with_a_token_has_its_tags_while_its_owner_holds_one(
    store, is_of_token, tokens, n_told
):
    desk = SubscriberDesk(store, UNNAMED_AUTHOR, lambda _topics: None, lambda: NOW)
    store.subscriptions.put("mine", "anna", "rank = 1", ["lsst"], 1.0, is_of_token=is_of_token)
    for changed in tokens:
        said = {"name": "anna", "scopes": ["subscribe"], "audience": ["lsst", "svom"]} | changed
        store.tokens.create(now_unix_s=1.0, **said)
    found = [a_coincidence(rank=1, audience=("lsst",))]
    made = store.coincidences.publish("fermi-gbm:781692805", found, 10.0, "unused")
    assert desk.refresh()
    assert len(desk.records_of(made)) == n_told
    for token in store.tokens.list():
        store.tokens.revoke(token.token_id, NOW - 1.0)
    assert desk.refresh()
    assert len(desk.records_of(made)) == (0 if is_of_token else n_told)


# -- the app --------------------------------------------------------------------------------------


@pytest.fixture
def broker():
    name = uuid.uuid4().hex
    yield name
    drop_log(name)


def settings_of(broker):
    return StreamSettings(broker_url=f"memory://{broker}", ranking_interval_s=0.05)


async def until(holds):
    async with asyncio.timeout(60.0):
        while not holds():
            await asyncio.sleep(0.005)


async def a_coincidence_comes(pipeline, store, broker):
    event = an_event(a_notice())
    store.localizations.put(event.localization)
    store.events.put(record_of_event(event))
    key = event.event_key.encode()
    open_log(broker).append(EVENTS.name, to_json(record_of_event(event)), key, 0)
    await pipeline.send(OPTICAL_ALERTS.name, "ZTF25aaaaaaa", to_json(an_alert()))


async def test_the_topic_is_there_before_anything_is_sent_and_the_heartbeat_beats(store, broker):
    subscribe(store, {"early": "rank = 1"})
    async with running(settings_of(broker), store, Policy(), lambda: NOW):
        log = open_log(broker)
        await until(lambda: "coincidence.user.early" in log.topics())
        assert log.end(("coincidence.user.early", 0)) == 0
        await until(lambda: log.end(("coincidence.heartbeat", 0)))
        (beat,) = log.read(("coincidence.heartbeat", 0), 0, 1)
    said = orjson.loads(beat.value)
    assert said.keys() == {"alert_datetime", "last_record_datetime", "is_idle"}
    assert said["alert_datetime"] == iso_utc(NOW)


async def test_a_filter_that_takes_its_time_holds_nobody_else_up(store, broker, monkeypatch):
    may_end = threading.Event()

    def slow(_tree):
        return lambda _coincidence: may_end.wait(60.0)

    monkeypatch.setattr(subscribers, "predicate_of", slow)
    subscribe(store, {"slow": "rank = 1"})
    async with running(settings_of(broker), store, Policy(), lambda: NOW) as pipeline:
        log = open_log(broker)
        try:
            await a_coincidence_comes(pipeline, store, broker)
            await until(lambda: log.end(("coincidence.all", 0)))
            await pipeline.send(
                OPTICAL_ALERTS.name,
                "ZTF25aaaaaaa",
                to_json(an_alert("later", time_unix_s=LATER)),
            )
            await until(lambda: log.end(("coincidence.all", 0)) == 2)
            assert log.end(("coincidence.user.slow", 0)) == 0
        finally:
            may_end.set()
        await until(lambda: log.end(("coincidence.user.slow", 0)) == 2)
