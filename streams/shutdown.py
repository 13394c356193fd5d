"""Waiting until a pipeline is idle, and stopping it without losing what it was given."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from streams.log import Log

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 0.01
_QUIET_LOOKS = 3
"""An agent produces before it acknowledges, so no record is between two topics; a few more looks
guard against an append that is under way."""


async def drained(app: Any, most: int = 0) -> None:
    """Wait until the app has committed all but ``most`` of the records that it reads.

    Only for ``memory://``: there the log is at hand, and nothing else writes to it.
    """
    broker: Log = app.transport.broker
    quiet = 0
    while quiet < _QUIET_LOOKS:
        behind = sum(broker.lag(app.conf.id).values())
        quiet = quiet + 1 if behind <= most else 0
        if behind > most:
            await app.consumer.commit()
        await asyncio.sleep(_LOOK_EVERY_S)


async def stop_gracefully(app: Any, within_s: float = 30.0) -> None:
    """Handle what was produced, commit, stop; what takes longer than that is left and said."""
    try:
        async with asyncio.timeout(within_s):
            await drained(app)
    except TimeoutError:
        log.error("stopped_undrained", behind=app.transport.broker.lag(app.conf.id))
    await app.stop()
