"""GCN's topics as a source of records, with its heartbeat as a sign of life."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from confluent_kafka import OFFSET_END, TopicPartition

from streams.edge_source import Slot, Source
from streams.gcn_beginning import Beginning
from streams.gcn_settings import GCN_HEARTBEAT, GcnSettings

log = structlog.get_logger(__name__)

_CLOSES_WITHIN_S = 10.0
"""How long a client that we give up may take to close [s]; then it is left to itself."""


class GcnSource(Source):
    """A consumer of notices and of the heartbeat, which is never stored, paused or committed.

    Parameters
    ----------
    settings
        Where and who.
    beginning
        Where partitions begin; of the process, as it outlasts this source.
    finish
        Called when partitions go to another reader.
    client
        Makes a consumer of its settings; by default GCN's own.
    """

    def __init__(
        self,
        settings: GcnSettings,
        beginning: Beginning,
        finish: Callable[[], object],
        client: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        super().__init__(settings, finish, client or settings.consumer)
        self._beginning = beginning
        self._absent: set[str] = set()
        self._is_given_up = self._has_begun = False

    @property
    def is_at_end(self) -> bool:
        """Whether every notice of every partition of ours was read; False when we have none."""
        mine = {slot for slot in self._owned if slot[0] != GCN_HEARTBEAT}
        return bool(mine) and self._at_end >= mine

    @property
    def hears_heartbeat(self) -> bool:
        """Whether its silence means something: False where another reader has the heartbeat.

        A reader without any partition should have some: a client that lost its broker looks so.
        """
        return not self._owned or any(topic == GCN_HEARTBEAT for topic, _ in self._owned)

    def read(self, most: int, within_s: float) -> list[Any]:
        """As every source; where partitions have just begun is committed first."""
        messages = super().read(most, within_s)
        if self._has_begun:
            self._has_begun = False
            self.commit({})
        return messages

    def give_up(self) -> None:
        """Close a client that may hang; it commits nothing any more, so what it did is repeated."""
        self._is_given_up = True
        closing = threading.Thread(target=self._consumer.close, daemon=True)
        closing.start()
        closing.join(_CLOSES_WITHIN_S)
        if closing.is_alive():
            log.warning("source_does_not_close", within_s=_CLOSES_WITHIN_S)

    def _held(self) -> list[Any]:
        return [p for p in self._consumer.assignment() if p.topic != GCN_HEARTBEAT]

    def _assigned(self, consumer: Any, partitions: Iterable[Any]) -> None:
        if self._is_given_up:
            return
        partitions = list(partitions)
        slots = [(p.topic, p.partition) for p in partitions if p.topic != GCN_HEARTBEAT]
        begins = self._beginning.offsets(consumer, slots)
        super()._assigned(consumer, partitions)
        consumer.incremental_assign([_placed(p, begins) for p in partitions])
        self._safe |= begins
        self._refused |= begins.keys()  # due with the next commit
        self._has_begun = bool(begins)
        log.info(
            "source_assigned", partitions=len(slots), begins={str(s): begins[s] for s in begins}
        )

    def _revoked(self, consumer: Any, partitions: Iterable[Any]) -> None:
        if not self._is_given_up:
            super()._revoked(consumer, partitions)

    def _committed(self, error: Any, offsets: Iterable[Any]) -> None:
        offsets = list(offsets)
        super()._committed(error, offsets)
        if error is None:
            self._beginning.committed((o.topic, o.partition) for o in offsets if not o.error)

    def _note_absent(self, topic: str) -> None:
        if topic not in self._absent:
            self._absent.add(topic)
            log.info("topic_has_no_notices_yet", topic=topic)


def _placed(partition: Any, begins: dict[Slot, int]) -> Any:
    topic, n = partition.topic, partition.partition
    if topic == GCN_HEARTBEAT:
        return TopicPartition(topic, n, OFFSET_END)
    return TopicPartition(topic, n, begins.get((topic, n), partition.offset))
