"""Chunks: many records of one partition travel through Faust as one message.

Faust spends 50 us and more on each message (three tasks, two queues, sensors), whatever is in it.
A worker that is to take 8,000 alerts a second cannot afford that for each alert, and does not need
it: what an agent handles, acknowledges and commits is a batch. So the consumers of both our
transports hand on what they fetched of a partition as one message, and count acknowledgements by
intervals of offsets. Nothing else of Faust changes.

The intervals are also stricter than Faust's own counting, which begins at the first offset that
it sees acknowledged, and takes records that it dropped for gaps in the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from faust.types import TP, ConsumerMessage

CHUNK_RECORDS = 1000
"""Most records of one partition in one message."""


class Chunk(NamedTuple):
    """Records as a driver fetched them, in order of their offsets."""

    records: tuple[Any, ...]

    @property
    def offset(self) -> int:
        """Offset of the first record."""
        return int(self.records[0].offset)

    @property
    def end(self) -> int:
        """Offset after the last record."""
        return int(self.records[-1].offset) + 1


class ChunkMessage(ConsumerMessage):  # type: ignore[misc]
    """What Faust takes for one message.

    Attributes
    ----------
    is_done
        Whether its records are handled. Faust's iterator in Python (where its C extension was not
        built) acknowledges what it skips in a rebalance: that must not count.
    """

    __slots__ = ("chunk", "is_done")
    chunk: Chunk
    is_done: bool


def records_of(message: Any) -> Iterator[Any]:
    """The driver's records of a message, be it a chunk or a single record."""
    if isinstance(message, ChunkMessage):
        yield from message.chunk.records
    else:
        yield message


def done(message: Any) -> None:
    """Say that the records of a message are handled, before it is acknowledged."""
    if isinstance(message, ChunkMessage):
        message.is_done = True


class Progress:
    """How far a partition is done: intervals of offsets, fetched and acknowledged.

    What lies between two fetches and never came is no record (compaction, transactions), and
    belongs to the fetch after it.
    """

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self._begins: dict[int, int] = {}
        self._fetched_to: int | None = None
        self._done_to: int | None = None
        self._done: dict[int, int] = {}

    def fetched(self, offset: int, end: int) -> None:
        """Note what was fetched; a second time after a seek back, too."""
        begin = offset if self._fetched_to is None else min(offset, self._fetched_to)
        self._begins[offset] = min(begin, self._begins.get(offset, begin))
        self._fetched_to = max(end, self._fetched_to or 0)
        if self._done_to is None:
            self._done_to = begin

    def acknowledged(self, offset: int, end: int) -> None:
        """Note what is done."""
        begin = self._begins.get(offset, offset)
        self._done[begin] = max(end, self._done.get(begin, 0))

    def committable(self) -> int | None:
        """Offset up to which everything is done, if it moved since it was last asked for."""
        before = self._done_to
        for begin in sorted(self._done):
            if self._done_to is None or begin > self._done_to:
                break
            self._done_to = max(self._done_to, self._done.pop(begin))
        if self._done_to is None or self._done_to == before:
            return None
        done_to = self._done_to
        self._begins = {at: begin for at, begin in self._begins.items() if at >= done_to}
        return done_to


class ChunkedConsumer:
    """Mix-in for a Faust consumer whose app has set ``takes_chunks``; put it first."""

    app: Any
    _acked: Any
    _unacked_messages: Any
    _progress: dict[TP, Progress]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._progress = {}
        super().__init__(*args, **kwargs)
        self._is_chunked = bool(getattr(self.app, "takes_chunks", False))

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Tell the app before Faust waits for what is begun; Faust tells it only after that."""
        on_leaving = getattr(self.app, "on_leaving", None)
        if on_leaving is not None:
            on_leaving()
        await super().on_partitions_revoked(revoked)  # type: ignore[misc]

    async def is_member(self) -> bool:
        """Whether the group still counts this consumer as one of it."""
        return True

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109
        found: Mapping[TP, Any] = await super()._getmany(active_partitions, timeout)  # type: ignore[misc]
        if not self._is_chunked:
            return found
        return {tp: list(_chunks(records)) for tp, records in found.items() if records}

    def _to_message(self, tp: TP, record: Any) -> Any:
        if not isinstance(record, Chunk):
            return super()._to_message(tp, record)  # type: ignore[misc]
        self._progress_of(tp).fetched(record.offset, record.end)
        first = super()._to_message(tp, record.records[0])  # type: ignore[misc]
        message = ChunkMessage(
            first.topic,
            first.partition,
            first.offset,
            first.timestamp,
            first.timestamp_type,
            None,
            None,
            None,
            None,
            tp=tp,
            generation_id=first.generation_id,
        )
        message.chunk, message.is_done = record, False
        return message

    def ack(self, message: Any) -> bool:
        """Note that a message is done."""
        if not isinstance(message, ChunkMessage):
            return bool(super().ack(message))  # type: ignore[misc]
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        if not message.is_done:
            self._tell_acked()
            return False  # the next owner of the partition gets it
        progress = self._progress.get(message.tp)
        # What was fetched before a rebalance is not ours to commit; it is delivered again.
        if progress is not None and progress.generation == message.generation_id:
            progress.acknowledged(message.chunk.offset, message.chunk.end)
            self._acked[message.tp]  # the partitions that Faust asks a new offset for
        self._tell_acked()
        return True

    def _tell_acked(self) -> None:
        waiting = getattr(self, "_waiting_for_ack", None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _new_offset(self, tp: TP) -> int | None:
        if not self._is_chunked:
            return super()._new_offset(tp)  # type: ignore[misc, no-any-return]
        progress = self._progress.get(tp)
        if progress is None or progress.generation != self.app.consumer_generation_id:
            return None
        return progress.committable()

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if not self._is_chunked:
            await super()._add_gap(tp, offset_from, offset_to)  # type: ignore[misc]

    def _progress_of(self, tp: TP) -> Progress:
        generation = self.app.consumer_generation_id
        known = self._progress.get(tp)
        if known is None or known.generation != generation:
            known = self._progress[tp] = Progress(generation)
        return known


def _chunks(records: Iterable[Any]) -> Iterator[Chunk]:
    every = tuple(records)
    for start in range(0, len(every), CHUNK_RECORDS):
        yield Chunk(every[start : start + CHUNK_RECORDS])
