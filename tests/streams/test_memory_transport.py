"""What is ours alone: the in-process transport, and the stop."""

from __future__ import annotations

import asyncio
import logging

import faust
import pytest

from correlator.errors import ConfigurationError
from streams.log import LogError, open_log
from streams.memory import DEFAULT_LOG, register
from streams.shutdown import NotDrainedError, drained, stop_gracefully
from tests.streams.conftest import Seen, add_agent, bytes_topic, numbered, send_all


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
    # On Kafka Faust's own producer says so as soon as a hundred sends wait.
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


def test_a_url_names_its_log():
    register()
    for url, name in (("memory://", DEFAULT_LOG), ("memory://Night-7", "night-7")):
        app = faust.App("named", broker=url, autodiscover=False)
        assert app.transport.broker is open_log(name)
