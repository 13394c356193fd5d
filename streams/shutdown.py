"""An orderly end: wait until every record is acknowledged and committed, then stop the app.

Why ``app.stop()`` alone will not do (faust-streaming 0.15.3, from its source and by experiment):

- It empties the stream buffers and leaves the rest on the broker; ``memory://`` dies with us.
- Its last commit is skipped if the commit timer's own is under way (``Consumer.commit`` waits for
  that one and returns): acknowledgements that came in between are delivered again.
- With ``stream_wait_empty=False`` an agent is cancelled in the middle of a record, and a plain
  ``async for`` acknowledges that record on its way out: it is lost.
- With ``stream_wait_empty=True`` (the default, keep it) it waits for each record that an agent has
  begun, without a bound: one that is never acknowledged holds the process for ever.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import structlog

from correlator.errors import CorrelatorError
from streams.log import Log, Slot
from streams.memory import Transport

log = structlog.get_logger(__name__)

_LOOK_S = 0.01
_SETTLE_S = 0.02


class NotDrainedError(CorrelatorError):
    """Records were left when the time was up, or the app ended before they were done."""


async def lag(app: Any, topics: Iterable[str] | None = None) -> dict[Slot, int]:
    """Records that an app has not committed, per partition it reads, zeros left out.

    Commits first what its agents have acknowledged.

    Parameters
    ----------
    topics
        Only these; None for all that the app reads.
    """
    await app.consumer.commit()
    if isinstance(app.transport, Transport):
        return app.transport.broker.lag(app.conf.id, topics)
    if not app.consumer.assignment():
        # It has not joined its group yet, so it cannot know what is left.
        return {("(no partitions)", 0): 1}
    return await lag_by_consumer(app, topics)


async def lag_by_consumer(app: Any, topics: Iterable[str] | None = None) -> dict[Slot, int]:
    """The lag of any transport, Kafka too, as its consumer knows it; commits nothing.

    A partition without a commit counts from its beginning, so an app that starts at ``latest``
    has a lag until its first commit.
    """
    consumer = app.consumer
    wanted = set(app.topics.acking_topics if topics is None else topics)
    slots = [tp for tp in consumer.assignment() if tp.topic in wanted]
    ends = await consumer.highwaters(*slots)
    starts = await consumer.earliest_offsets(*slots)
    # No public name gives the committed offset; every driver's base class keeps it here.
    done = {tp: consumer._committed_offset.get(tp) for tp in slots}
    behind = {tp: ends[tp] - max(done[tp] or 0, starts[tp]) for tp in slots}
    return {tp: n for tp, n in behind.items() if n > 0}


async def drained(
    app: Any,
    at_most: int = 0,
    *,
    topics: Iterable[str] | None = None,
    within_s: float | None = None,
) -> None:
    """Wait until all records are committed, those too that agents produce on the way.

    Rests on the agents' order: send what follows from a record, then acknowledge the record.
    So at any moment some topic shows a lag until all is done. Commits at every look, 10 ms apart.

    Parameters
    ----------
    app
        A started app.
    at_most
        Records that may be left: more than 0 for a producer that must not run far ahead.
    topics
        Only these; None for all that the app reads.
    within_s
        Longest wait [s]; None as long as it takes.

    Raises
    ------
    NotDrainedError
        If records are left after ``within_s``, or the app stops or crashes meanwhile.
    """
    wanted = None if topics is None else tuple(topics)

    async def left() -> Mapping[Slot, int]:
        behind = await lag(app, wanted)
        if app.producer.buffer.size:
            behind["(not sent)", 0] = app.producer.buffer.size
        if behind and not _runs(app):
            told = _told(behind)
            raise NotDrainedError(f"app {app.conf.id} does not run, records left: {told}")
        return behind

    await _wait(left, at_most, within_s)


async def drained_log(
    source: Log,
    group: str,
    topics: Iterable[str] | None = None,
    *,
    within_s: float | None = None,
) -> None:
    """Wait, beside the app that does it, until a group has committed all records of a log.

    Raises
    ------
    NotDrainedError
        If records are left after ``within_s`` [s].
    """
    wanted = None if topics is None else tuple(topics)

    async def left() -> Mapping[Slot, int]:
        return source.lag(group, wanted)

    await _wait(left, 0, within_s)


async def stop_gracefully(
    app: Any,
    *,
    within_s: float = 30.0,
    stop_within_s: float = 10.0,
    drain: bool | None = None,
) -> bool:
    """Finish the work, commit it, stop the app; whether nothing was left undone.

    Whoever feeds the app has stopped already. Never raises for work that could not be finished:
    it says so in the log, and the app is stopped in any case, also if it never started.

    Parameters
    ----------
    within_s
        Longest wait for the work [s].
    stop_within_s
        Longest wait for the app to stop [s]; then what it waits for is abandoned, uncommitted,
        and it has twice that time again.
    drain
        Whether to empty the topics or only to finish what agents have begun. None empties them if
        the broker dies with this process (``memory://``): a Kafka keeps the rest for the next run.
    """
    empty_them = isinstance(app.transport, Transport) if drain is None else drain
    finished = not app.crashed
    try:
        if empty_them and _runs(app):
            await drained(app, within_s=within_s)
    except NotDrainedError as error:
        finished = False
        log.warning("stopped_before_drained", app=app.conf.id, reason=str(error))
    finally:
        finished = await _stop(app, stop_within_s) and finished
    return finished


async def _wait(
    left: Callable[[], Awaitable[Mapping[Slot, int]]], at_most: int, within_s: float | None
) -> None:
    give_up = math.inf if within_s is None else time.monotonic() + within_s
    quiet_since: float | None = None
    while True:
        behind = await left()
        now = time.monotonic()
        if sum(behind.values()) > at_most:
            quiet_since = None
        elif quiet_since is None:
            quiet_since = now
        if quiet_since is not None and (at_most or now - quiet_since >= _SETTLE_S):
            return
        if quiet_since is None and now >= give_up:
            raise NotDrainedError(f"not drained after {within_s} s, records left: {_told(behind)}")
        await asyncio.sleep(_LOOK_S)


async def _stop(app: Any, within_s: float) -> bool:
    stopping = asyncio.ensure_future(app.stop())
    if await _done(stopping, within_s):
        return True
    # It waits for records that an agent has begun and will never acknowledge; a consumer that
    # is stopped waits no longer. They are not committed, so they come again.
    log.warning("records_in_progress_abandoned", app=app.conf.id)
    stopping_consumer = asyncio.ensure_future(app.consumer.stop())
    if not (await _done(stopping_consumer, within_s) and await _done(stopping, within_s)):
        log.error("app_does_not_stop", app=app.conf.id)
    return False


async def _done(task: asyncio.Future[None], within_s: float) -> bool:
    done, _ = await asyncio.wait({task}, timeout=within_s)
    for finished in done:
        finished.result()
    return bool(done)


def _runs(app: Any) -> bool:
    return bool(app.started and not app.should_stop and app.consumer.assignment())


def _told(behind: Mapping[Slot, int]) -> str:
    return ", ".join(f"{topic}/{p} {n}" for (topic, p), n in sorted(behind.items()))
