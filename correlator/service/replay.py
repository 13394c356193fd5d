"""A replay: archived packets through the pipeline, and what they leave behind at one moment."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from correlator.audience import OPERATOR, Reader
from correlator.policy import Policy
from correlator.service.archive import Archive, Delivery
from correlator.service.progress import tracked
from correlator.service.results import (
    Results,
    results_of_rankings,
    visibilities_of,
    write_results,
)
from correlator.service.times import iso_utc
from correlator.service.wiring import running
from correlator.visibility import Site
from storage.store import Store
from streams.app import Pipeline
from streams.settings import StreamSettings

_AHEAD = 5000
"""Records that a replay may be ahead of the agents: bounds the memory of the in-process log."""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How to deliver, and the moment at which to rank.

    Attributes
    ----------
    as_of_unix_s
        Moment of the ranking; None for the time of the latest packet.
    shuffle_seed
        Permutes the delivery after the sorting by event time.
    speed
        Seconds of event time per second; None for as fast as it goes.
    site
        Observatory whose coming night enters the priority.
    """

    as_of_unix_s: float | None = None
    shuffle_seed: int | None = None
    speed: float | None = None
    site: Site | None = None


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What the packets imply at one moment, and how many of what there were."""

    results: Results
    report: dict[str, Any]


async def replay(
    archive: Archive, store: Store, policy: Policy, options: ReplayOptions
) -> ReplayResult:
    """Deliver every packet of an archive to the pipeline, wait until it is idle, rank."""
    as_of = _as_of(archive, options)
    # A log of its own: two replays in one process must not see each other.
    settings = StreamSettings(broker_url=f"memory://replay-{uuid.uuid4().hex}")
    started = time.monotonic()
    async with running(settings, store, policy, lambda: as_of) as pipeline:
        for refusal in archive.refusals:
            put = store.dead_letters.put
            said = refusal.packet_name, refusal.packet, refusal.reason
            put("archive", *said, as_of, rule=refusal.rule, audience=refusal.audience)
        await _deliver(pipeline, archive.in_order(options.shuffle_seed), options.speed)
        await pipeline.idle()
        seen = visibilities_of(store, options.site, as_of) if options.site else None
        rankings = await pipeline.agents.rank_all(seen)
        await pipeline.idle()
        tally = dict(pipeline.agents.tally.counts)
    seconds = time.monotonic() - started
    results = results_of_rankings(rankings, store, policy, as_of)
    return ReplayResult(results, _report(archive, store, tally, as_of, seconds))


def write_replay(result: ReplayResult, store: Store, out: Path, reader: Reader = OPERATOR) -> None:
    """Write what a replay left behind and a reader may read as JSON lines, and its report."""
    write_results(result.results, store, out, reader)
    (out / "report.json").write_bytes(orjson.dumps(result.report, option=orjson.OPT_INDENT_2))


def _as_of(archive: Archive, options: ReplayOptions) -> float:
    if options.as_of_unix_s is not None:
        return options.as_of_unix_s
    return archive.latest_unix_s or 0.0


async def _deliver(pipeline: Pipeline, deliveries: list[Delivery], speed: float | None) -> None:
    pace = _pacer(deliveries, speed)
    for n, delivery in enumerate(tracked(deliveries, "Streaming", len(deliveries)), start=1):
        await pace(delivery)
        await pipeline.send(delivery.topic, delivery.key, delivery.value, delivery.headers)
        if n % 500 == 0:
            await pipeline.not_behind(_AHEAD)


def _pacer(deliveries: list[Delivery], speed: float | None) -> Callable[[Delivery], Any]:
    started = time.monotonic()
    first = min((d.time_unix_s for d in deliveries if d.time_unix_s > 0.0), default=0.0)

    async def pace(delivery: Delivery) -> None:
        if speed is not None:
            due = (delivery.time_unix_s - first) / speed
            await asyncio.sleep(max(0.0, due - (time.monotonic() - started)))

    return pace


def _report(
    archive: Archive, store: Store, tally: dict[str, int], as_of: float, seconds: float
) -> dict[str, Any]:
    return {
        "as_of": iso_utc(as_of),
        "alerts_read": archive.n_alerts,
        "alerts_rejected_by_reason": dict(sorted(archive.rejected.items())),
        "notices_read": archive.n_notices,
        "streamed": tally,
        "refused": len(archive.refusals) + tally.get("dead_letters", 0),
        "store": store.counts(),
        "dead_letters_by_rule": dict(sorted(store.dead_letters.count_by_rule().items())),
        "seconds": round(seconds, 3),
    }
