"""The Faust app, made whole by one function; importing this module starts nothing."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import faust
import structlog

from correlator.features import FEATURES, features_of_many
from correlator.policy import Policy
from correlator.wire import to_json
from storage.share import Share
from storage.store import Store
from streams import topics as table
from streams.admin import declare, servers_of
from streams.agents import Agents
from streams.desk import NoticeDesk
from streams.follower import Follower, follower_of
from streams.gcn_notices import GCNNoticeDesk
from streams.heartbeat import Heartbeat, public_heartbeat
from streams.joiner import Joiner
from streams.joint import JointDesk
from streams.kafka import register as register_kafka_transport
from streams.log import Headers, open_log
from streams.map_desk import MapDesk
from streams.map_fetch import Fetch, MapFetcher
from streams.memory import register as register_memory_transport
from streams.model_registry import ModelRegistry
from streams.outgoing import Outgoing, Send
from streams.ranker import Ranker
from streams.records import Handler, Record, consume, persisting
from streams.score_desk import ScoreDesk
from streams.score_log import ScoreLog
from streams.settings import StreamSettings
from streams.shutdown import NotDrainedError, drained, stop_gracefully
from streams.subscribers import SubscriberDesk
from streams.topics import Topic
from streams.voevents import VOEventDesk

log = structlog.get_logger(__name__)

_LAST_DRAIN_S = 30.0
_HEARTBEAT_S = 1.0
_SUBSCRIPTIONS_S = 5.0
_LOOK_S = 0.005
_RANK_LOOK_S = 0.02


@dataclass
class Pipeline:
    """A Faust app with the objects that its agents work on."""

    app: Any
    settings: StreamSettings
    agents: Agents
    follower: Follower
    maps: MapDesk | None = None
    scores: ScoreDesk | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Make the topics of an in-process broker, follow the events, start the app."""
        if self._is_embedded:
            self._declare()
        await self.follower.start(self.agents.notice_event)
        for work in (
            self.agents.look_back_for_ever,
            self._rank_for_ever,
            self._find_joint_for_ever,
            self._list_for_ever,
            self._subscribe_for_ever,
            self._beat_for_ever,
            *([self.maps.run] if self.maps else []),
            *([self.scores.run] if self.scores else []),
        ):
            self._tasks.append(asyncio.create_task(work()))
        await self.app.start()

    async def send(self, topic: str, key: str, value: bytes, headers: Headers = ()) -> None:
        """Produce one record and wait until the broker has it."""
        await self.agents.send([Outgoing(topic, key, value, headers)])

    async def stop(self) -> bool:
        """Finish what is under way, rank a last time, stop; whether nothing was left undone."""
        if self._is_embedded and self.app.started and not self.has_failed:
            with contextlib.suppress(NotDrainedError, TimeoutError):
                async with asyncio.timeout(_LAST_DRAIN_S):
                    await self.idle()
                    await self.agents.rank_changed()
        finished = await stop_gracefully(self.app)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.follower.stop()
        shutil.rmtree(str(self.app.conf.datadir), ignore_errors=True)
        return finished

    @property
    def has_failed(self) -> bool:
        """Whether something of it has died, so that a new one must take its place."""
        died = any(task.done() for task in self._tasks) or self.follower.has_failed
        return died or bool(self.app.crashed)

    async def idle(self) -> None:
        """Wait until every record that was produced is handled, and all that follow from it.

        But for the rankings, which have their own pace.
        """
        while True:
            await drained(self.app)
            if not self.agents.looks_back and await self.follower.is_level():
                await drained(self.app)
                if not self.agents.looks_back:
                    return
            await asyncio.sleep(_LOOK_S)

    async def not_behind(self, most: int) -> None:
        """Wait until at most so many records are unhandled."""
        await drained(self.app, most)

    @property
    def _is_embedded(self) -> bool:
        return self.settings.broker_url.startswith("memory://")

    def _declare(self) -> None:
        broker = open_log(urlsplit(self.settings.broker_url).netloc)
        for topic in table.all_topics(self.agents.joiner.policy):
            partitions = self.settings.partitions_of(topic)
            broker.create_topic(topic.name, partitions, topic.is_compacted)

    async def _rank_for_ever(self) -> None:
        interval_s = self.settings.ranking_interval_s
        while True:
            await asyncio.sleep(min(_RANK_LOOK_S, interval_s))
            await persisting(self.agents.rank_due, interval_s, whatever=True)

    async def _find_joint_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.settings.ranking_interval_s / 2.0)
            await persisting(self.agents.find_joint, whatever=True)

    async def _list_for_ever(self) -> None:
        while True:
            await asyncio.sleep(2.0 * self.settings.ranking_interval_s)
            await persisting(self.agents.refresh_lists, whatever=True)

    async def _subscribe_for_ever(self) -> None:
        while True:
            await persisting(self.agents.look_for_subscriptions, whatever=True)
            await asyncio.sleep(_SUBSCRIPTIONS_S)

    async def _beat_for_ever(self) -> None:
        while True:
            await persisting(self._beat, whatever=True)
            await asyncio.sleep(_HEARTBEAT_S)

    async def _beat(self) -> None:
        is_level = await self.follower.is_level()
        try:
            await self.agents.find_joint()  # lest one that waits is overlooked
        except Exception as error:  # noqa: BLE001 - the store is away: beat, and be not idle
            log.warning("unavailable", error=str(error))
            is_level = False
        beat = self._heartbeat(is_level)
        beats = [Outgoing(table.HEARTBEAT.name, beat.source, to_json(beat))]
        if self.agents.ranker.is_first:
            topic = table.COINCIDENCE_HEARTBEAT.name
            beats.append(Outgoing(topic, self.settings.app_id, public_heartbeat(beat)))
        await self.agents.send(beats)

    def _heartbeat(self, is_level: bool) -> Heartbeat:
        pending = self.agents.pending + (not is_level)
        return Heartbeat(
            source=self.settings.worker_name,
            time_unix_s=self.agents.now(),
            last_record_unix_s=self.agents.last_record_unix_s,
            positions=dict(self.agents.positions),
            pending=pending,
            is_idle=pending == 0 and self.agents.is_owner,
        )


def create_app(
    settings: StreamSettings,
    store: Store,
    policy: Policy,
    now: Callable[[], float],
    fetch: Fetch | None = None,
) -> Pipeline:
    """Make the app: topics, agents and what they work on.

    Parameters
    ----------
    now
        The clock [s since the Unix epoch].
    fetch
        How a sky map is fetched, where ``settings.maps`` says that it is; by https if not given.
    """
    register_memory_transport()
    register_kafka_transport()
    app = _faust_app(settings)
    topics = {t.name: t for t in table.all_topics(policy)}
    channels = {name: _channel(app, topic, settings) for name, topic in topics.items()}

    async def send(records: Iterable[Outgoing]) -> None:
        # Straight to the producer: past a channel's way of sending, which costs as much again.
        producer = await app.maybe_start_producer()
        sent = []
        for r in records:
            n = settings.partitions_of(topics.get(r.topic) or table.user_topic(r.topic))
            place = table.partition_of((r.place or r.key).encode(), n)
            key, headers = r.key.encode(), dict(r.headers)
            sent.append(await producer.send(r.topic, key, r.value, place, None, headers))
        # Sent is not stored: only the broker's own answer lets a record be acknowledged.
        await asyncio.gather(*sent)

    agents = agents_of(settings, store, policy, send, now, _topic_maker(settings.broker_url))
    for topic, handle in routes_of(agents).items():
        _add_agent(app, channels[topic.name], topic.name, handle, agents, settings)
    maps = None
    if settings.maps is not None:
        fetch = fetch or MapFetcher(settings.maps.hosts)
        maps = MapDesk(store, settings.maps, fetch, send, now, policy.include_tests)
        agents.desk.heard = maps.heard
    _follow_assignment(app, agents, settings, maps)
    follower = follower_of(settings.broker_url, table.EVENTS.name)
    scores = score_desk_of(settings, send, now)
    if scores is not None:
        agents.joiner.heard = scores.heard
    return Pipeline(app, settings, agents, follower, maps, scores)


def score_desk_of(
    settings: StreamSettings, send: Send, now: Callable[[], float]
) -> ScoreDesk | None:
    """The desk of the models, where there is a folder for them."""
    if settings.models is None:
        return None
    units = {name: meaning.unit for name, meaning in FEATURES.items()}
    registry = ModelRegistry(settings.models, units)
    is_embedded = settings.broker_url.startswith("memory://")
    keeps = ScoreLog(settings.models.folder) if is_embedded else None
    return ScoreDesk(registry, features_of_many, send, now, settings.worker_name, keeps)


def agents_of(
    settings: StreamSettings,
    store: Store,
    policy: Policy,
    send: Send,
    now: Callable[[], float],
    make_topics: Callable[[Sequence[Topic]], None],
) -> Agents:
    """The handlers of one worker, and what they work on."""
    joiner = Joiner(store, policy, settings.worker_name, now)
    ranker = Ranker(store, policy, settings.worker_name, settings.pair_partitions)
    desk, joint = NoticeDesk(store), JointDesk(store, policy, now)
    voevents = VOEventDesk(store, settings.author)
    notices = GCNNoticeDesk(store, settings.author)
    subscribers = SubscriberDesk(store, settings.author, make_topics, now)
    return Agents(
        store,
        desk,
        joint,
        joiner,
        ranker,
        voevents,
        notices,
        subscribers,
        send,
        now,
        settings.alert_partitions,
    )


def _topic_maker(broker_url: str) -> Callable[[Sequence[Topic]], None]:
    """Makes topics on the broker of a URL."""
    if broker_url.startswith("memory://"):
        broker = open_log(urlsplit(broker_url).netloc)

        def create(topics: Sequence[Topic]) -> None:
            for topic in topics:
                broker.create_topic(topic.name, topic.partitions, topic.is_compacted)

        return create

    def declare_them(topics: Sequence[Topic]) -> None:
        declare(servers_of(broker_url), topics)

    return declare_them


def routes_of(agents: Agents) -> dict[Topic, Handler]:
    """Which topic goes to which handler."""
    return {
        table.NOTICES_RAW: agents.admit_notices,
        table.OPTICAL_ALERTS: agents.join_alerts,
        table.PAIRS: agents.take_pairs,
        table.REVISIONS: agents.tell_subscribers,
        table.DEAD_LETTER: agents.keep_dead_letters,
    }


def _faust_app(settings: StreamSettings) -> Any:
    app = faust.App(
        settings.app_id,
        broker=settings.broker_url,
        broker_client_id=settings.worker_name,
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        autodiscover=False,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=settings.fetch_bytes,
        producer_max_request_size=table.DEAD_LETTER.max_message_bytes,
        producer_request_timeout=settings.request_timeout_s,
        broker_commit_interval=settings.commit_interval_s,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 5.0,
        broker_rebalance_timeout=settings.rebalance_timeout_s,
        broker_max_poll_interval=settings.longest_batch_s,
        broker_max_poll_records=settings.batch_size,
        stream_buffer_maxsize=settings.buffered_chunks,
        topic_partitions=settings.alert_partitions,
        # Faust wants a folder for tables that we do not use; not in the user's one.
        datadir=tempfile.mkdtemp(prefix=f"{settings.app_id}-"),
    )
    app.takes_chunks = True
    return app


def _channel(app: Any, topic: Topic, settings: StreamSettings) -> Any:
    return app.topic(
        topic.name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        partitions=settings.partitions_of(topic),
        compacting=topic.is_compacted,
        internal=False,
    )


def _add_agent(
    app: Any,
    channel: Any,
    name: str,
    handle: Handler,
    agents: Agents,
    settings: StreamSettings,
) -> None:
    async def handle_and_note(records: list[Record]) -> None:
        await handle(records)
        agents.handled(records)

    async def agent(stream: Any) -> None:
        chunks, within_s = settings.batch_chunks, settings.batch_within_s
        await consume(
            stream, handle_and_note, agents.bury, chunks, within_s, lambda: agents.is_leaving
        )

    agent.__name__ = name.replace(".", "_")
    app.agent(channel, name=f"{settings.app_id}.{name}")(agent)


def _follow_assignment(
    app: Any, agents: Agents, settings: StreamSettings, maps: MapDesk | None
) -> None:
    """Tell the agents which partitions are theirs, whenever that changes."""
    owning: set[asyncio.Task[None]] = set()

    async def is_member() -> bool:
        return bool(await app.consumer.is_member())

    async def own(assigned: set[Any]) -> None:
        alerts, pairs = (
            frozenset(tp.partition for tp in assigned if tp.topic == topic.name)
            for topic in (table.OPTICAL_ALERTS, table.PAIRS)
        )
        if maps is not None:
            maps.own(any(tp.topic == table.NOTICES_RAW.name for tp in assigned))
        await agents.own(Share(alerts, settings.alert_partitions), pairs)
        log.info("partitions_owned", alerts=sorted(alerts), pairs=sorted(pairs))

    app.on_leaving = agents.leave
    agents.ownership.is_member = is_member

    @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
    async def revoked(_app: Any, _revoked: set[Any], **_kwargs: Any) -> None:
        agents.disown()

    @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]
    async def assigned(_app: Any, assigned: set[Any], **_kwargs: Any) -> None:
        # Not awaited: the rebalance must not wait for the store. The agents wait instead.
        task = asyncio.create_task(own(assigned))
        owning.add(task)
        task.add_done_callback(owning.discard)
