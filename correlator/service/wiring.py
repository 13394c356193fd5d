"""Settings to running objects: store, pipeline; one function each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from correlator.policy import Policy
from correlator.wire import event_of_record
from storage.store import Store
from streams.app import Pipeline, create_app
from streams.settings import StreamSettings


@asynccontextmanager
async def running(
    settings: StreamSettings, store: Store, policy: Policy, now: Callable[[], float]
) -> AsyncIterator[Pipeline]:
    """A started pipeline that knows what the store knows; drained and stopped at the end."""
    pipeline = create_app(settings, store, policy, now)
    resume(pipeline)
    try:
        await pipeline.start()
        await pipeline.agents.look_back()
        yield pipeline
    finally:
        await pipeline.stop()


def resume(pipeline: Pipeline) -> None:
    """Fill the tables from the store, as they stood when the last run ended."""
    agents = pipeline.agents
    store, joiner = agents.store, agents.joiner
    for obj in store.alerts.objects():
        joiner.window.put(obj)
    for record in store.events.all():
        sha = record.localization_sha256
        found = store.localizations.get(sha) if sha else None
        joiner.book.put(event_of_record(record, found))
    pairs = store.pairs.all_live()
    joiner.resume(pairs)
    agents.ranker.resume(pairs, {c.event_key for c in store.coincidences.current()})
