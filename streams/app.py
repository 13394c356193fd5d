"""The Faust app, made whole by one function; importing this module starts nothing."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import faust

from correlator.policy import Policy
from storage.store import Store
from streams import topics as table
from streams.agents import Agents
from streams.desk import NoticeDesk
from streams.joiner import Joiner
from streams.memory import register as register_memory_transport
from streams.ranker import Ranker
from streams.records import Handler, consume, persisting
from streams.settings import StreamSettings
from streams.shutdown import NotDrainedError, drained, stop_gracefully
from streams.tables import AlertWindow, EventBook

_LAST_DRAIN_S = 30.0


@dataclass
class Pipeline:
    """A Faust app with the objects that its agents work on."""

    app: Any
    agents: Agents
    channels: dict[str, Any]

    async def start(self) -> None:
        """Start the app, and make every topic with its own partitions and compaction."""
        await self.app.start()
        for channel in self.channels.values():
            await channel.declare()

    async def send(self, topic: str, key: str, value: bytes) -> None:
        """Produce one record and wait until the broker has it."""
        await self.agents.send(topic, key, value)

    async def stop(self) -> bool:
        """Finish what is under way, rank a last time, stop; whether nothing was left undone."""
        if self.app.started and not self.app.crashed:
            with contextlib.suppress(NotDrainedError):
                await drained(self.app, within_s=_LAST_DRAIN_S)
                await self.agents.rank_changed()
        finished = await stop_gracefully(self.app)
        shutil.rmtree(str(self.app.conf.datadir), ignore_errors=True)
        return finished

    async def idle(self) -> None:
        """Wait until every record that was produced is handled, and all that follow from it."""
        await drained(self.app)

    async def not_behind(self, most: int) -> None:
        """Wait until at most so many records are unhandled."""
        await drained(self.app, most)


def create_app(
    settings: StreamSettings, store: Store, policy: Policy, now: Callable[[], float]
) -> Pipeline:
    """Make the app: topics, tables, agents and the ranking timer.

    Parameters
    ----------
    now
        The clock [s since the Unix epoch].
    """
    register_memory_transport()
    folder = tempfile.mkdtemp(prefix=f"{settings.app_id}-")
    app = faust.App(
        settings.app_id,
        broker=settings.broker_url,
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        autodiscover=False,
        broker_commit_interval=settings.commit_interval_s,
        topic_partitions=settings.alert_partitions,
        # Faust wants a folder for tables that we do not use; not in the user's one.
        datadir=folder,
    )
    channels = _channels(app, settings, policy)

    async def send(topic: str, key: str, value: bytes) -> None:
        await channels[topic].send(key=key.encode(), value=value)

    agents = _agents(store, policy, send, now)
    for topic, handle in _routes(agents).items():
        _add_agent(app, channels[topic.name], topic.name, handle, agents, settings)

    @app.task  # type: ignore[untyped-decorator]
    async def rank_changed() -> None:
        # Not a Faust timer: that one complains when a ranking takes longer than the interval.
        while True:
            await asyncio.sleep(settings.ranking_interval_s)
            await persisting(agents.rank_changed, whatever=True)

    return Pipeline(app, agents, channels)


def _agents(
    store: Store,
    policy: Policy,
    send: Callable[[str, str, bytes], Any],
    now: Callable[[], float],
) -> Agents:
    book = EventBook()
    joiner = Joiner(AlertWindow(), book, policy)
    ranker = Ranker(book, policy)
    return Agents(store, NoticeDesk(store), joiner, ranker, send, now)


def _routes(agents: Agents) -> dict[table.Topic, Handler]:
    return {
        table.NOTICES_RAW: agents.admit_notices,
        table.EVENTS: agents.activate_events,
        table.OPTICAL_ALERTS: agents.join_alerts,
        table.PAIRS: agents.take_pairs,
    }


def _channels(app: Any, settings: StreamSettings, policy: Policy) -> dict[str, Any]:
    partitions = {
        table.OPTICAL_ALERTS.name: settings.alert_partitions,
        table.PAIRS.name: settings.pair_partitions,
        table.COINCIDENCES.name: settings.pair_partitions,
    }
    topics = (*table.TOPICS, *(table.targets_topic(c.name) for c in policy.cases))
    return {
        topic.name: app.topic(
            topic.name,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            partitions=partitions.get(topic.name, topic.partitions),
            compacting=topic.is_compacted,
        )
        for topic in topics
    }


def _add_agent(
    app: Any,
    channel: Any,
    name: str,
    handle: Handler,
    agents: Agents,
    settings: StreamSettings,
) -> None:
    async def agent(stream: Any) -> None:
        await consume(stream, handle, agents.bury, settings.batch_size, settings.batch_within_s)

    agent.__name__ = name.replace(".", "_")
    app.agent(channel, name=f"{settings.app_id}.{name}")(agent)
