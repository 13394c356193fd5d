"""The inbox: packets dropped into a folder are streamed in, each once a run."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path

import structlog

from correlator.service.archive import archive_files, read_archive
from storage.store import Store
from streams.app import Pipeline

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 1.0


async def watch_inbox(folder: Path, pipeline: Pipeline, store: Store) -> None:
    """Look for new files for ever; a file counts once its size stands still.

    Files stay where they are: after a restart they are read again, and change nothing.
    """
    done: set[Path] = set()
    sizes: dict[Path, int] = {}
    while True:
        for path in await asyncio.to_thread(archive_files, [folder]):
            size = path.stat().st_size
            if path not in done and sizes.get(path) == size:
                done.add(path)
                await _stream_in(path, pipeline, store)
            sizes[path] = size
        await asyncio.sleep(_LOOK_EVERY_S)


async def _stream_in(path: Path, pipeline: Pipeline, store: Store) -> None:
    archive = await asyncio.to_thread(read_archive, [path])
    for refusal in archive.refusals:
        put = partial(store.dead_letters.put, rule=refusal.rule)
        said = refusal.packet_name, refusal.packet, refusal.reason
        await asyncio.to_thread(put, "inbox", *said, time.time())
    for delivery in archive.in_order():
        await pipeline.send(delivery.topic, delivery.key, delivery.value)
    log.info(
        "file_streamed",
        file=str(path),
        delivered=len(archive.deliveries),
        refused=len(archive.refusals),
    )
