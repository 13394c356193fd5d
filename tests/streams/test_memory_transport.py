"""The contract of a broker, and what is ours alone: the in-process transport and the stop.

Checks that take `make_app` hold for any broker; those that look into a log say so by name.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from typing import Any

import faust
import pytest

from correlator.errors import ConfigurationError
from streams.log import LogError, open_log, partition_of_key
from streams.memory import DEFAULT_LOG, register
from streams.shutdown import NotDrainedError, drained, lag, lag_by_consumer, stop_gracefully
from tests.streams.conftest import add_agent, bytes_topic


class TransientError(Exception):
    """What a sink raises that will work later."""


class Seen:
    """What an agent was given, and in which order per partition."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.events: list[Any] = []
        self.by_partition: dict[int, list[int]] = defaultdict(list)

    async def __call__(self, events: list[Any]) -> None:
        for event in events:
            self.values.append(event.value)
            self.events.append(event)
            self.by_partition[event.message.partition].append(int(event.value))

    @property
    def is_in_order(self) -> bool:
        return all(numbers == sorted(numbers) for numbers in self.by_partition.values())


def numbered(n: int, first: int = 0) -> list[bytes]:
    return [b"%d" % i for i in range(first, first + n)]


async def send_all(topic: Any, values: list[bytes]) -> None:
    for n, value in enumerate(values):
        await topic.send(key=b"key-%d" % (n % 97), value=value)


@pytest.mark.parametrize("count", [2_000, pytest.param(20_000, marks=pytest.mark.slow)])
async def test_records_arrive_once_in_order_and_are_committed(make_app, count):
    app, seen = make_app(), Seen()
    topic = bytes_topic(app, "numbers")
    add_agent(app, topic, seen)
    await app.start()
    await send_all(topic, numbered(count))
    await drained(app, within_s=100.0)
    assert sorted(seen.values, key=int) == numbered(count)
    assert len(seen.by_partition) == 4
    assert seen.is_in_order
    assert await lag(app) == {}


async def test_what_agents_produce_is_waited_for_too(make_app):
    app, last = make_app(), Seen()
    first, second, third = (bytes_topic(app, name) for name in ("first", "second", "third"))

    def pass_on(to: Any) -> Any:
        async def handle(events: list[Any]) -> None:
            await asyncio.sleep(0.1)
            for event in events:
                await to.send(key=event.key, value=event.value)

        return handle

    add_agent(app, first, pass_on(second))
    add_agent(app, second, pass_on(third))
    add_agent(app, third, last)
    await app.start()
    await send_all(first, numbered(1_000))
    await drained(app, within_s=60.0)
    assert sorted(last.values, key=int) == numbered(1_000)
    assert last.is_in_order


async def test_a_record_arrives_with_key_headers_time_and_place(make_app):
    app, seen = make_app(), Seen()
    topic = bytes_topic(app, "records")
    add_agent(app, topic, seen)
    await app.start()
    sent = await (
        await topic.send(
            key=b"ivorn", value=b"1", timestamp=1_700_000_000.25, headers={"source": b"gcn"}
        )
    )
    await topic.send(key=b"ivorn", value=b"2", partition=3)
    await drained(app, within_s=10.0)
    one, two = sorted(seen.events, key=lambda e: e.value)
    assert (one.key, one.value, one.headers) == (b"ivorn", b"1", {"source": b"gcn"})
    assert one.message.timestamp == 1_700_000_000.25
    assert one.message.partition == partition_of_key(b"ivorn", 4) == sent.partition
    assert one.message.offset == sent.offset == 0
    assert two.message.partition == 3
    assert abs(two.message.timestamp - time.time()) < 60.0


async def test_a_restart_goes_on_from_what_was_committed(make_app):
    for run in range(2):
        app, seen = make_app(), Seen()
        topic = bytes_topic(app, "numbers")
        add_agent(app, topic, seen)
        await app.start()
        await send_all(topic, numbered(300, first=300 * run))
        assert await stop_gracefully(app, drain=True)
        assert sorted(seen.values, key=int) == numbered(300, first=300 * run)


async def test_a_stop_in_the_middle_loses_nothing(make_app):
    handled: list[list[bytes]] = []
    for drain in (False, True):
        app, values, some_are_done = make_app(), [], asyncio.Event()
        topic = bytes_topic(app, "numbers")

        async def slow(
            events: list[Any], values: list[bytes] = values, done: asyncio.Event = some_are_done
        ) -> None:
            await asyncio.sleep(0.1)
            values.extend(event.value for event in events)
            done.set()

        add_agent(app, topic, slow, size=20)
        await app.start()
        if not handled:
            await send_all(topic, numbered(200))
        await some_are_done.wait()
        assert await stop_gracefully(app, drain=drain)
        handled.append(values)
    first, second = handled
    assert len(first) < 200
    # At least once; and as the stop was orderly, what was handled did not come again.
    assert sorted(first + second, key=int) == numbered(200)


async def test_stop_gracefully_finishes_what_is_queued(make_app):
    app, values = make_app(), []
    topic = bytes_topic(app, "numbers")

    async def slow(events: list[Any]) -> None:
        await asyncio.sleep(0.05)
        values.extend(event.value for event in events)

    add_agent(app, topic, slow, size=20)
    await app.start()
    await send_all(topic, numbered(200))
    assert await stop_gracefully(app, drain=True)
    assert sorted(values, key=int) == numbered(200)


async def test_an_agent_that_retries_holds_its_topic_back_and_loses_nothing(make_app):
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

    topic = bytes_topic(app, "numbers")
    add_agent(app, topic, persistent, size=10)
    await app.start()
    await send_all(topic, numbered(100))
    sent.set()
    await drained(app, within_s=20.0)
    assert failed == [100, 100, 100]
    assert sorted(seen.values, key=int) == numbered(100)
    assert seen.is_in_order


@pytest.mark.slow
async def test_an_error_that_leaves_an_agent_holds_its_partition_until_the_next_app(make_app):
    """Faust restarts the agent, but its old stream goes on, and acknowledges what nobody sees.

    The batch that failed does not come again in this app, and some of the later records go the
    same way; on Kafka they can be committed and lost. A log commits nothing past the batch, so the
    next app gets it all. Either way no exception may leave a ``noack_take`` loop.
    """
    app, seen, raised = make_app(), Seen(), []

    async def fragile(events: list[Any]) -> None:
        if not raised:
            raised.extend(event.value for event in events)
            raise TransientError
        await seen(events)

    topic = bytes_topic(app, "numbers", partitions=1)
    add_agent(app, topic, fragile, size=10)
    await app.start()
    await send_all(topic, numbered(100))
    with pytest.raises(NotDrainedError, match="numbers/0 100"):
        await drained(app, within_s=0.5)
    assert raised
    assert not set(raised) & set(seen.values)
    assert not await stop_gracefully(app, within_s=0.2, stop_within_s=0.5)

    app, again = make_app(), Seen()
    add_agent(app, bytes_topic(app, "numbers", partitions=1), again)
    await app.start()
    await drained(app, within_s=10.0)
    assert again.values == numbered(100)


@pytest.mark.slow
async def test_records_that_nobody_acknowledges_are_named_and_come_again(make_app):
    given: list[bytes] = []
    for acknowledges in (False, True):
        app = make_app()
        topic = bytes_topic(app, "numbers", partitions=1)

        async def take(stream: Any, acks: bool = acknowledges) -> None:
            async for events in stream.noack_take(10, within=0.05):
                given.extend(event.value for event in events)
                for event in events if acks else ():
                    event.ack()

        app.agent(topic, name="take")(take)
        await app.start()
        if not acknowledges:
            await send_all(topic, numbered(5))
            with pytest.raises(NotDrainedError, match="numbers/0 5"):
                await drained(app, within_s=0.3)
            began = time.monotonic()
            assert not await stop_gracefully(app, within_s=0.1, stop_within_s=0.5)
            assert time.monotonic() - began < 3.0
        else:
            await drained(app, within_s=10.0)
    assert given == numbered(5) * 2


@pytest.mark.slow
async def test_a_full_stream_is_read_on_as_soon_as_it_has_room(make_app):
    app, seen = make_app(stream_buffer_maxsize=20, broker_max_poll_records=20), Seen()

    async def slow(events: list[Any]) -> None:
        await asyncio.sleep(0.02)
        await seen(events)

    topic = bytes_topic(app, "numbers", partitions=1)
    add_agent(app, topic, slow, size=10)
    await app.start()
    await send_all(topic, numbered(400))
    # Full some twenty times: with a pause of a second each it would take twenty seconds.
    await drained(app, within_s=10.0)
    assert seen.values == numbered(400)


@pytest.mark.slow
async def test_a_producer_can_wait_until_it_is_not_far_ahead(make_app):
    app, handled = make_app(), 0
    topic = bytes_topic(app, "numbers")

    async def slow(events: list[Any]) -> None:
        nonlocal handled
        await asyncio.sleep(0.02)
        handled += len(events)

    add_agent(app, topic, slow, size=20)
    await app.start()
    await send_all(topic, numbered(200))
    await drained(app, 100, within_s=20.0)
    assert 100 <= handled < 200


@pytest.mark.slow
async def test_the_lag_as_any_consumer_knows_it_is_that_of_the_log(make_app):
    app, arrived, gate = make_app(), asyncio.Event(), asyncio.Event()

    async def wait_at_the_gate(events: list[Any]) -> None:
        if int(events[-1].value) >= 50:
            arrived.set()
            await gate.wait()

    topic = bytes_topic(app, "numbers", partitions=1)
    add_agent(app, topic, wait_at_the_gate, size=10)
    await app.start()
    await send_all(topic, numbered(100))
    await arrived.wait()
    behind = await lag(app)
    assert 0 < sum(behind.values()) <= 60
    assert await lag_by_consumer(app) == behind
    assert await lag(app, ["other"]) == await lag_by_consumer(app, ["other"]) == {}
    gate.set()
    await drained(app, within_s=10.0)


@pytest.mark.slow
async def test_apps_on_different_logs_one_after_the_other_leave_nothing_behind(app_id):
    register()
    before = asyncio.all_tasks()
    for run in range(3):
        app = faust.App(
            app_id,
            broker=f"memory://{app_id}-{run}",
            web_enabled=False,
            topic_disable_leader=True,
            autodiscover=False,
        )
        seen = Seen()
        topic = bytes_topic(app, "numbers", partitions=1)
        add_agent(app, topic, seen)
        await app.start()
        await send_all(topic, numbered(10, first=run))
        assert await stop_gracefully(app)
        assert seen.values == numbered(10, first=run)
        assert asyncio.all_tasks() == before


@pytest.mark.slow
async def test_a_new_group_may_begin_at_the_end(make_app, broker_url):
    late, seen = make_app(id="late", consumer_auto_offset_reset="latest"), Seen()
    topic = bytes_topic(late, "numbers", partitions=1)
    await topic.declare()
    await send_all(topic, numbered(5))
    add_agent(late, topic, seen)
    await late.start()
    await send_all(topic, numbered(5, first=5))
    await drained(late, within_s=10.0)
    assert seen.values == numbered(5, first=5)


@pytest.mark.slow
async def test_a_table_is_recovered_by_the_next_app(make_app):
    for run in (1, 2):
        app = make_app()
        topic = bytes_topic(app, "numbers", partitions=2)
        table = app.Table("counts", default=int, partitions=2)

        async def count(stream: Any, table: Any = table) -> None:
            async for event in stream.events():
                table[event.key.decode()] += 1

        app.agent(topic, name="count")(count)
        await app.start()
        for _ in range(100):
            await topic.send(key=b"a", value=b"")
        await drained(app, topics=["numbers"], within_s=10.0)
        assert table["a"] == 100 * run
        assert await stop_gracefully(app, within_s=2.0)


@pytest.mark.slow
async def test_a_compacted_topic_is_read_and_committed_across_its_gaps(make_app):
    writer = make_app(id="writer")
    topic = bytes_topic(writer, "latest", partitions=1, compacting=True)
    await topic.declare()
    await topic.send(key=b"rare", value=b"0")
    for value in numbered(500, first=1):
        await topic.send(key=b"often", value=value)

    app, seen = make_app(), Seen()
    add_agent(app, bytes_topic(app, "latest", partitions=1, compacting=True), seen)
    await app.start()
    await topic.send(key=b"often", value=b"501")
    await drained(app, within_s=10.0)
    assert seen.values[0] == b"0"
    assert seen.values[-1] == b"501"
    assert len(seen.values) < 300


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"processing_guarantee": "exactly_once"}, "has no transactions"),
        ({"producer_threaded": True}, "one event loop"),
    ],
)
def test_what_a_log_in_memory_cannot_do_is_refused_when_the_app_is_made(setting, said):
    register()
    app = faust.App("refused", broker="memory://refused", autodiscover=False, **setting)
    with pytest.raises(ConfigurationError, match=said):
        add_agent(app, bytes_topic(app, "numbers"), Seen())


async def test_a_second_app_of_the_group_is_refused(make_app):
    first, second = make_app(), make_app()
    for app in (first, second):
        add_agent(app, bytes_topic(app, "numbers", partitions=1), Seen())
    await first.start()
    with pytest.raises(LogError, match="has a member already"):
        await second.start()


async def test_an_app_that_never_started_can_be_stopped(make_app):
    app = make_app()
    add_agent(app, bytes_topic(app, "numbers", partitions=1), Seen())
    assert await stop_gracefully(app, stop_within_s=2.0)


async def test_an_app_that_has_ended_is_not_waited_for(make_app):
    app, seen = make_app(), Seen()
    topic = bytes_topic(app, "numbers", partitions=1)
    add_agent(app, topic, seen)
    await app.start()
    await app.stop()
    open_log(app.transport.broker.name).append("numbers", b"1")
    with pytest.raises(NotDrainedError, match="does not run, records left: numbers/0 1"):
        await drained(app)


async def test_topics_are_made_as_they_are_declared(make_app):
    app = make_app(topic_partitions=7)
    kept = bytes_topic(app, "kept", partitions=3)
    last = bytes_topic(app, "last", partitions=1, compacting=True)
    add_agent(app, kept, Seen())
    await last.declare()
    await app.start()
    await app.topic("undeclared", value_serializer="raw").send(value=b"")
    log = app.transport.broker
    assert log.topics() == {"kept": 3, "last": 1, "undeclared": 7}
    with pytest.raises(LogError, match="last: is compacted, a record needs a key"):
        await last.send(value=b"")


@pytest.mark.slow
async def test_a_burst_of_sends_raises_no_warning(make_app, caplog):
    app, seen = make_app(), Seen()
    topic = bytes_topic(app, "numbers", partitions=1)
    add_agent(app, topic, seen)
    await app.start()
    with caplog.at_level(logging.WARNING):
        for value in numbered(500):
            topic.send_soon(key=b"k", value=value)
        await drained(app, within_s=10.0)
    assert seen.values == numbered(500)
    assert caplog.messages == []


@pytest.mark.slow
async def test_the_app_chooses_the_partition_if_it_brings_a_partitioner(make_app):
    app = make_app(producer_partitioner=lambda key, every, available: every[-1])
    topic = bytes_topic(app, "numbers")
    add_agent(app, topic, Seen())
    await app.start()
    sent = await (await topic.send(key=b"k", value=b"1"))
    assert sent.partition == 3


def test_a_url_names_its_log():
    register()
    for url, name in (("memory://", DEFAULT_LOG), ("memory://Night-7", "night-7")):
        app = faust.App("named", broker=url, autodiscover=False)
        assert app.transport.broker is open_log(name)
