"""Faust transport for ``memory://NAME``: a whole app in one process, no broker to run.

Found by Faust through the entry point ``faust.transports``; `register` does the same for a
checkout that is not installed. What is Faust's stays Faust's: conductor, fetcher, agents and
tables are the stock ones, nothing is patched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from faust.transport import base
from faust.transport.drivers import TRANSPORTS
from faust.types import TP, ConsumerMessage, ProcessingGuarantee, RecordMetadata

from correlator.errors import ConfigurationError
from streams.chunks import ChunkedConsumer
from streams.log import Log, StoredRecord, open_log
from streams.records import headers_of

DEFAULT_LOG = "default"
"""Name of the log of a bare ``memory://``."""

_FETCHED_RECORDS = 500
"""Records of one partition in one fetch, unless ``broker_max_poll_records`` says otherwise."""

_BUFFERED_SENDS = 10_000
"""Sends that may wait before Faust holds its streams back; its own 100 warns at every burst."""

_CREATE_TIME = 0
"""Kafka's code of a timestamp that the producer set."""


def register() -> None:
    """Make ``memory://`` known to Faust where the entry point is not installed."""
    TRANSPORTS.aliases["memory"] = "streams.memory:Transport"


class _LogConsumer(base.Consumer):  # type: ignore[misc]
    """The one consumer of its group on a log, record by record."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._assigned: set[TP] = set()
        self._positions: dict[TP, int] = {}
        self._generation = 0
        self._wake = asyncio.Event()
        self._is_hungry = False
        self._rebalance_lock = asyncio.Lock()
        super().__init__(*args, **kwargs)
        self._broker: Log = self.transport.broker
        self._group: str = self.app.conf.id
        self._fetch_limit = self.app.conf.broker_max_poll_records or _FETCHED_RECORDS

    async def on_start(self) -> None:
        """Join the group."""
        await super().on_start()
        self._broker.join(self._group, self)
        self._broker.watch(self._on_append)

    async def on_stop(self) -> None:
        """Commit what was acknowledged, leave the group."""
        await super().on_stop()
        self._broker.unwatch(self._on_append)
        self._broker.leave(self._group, self)
        self._wake.set()

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Read these topics; the partitions come by a rebalance soon after."""
        # Not awaited: the callback of the assignment waits until subscribe() has returned.
        self.add_future(self._rebalance(set(topics)))

    async def _rebalance(self, topics: set[str]) -> None:
        async with self._rebalance_lock:
            if self._assigned:
                await self.commit()
            self.app.on_rebalance_start()
            await self.on_partitions_revoked(set(self._assigned))
            self._generation += 1
            self.app.consumer_generation_id = self._generation
            self._declare_missing(topics)
            self._assigned = self._assign(topics)
            for tp in self._assigned:
                self._positions[tp] = self._begin(tp)
            await self.on_partitions_assigned(set(self._assigned), self._generation)

    def _declare_missing(self, topics: set[str]) -> None:
        for channel in self.app.topics:
            for topic in topics.intersection(channel.topics):
                if topic not in self._broker.topics():
                    count = channel.partitions or self.app.conf.topic_partitions
                    self._broker.create_topic(topic, count, channel.compacting)

    def _assign(self, topics: set[str]) -> set[TP]:
        # Faust's own assignor, for a group of one: table recovery and routing read its state.
        assignor, me = self.app.assignor, self._group
        assigned = assignor.assign(self._broker, {me: assignor.metadata(topics)})[me]
        assignor.on_assignment(assigned)
        return {TP(topic, p) for topic, partitions in assigned.assignment for p in partitions}

    def _begin(self, tp: TP) -> int:
        # A changelog is read by recovery and never committed; as a reader it would hold back
        # the compaction of its own topic for ever.
        if self._is_changelog_tp(tp):
            return self._broker.earliest(tp)
        return self._broker.begin(self._group, tp, self.app.conf.consumer_auto_offset_reset)

    async def _wait_next_records(self, timeout: float) -> tuple[Any, Any]:  # noqa: ASYNC109
        # The base class sleeps a whole second when every partition is full; wait to be woken.
        while self.flow_active and not self.should_stop and not self._get_active_partitions():
            await self._woken(timeout)
        return await super()._wait_next_records(timeout)  # type: ignore[no-any-return]

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109
    ) -> dict[TP, list[StoredRecord]]:
        records = self._fetch(active_partitions)
        if not records:
            self._is_hungry = True
            await self._woken(timeout)
            self._is_hungry = False
            records = self._fetch(active_partitions)
        return records

    def _on_append(self) -> None:
        if self._is_hungry:
            self._wake.set()

    def _fetch(self, active_partitions: set[TP] | None) -> dict[TP, list[StoredRecord]]:
        fetched: dict[TP, list[StoredRecord]] = {}
        if not self.flow_active:
            return fetched
        for tp in self._assigned if active_partitions is None else active_partitions:
            records = self._broker.read(tp, self._positions[tp], self._fetch_limit)
            if records:
                self._positions[tp] = records[-1].offset + 1
                fetched[tp] = records
        return fetched

    async def _woken(self, within_s: float) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(within_s):
                await self._wake.wait()
        except TimeoutError:
            return

    def _to_message(self, tp: TP, record: StoredRecord) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            record.offset,
            record.timestamp_ms / 1000.0,
            _CREATE_TIME,
            record.headers,
            record.key,
            record.value,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    def on_buffer_drop(self, tp: TP) -> None:
        """Read a partition again whose stream has room."""
        super().on_buffer_drop(tp)
        self._wake.set()

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Read paused partitions again."""
        super().resume_partitions(tps)
        self._wake.set()

    def resume_flow(self) -> None:
        """Deliver records again."""
        super().resume_flow()
        self._wake.set()

    def stop_flow(self) -> None:
        """Deliver no more records."""
        super().stop_flow()
        self._wake.set()

    def _new_offset(self, tp: TP) -> int | None:
        # The base class begins at the first acknowledged offset, so until the first commit (and by
        # one offset ever after) it would commit past a record that no agent has acknowledged.
        acked = self._acked[tp]
        if acked:
            unread = self._broker.read(tp, self._begin(tp), 1)
            if unread and unread[0].offset < min(acked):
                return None
        return super()._new_offset(tp)  # type: ignore[no-any-return]

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        self._broker.commit(self._group, offsets)
        return True

    async def seek_to_committed(self) -> dict[TP, int | None]:
        """Go back to what is committed, or to where the group began; the committed offsets."""
        committed = {tp: self._broker.committed(self._group, tp) for tp in self._assigned}
        for tp in self._assigned:
            if not self._is_changelog_tp(tp):
                self._positions[tp] = self._begin(tp)
        return committed

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Go to these offsets."""
        for tp, offset in partitions.items():
            await self.seek(tp, offset)

    async def _seek(self, partition: TP, offset: int) -> None:
        self._positions[partition] = max(offset, 0)

    def assignment(self) -> set[TP]:
        """Partitions that this consumer reads."""
        return set(self._assigned)

    async def position(self, tp: TP) -> int | None:
        """Offset that is fetched next."""
        return self._positions.get(tp)

    def highwater(self, tp: TP) -> int:
        """Offset of a partition's next record."""
        return self._broker.end(tp)

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        """Offsets of the next records."""
        return {tp: self._broker.end(tp) for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
        """Offsets where partitions begin."""
        return {tp: self._broker.earliest(tp) for tp in partitions}

    def topic_partitions(self, topic: str) -> int | None:
        """Number of partitions; None if there is no such topic."""
        return self._broker.topics().get(topic)

    def key_partition(
        self, topic: str, key: bytes | None, partition: int | None = None
    ) -> int | None:
        """Partition of a key; None if there is no such topic."""
        if topic not in self._broker.topics():
            return None
        return self._broker.partition_for(topic, key) if partition is None else partition

    async def create_topic(
        self, topic: str, partitions: int, replication: int, **kwargs: Any
    ) -> None:
        """Make a topic."""
        self.transport.declare(topic, partitions, kwargs.get("compacting"))

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)


class MemoryConsumer(ChunkedConsumer, _LogConsumer):
    """The one consumer of its group on a log."""


class MemoryProducer(base.Producer):  # type: ignore[misc]
    """Appends to a log; a record is stored when `send` returns."""

    async def on_start(self) -> None:
        """Take larger bursts than Faust does by default."""
        await super().on_start()
        self.buffer.max_messages = _BUFFERED_SENDS

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        *,
        transactional_id: str | None = None,
    ) -> asyncio.Future[RecordMetadata]:
        """Append a record; a future that is done already.

        Raises
        ------
        LogError
            If the log cannot take the record (`Log.append`).
        """
        sent: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        sent.set_result(self._append(topic, key, value, partition, timestamp, headers))
        return sent

    async def send_and_wait(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        *,
        transactional_id: str | None = None,
    ) -> RecordMetadata:
        """Append a record."""
        return self._append(topic, key, value, partition, timestamp, headers)

    def _append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
    ) -> RecordMetadata:
        broker = self.transport.broker
        if topic not in broker.topics():
            # A topic that nobody declared, as a Kafka with automatic creation does it.
            self.transport.declare(topic, self.app.conf.topic_partitions, None)
        if partition is None and self.partitioner is not None:
            every = sorted(broker.partitions_for_topic(topic))
            partition = self.partitioner(key, every, every)
        at_ms = int(timestamp * 1000.0) if timestamp else None
        chosen, record = broker.append(topic, value, key, partition, headers_of(headers), at_ms)
        at_s = record.timestamp_ms / 1000.0
        place = TP(topic, chosen)
        return RecordMetadata(topic, chosen, place, record.offset, at_s, _CREATE_TIME)

    async def flush(self) -> None:
        """Append what waits in the buffer."""
        await self.buffer.flush()

    async def create_topic(
        self, topic: str, partitions: int, replication: int, **kwargs: Any
    ) -> None:
        """Make a topic."""
        self.transport.declare(topic, partitions, kwargs.get("compacting"))

    def key_partition(self, topic: str, key: bytes) -> TP:
        """Partition of a key."""
        return TP(topic, self.transport.broker.partition_for(topic, key))

    def supports_headers(self) -> bool:
        """Records have headers."""
        return True


class Transport(base.Transport):  # type: ignore[misc]
    """Connects an app to the log that its broker URL names.

    Raises
    ------
    ConfigurationError
        If the app asks for transactions or for a producer thread, which a log in memory has not.
    """

    Consumer: ClassVar[type[MemoryConsumer]] = MemoryConsumer
    Producer: ClassVar[type[MemoryProducer]] = MemoryProducer

    default_port = 0
    driver_version = "memory"

    def __init__(self, url: list[Any], app: Any, loop: Any = None) -> None:
        super().__init__(url, app, loop)
        # Faust would run without transactions and say nothing: `in_transaction` needs a Worker.
        if app.conf.processing_guarantee == ProcessingGuarantee.EXACTLY_ONCE:
            raise ConfigurationError(
                "processing_guarantee: memory:// has no transactions, use at_least_once"
            )
        if app.conf.producer_threaded:
            raise ConfigurationError("producer_threaded: memory:// lives on one event loop")
        self.broker: Log = open_log(url[0].host or DEFAULT_LOG)

    def declare(self, topic: str, partitions: int, compacting: bool | None) -> None:
        """Make a topic unless the app must not."""
        if self.app.conf.topic_allow_declare:
            self.broker.create_topic(topic, partitions, compacting)
