"""From a spool to our own broker: each packet is removed once the broker has it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from correlator.errors import MalformedNoticeError
from ingest_vo.reader import MAX_PACKET_BYTES
from streams.audiences import headers_of_audience
from streams.edge_outbox import Letter, Outbox, Span, dead_letter
from streams.spool import Arrival, Spool
from streams.topics import NOTICES_RAW

MOST_AT_ONCE = 200
MOST_BYTES_AT_ONCE = 16 * 2**20
"""Most that is read of the spool at once: packets, and their size [bytes]."""

MOST_WAITING_BYTES = 64 * 2**20
"""Most that may wait for the broker's acknowledgement [bytes]."""


@dataclass(eq=False, slots=True)
class _Batch:
    """Packets that were sent together."""

    numbers: list[int]
    span: Span


class SpoolDrain:
    """Sends what is in a spool to ``notices.raw``, in order, and removes what has arrived.

    A packet is sent again after a crash between the acknowledgement and the removal, and never
    removed before the acknowledgement: it arrives at least once. An outage of the broker costs time
    and disk.

    Parameters
    ----------
    spool
        Where the packets wait; others may put more into it meanwhile.
    outbox
        Our broker.
    """

    def __init__(self, spool: Spool, outbox: Outbox) -> None:
        self._spool = spool
        self._outbox = outbox
        self._last = 0
        self._sent: deque[_Batch] = deque()
        self.n_sent = 0

    def pump(self, within_s: float = 0.0) -> bool:
        """Send what is due, remove what has arrived; whether there was anything to do.

        Raises
        ------
        OutboxError
            The producer cannot go on.
        sqlite3.Error
            The spool cannot be read or written.
        """
        found = []
        if self._outbox.waiting_bytes < MOST_WAITING_BYTES:
            found = self._spool.after(self._last, MOST_AT_ONCE, MOST_BYTES_AT_ONCE)
        if found:
            batch = _Batch([number for number, _ in found], Span())
            for _, arrival in found:
                self._outbox.send(letter_of(arrival), batch.span)
            self._last = batch.numbers[-1]
            self._sent.append(batch)
        self._outbox.pump(within_s)
        return bool(self._remove_arrived() or found)

    def drained(self, within_s: float) -> bool:
        """Wait for the acknowledgement of what was sent; whether all of it has arrived."""
        self._outbox.drained(within_s)
        self._remove_arrived()
        return not self._sent

    @property
    def n_waiting(self) -> int:
        """Packets that the broker does not have yet, sent or not."""
        return len(self._spool)

    def _remove_arrived(self) -> int:
        arrived: list[int] = []
        while self._sent and not self._sent[0].span.n_waiting:
            arrived += self._sent.popleft().numbers
        if arrived:
            self._spool.remove(arrived)
            self.n_sent += len(arrived)
        return len(arrived)


def letter_of(arrival: Arrival) -> Letter:
    """The record of a packet: its bytes under its name, and when it came.

    One that the topic cannot hold, or that holds nothing, is a dead letter at once.
    """
    n_bytes = len(arrival.packet)
    if n_bytes > MAX_PACKET_BYTES:
        return _refused(arrival, f"a packet must have at most {MAX_PACKET_BYTES} B", n_bytes)
    if not n_bytes:
        return _refused(arrival, "a packet must not be empty", arrival.packet)
    received = ("received", f"{arrival.received_unix_s:.3f}".encode())
    headers = (received, *headers_of_audience(arrival.audience))
    return Letter(NOTICES_RAW.name, arrival.name.encode(), arrival.packet, headers)


def _refused(arrival: Arrival, rule: str, value: object) -> Letter:
    said = {
        "source": NOTICES_RAW.name,  # there it goes back when it is replayed
        "name": arrival.name,
        "rule": rule,
        "reason": str(MalformedNoticeError(arrival.name, rule, value)),
        "key": arrival.name,
    }
    return dead_letter(said, arrival.packet, headers_of_audience(arrival.audience))
