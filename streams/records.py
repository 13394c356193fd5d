"""Records of a stream in batches: handled whole, acknowledged after the sink has them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from sqlalchemy.exc import InterfaceError, OperationalError

from correlator.errors import MalformedPacketError

log = structlog.get_logger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
_AWAY = (OperationalError, InterfaceError, KafkaError)
"""What a store or a broker says that is not there just now."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as received: bytes, and where it came from."""

    value: bytes
    key: bytes | None
    topic: str
    partition: int
    offset: int

    @property
    def name(self) -> str:
        """How a person finds the record: its key, topic, partition and offset."""
        key = self.key.decode(errors="replace") if self.key else ""
        return f"{key} [{self.topic}/{self.partition}@{self.offset}]".strip()


Handler = Callable[[list[Record]], Awaitable[None]]
Bury = Callable[[Record, str, str], Awaitable[None]]
"""Put a record into the dead letter: the record, the reason in full, the rule that it breaks."""


async def consume(stream: Any, handle: Handler, bury: Bury, size: int, within_s: float) -> None:
    """Handle a Faust stream in batches, and acknowledge each batch once it is done.

    Nothing is acknowledged before the sink has it; a crash in between delivers again.
    """
    async for events in stream.noack_take(size, within=within_s):
        await handle_batch([_record(e.message) for e in events], handle, bury)
        for event in events:
            event.ack()


async def handle_batch(records: list[Record], handle: Handler, bury: Bury) -> None:
    """Handle records together; if that fails for good, one by one, burying those that fail."""
    try:
        await persisting(handle, records)
    except Exception as error:  # noqa: BLE001 - the agent loop: bury the bytes, go on
        if len(records) == 1:
            await persisting(bury, records[0], *_reason_and_rule(error), whatever=True)
            return
        for record in records:
            await handle_batch([record], handle, bury)


async def persisting(
    act: Callable[..., Awaitable[None]], *args: object, whatever: bool = False
) -> None:
    """Do something until the store answers: back-pressure instead of loss.

    Parameters
    ----------
    whatever
        Try again after any error: an exception must not leave an agent's loop, for Faust would
        then acknowledge records that nobody handled.
    """
    pause_s = _FIRST_PAUSE_S
    retried = Exception if whatever else _AWAY
    while True:
        try:
            return await act(*args)
        except retried as error:
            log.warning("unavailable", retry_in_s=pause_s, error=str(error))
            await asyncio.sleep(pause_s)
            pause_s = min(2.0 * pause_s, _LONGEST_PAUSE_S)


def _record(message: Any) -> Record:
    # A tombstone has no bytes; it is refused like an empty packet.
    value = message.value or b""
    return Record(value, message.key, message.topic, message.partition, message.offset)


def _reason_and_rule(error: Exception) -> tuple[str, str]:
    if isinstance(error, MalformedPacketError):
        return str(error), error.rule
    log.error("record_failed", exc_info=error)
    return f"unexpected {type(error).__name__}: {error}", f"unexpected {type(error).__name__}"
