"""A survey's Kafka topics, read by a consumer group of ours: records in, offsets back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from correlator.errors import ConfigurationError, CorrelatorError

log = structlog.get_logger(__name__)

Slot = tuple[str, int]
"""Topic and partition."""

Security = Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]

_DATE = "{date}"

_URL = re.compile(r"kafka://(?P<servers>[^/\s]+)/(?P<topic>[^/\s]+)")

_REFRESH_MS = 30_000
"""How often the client asks which topics there are [ms]: a new night's topic is found so soon."""

_SESSION_MS = 10_000
"""After this silence of a reader its partitions go to the others [ms]."""

_FETCH_BYTES = 2**20
"""Most that is fetched of one partition at once [bytes]; a larger record comes alone."""

_ANSWER_BYTES = 8 * 2**20
"""Most that one answer of a broker holds [bytes]. An answer is one buffer, kept until its last
packet is done: larger ones let the memory swing by tens of MiB, smaller ones are slow over long
ways."""

_QUEUED_KIB = 32 * 2**10
"""Most that waits in the client's queue [KiB]."""

_ABSENT = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})
"""A topic that is not there: tomorrow's, or one whose night is over."""


class SourceError(CorrelatorError):
    """The survey's broker refuses to serve us; says why."""


class Subscription(Protocol):
    """What a source must know: whom to ask, as whom, and for what."""

    @property
    def servers(self) -> str:
        """Whom we ask, for messages."""

    def topics(self, now_unix_s: float) -> list[str]:
        """What to subscribe to at a time."""

    def client(self) -> dict[str, Any]:
        """Settings of the Kafka client."""


def careful_reader(group: str) -> dict[str, Any]:
    """Settings of every client that reads for us: it commits what we say, and makes no topic."""
    return {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": _SESSION_MS,
        "allow.auto.create.topics": False,
        "topic.metadata.refresh.interval.ms": _REFRESH_MS,
        "max.partition.fetch.bytes": _FETCH_BYTES,
        "fetch.max.bytes": _ANSWER_BYTES,
        "queued.max.messages.kbytes": _QUEUED_KIB,
        # By default a full queue is looked at a second later, when it has long been empty.
        "fetch.queue.backoff.ms": 5,
        "log_level": 3,  # what matters comes to error_cb
    }


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Where a survey's alerts come from, and who we are there.

    Attributes
    ----------
    servers
        ``HOST:PORT[,HOST:PORT...]``.
    topic
        Name of a topic; with ``{date}``, one of each night (``ztf_{date}_programid1``); a regular
        expression that begins with ``^``. ZTF advertises topics that are gone: give it a date.
    group
        Consumer group: readers of one group share the partitions.
    begin
        Where a group begins that has committed nothing.
    nights
        How many UTC dates before today's are read too, where the topic has one.
    username, password, mechanism, security, ca_file
        As the survey gave them to us; without a username nobody is asked.
    """

    servers: str
    topic: str
    group: str
    begin: Literal["earliest", "latest"] = "earliest"
    nights: int = 1
    username: str | None = None
    password: str | None = None
    mechanism: str = "SCRAM-SHA-512"
    security: Security = "plaintext"
    ca_file: str | None = None

    def topics(self, now_unix_s: float) -> list[str]:
        """What to subscribe to at a time."""
        if _DATE not in self.topic:
            return [self.topic]
        today = datetime.fromtimestamp(now_unix_s, UTC).date()
        nights = (today - timedelta(days=n) for n in range(self.nights + 1))
        return [self.topic.replace(_DATE, f"{night:%Y%m%d}") for night in nights]

    def client(self) -> dict[str, Any]:
        """Settings of the Kafka client."""
        config = careful_reader(self.group) | {
            "bootstrap.servers": self.servers,
            "auto.offset.reset": self.begin,
            "security.protocol": self.security,
        }
        if self.username is not None:
            config |= {
                "sasl.mechanism": self.mechanism,
                "sasl.username": self.username,
                "sasl.password": self.password or "",
            }
        if self.ca_file is not None:
            config["ssl.ca.location"] = self.ca_file
        return config


def servers_and_topic(url: str) -> tuple[str, str]:
    """The two parts of ``kafka://HOST:PORT[,HOST:PORT...]/TOPIC``.

    Raises
    ------
    ConfigurationError
        The URL is none of that form, or its regular expression is none.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise ConfigurationError(f"source {url}: must be kafka://HOST:PORT[,HOST:PORT]/TOPIC")
    topic = found["topic"]
    if topic.startswith("^"):
        try:
            re.compile(topic)
        except re.error as error:
            raise ConfigurationError(f"source {url}: {topic} must be a pattern: {error}") from error
    return found["servers"], topic


class Source:
    """The consumer.

    Parameters
    ----------
    settings
        Where and who.
    finish
        Called when partitions go to another reader: everything that was read of them must be safe
        and committed when it returns.
    client
        Makes a consumer of its settings.
    """

    def __init__(
        self,
        settings: Subscription,
        finish: Callable[[], object],
        client: Callable[[dict[str, Any]], Any] = Consumer,
    ) -> None:
        self._settings = settings
        self._finish = finish
        callbacks = {"error_cb": _tell, "on_commit": self._committed}
        self._consumer = client(settings.client() | callbacks)
        self._topics: list[str] = []
        self._owned: set[Slot] = set()
        self._at_end: set[Slot] = set()
        self._safe: dict[Slot, int] = {}
        self._refused: set[Slot] = set()
        self._is_paused = False

    @property
    def is_at_end(self) -> bool:
        """Whether everything of every partition of ours was read; False when we have none."""
        return bool(self._owned) and self._at_end >= self._owned

    def owned(self, positions: Mapping[Slot, int]) -> list[tuple[Slot, int]]:
        """Those of some positions whose partitions are ours."""
        return [(slot, offset) for slot, offset in positions.items() if slot in self._owned]

    def follow(self, now_unix_s: float) -> None:
        """Subscribe to the topics of the time."""
        topics = self._settings.topics(now_unix_s)
        if topics != self._topics:
            self._consumer.subscribe(
                topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )
            self._topics = topics
            log.info("source_subscribed", topics=topics)

    def read(self, most: int, within_s: float) -> list[Any]:
        """Up to so many messages of partitions that are ours, as soon as there are some.

        Raises
        ------
        SourceError
            The client cannot go on.
        """
        try:
            messages = self._consumer.consume(most, timeout=within_s)
        except KafkaException as error:
            raise SourceError(f"source {self._settings.servers}: {error}") from error
        good = [m for m in messages if m.error() is None]
        slots = [(m.topic(), m.partition()) for m in good]
        self._at_end.difference_update(slots)
        if len(good) != len(messages):
            self._note_errors(messages)
        if self._owned.issuperset(slots):
            return good
        # A rebalance inside the call took partitions of which it had read already.
        return [m for m, slot in zip(good, slots, strict=True) if slot in self._owned]

    def hold(self, is_full: bool) -> None:
        """Stop reading, or go on: the client stays in its group meanwhile."""
        if is_full:  # again and again: a new partition is not paused
            self._consumer.pause(self._held())
        elif self._is_paused:
            self._consumer.resume(self._held())
        self._is_paused = is_full

    def commit(self, positions: Mapping[Slot, int], is_last: bool = False) -> bool:
        """Say that everything before these offsets is safe; wait for the answer if it is the last.

        A commit that fails, as one during a rebalance does, is part of every later one until it
        is taken: a quiet survey would else have its last records read again. Call it even when
        there is nothing new.

        Returns
        -------
        bool
            Whether none was refused, as far as the answers have come.
        """
        self._safe |= self.owned(positions)
        due = self._refused.union(positions) & self._safe.keys()
        if due:
            offsets = [TopicPartition(*slot, self._safe[slot]) for slot in sorted(due)]
            self._refused -= due
            try:
                self._consumer.commit(offsets=offsets, asynchronous=not is_last)
            except KafkaException as error:
                self._committed(error.args[0], offsets)
        return not self._refused

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _held(self) -> list[Any]:
        """The partitions that a pause is for."""
        return list(self._consumer.assignment())

    def _assigned(self, _: Any, partitions: Iterable[Any]) -> None:
        self._owned.update((p.topic, p.partition) for p in partitions)

    def _revoked(self, _: Any, partitions: Iterable[Any]) -> None:
        self._finish()
        self._lost(_, partitions)

    def _lost(self, _: Any, partitions: Iterable[Any]) -> None:
        gone = {(p.topic, p.partition) for p in partitions}
        self._owned -= gone
        self._at_end -= gone
        self._refused -= gone
        for slot in gone:
            self._safe.pop(slot, None)

    def _committed(self, error: Any, offsets: Iterable[Any]) -> None:
        errors = {str(o.error) for o in offsets if getattr(o, "error", None) is not None}
        if error is None and not errors:
            return
        log.warning("commit_failed", error=str(error or sorted(errors)))
        # Of a commit that failed, not every partition bears an error.
        slots = {(o.topic, o.partition) for o in offsets if error is not None or o.error}
        self._refused |= slots & self._safe.keys()

    def _note_errors(self, messages: Iterable[Any]) -> None:
        for message in messages:
            error, slot = message.error(), (message.topic(), message.partition())
            if error is None:
                self._at_end.discard(slot)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._at_end.add(slot)
            elif error.fatal():
                raise SourceError(f"source {self._settings.servers}: {error}")
            elif error.code() in _ABSENT:
                self._note_absent(message.topic())
            else:
                log.warning("source_error", topic=message.topic(), error=str(error))

    def _note_absent(self, topic: str) -> None:
        """A topic is not there: of a survey's nights some never are."""


def _tell(error: Any) -> None:
    """What the client says of its connections; it makes them again by itself."""
    log.warning("source_connection", error=str(error))
