"""Notices on their topics as workers tell them: expiries, tests, joint events."""

import asyncio
import uuid

import orjson
import pytest
from confluent_kafka import Consumer, TopicPartition

from correlator.policy import DAY_S, Policy
from correlator.service.wiring import running
from correlator.wire import record_of_event, to_json
from streams.admin import declare
from streams.log import drop_log, open_log
from streams.notice_reader import read_notice
from streams.settings import StreamSettings
from streams.topics import EVENTS, NOTICES_RAW, OPTICAL_ALERTS, all_topics
from tests.builders import T0_UNIX_S, a_notice, an_alert, an_event
from tests.ingest_vo.notice_factory import T0_UNIX_S as RAW_T0_UNIX_S
from tests.streams.test_joint import (
    ACTS,
    FERMI,
    JOINT,
    PLACE,
    RETRACTION,
    SVOM,
    SVOM_PACKET,
    notice,
)
from tests.streams.workers import NOW, Cluster, current_of, notices_of

pytestmark = pytest.mark.usefixtures("no_pause")


def values_of(log, topic):
    return [record.value for record in log.read((topic, 0), 0, 1000)]


async def test_an_event_that_closes_is_told_as_an_update_that_expires_it(store):
    cluster = Cluster(store)
    cluster.now_unix_s = T0_UNIX_S + 100 * DAY_S
    await cluster.assign()
    cluster.tell_event(a_notice())
    cluster.tell_alert(an_alert())
    await cluster.finish()
    far = {"dec_deg": -80.0, "time_unix_s": T0_UNIX_S + 60 * DAY_S}
    cluster.tell_alert(an_alert("far", "ZTF25far", **far))
    await cluster.finish()
    first, last = map(read_notice, values_of(cluster.log, "coincidence.all"))
    assert [n.alert_type for n in (first, last)] == ["initial", "update"]
    assert (last.coincidence.state, last.coincidence.reason) == ("expired", "the event is closed")
    assert last.coincidence.evidence == first.coincidence.evidence
    assert notices_of(cluster) == current_of(store)


async def test_a_joint_event_is_told_with_its_members_also_when_it_is_dissolved(store):
    cluster = Cluster(store, n_workers=2)
    await cluster.assign()
    for act in ACTS.values():
        act(cluster)
    await cluster.finish()
    notice(cluster, "gone", RETRACTION)
    await cluster.finish()
    said = [orjson.loads(value) for value in values_of(cluster.log, "coincidence.all")]
    of_joint = [d for d in said if d["coincidence"]["event_key"] == JOINT]
    assert [d["alert_type"] for d in of_joint][-1] == "retraction"
    for document in of_joint:
        members = [event["event_key"] for event in document["coincidence"]["events"]]
        assert members == [FERMI, SVOM]
        (target,) = document["data"]["targets"]
        assert [f["ref_instrument"] for f in target["gcn_crossmatch"]] == ["Fermi", "SVOM"]
        assert document["coincidence"]["evidence"]["terms"]["s_joint"] is not None
    assert notices_of(cluster) == current_of(store)


@pytest.mark.parametrize("is_test", [True, False])
async def test_what_is_a_test_is_told_on_no_other_topic(store, is_test):
    name = uuid.uuid4().hex
    settings = StreamSettings(broker_url=f"memory://{name}", ranking_interval_s=0.05)
    policy = Policy(include_tests=True)
    event = an_event(a_notice(is_test=is_test))
    try:
        async with running(settings, store, policy, lambda: NOW) as pipeline:
            store.localizations.put(event.localization)
            store.events.put(record_of_event(event))
            log, key = open_log(name), event.event_key.encode()
            log.append(EVENTS.name, to_json(record_of_event(event)), key, 0)
            await pipeline.idle()
            await pipeline.send(OPTICAL_ALERTS.name, "ZTF25aaaaaaa", to_json(an_alert()))
            await pipeline.idle()
            await pipeline.agents.rank_changed()
            ours = [t.name for t in all_topics(policy) if t.name.startswith("coincidence.")]
            ours.remove("coincidence.heartbeat")
            told = {topic: values_of(log, topic) for topic in ours if values_of(log, topic)}
    finally:
        drop_log(name)
    assert set(told) == (
        {"coincidence.test"} if is_test else {"coincidence.all", "coincidence.grb"}
    )
    tenses = {read_notice(value).alert_tense for values in told.values() for value in values}
    assert tenses == {"test" if is_test else "current"}


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_plain_consumer_of_a_real_broker_chooses_by_headers_and_reads_in_order(
    own_kafka_server, store
):
    declare(own_kafka_server.bootstrap, all_topics(Policy()), 1)
    settings = StreamSettings(broker_url=own_kafka_server.url, ranking_interval_s=0.05)
    async with running(settings, store, Policy(), lambda: NOW) as pipeline:
        await until(lambda: pipeline.agents.is_owner)
        for n, name in enumerate(("ZTF26first", "ZTF26first", "ZTF26second")):
            made = an_alert(str(n), name, *PLACE, RAW_T0_UNIX_S + (0.2 + 0.2 * n) * DAY_S)
            await pipeline.send(OPTICAL_ALERTS.name, name, to_json(made))
        await pipeline.send(NOTICES_RAW.name, "svom", SVOM_PACKET)
        await until(lambda: len(store.coincidences.current()) == 2)
        await pipeline.send(NOTICES_RAW.name, "gone", RETRACTION)
        await until(lambda: not store.coincidences.current())
        await pipeline.agents.rank_changed()  # whatever is being told is told by then
        records = await asyncio.to_thread(read_all, own_kafka_server.bootstrap, "coincidence.all")
    last = {}
    for record in records:
        headers, notice = dict(record.headers()), read_notice(record.value())
        assert headers["revision"] == str(notice.record_number).encode()
        assert headers["alert_type"] == notice.alert_type.encode()
        assert headers["content-type"] == b"application/json"
        assert (record.key().decode(),) == notice.id
        assert notice.record_number == last.get(record.key(), (0,))[0] + 1
        last[record.key()] = notice.record_number, notice.coincidence.state
    assert last == current_of(store)
    assert [state for _, state in last.values()] == ["retracted"] * 2


async def until(holds):
    async with asyncio.timeout(120.0):
        while not holds():
            await asyncio.sleep(0.05)


def read_all(servers, topic):
    """The records of a topic's one partition, up to its end."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reader", "log_level": 2})
    try:
        end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30.0)[1]
        consumer.assign([TopicPartition(topic, 0, 0)])
        records = []
        while len(records) < end:
            record = consumer.poll(30.0)
            assert record is not None, f"{len(records)} of {end} records came"
            assert record.error() is None
            records.append(record)
        return records
    finally:
        consumer.close()
