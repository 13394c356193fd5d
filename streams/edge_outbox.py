"""What an edge has sent and the broker has not acknowledged yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from correlator.errors import CorrelatorError
from streams.audiences import AUDIENCE_HEADER
from streams.edge_source import Slot
from streams.topics import DEAD_LETTER, OVERHEAD_BYTES

log = structlog.get_logger(__name__)

Headers = tuple[tuple[str, bytes], ...]

_RETRY_AFTER_S = 1.0
"""Wait before what the broker refused for a time is sent again [s]."""

_QUEUE_KIB = 2 * 2**20
"""Room of the client's queue [KiB]; our own bound is smaller."""

_TOO_LARGE = frozenset(
    {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE, KafkaError.INVALID_RECORD}
)


class OutboxError(CorrelatorError):
    """Our own broker cannot take records any more; what was not acknowledged is read again."""


@dataclass(eq=False, slots=True)
class Span:
    """Records of a source that were read one after the other and are committed together.

    Attributes
    ----------
    positions
        Next offset of each partition after the span.
    n_waiting
        Records sent on behalf of the span that the broker has not acknowledged.
    """

    positions: dict[Slot, int] = field(default_factory=dict)
    n_waiting: int = 0


@dataclass(frozen=True, slots=True)
class Letter:
    """One record to send."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers = ()

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return len(self.value) + len(self.key)


class Outbox:
    """An idempotent producer that knows which span waits for what.

    What can be sent later is sent later, without end: an outage of the broker costs time. What can
    never be taken goes to the dead letter.

    Parameters
    ----------
    servers
        ``HOST:PORT[,HOST:PORT...]`` of our broker.
    client
        Makes a producer of its settings.
    """

    def __init__(self, servers: str, client: Callable[[dict[str, Any]], Any] = Producer) -> None:
        config = {
            "bootstrap.servers": servers,
            "enable.idempotence": True,
            "acks": "all",
            # The rule of our topics (streams.topics.partition_of): CRC-32 of the key.
            "partitioner": "consistent",
            "compression.type": "lz4",
            # With less, most are the first of their batch: each a request, and a thread woken.
            "linger.ms": 100,
            "message.timeout.ms": 0,  # for ever: we keep what is not taken
            "message.max.bytes": DEAD_LETTER.max_message_bytes,
            "queue.buffering.max.kbytes": _QUEUE_KIB,
            "queue.buffering.max.messages": 1_000_000,
            "error_cb": self._tell,
            "log_level": 3,
        }
        self._producer = client(config)
        self._make_single = partial(client, config | {"batch.num.messages": 1})
        self._single: Any = None
        self._again: list[tuple[float, Letter, Span, bool]] = []
        self._fatal: str | None = None
        self.n_waiting = 0
        self.waiting_bytes = 0
        self.n_refused = 0

    def send(self, letter: Letter, span: Span) -> None:
        """Send a record on behalf of a span."""
        span.n_waiting += 1
        self.n_waiting += 1
        self.waiting_bytes += letter.size
        self._produce(letter, span, is_single=False)

    def tell(self, letter: Letter) -> None:
        """Send a record for which nobody waits; lost when the broker is away."""
        try:
            self._producer.produce(letter.topic, letter.value, letter.key)
        except (BufferError, KafkaException):
            log.debug("not_told", topic=letter.topic)

    def pump(self, within_s: float = 0.0) -> None:
        """Take acknowledgements, and send again what is due.

        Raises
        ------
        OutboxError
            The producer cannot go on.
        """
        self._producer.poll(within_s)
        if self._single is not None:
            self._single.poll(0.0)
        if self._fatal is not None:
            raise OutboxError(self._fatal)
        now = time.monotonic()
        if self._again and self._again[0][0] <= now:
            due = [each for each in self._again if each[0] <= now]
            self._again = [each for each in self._again if each[0] > now]
            for _, letter, span, is_single in due:
                self._produce(letter, span, is_single)

    def drained(self, within_s: float) -> bool:
        """Wait for every acknowledgement; whether they came in time."""
        until = time.monotonic() + within_s
        while self.n_waiting and time.monotonic() < until:
            self.pump(0.05)
        return not self.n_waiting

    def _produce(self, letter: Letter, span: Span, is_single: bool) -> None:
        if is_single and self._single is None:
            self._single = self._make_single()
        producer = self._single if is_single else self._producer
        try:
            producer.produce(
                letter.topic,
                letter.value,
                letter.key,
                headers=list(letter.headers) or None,
                on_delivery=partial(self._delivered, letter, span, is_single),
            )
        except BufferError:
            self._send_again(letter, span, is_single)
        except KafkaException as error:
            self._failed(letter, span, is_single, error.args[0])

    def _delivered(self, letter: Letter, span: Span, is_single: bool, error: Any, _: Any) -> None:
        if error is None:
            self._done(letter, span)
        else:
            self._failed(letter, span, is_single, error)

    def _done(self, letter: Letter, span: Span) -> None:
        span.n_waiting -= 1
        self.n_waiting -= 1
        self.waiting_bytes -= letter.size

    def _failed(self, letter: Letter, span: Span, is_single: bool, error: Any) -> None:
        if error.fatal():
            self._fatal = f"topic {letter.topic}: {error}"
        elif error.code() not in _TOO_LARGE or _is_last_word(letter):
            log.warning("not_sent", topic=letter.topic, error=str(error))
            self._send_again(letter, span, is_single)
        elif not is_single:
            # The broker refuses the batch: any record of it may be the one that is too large.
            self._produce(letter, span, is_single=True)
        else:
            self.n_refused += 1
            self.send(_refused(letter, str(error)), span)
            self._done(letter, span)

    def _send_again(self, letter: Letter, span: Span, is_single: bool) -> None:
        self._again.append((time.monotonic() + _RETRY_AFTER_S, letter, span, is_single))

    def _tell(self, error: Any) -> None:
        if error.fatal():
            self._fatal = str(error)
        else:
            log.warning("broker_connection", error=str(error))


def _is_last_word(letter: Letter) -> bool:
    """Whether there is no smaller form of a record: its topic must be mended."""
    return letter.topic == DEAD_LETTER.name and len(letter.value) <= OVERHEAD_BYTES


def _refused(letter: Letter, reason: str) -> Letter:
    """A record that the broker never takes, as a dead letter that it does."""
    if letter.topic == DEAD_LETTER.name:
        # Too large even for that topic: its beginning, and the headers that say what it was.
        return Letter(letter.topic, letter.key, letter.value[:OVERHEAD_BYTES], letter.headers)
    said = {
        "source": letter.topic,
        "name": letter.key.decode(errors="replace"),
        "rule": "a record must have at most the bytes that its topic takes",
        "reason": f"topic {letter.topic}: {reason}, got {letter.size} bytes",
        "key": letter.key.decode(errors="replace"),
    }
    audience = tuple(header for header in letter.headers if header[0] == AUDIENCE_HEADER)
    return dead_letter(said, letter.value, audience)


def dead_letter(said: dict[str, str], value: bytes, audience: Headers = ()) -> Letter:
    """The dead letter of a record: its bytes; where it came from and why in the headers.

    Parameters
    ----------
    audience
        The header that says who may read it, if not everybody.
    """
    headers = tuple((name, text.encode(errors="replace")) for name, text in said.items())
    return Letter(DEAD_LETTER.name, said["source"].encode(), value, headers + audience)
