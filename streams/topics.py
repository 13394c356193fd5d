"""The topics: name, key, partitions, retention, compaction and size, in one table."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from correlator.policy import DAY_S, Policy
from ingest_vo.reader import MAX_PACKET_BYTES

OVERHEAD_BYTES = 2**16
"""What a record may need beside its value [bytes]: key, headers, the header of its batch."""

_MIB = 2**20
"""The usual limit of a record [bytes], which is also Kafka's own."""


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
    max_message_bytes
        Size of the largest record with its batch's header [bytes].
    """

    name: str
    key: str
    value: str
    partitions: int
    retention_s: float | None
    max_message_bytes: int = _MIB

    @property
    def is_compacted(self) -> bool:
        """Whether only the last record of each key is kept."""
        return self.retention_s is None


OPTICAL_ALERTS = Topic("optical.alerts", "object id", "slim Alert", 16, 15 * DAY_S)
EXPOSURES = Topic("exposures", "survey", "Exposure", 1, 60 * DAY_S)
NOTICES_RAW = Topic(
    "notices.raw",
    "name of the packet",
    "bytes as received",
    1,
    30 * DAY_S,
    MAX_PACKET_BYTES + OVERHEAD_BYTES,
)
EVENTS = Topic("events", "event id", "EventRecord", 1, None)
JOINT_EVENTS = Topic("joint.events", "joint id", "JointRevision, the latest", 1, None)
PAIRS = Topic("pairs", "event id", "PairRecord", 8, 15 * DAY_S)
REVISIONS = Topic("revisions", "event id", "CoincidenceRevision", 8, 15 * DAY_S)
COINCIDENCES = Topic("coincidences", "event id", "CoincidenceRevision", 8, 31 * DAY_S)
COINCIDENCES_STATE = Topic(
    "coincidences.state",
    "coincidence id, partitioned by event id",
    "CoincidenceRevision, the highest",
    8,
    None,
)
VOEVENTS = Topic("voevents", "coincidence id", "VOEvent 2.0 XML", 1, 31 * DAY_S)


def _notices(name: str) -> Topic:
    value = "notice on GCN's core schema"
    return Topic(f"coincidence.{name}", "coincidence id and case", value, 1, 31 * DAY_S)


COINCIDENCE_ALL = _notices("all")
COINCIDENCE_GW = _notices("gw")
COINCIDENCE_GRB = _notices("grb")
COINCIDENCE_XRAY = _notices("xray")
COINCIDENCE_NU = _notices("nu")
COINCIDENCE_TEST = _notices("test")
COINCIDENCE_HEARTBEAT = Topic(
    "coincidence.heartbeat", "source", "that the notices are written", 1, DAY_S
)

PUBLIC_TOPICS = (
    COINCIDENCE_ALL,
    COINCIDENCE_GW,
    COINCIDENCE_GRB,
    COINCIDENCE_XRAY,
    COINCIDENCE_NU,
    COINCIDENCE_TEST,
    COINCIDENCE_HEARTBEAT,
)
"""What every user may read."""

USER_PREFIX = "coincidence.user."
"""Begin of the topics of subscriptions; none is in the table, they come and go."""

SCORES = Topic("scores", "object key", "ScoreRecord", 4, 15 * DAY_S)
MODELS_STATE = Topic("models.state", "source", "ModelStates", 1, DAY_S)
HEARTBEAT = Topic("heartbeat", "source", "Heartbeat", 1, DAY_S)
DEAD_LETTER = Topic(
    "dead_letter",
    "source id",
    "the bytes, why in the headers",
    1,
    30 * DAY_S,
    32 * _MIB - OVERHEAD_BYTES,
)

TOPICS = (
    OPTICAL_ALERTS,
    EXPOSURES,
    NOTICES_RAW,
    EVENTS,
    JOINT_EVENTS,
    PAIRS,
    REVISIONS,
    COINCIDENCES,
    COINCIDENCES_STATE,
    VOEVENTS,
    COINCIDENCE_ALL,
    COINCIDENCE_GW,
    COINCIDENCE_GRB,
    COINCIDENCE_XRAY,
    COINCIDENCE_NU,
    COINCIDENCE_TEST,
    COINCIDENCE_HEARTBEAT,
    SCORES,
    MODELS_STATE,
    HEARTBEAT,
    DEAD_LETTER,
)

GROUP_TOPICS = (NOTICES_RAW, OPTICAL_ALERTS, PAIRS, REVISIONS, DEAD_LETTER)
"""What the workers read as one consumer group; ``events`` each of them reads for itself."""


INTERNAL_TOPICS = frozenset(
    topic.name
    for topic in (
        OPTICAL_ALERTS, EXPOSURES, NOTICES_RAW, EVENTS, PAIRS, REVISIONS, SCORES, MODELS_STATE,
        HEARTBEAT, DEAD_LETTER,
    )
)  # fmt: skip
"""For whoever runs the service alone: they hold what is not public."""


def targets_topic(case: str) -> Topic:
    """The compacted topic of a science case's list."""
    return Topic(f"targets.{case}", "target id", "Target", 1, None)


def user_topic(name: str) -> Topic:
    """The topic of a subscription of that name."""
    return _notices(f"user.{name}")


def all_topics(policy: Policy) -> tuple[Topic, ...]:
    """Every topic of an installation, those of its science cases included."""
    return (*TOPICS, *(targets_topic(case.name) for case in policy.cases))


def partition_of(key: bytes, n: int) -> int:
    """Partition of a key among ``n``: librdkafka's ``consistent``, so that every producer agrees.

    Faust hashes otherwise (murmur2), so what is sent through it names its partition.
    """
    return zlib.crc32(key) % n
