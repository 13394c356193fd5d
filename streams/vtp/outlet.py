"""Our VOEvents from their topic to subscribers: committed when Comet has broadcast them."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException

from correlator.errors import CorrelatorError, MalformedNoticeError
from ingest_vo.voevent import read_voevent
from streams.edge_outbox import Outbox, Span, dead_letter
from streams.topics import VOEVENTS
from streams.vtp.settings import BUSY, SEEN
from streams.vtp.transport import MAX_MESSAGE_BYTES, Answer, NoAnswerError, submit

log = structlog.get_logger(__name__)

HANGS_AFTER_S = 120.0
"""Each step of the thread, a wait for Comet or for our broker, is shorter than this [s]."""

_RETRY_AFTER_S = 1.0
_BUSY_FOR_S = 0.1
_DRAIN_WITHIN_S = 20.0

_LONGEST_BATCH_MS = 24 * 3600 * 1000
"""Longest time between two fetches [ms]: we wait for Comet as long as it takes."""

Submit = Callable[[tuple[str, int], bytes], Answer]


class OutletError(CorrelatorError):
    """Our VOEvents cannot be read any more."""


class Outlet:
    """Follows the topic of VOEvents in a thread of its own, and hands each to Comet.

    A record is committed after Comet's ACK, or its NAK for one that came before. What Comet never
    takes goes to the dead letter. A subscriber that is not connected then does not get it: the
    protocol keeps nothing for anybody.

    Parameters
    ----------
    servers
        ``HOST:PORT[,HOST:PORT...]`` of our broker.
    group
        Consumer group: those of one group share the topic, those of several each send all of it.
    begin
        Where a group begins that has never read: ``earliest`` or ``latest``.
    address
        Comet's port for our own packets.
    outbox
        Makes a producer for dead letters.
    client
        Makes a consumer of its settings.
    send
        Hands a packet to Comet.
    """

    def __init__(
        self,
        servers: str,
        group: str,
        begin: str,
        address: tuple[str, int],
        outbox: Callable[[], Outbox],
        client: Callable[[dict[str, Any]], Any] = Consumer,
        send: Submit = submit,
    ) -> None:
        self._config: dict[str, Any] = {
            "bootstrap.servers": servers,
            "group.id": group,
            "auto.offset.reset": begin,
            "enable.auto.commit": True,  # of the offsets that we store, once a second
            "auto.commit.interval.ms": 1000,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "max.poll.interval.ms": _LONGEST_BATCH_MS,
            "allow.auto.create.topics": False,
            "topic.metadata.refresh.interval.ms": 10_000,
            "reconnect.backoff.ms": 1000,
            "log_level": 2,  # what matters comes to error_cb
            "error_cb": _tell,
        }
        self._address = address
        self._make_outbox = outbox
        self._client = client
        self._send = send
        self._outbox: Outbox | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outlet", daemon=True)
        self._error: Exception | None = None
        self._turned_at = time.monotonic()
        self.positions: dict[str, int] = {}
        self.is_at_end = False
        self.n_sent = 0
        self.n_dead_letters = 0

    def start(self) -> None:
        """Begin to follow the topic."""
        self._turned_at = time.monotonic()
        self._thread.start()

    def check(self) -> None:
        """Whether the thread works.

        Raises
        ------
        OutletError
            It has ended or hangs; says why, or where.
        """
        if self._error is not None:
            raise OutletError(f"topic {VOEVENTS.name}: {self._error}") from self._error
        silent_s = time.monotonic() - self._turned_at
        if silent_s >= HANGS_AFTER_S:
            frame = sys._current_frames().get(self._thread.ident or 0)
            where = "".join(traceback.format_stack(frame)[-3:]) if frame else "it has ended"
            raise OutletError(f"topic {VOEVENTS.name}: it hangs for {silent_s:.0f} s: {where}")

    def stop(self, within_s: float = 30.0) -> None:
        """Finish the packet under way, commit, and leave the group."""
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join(within_s)

    def _run(self) -> None:
        try:
            consumer = self._client(self._config)
            consumer.subscribe([VOEVENTS.name])
            try:
                while not self._is_over.is_set():
                    self._turned_at = time.monotonic()
                    message = consumer.poll(0.5)
                    if message is not None:
                        self.take(consumer, message)
            finally:
                consumer.close()
        except Exception as error:  # noqa: BLE001 - told to the main thread by check()
            self._error = error

    def take(self, consumer: Any, message: Any) -> None:
        """Hand a record to Comet; it is committed when it is done with, not at a stop.

        Raises
        ------
        OutletError
            The consumer cannot go on.
        """
        error = message.error()
        if error is None:
            self.is_at_end = False
            if self._pass_on(message):
                self._note_done(consumer, message)
        elif error.code() == KafkaError._PARTITION_EOF:
            self.is_at_end = True
        elif error.fatal():
            raise OutletError(str(error))
        else:
            log.warning("outlet_source_error", error=str(error))

    def _note_done(self, consumer: Any, message: Any) -> None:
        try:
            consumer.store_offsets(message=message)
        except KafkaException as error:
            # Another of the group has the partition now, and sends the packet once more.
            log.warning("own_packet_not_committed", error=str(error))
        slot = f"{message.topic()}/{message.partition()}"
        self.positions = self.positions | {slot: message.offset() + 1}

    def _pass_on(self, message: Any) -> bool:
        """Whether a record is done with; only a stop comes before."""
        packet = message.value() or b""
        name = f"{message.topic()}/{message.partition()}@{message.offset()}"
        try:
            answer = self._answer(_checked(packet, name))
            if answer is None:
                return False
            if not answer.is_ack and SEEN not in answer.reason:
                raise MalformedNoticeError(name, "Comet must take our VOEvent", answer.reason)
        except MalformedNoticeError as error:
            return self._bury(name, error, packet)
        self.n_sent += 1
        return True

    def _answer(self, packet: bytes) -> Answer | None:
        while not self._is_over.is_set():
            self._turned_at = time.monotonic()
            try:
                answer = self._send(self._address, packet)
            except NoAnswerError as error:
                log.warning("own_packet_not_answered", error=str(error))
                self._is_over.wait(_RETRY_AFTER_S)
                continue
            if BUSY not in answer.reason:
                return answer
            self._is_over.wait(_BUSY_FOR_S)
        return None

    def _bury(self, name: str, error: MalformedNoticeError, packet: bytes) -> bool:
        log.error("own_packet_refused", error=str(error))
        if self._outbox is None:
            self._outbox = self._make_outbox()
        said = {
            "source": VOEVENTS.name,
            "name": name,
            "rule": error.rule,
            "reason": str(error),
        }
        self._outbox.send(dead_letter(said, packet), Span())
        while not self._outbox.drained(_DRAIN_WITHIN_S):
            self._turned_at = time.monotonic()
            if self._is_over.is_set():
                return False
        self.n_dead_letters += 1
        return True


def _checked(packet: bytes, name: str) -> bytes:
    """A packet that Comet answers: it says nothing to what it cannot read."""
    if len(packet) > MAX_MESSAGE_BYTES:
        rule = f"a VOEvent that Comet takes has at most {MAX_MESSAGE_BYTES} bytes"
        raise MalformedNoticeError(name, rule, len(packet))
    read_voevent(packet, name)
    return packet


def _tell(error: Any) -> None:
    """What the client says of its connections; it makes them again by itself."""
    log.warning("outlet_connection", error=str(error))
