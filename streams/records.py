"""Records of a stream in batches: handled whole, acknowledged after the sink has them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from faust.exceptions import ProducerSendError

from correlator.errors import MalformedPacketError
from storage.errors import is_transient
from streams.chunks import done, records_of
from streams.log import Headers

log = structlog.get_logger(__name__)

T = TypeVar("T")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0


class Record(NamedTuple):
    """One record as received: bytes, and where it came from."""

    value: bytes
    key: bytes | None
    topic: str
    partition: int
    offset: int
    headers: Headers = ()

    @property
    def name(self) -> str:
        """How a person finds the record: its key, topic, partition and offset."""
        key = self.key.decode(errors="replace") if self.key else ""
        return f"{key} [{self.topic}/{self.partition}@{self.offset}]".strip()


class GivenUpError(Exception):
    """A batch is given up, as its partitions are dealt out anew: whoever gets them has it again."""


def _never() -> bool:
    return False


Handler = Callable[[list[Record]], Awaitable[None]]
Bury = Callable[[Record, str, str], Awaitable[None]]
"""Put a record into the dead letter: the record, the reason in full, the rule that it breaks."""


async def consume(
    stream: Any,
    handle: Handler,
    bury: Bury,
    size: int,
    within_s: float,
    gives_up: Callable[[], bool] = _never,
) -> None:
    """Handle a Faust stream in batches, and acknowledge each batch once it is done.

    Nothing is acknowledged before the sink has it; a crash in between delivers again.

    Parameters
    ----------
    gives_up
        Whether the group waits for us: then nothing is tried again. The chunks of a batch that is
        given up are acknowledged without being done, so that Faust waits for them no longer.
    """
    async for events in stream.noack_take(size, within=within_s):
        records = [
            _record(event.message.topic, event.message.partition, r)
            for event in events
            for r in records_of(event.message)
        ]
        try:
            await handle_batch(records, handle, bury, gives_up)
        except GivenUpError:
            log.warning("batch_given_up", n=len(records), first=records[0].name)
        else:
            for event in events:
                done(event.message)
        for event in events:
            event.ack()


async def handle_batch(
    records: list[Record], handle: Handler, bury: Bury, gives_up: Callable[[], bool] = _never
) -> None:
    """Handle records together; if that fails for good, one by one, burying those that fail.

    Raises
    ------
    GivenUpError
        The batch, or what was left of it, is to be delivered again.
    """
    try:
        await persisting(handle, records, gives_up=gives_up)
    except GivenUpError:
        raise
    except Exception as error:  # noqa: BLE001 - the agent loop: bury the bytes, go on
        if len(records) == 1:
            said = _reason_and_rule(error)
            await persisting(bury, records[0], *said, whatever=True, gives_up=gives_up)
            return
        for record in records:
            await handle_batch([record], handle, bury, gives_up)


async def persisting(
    act: Callable[..., Awaitable[T]],
    *args: Any,
    whatever: bool = False,
    gives_up: Callable[[], bool] = _never,
) -> T:
    """Do something until the store and the broker answer: back-pressure instead of loss.

    Parameters
    ----------
    whatever
        Try again after any error: an exception must not leave an agent's loop, for Faust would
        then acknowledge records that nobody handled.
    gives_up
        Asked before each further try.

    Raises
    ------
    GivenUpError
        There is no further try.
    """
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return await act(*args)
        except GivenUpError:
            raise
        except Exception as error:
            if not whatever and not _is_away(error):
                raise
            if gives_up():
                raise GivenUpError from error
            log.warning("unavailable", retry_in_s=pause_s, error=str(error))
            await asyncio.sleep(pause_s)
            pause_s = min(2.0 * pause_s, _LONGEST_PAUSE_S)


def _is_away(error: Exception) -> bool:
    """Whether a store or a broker is not there just now."""
    if isinstance(error, ProducerSendError) and isinstance(error.__cause__, Exception):
        # Faust's word for what its producer met before a record was under way.
        return _is_away(error.__cause__)
    if isinstance(error, MessageSizeTooLargeError):
        return False
    return isinstance(error, KafkaError) or is_transient(error)


def _record(topic: str, partition: int, r: Any) -> Record:
    # A tombstone has no bytes; it is refused like an empty packet.
    return Record(r.value or b"", r.key, topic, partition, r.offset, headers_of(r.headers))


def headers_of(headers: Any) -> Headers:
    """Headers in one form; the drivers of Faust have several."""
    if not headers:
        return ()
    return tuple(headers.items() if isinstance(headers, Mapping) else headers)


def _reason_and_rule(error: Exception) -> tuple[str, str]:
    if isinstance(error, MalformedPacketError):
        return str(error), error.rule
    log.error("record_failed", exc_info=error)
    return f"unexpected {type(error).__name__}: {error}", f"unexpected {type(error).__name__}"
