"""Settings to running objects: store, pipeline; one function each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from correlator.policy import Policy
from storage.store import Store
from streams.app import Pipeline, create_app
from streams.settings import StreamSettings


@asynccontextmanager
async def running(
    settings: StreamSettings, store: Store, policy: Policy, now: Callable[[], float]
) -> AsyncIterator[Pipeline]:
    """A started pipeline over what the store knows; finished and stopped at the end."""
    pipeline = create_app(settings, store, policy, now)
    try:
        await pipeline.start()
        yield pipeline
    finally:
        await pipeline.stop()
