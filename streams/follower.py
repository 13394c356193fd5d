"""Followers of a topic: every record from now on, without a consumer group.

A worker reads the events from the store and follows their topic for what changes from then on; so
every worker sees every event, which a group would not let it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Protocol
from urllib.parse import urlsplit

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.log import Log, open_log

log = structlog.get_logger(__name__)

_PAUSE_S = 1.0
_LOOK_S = 0.005

Take = Callable[[bytes], Awaitable[None]]
"""What is done with the key of each record."""


class Follower(Protocol):
    """Follows one partition from its end."""

    async def start(self, take: Take) -> None:
        """Begin at the end as it is now: what is produced after this returns is taken."""
        ...

    async def stop(self) -> None:
        """Follow no longer."""
        ...

    async def is_level(self) -> bool:
        """Whether every record that was there before the call is taken."""
        ...

    @property
    def has_failed(self) -> bool:
        """Whether it follows no longer though nobody stopped it."""
        ...


def follower_of(broker_url: str, topic: str) -> Follower:
    """The follower of a topic's only partition on the broker of a URL."""
    if broker_url.startswith("memory://"):
        return LogFollower(open_log(urlsplit(broker_url).netloc), topic)
    servers = broker_url.removeprefix("kafka://").replace(";", ",")
    return KafkaFollower(servers, topic)


class LogFollower:
    """Follows a topic of an in-process log."""

    def __init__(self, source: Log, topic: str) -> None:
        self._log = source
        self._slot = (topic, 0)
        self._position = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self, take: Take) -> None:
        """Begin at the end as it is now."""
        self._position = self._log.end(self._slot)
        self._task = asyncio.create_task(self._follow(take))

    async def stop(self) -> None:
        """Follow no longer."""
        await _cancelled(self._task)

    async def is_level(self) -> bool:
        """Whether every record is taken."""
        return self._position >= self._log.end(self._slot)

    @property
    def has_failed(self) -> bool:
        """Whether it follows no longer though nobody stopped it."""
        return self._task is not None and self._task.done()

    async def _follow(self, take: Take) -> None:
        while True:
            for record in self._log.read(self._slot, self._position, 100):
                await take(record.key or b"")
                self._position = record.offset + 1
            await asyncio.sleep(_LOOK_S)


class KafkaFollower:
    """Follows a topic of a Kafka; it waits out a broker that is away."""

    def __init__(self, servers: str, topic: str) -> None:
        self._servers = servers
        self._slot = TopicPartition(topic, 0)
        self._position: int | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, take: Take) -> None:
        """Begin at the end as it is now."""
        consumer = await self._connected()
        self._position = (await consumer.end_offsets([self._slot]))[self._slot]
        consumer.seek(self._slot, self._position)
        self._task = asyncio.create_task(self._follow(take))

    async def stop(self) -> None:
        """Follow no longer."""
        await _cancelled(self._task)
        await self._disconnected()

    async def is_level(self) -> bool:
        """Whether every record that was there before the call is taken."""
        if self._consumer is None or self._position is None:
            return False
        ends = await self._consumer.end_offsets([self._slot])
        return self._position >= int(ends[self._slot])

    @property
    def has_failed(self) -> bool:
        """Whether it follows no longer though nobody stopped it."""
        return self._task is not None and self._task.done()

    async def _follow(self, take: Take) -> None:
        while True:
            try:
                consumer = await self._connected()
                found = await consumer.getmany(self._slot, timeout_ms=200)
                for record in found.get(self._slot, ()):
                    await take(record.key or b"")
                    self._position = record.offset + 1
            except (KafkaError, OSError) as error:
                log.warning("follower_disconnected", topic=self._slot.topic, error=str(error))
                await self._disconnected()
                await asyncio.sleep(_PAUSE_S)

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._servers,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
            )
            async with AsyncExitStack() as if_it_fails:
                if_it_fails.push_async_callback(consumer.stop)
                await consumer.start()
                if_it_fails.pop_all()
            consumer.assign([self._slot])
            if self._position is not None:
                consumer.seek(self._slot, self._position)
            self._consumer = consumer
        return self._consumer

    async def _disconnected(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()


async def _cancelled(task: asyncio.Task[None] | None) -> None:
    if task is None:
        return
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
