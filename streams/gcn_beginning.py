"""Where the reading of a partition begins that does not go on as its group committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

from confluent_kafka import KafkaException, TopicPartition

from streams.edge_source import Slot, SourceError

T = TypeVar("T")

Begin = Literal["earliest", "latest"] | float
"""The oldest record, the next one, or the first of a time on [s since the Unix epoch]."""

_ANSWER_WITHIN_S = 10.0
"""How long a broker may take for one answer [s]."""

_ATTEMPTS = 3
"""How often the same is asked: the leader of a partition may be changing just now."""


class Beginning:
    """Decides, for each partition that comes to this process, where it begins.

    One for the life of a process, whatever clients it has had, as each of these is done once:

    - ``earliest``: where the group committed, else at the oldest record.
    - ``latest``: a group that has committed nothing begins at the end of the partitions that come
      first. One that comes later has come into being with its first notice, and begins there.
    - a time: a replay. Each partition goes to the first record of that time or later, whatever was
      committed; when it comes back after a rebalance it goes on where it was.

    The offsets of both are to be committed at once: else a group that has read nothing yet would
    begin anew after a crash, and miss what came in between; and a replay would be forgotten by
    whoever goes on with it. Until GCN has said that they are, a partition begins there again.
    """

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._known: set[Slot] = set()
        self._uncommitted: dict[Slot, int] = {}

    def offsets(self, consumer: Any, slots: Iterable[Slot]) -> dict[Slot, int]:
        """Offsets of those partitions that do not go on as committed.

        Raises
        ------
        SourceError
            The broker does not tell.
        """
        slots = set(slots)
        self._uncommitted |= self._of_new(consumer, sorted(slots - self._known))
        self._known |= slots
        return {slot: at for slot, at in self._uncommitted.items() if slot in slots}

    def committed(self, slots: Iterable[Slot]) -> None:
        """GCN knows where these partitions stand."""
        for slot in slots:
            self._uncommitted.pop(slot, None)

    def _of_new(self, consumer: Any, slots: list[Slot]) -> dict[Slot, int]:
        if not slots or self._begin == "earliest":
            return {}
        if self._begin != "latest":
            return _offsets_of(consumer, slots, self._begin)
        if self._known or _has_committed(consumer, slots):
            return {}
        return {slot: _end_of(consumer, slot) for slot in slots}


def _has_committed(consumer: Any, slots: list[Slot]) -> bool:
    asked = [TopicPartition(*slot) for slot in slots]
    found = _answer(lambda: _told(consumer.committed(asked, timeout=_ANSWER_WITHIN_S)))
    return any(place.offset >= 0 for place in found)


def _end_of(consumer: Any, slot: Slot) -> int:
    place = TopicPartition(*slot)
    ask = _answer(lambda: consumer.get_watermark_offsets(place, timeout=_ANSWER_WITHIN_S))
    return int(ask[1])


def _offsets_of(consumer: Any, slots: list[Slot], unix_s: float) -> dict[Slot, int]:
    # The ends come first: where nothing is so young, all that comes from now on is.
    ends = {slot: _end_of(consumer, slot) for slot in slots}
    asked = [TopicPartition(*slot, int(unix_s * 1000.0)) for slot in slots]
    found = _answer(lambda: _told(consumer.offsets_for_times(asked, timeout=_ANSWER_WITHIN_S)))
    offsets = {(place.topic, place.partition): place.offset for place in found}
    return {slot: offsets[slot] if offsets[slot] >= 0 else ends[slot] for slot in slots}


def _told(places: list[Any]) -> list[Any]:
    for place in places:
        if place.error is not None:
            raise KafkaException(place.error)
    return places


def _answer(ask: Callable[[], T]) -> T:
    for attempt in range(_ATTEMPTS):
        try:
            return ask()
        except KafkaException as error:
            if attempt == _ATTEMPTS - 1:
                raise SourceError(f"GCN does not tell where to begin: {error}") from error
    raise AssertionError
