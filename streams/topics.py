"""The topics: name, key, partitions, retention and compaction, in one table."""

from __future__ import annotations

from dataclasses import dataclass

from correlator.policy import DAY_S


@dataclass(frozen=True, slots=True)
class Topic:
    """One Kafka topic.

    Attributes
    ----------
    name, key, value
        What it is called, what its records are keyed by, what they hold.
    partitions
        Number of partitions.
    retention_s
        How long records are kept [s]; None for a compacted topic, which keeps the last of a key.
    """

    name: str
    key: str
    value: str
    partitions: int
    retention_s: float | None

    @property
    def is_compacted(self) -> bool:
        """Whether only the last record of each key is kept."""
        return self.retention_s is None


OPTICAL_ALERTS = Topic("optical.alerts", "object id", "slim Alert", 16, 15 * DAY_S)
NOTICES_RAW = Topic("notices.raw", "notice id", "bytes as received", 1, 30 * DAY_S)
EVENTS = Topic("events", "event id", "EventRecord", 1, None)
PAIRS = Topic("pairs", "event id", "PairRecord", 8, 15 * DAY_S)
COINCIDENCES = Topic("coincidences", "event id", "CoincidenceRevision", 8, 31 * DAY_S)
DEAD_LETTER = Topic("dead_letter", "source id", "the bytes, why in the headers", 1, 30 * DAY_S)

TOPICS = (OPTICAL_ALERTS, NOTICES_RAW, EVENTS, PAIRS, COINCIDENCES, DEAD_LETTER)


def targets_topic(case: str) -> Topic:
    """The compacted topic of a science case's list."""
    return Topic(f"targets.{case}", "target id", "Target", 1, None)
