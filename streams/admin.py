"""The topics of a Kafka cluster: made as our table says, and compared with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from correlator.errors import CorrelatorError
from correlator.policy import DAY_S
from streams.topics import Topic

_ANSWER_WITHIN_S = 10.0
"""How long a broker may take for one answer [s]."""

_READY_WITHIN_S = 30.0
"""How long a new topic may take until it is shown, and a leader until it is chosen [s]."""

_LOOK_EVERY_S = 0.1

_NOT_YET = frozenset(
    {
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)
"""What is said for a moment after a topic was made, a broker was lost or the first group came."""

T = TypeVar("T")

Slot = tuple[str, int]
"""A topic's name and one of its partitions."""

_COMPACTED_SEGMENT_S = 3600.0
"""A segment is written for so long [s]: Kafka compacts none that is still written to."""

_COMPACTED_SEGMENT_BYTES = 64 * 2**20
"""A segment of a compacted topic holds no more [bytes]: 60 records of the largest size."""

_LONGEST_LAG_S = DAY_S
"""An overtaken record goes after that time at the latest [s]."""


class BrokerError(CorrelatorError):
    """A cluster cannot do what we ask.

    Parameters
    ----------
    servers
        Whom we asked.
    topic
        What it was about; None for the cluster as a whole.
    rule
        What must hold, in words.
    value
        What was found, or what the broker said.
    """

    def __init__(self, servers: str, topic: str | None, rule: str, value: object) -> None:
        self.servers, self.topic, self.rule, self.value = servers, topic, rule, value
        about = f"topic {topic}: " if topic else ""
        super().__init__(f"broker {servers}: {about}{rule}, got {_said(value)}")


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic as the cluster has it: its partitions, and its configuration by Kafka's names."""

    partitions: int
    configuration: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that a cluster has otherwise than our table; ``found`` is None for nothing."""

    topic: str
    what: str
    wanted: str
    found: str | None

    def __str__(self) -> str:
        """In words."""
        if self.found is None:
            return f"{self.topic}: {self.what} is missing"
        return f"{self.topic}: {self.what} must be {self.wanted}, is {self.found}"


def servers_of(broker_url: str) -> str:
    """``HOST:PORT[,HOST:PORT...]`` of a broker's URL, which may name several (``;``)."""
    parts = broker_url.replace(";", ",").split(",")
    return ",".join(part.strip().removeprefix("kafka://") for part in parts)


def configuration_of(topic: Topic) -> dict[str, str]:
    """What a topic's records need of the cluster, by Kafka's names."""
    wanted = {
        "cleanup.policy": "compact" if topic.is_compacted else "delete",
        "max.message.bytes": str(topic.max_message_bytes),
        # The order of a log is that of its clock: what looks up a time finds all that came later.
        "message.timestamp.type": "LogAppendTime",
    }
    if topic.retention_s is not None:
        wanted["retention.ms"] = _ms(topic.retention_s)
    return wanted


MOST_COPIES = 3
"""Copies of each partition where the cluster has as many brokers: one may be lost at any time."""


def declare(servers: str, topics: Iterable[Topic], replication: int | None = None) -> list[str]:
    """Make the topics that a cluster has not, wait until it shows them all, and name the new ones.

    A topic that is there stays as it is, see :func:`differences`; several processes may declare
    at once.

    Parameters
    ----------
    replication
        Copies of each partition; None for three, or as many as there are brokers.

    Raises
    ------
    BrokerError
        The cluster does not answer, or refuses a topic.
    """
    topics, admin = tuple(topics), _admin(servers)
    known = _partitions(admin, servers)
    missing = [topic for topic in topics if topic.name not in known]
    made = []
    if missing:
        copies = replication or min(MOST_COPIES, brokers(servers))
        made = _create(admin, servers, missing, copies)
    _wait_until_led(admin, servers, topics)
    return made


def brokers(servers: str) -> int:
    """How many brokers a cluster has.

    Raises
    ------
    BrokerError
        It does not answer.
    """
    return len(_metadata(_admin(servers), servers).brokers)


def partitions_of(servers: str) -> dict[str, int]:
    """Partitions of each topic that a cluster has, by name.

    Raises
    ------
    BrokerError
        It does not answer.
    """
    return _partitions(_admin(servers), servers)


def differences(servers: str, topics: Iterable[Topic]) -> list[Difference]:
    """What a cluster has otherwise than our table; empty when all is as it should be.

    Raises
    ------
    BrokerError
        It does not answer, or hides a topic's configuration from us.
    """
    topics, admin = tuple(topics), _admin(servers)
    partitions = _partitions(admin, servers)
    names = [topic.name for topic in topics if topic.name in partitions]
    configurations = _configurations(admin, servers, names) if names else {}
    found = {name: FoundTopic(partitions[name], configurations[name]) for name in names}
    return [each for topic in topics for each in compared(topic, found.get(topic.name))]


def compared(topic: Topic, found: FoundTopic | None) -> list[Difference]:
    """What is otherwise in a topic as found than in our table; None is a topic that is missing."""
    if found is None:
        return [Difference(topic.name, "the topic", "there", None)]
    pairs = [("partitions", str(topic.partitions), str(found.partitions))]
    pairs += [
        (what, wanted, found.configuration.get(what, "not set"))
        for what, wanted in configuration_of(topic).items()
    ]
    return [
        Difference(topic.name, what, wanted, is_) for what, wanted, is_ in pairs if wanted != is_
    ]


def lag_of(servers: str, group: str, topics: Iterable[str]) -> dict[str, int]:
    """Records of each topic that a consumer group has not committed.

    A partition without a commit counts from its first record; a topic that the cluster has not is
    left out.

    Raises
    ------
    BrokerError
        It does not answer.
    """
    partitions = partitions_of(servers)
    slots = [(name, n) for name in topics for n in range(partitions.get(name, 0))]
    behind: dict[str, int] = {}
    for (name, _), n_left in left_of(servers, group, slots).items():
        behind[name] = behind.get(name, 0) + n_left
    return behind


def left_of(servers: str, group: str, slots: Collection[Slot]) -> dict[Slot, int]:
    """Records of each of some partitions that a consumer group has not committed.

    Raises
    ------
    BrokerError
        It does not answer, or has no such partition.
    """
    if not slots:
        return {}
    admin = _admin(servers)
    wanted = list(slots)
    done = _committed(servers, group, wanted)
    starts = _offsets(admin, servers, wanted, OffsetSpec.earliest())
    ends = _offsets(admin, servers, wanted, OffsetSpec.latest())
    # The earliest record may have gone since the last commit.
    return {slot: max(0, ends[slot] - max(done.get(slot, 0), starts[slot])) for slot in wanted}


def _create(admin: Any, servers: str, topics: list[Topic], replication: int) -> list[str]:
    new = [
        NewTopic(
            topic.name,
            num_partitions=topic.partitions,
            replication_factor=replication,
            config=configuration_of(topic) | _housekeeping(topic, replication),
        )
        for topic in topics
    ]
    made = []
    for name, future in admin.create_topics(new, request_timeout=_READY_WITHIN_S).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                rule = f"can be made with {replication} copies"
                raise BrokerError(servers, name, rule, error) from error
        else:
            made.append(name)
    return made


def _housekeeping(topic: Topic, replication: int) -> dict[str, str]:
    """How a new topic is kept; an operator may choose otherwise later."""
    # Of three copies two must have a record before it counts: one broker may be lost at any time.
    kept = {"min.insync.replicas": str((replication + 1) // 2)}
    if topic.retention_s is not None:
        # Whole segments go, so a segment must not last as long as its records.
        return kept | {"segment.ms": _ms(min(DAY_S, topic.retention_s / 8.0))}
    return kept | {
        "segment.ms": _ms(_COMPACTED_SEGMENT_S),
        "segment.bytes": str(_COMPACTED_SEGMENT_BYTES),
        "min.cleanable.dirty.ratio": "0.1",
        "max.compaction.lag.ms": _ms(_LONGEST_LAG_S),
    }


def _wait_until_led(admin: Any, servers: str, topics: Iterable[Topic]) -> None:
    """Wait until a leader answers for each partition of each topic: then it can be written."""
    deadline = time.monotonic() + _READY_WITHIN_S
    names = [topic.name for topic in topics]
    while missing := [name for name in names if name not in (found := _partitions(admin, servers))]:
        if time.monotonic() > deadline:
            rule = f"is shown within {_READY_WITHIN_S:.0f} s of being made"
            raise BrokerError(servers, missing[0], rule, "no such topic")
        time.sleep(_LOOK_EVERY_S)
    slots = [(name, n) for name in names for n in range(found[name])]
    _offsets(admin, servers, slots, OffsetSpec.latest())


def _admin(servers: str) -> Any:
    # What goes wrong comes back as an exception: no second account on standard error.
    return AdminClient({"bootstrap.servers": servers, "log_level": 2})


def _metadata(admin: Any, servers: str) -> Any:
    try:
        return admin.list_topics(timeout=_ANSWER_WITHIN_S)
    except KafkaException as error:
        rule = f"answers within {_ANSWER_WITHIN_S:.0f} s"
        raise BrokerError(servers, None, rule, error) from error


def _partitions(admin: Any, servers: str) -> dict[str, int]:
    topics = _metadata(admin, servers).topics.items()
    return {name: len(topic.partitions) for name, topic in topics if topic.error is None}


def _configurations(admin: Any, servers: str, names: list[str]) -> dict[str, dict[str, str]]:
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    ask = partial(admin.describe_configs, asked, request_timeout=_ANSWER_WITHIN_S)
    answers = _answers(ask, servers, "tells the topics' settings")
    return {
        resource.name: {entry.name: str(entry.value) for entry in answer.values()}
        for resource, answer in answers.items()
    }


def _committed(servers: str, group: str, slots: list[Slot]) -> dict[Slot, int]:
    # Not the admin client's list_consumer_group_offsets: while a coordinator is being chosen it
    # ends the process with a segmentation fault (librdkafka 2.16, its issue 5040).
    # A consumer that subscribes to nothing joins no group.
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group, "log_level": 2})
    asked = [TopicPartition(*slot) for slot in slots]
    try:
        ask = partial(consumer.committed, asked, timeout=_ANSWER_WITHIN_S)
        found = _when_ready(ask, servers, f"tells the offsets of group {group}")
    finally:
        consumer.close()
    return {(p.topic, p.partition): p.offset for p in found if p.offset >= 0}


def _offsets(admin: Any, servers: str, slots: list[Slot], which: Any) -> dict[Slot, int]:
    """Offsets of some partitions as their leaders know them."""
    asked = {TopicPartition(*slot): which for slot in slots}
    ask = partial(admin.list_offsets, asked, request_timeout=_ANSWER_WITHIN_S)
    answers = _answers(ask, servers, "tells the topics' offsets")
    return {(slot.topic, slot.partition): answer.offset for slot, answer in answers.items()}


def _answers(ask: Callable[[], Mapping[Any, Future[Any]]], servers: str, rule: str) -> Any:
    """What the cluster answers to each thing asked."""

    def answers() -> dict[Any, Any]:
        return {asked: future.result() for asked, future in ask().items()}

    return _when_ready(answers, servers, rule)


def _when_ready(act: Callable[[], T], servers: str, rule: str) -> T:
    """Ask until a broker is responsible for the answer."""
    deadline = time.monotonic() + _READY_WITHIN_S
    while True:
        try:
            return act()
        except KafkaException as error:
            if error.args[0].code() not in _NOT_YET or time.monotonic() > deadline:
                raise BrokerError(servers, None, rule, error) from error
        time.sleep(_LOOK_EVERY_S)


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000.0))


def _said(value: object) -> str:
    """What a broker said, without Python's dress."""
    if isinstance(value, KafkaException) and value.args:
        return str(value.args[0].str())
    return str(value)
