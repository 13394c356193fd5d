"""The broker behind ``memory://``: topics as append-only lists, in one process, on one event loop.

A record goes away only when every group that reads its topic has committed past it, and then
only if the topic holds more than its retention (a count) or, for a compacted topic, a newer
record of the same key. So a reader that lags costs memory, never records.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Literal, NamedTuple

from aiokafka.partitioner import murmur2

from correlator.errors import CorrelatorError

KEPT_RECORDS = 1_000
"""Records that a partition keeps after every group has committed them (its retention)."""

_COMPACTION_SLACK = 64

Slot = tuple[str, int]
"""Topic and partition; Faust's ``TP`` is one."""

Headers = tuple[tuple[str, bytes], ...]
Reset = Literal["earliest", "latest"]


class LogError(CorrelatorError):
    """The in-process log cannot do what it was asked to; the message says why."""


class StoredRecord(NamedTuple):
    """One record of a partition.

    Attributes
    ----------
    offset
        Place in its partition, from 0.
    timestamp_ms
        Milliseconds since the Unix epoch, given by the producer or by the log.
    key, value, headers
        As produced; the same objects for every reader.
    """

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Log:
    """One broker: topics, and the consumer groups that read them.

    Parameters
    ----------
    name
        What stands after ``memory://``.
    kept_records
        Retention of a topic that is not compacted: a partition keeps this many committed records,
        and at times a quarter more.
    """

    def __init__(self, name: str, kept_records: int = KEPT_RECORDS) -> None:
        self.name = name
        self._kept_records = kept_records
        self._topics: dict[str, _Topic] = {}
        self._groups: dict[str, _Group] = {}
        self._watchers: list[Callable[[], object]] = []

    def create_topic(self, topic: str, partitions: int, compacted: bool | None = None) -> None:
        """Make a topic, or declare it again; None leaves compaction as it is (off at first).

        Raises
        ------
        LogError
            If the topic is in use and has another number of partitions.
        """
        if partitions < 1:
            raise LogError(f"topic {topic}: needs at least one partition, got {partitions}")
        known = self._topics.get(topic)
        if known is not None and len(known.partitions) != partitions:
            if self._in_use(topic):
                raise LogError(
                    f"topic {topic}: is in use with {len(known.partitions)} partitions, "
                    f"cannot be declared with {partitions}"
                )
            known = None
        if known is None:
            made = [_Partition() for _ in range(partitions)]
            known = self._topics[topic] = _Topic(made, compacted=False)
        if compacted is not None:
            known.compacted = compacted

    def topics(self) -> dict[str, int]:
        """Topics and their numbers of partitions."""
        return {name: len(topic.partitions) for name, topic in self._topics.items()}

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """Partitions of a topic, None if there is no such topic (as aiokafka's cluster says it)."""
        known = self._topics.get(topic)
        return None if known is None else set(range(len(known.partitions)))

    def partition_for(self, topic: str, key: bytes | None) -> int:
        """Partition of a key: Kafka's default for keys, one after the other without."""
        known = self._topic(topic)
        count = len(known.partitions)
        if key is None:
            known.keyless += 1
            return (known.keyless - 1) % count
        return partition_of_key(key, count)

    def append(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> tuple[int, StoredRecord]:
        """Add a record at the end of its partition; the partition and the record as stored.

        Raises
        ------
        LogError
            If there is no such topic or partition, if a compacted topic gets no key, or if key or
            value are not bytes (readers share them, so they must not change).
        """
        known = self._topic(topic)
        if known.compacted and key is None:
            raise LogError(f"topic {topic}: is compacted, a record needs a key")
        for name, content in (("key", key), ("value", value)):
            if content is not None and type(content) is not bytes:
                raise LogError(f"topic {topic}: {name} must be bytes, got {type(content).__name__}")
        chosen = self.partition_for(topic, key) if partition is None else partition
        part = self._partition((topic, chosen))
        when_ms = int(time.time() * 1000.0) if timestamp_ms is None else timestamp_ms
        record = part.append(when_ms, key, value, headers)
        self._tidy((topic, chosen))
        for tell in self._watchers:
            tell()
        return chosen, record

    def read(self, slot: Slot, offset: int, limit: int) -> list[StoredRecord]:
        """At most ``limit`` records of a partition, from an offset on."""
        return self._partition(slot).read(offset, limit)

    def earliest(self, slot: Slot) -> int:
        """Offset where a partition begins."""
        return self._partition(slot).start

    def end(self, slot: Slot) -> int:
        """Offset that a partition's next record will have."""
        return self._partition(slot).end

    def join(self, group: str, member: object) -> None:
        """Make ``member`` the one member of a group.

        Raises
        ------
        LogError
            If the group has another member: a log serves one consumer a group.
        """
        known = self._groups.setdefault(group, _Group())
        if known.member is not None and known.member is not member:
            raise LogError(
                f"log {self.name}: group {group} has a member already; "
                "stop that app first, or give this one another id"
            )
        known.member = member

    def leave(self, group: str, member: object) -> None:
        """End a membership; what the group has committed stays."""
        known = self._groups.get(group)
        if known is not None and known.member is member:
            known.member = None

    def begin(self, group: str, slot: Slot, reset: Reset) -> int:
        """Offset where a group reads on: committed, else the reset, resolved only once."""
        part = self._partition(slot)
        begins = self._groups.setdefault(group, _Group()).begins
        begins.setdefault(slot, part.start if reset == "earliest" else part.end)
        return self._position(group, slot)

    def commit(self, group: str, offsets: Mapping[Slot, int]) -> None:
        """Set the next offset that a group wants, per partition."""
        known = self._groups.setdefault(group, _Group())
        for slot, offset in offsets.items():
            known.committed[slot] = offset
            self._tidy(slot)

    def committed(self, group: str, slot: Slot) -> int | None:
        """What a group committed of a partition; None if nothing yet."""
        known = self._groups.get(group)
        return None if known is None else known.committed.get(slot)

    def lag(self, group: str, topics: Iterable[str] | None = None) -> dict[Slot, int]:
        """Records that a group has not committed, per partition that it reads, zeros left out."""
        known = self._groups.get(group)
        if known is None:
            return {}
        wanted = None if topics is None else set(topics)
        behind = {
            slot: self.end(slot) - self._position(group, slot)
            for slot in known.slots
            if wanted is None or slot[0] in wanted
        }
        return {slot: n for slot, n in behind.items() if n > 0}

    def watch(self, tell: Callable[[], object]) -> None:
        """Call ``tell`` after every append."""
        self._watchers.append(tell)

    def unwatch(self, tell: Callable[[], object]) -> None:
        """Stop calling ``tell``."""
        if tell in self._watchers:
            self._watchers.remove(tell)

    def _in_use(self, topic: str) -> bool:
        written = any(p.end for p in self._topic(topic).partitions)
        return written or any(s[0] == topic for g in self._groups.values() for s in g.slots)

    def _topic(self, topic: str) -> _Topic:
        known = self._topics.get(topic)
        if known is None:
            raise LogError(f"log {self.name}: has no topic {topic}")
        return known

    def _partition(self, slot: Slot) -> _Partition:
        partitions = self._topic(slot[0]).partitions
        if not 0 <= slot[1] < len(partitions):
            raise LogError(f"topic {slot[0]}: has {len(partitions)} partitions, no {slot[1]}")
        return partitions[slot[1]]

    def _position(self, group: str, slot: Slot) -> int:
        known = self._groups[group]
        position = known.committed.get(slot)
        return known.begins.get(slot, 0) if position is None else position

    def _tidy(self, slot: Slot) -> None:
        topic, part = self._topic(slot[0]), self._partition(slot)
        limit = part.compact_at if topic.compacted else self._kept_records * 5 // 4
        if len(part.records) <= limit:
            return
        readers = [name for name, group in self._groups.items() if slot in group.slots]
        floor = min((self._position(name, slot) for name in readers), default=part.end)
        if topic.compacted:
            part.compact(floor)
        else:
            part.trim(self._kept_records, floor)


def open_log(name: str) -> Log:
    """The log of that name in this process, made if need be (host names know no case)."""
    return _LOGS.setdefault(name.lower(), Log(name.lower()))


def drop_log(name: str) -> None:
    """Forget a log and all its records; an app that still runs on it keeps its own."""
    _LOGS.pop(name.lower(), None)


def partition_of_key(key: bytes, count: int) -> int:
    """Partition of a key among ``count``, as Kafka's default partitioner computes it (murmur2)."""
    return int(murmur2(key) & 0x7FFFFFFF) % count


_LOGS: dict[str, Log] = {}

_offset = attrgetter("offset")


@dataclass(slots=True)
class _Partition:
    records: list[StoredRecord] = field(default_factory=list)
    start: int = 0
    end: int = 0
    compact_at: int = _COMPACTION_SLACK

    def append(
        self, timestamp_ms: int, key: bytes | None, value: bytes | None, headers: Headers
    ) -> StoredRecord:
        record = StoredRecord(self.end, timestamp_ms, key, value, headers)
        self.records.append(record)
        self.end += 1
        return record

    def read(self, offset: int, limit: int) -> list[StoredRecord]:
        first = bisect_left(self.records, offset, key=_offset)
        return self.records[first : first + limit]

    def trim(self, kept: int, floor: int) -> None:
        start = max(self.start, min(self.end - kept, floor))
        del self.records[: bisect_left(self.records, start, key=_offset)]
        self.start = start

    def compact(self, floor: int) -> None:
        latest = {r.key: r.offset for r in self.records}
        # Faust sees a gap of offsets only after offset 1: with 0 kept and 1 gone, it would wait for
        # 1 for ever and commit nothing more (Consumer._drain_messages, `gap > 1 and r_offset`).
        self.records = [
            r for r in self.records if r.offset in (1, latest[r.key]) or r.offset >= floor
        ]
        self.compact_at = 2 * len(self.records) + _COMPACTION_SLACK


@dataclass(slots=True)
class _Topic:
    partitions: list[_Partition]
    compacted: bool
    keyless: int = 0


@dataclass(slots=True)
class _Group:
    member: object | None = None
    committed: dict[Slot, int] = field(default_factory=dict)
    begins: dict[Slot, int] = field(default_factory=dict)

    @property
    def slots(self) -> set[Slot]:
        return self.committed.keys() | self.begins.keys()
