"""The inbox: packets dropped into a folder are streamed in, each once a run."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path

import structlog

from correlator.errors import ConfigurationError, CorrelatorError
from correlator.service.archive import archive_files, read_archive
from correlator.service.source_audiences import NO_AUDIENCES, SourceAudiences
from storage.catalogs.tagger import Tag, untagged
from storage.store import Store
from streams.app import Pipeline

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 1.0


async def watch_inbox(
    folder: Path,
    pipeline: Pipeline,
    store: Store,
    tag: Tag = untagged,
    audiences: SourceAudiences = NO_AUDIENCES,
) -> None:
    """Look for new files until the app ends; a file counts once its size stands still.

    Files stay where they are: after a restart they are read again, and change nothing.

    Raises
    ------
    CorrelatorError
        The app has crashed.
    """
    done: set[Path] = set()
    sizes: dict[Path, int] = {}
    while not pipeline.has_failed:
        try:
            for path in await asyncio.to_thread(archive_files, [folder]):
                size = path.stat().st_size
                if path not in done and sizes.get(path) == size:
                    await _stream_in(path, pipeline, store, tag, audiences)
                    done.add(path)
                sizes[path] = size
        except (OSError, ConfigurationError) as error:
            # A folder or a file that is away for a moment: look again.
            log.warning("inbox_unreadable", error=str(error))
        await asyncio.sleep(_LOOK_EVERY_S)
    raise CorrelatorError("the stream app has crashed; the log says why")


async def _stream_in(
    path: Path, pipeline: Pipeline, store: Store, tag: Tag, audiences: SourceAudiences
) -> None:
    archive = await asyncio.to_thread(read_archive, [path], tag, audiences)
    for refusal in archive.refusals:
        put = partial(store.dead_letters.put, rule=refusal.rule, audience=refusal.audience)
        said = refusal.packet_name, refusal.packet, refusal.reason
        await asyncio.to_thread(put, "inbox", *said, time.time())
    for delivery in archive.in_order():
        await pipeline.send(delivery.topic, delivery.key, delivery.value, delivery.headers)
    log.info(
        "file_streamed",
        file=str(path),
        delivered=len(archive.deliveries),
        refused=len(archive.refusals),
    )
