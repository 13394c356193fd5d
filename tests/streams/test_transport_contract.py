"""The contract of a broker: what the streams rest on, in memory and on a real Kafka."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streams import kafka
from streams.log import drop_log, partition_of_key
from streams.memory import register
from streams.shutdown import NotDrainedError, drained, lag, lag_by_consumer, stop_gracefully
from tests.streams.conftest import Seen, add_agent, bytes_topic, numbered, send_all

MakeTopic = Callable[..., Any]


in_memory = pytest.mark.parametrize("broker_url", ["memory"], indirect=True)
"""What Faust on Kafka does not keep; each test says why."""


class TransientError(Exception):
    """What a sink raises that will work later."""


COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "200",
    "min.cleanable.dirty.ratio": "0.01",
}
"""Kafka compacts a segment once a later one is begun, by default after a week."""


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.slow)])
def broker_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a broker: in memory, of a log that only this test knows."""
    if request.param == "kafka":
        kafka.register()
        yield request.getfixturevalue("kafka_server").url
        return
    register()
    name = f"test-{uuid.uuid4().hex}"
    yield f"memory://{name}"
    drop_log(name)


@pytest.fixture
def make_topic(broker_url: str, app_id: str) -> MakeTopic:
    """Makes topics of this test alone, up front: our Kafka makes none by itself."""

    def make(app: Any, name: str, partitions: int = 4, **settings: Any) -> Any:
        own = f"{name}-{app_id}"
        if broker_url.startswith("kafka:"):
            config = COMPACTED if settings.get("compacting") else {}
            declare(broker_url.removeprefix("kafka://"), own, partitions, config)
        return bytes_topic(app, own, partitions, **settings)

    return make


def declare(servers: str, name: str, partitions: int, config: dict[str, str]) -> None:
    admin = AdminClient({"bootstrap.servers": servers})
    known = admin.list_topics(timeout=10.0).topics
    if name not in known:
        topic = NewTopic(name, partitions, 1, config=config)
        admin.create_topics([topic])[name].result(10.0)
    while name not in known:
        time.sleep(0.02)
        known = admin.list_topics(timeout=10.0).topics


async def compacted(servers: str, name: str, below: int) -> None:
    """Wait until partition 0 holds fewer records than that."""
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": name, "enable.partition.eof": True}
    )
    kept = below
    async with asyncio.timeout(60.0):
        while kept >= below:
            await asyncio.sleep(0.5)
            consumer.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
            kept = sum(1 for _ in records_to_the_end(consumer))
    consumer.close()


def records_to_the_end(consumer: Consumer) -> Iterator[Message]:
    while (record := consumer.poll(10.0)) and not record.error():
        yield record


async def started(app: Any) -> None:
    """Start an app, and wait until it has the partitions that it reads."""
    await app.start()
    async with asyncio.timeout(30.0):
        while not app.consumer.assignment():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("count", [2_000, pytest.param(20_000, marks=pytest.mark.slow)])
async def test_records_arrive_once_in_order_and_are_committed(make_app, make_topic, count):
    app, seen = make_app(), Seen()
    topic = make_topic(app, "numbers")
    add_agent(app, topic, seen)
    await started(app)
    await send_all(topic, numbered(count))
    await drained(app, within_s=100.0)
    assert sorted(seen.values, key=int) == numbered(count)
    assert len(seen.by_partition) == 4
    assert seen.is_in_order
    assert await lag(app) == {}


async def test_what_agents_produce_is_waited_for_too(make_app, make_topic):
    app, last = make_app(), Seen()
    first, second, third = (make_topic(app, name) for name in ("first", "second", "third"))

    def pass_on(to: Any) -> Any:
        async def handle(events: list[Any]) -> None:
            await asyncio.sleep(0.1)
            for event in events:
                await to.send(key=event.key, value=event.value)

        return handle

    add_agent(app, first, pass_on(second))
    add_agent(app, second, pass_on(third))
    add_agent(app, third, last)
    await started(app)
    await send_all(first, numbered(1_000))
    await drained(app, within_s=60.0)
    assert sorted(last.values, key=int) == numbered(1_000)
    assert last.is_in_order


async def test_a_record_arrives_with_key_headers_time_and_place(make_app, make_topic):
    app, seen = make_app(), Seen()
    topic = make_topic(app, "records")
    add_agent(app, topic, seen)
    await started(app)
    sent = await (
        await topic.send(
            key=b"ivorn", value=b"1", timestamp=1_700_000_000.25, headers={"source": b"gcn"}
        )
    )
    await (await topic.send(key=b"ivorn", value=b"2", partition=3))
    await drained(app, within_s=60.0)
    one, two = sorted(seen.events, key=lambda e: e.value)
    assert (one.key, one.value, one.headers) == (b"ivorn", b"1", {"source": b"gcn"})
    assert one.message.timestamp == 1_700_000_000.25
    assert one.message.partition == partition_of_key(b"ivorn", 4) == sent.partition
    assert one.message.offset == sent.offset == 0
    assert two.message.partition == 3
    assert abs(two.message.timestamp - time.time()) < 60.0


async def test_a_restart_goes_on_from_what_was_committed(make_app, make_topic):
    for run in range(2):
        app, seen = make_app(), Seen()
        topic = make_topic(app, "numbers")
        add_agent(app, topic, seen)
        await started(app)
        await send_all(topic, numbered(300, first=300 * run))
        assert await stop_gracefully(app, drain=True)
        assert sorted(seen.values, key=int) == numbered(300, first=300 * run)


async def test_a_stop_in_the_middle_loses_nothing(make_app, make_topic):
    handled: list[list[bytes]] = []
    for drain in (False, True):
        app, values, some_are_done = make_app(), [], asyncio.Event()
        topic = make_topic(app, "numbers")

        async def slow(
            events: list[Any], values: list[bytes] = values, done: asyncio.Event = some_are_done
        ) -> None:
            await asyncio.sleep(0.1)
            values.extend(event.value for event in events)
            done.set()

        add_agent(app, topic, slow, size=20)
        await started(app)
        if not handled:
            await send_all(topic, numbered(200))
        await some_are_done.wait()
        assert await stop_gracefully(app, drain=drain)
        handled.append(values)
    first, second = handled
    assert len(first) < 200
    # At least once; and as the stop was orderly, what was handled did not come again.
    assert sorted(first + second, key=int) == numbered(200)


async def test_stop_gracefully_finishes_what_is_queued(make_app, make_topic):
    app, values = make_app(), []
    topic = make_topic(app, "numbers")

    async def slow(events: list[Any]) -> None:
        await asyncio.sleep(0.05)
        values.extend(event.value for event in events)

    add_agent(app, topic, slow, size=20)
    await started(app)
    await send_all(topic, numbered(200))
    assert await stop_gracefully(app, drain=True)
    assert sorted(values, key=int) == numbered(200)


async def test_an_agent_that_retries_holds_its_topic_back_and_loses_nothing(make_app, make_topic):
    app, seen, failed, sent = make_app(), Seen(), [], asyncio.Event()

    async def sink(events: list[Any]) -> None:
        if len(failed) < 3:
            raise TransientError
        await seen(events)

    async def persistent(events: list[Any]) -> None:
        await sent.wait()
        while True:
            try:
                return await sink(events)
            except TransientError:
                failed.append(sum((await lag(app)).values()))
                await asyncio.sleep(0.05)

    topic = make_topic(app, "numbers")
    add_agent(app, topic, persistent, size=10)
    await started(app)
    await send_all(topic, numbered(100))
    sent.set()
    await drained(app, within_s=60.0)
    assert failed == [100, 100, 100]
    assert sorted(seen.values, key=int) == numbered(100)
    assert seen.is_in_order


@in_memory
@pytest.mark.slow
async def test_an_error_that_leaves_an_agent_holds_its_partition_until_the_next_app(
    make_app, make_topic
):
    """Faust restarts the agent, but its old stream goes on, and acknowledges what nobody sees.

    The batch that failed does not come again in this app, and some of the later records go the
    same way; on Kafka they are committed and lost. A log commits nothing past the batch, so the
    next app gets it all. Either way no exception may leave a ``noack_take`` loop.
    """
    app, seen, raised = make_app(), Seen(), []

    async def fragile(events: list[Any]) -> None:
        if not raised:
            raised.extend(event.value for event in events)
            raise TransientError
        await seen(events)

    topic = make_topic(app, "numbers", partitions=1)
    add_agent(app, topic, fragile, size=10)
    await started(app)
    await send_all(topic, numbered(100))
    with pytest.raises(NotDrainedError, match=f"{topic.get_topic_name()}/0 100"):
        await drained(app, within_s=0.5)
    assert raised
    assert not set(raised) & set(seen.values)
    assert not await stop_gracefully(app, within_s=0.2, stop_within_s=0.5)

    app, again = make_app(), Seen()
    add_agent(app, make_topic(app, "numbers", partitions=1), again)
    await started(app)
    await drained(app, within_s=60.0)
    assert again.values == numbered(100)


@pytest.mark.slow
async def test_records_that_nobody_acknowledges_are_named_and_come_again(make_app, make_topic):
    given: list[bytes] = []
    for acknowledges in (False, True):
        app = make_app()
        topic = make_topic(app, "numbers", partitions=1)

        async def take(stream: Any, acks: bool = acknowledges) -> None:
            async for events in stream.noack_take(10, within=0.05):
                given.extend(event.value for event in events)
                for event in events if acks else ():
                    event.ack()

        app.agent(topic, name="take")(take)
        await started(app)
        if not acknowledges:
            await send_all(topic, numbered(5))
            with pytest.raises(NotDrainedError, match=f"{topic.get_topic_name()}/0 5"):
                await drained(app, within_s=0.3)
            async with asyncio.timeout(60.0):  # and not for ever
                assert not await stop_gracefully(app, within_s=0.1, stop_within_s=0.5)
        else:
            await drained(app, within_s=60.0)
    assert given == numbered(5) * 2


# On Kafka up to half a second later: a fetch that is under way, without this partition, waits that
# long for records of others.
@in_memory
@pytest.mark.slow
async def test_a_full_stream_is_read_on_as_soon_as_it_has_room(make_app, make_topic):
    app, seen = make_app(stream_buffer_maxsize=20, broker_max_poll_records=20), Seen()

    async def slow(events: list[Any]) -> None:
        await asyncio.sleep(0.02)
        await seen(events)

    topic = make_topic(app, "numbers", partitions=1)
    add_agent(app, topic, slow, size=10)
    await started(app)
    await send_all(topic, numbered(400))
    # Full some twenty times: with a pause of a second each it would take twenty seconds.
    await drained(app, within_s=10.0)
    assert seen.values == numbered(400)


# On Kafka a look takes up to a second, as its requests queue behind the fetch of their connection.
@in_memory
@pytest.mark.slow
async def test_a_producer_can_wait_until_it_is_not_far_ahead(make_app, make_topic):
    app, handled = make_app(), 0
    topic = make_topic(app, "numbers")

    async def slow(events: list[Any]) -> None:
        nonlocal handled
        await asyncio.sleep(0.02)
        handled += len(events)

    add_agent(app, topic, slow, size=20)
    await started(app)
    await send_all(topic, numbered(200))
    await drained(app, 100, within_s=60.0)
    assert 100 <= handled < 200


@pytest.mark.slow
async def test_the_lag_as_any_consumer_knows_it_is_that_of_the_log(make_app, make_topic):
    app, arrived, gate = make_app(), asyncio.Event(), asyncio.Event()

    async def wait_at_the_gate(events: list[Any]) -> None:
        if int(events[-1].value) >= 50:
            arrived.set()
            await gate.wait()

    topic = make_topic(app, "numbers", partitions=1)
    add_agent(app, topic, wait_at_the_gate, size=10)
    await started(app)
    await send_all(topic, numbered(100))
    await arrived.wait()
    behind = await lag(app)
    assert 0 < sum(behind.values()) <= 60
    assert await lag_by_consumer(app) == behind
    assert await lag(app, ["other"]) == await lag_by_consumer(app, ["other"]) == {}
    gate.set()
    await drained(app, within_s=60.0)


@pytest.mark.slow
async def test_a_new_group_may_begin_at_the_end(make_app, make_topic, app_id):
    late, seen = make_app(id=f"late-{app_id}", consumer_auto_offset_reset="latest"), Seen()
    topic = make_topic(late, "numbers", partitions=1)
    await topic.declare()
    await send_all(topic, numbered(5))
    add_agent(late, topic, seen)
    await started(late)
    # Kafka says where the end is when it is asked, which is some time after the assignment.
    async with asyncio.timeout(30.0):
        assert [await late.consumer.position(tp) for tp in late.consumer.assignment()] == [5]
    await send_all(topic, numbered(5, first=5))
    await drained(late, within_s=60.0)
    assert seen.values == numbered(5, first=5)


@pytest.mark.slow
@pytest.mark.parametrize("broker_url", ["kafka"], indirect=True)
async def test_the_broker_gathers_records_before_it_answers(make_app, make_topic):
    """By names that aiokafka keeps to itself: another version may have others."""
    app = make_app()
    topic = make_topic(app, "numbers")
    add_agent(app, topic, Seen())
    await started(app)
    fetcher = app.consumer._thread._ensure_consumer()._fetcher
    assert fetcher._fetch_min_bytes == kafka.FETCH_MIN_BYTES
    assert fetcher._fetch_max_wait_ms == kafka.FETCH_WAIT_MS


@pytest.mark.slow
async def test_a_table_is_recovered_by_the_next_app(make_app, make_topic):
    for run in (1, 2):
        app = make_app()
        topic = make_topic(app, "numbers", partitions=2)
        table = app.Table("counts", default=int, partitions=2)

        async def count(stream: Any, table: Any = table) -> None:
            async for event in stream.events():
                table[event.key.decode()] += 1

        app.agent(topic, name="count")(count)
        await started(app)
        for _ in range(100):
            await topic.send(key=b"a", value=b"")
        await drained(app, topics=[topic.get_topic_name()], within_s=60.0)
        assert table["a"] == 100 * run
        assert await stop_gracefully(app, within_s=2.0)


@pytest.mark.slow
async def test_a_compacted_topic_is_read_and_committed_across_its_gaps(
    make_app, make_topic, app_id, broker_url
):
    writer = make_app(id=f"writer-{app_id}")
    topic = make_topic(writer, "latest", partitions=1, compacting=True)
    await topic.declare()
    # Two, as Faust on Kafka overlooks a gap right after offset 0, and commits nothing beyond it.
    for n, value in enumerate(numbered(2)):
        await (await topic.send(key=b"rare-%d" % n, value=value))
    for value in numbered(500, first=2):
        await (await topic.send(key=b"often", value=value))
    if broker_url.startswith("kafka:"):
        await compacted(broker_url.removeprefix("kafka://"), topic.get_topic_name(), below=300)

    app, seen = make_app(), Seen()
    add_agent(app, make_topic(app, "latest", partitions=1, compacting=True), seen)
    await started(app)
    await (await topic.send(key=b"often", value=b"502"))
    await drained(app, within_s=60.0)
    assert seen.values[:2] == [b"0", b"1"]
    assert seen.values[-1] == b"502"
    assert len(seen.values) < 300
    await writer.producer.stop()  # nobody else does, as its app never started


@pytest.mark.slow
async def test_the_app_chooses_the_partition_if_it_brings_a_partitioner(make_app, make_topic):
    app = make_app(producer_partitioner=lambda key, every, available: every[-1])
    topic = make_topic(app, "numbers")
    add_agent(app, topic, Seen())
    await started(app)
    sent = await (await topic.send(key=b"k", value=b"1"))
    assert sent.partition == 3


async def test_an_app_hears_of_a_rebalance_before_it_is_waited_for(
    make_app, make_topic, broker_url, tmp_path
):
    """What is begun may have to be given up, lest the whole group waits for it."""
    app, called, handled = make_app(), asyncio.Event(), []
    topic = make_topic(app, "numbers")
    app.takes_chunks, app.on_leaving = True, called.set

    async def handle(events: list[Any]) -> None:
        handled.append(len(events))
        await called.wait()

    add_agent(app, topic, handle)
    await started(app)
    called.clear()  # the first assignment takes back what was there before: nothing
    assert await app.consumer.is_member()
    generation = app.consumer_generation_id
    await send_all(topic, numbered(10))
    async with asyncio.timeout(30.0):
        while not handled:
            await asyncio.sleep(0.02)
        if broker_url.startswith("kafka:"):
            another = make_app(datadir=str(tmp_path / "another"))
            add_agent(another, make_topic(another, "numbers"), Seen())
            await another.start()
        else:
            await app.consumer.subscribe([topic.get_topic_name()])
        while app.consumer_generation_id == generation:
            await asyncio.sleep(0.02)
    assert called.is_set()
    assert await app.consumer.is_member()
