"""``correlator up``: everything in one process on the embedded default."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from correlator.service.commands.options import store_option, store_url_of, writable_folder
from correlator.service.inbox import watch_inbox
from correlator.service.serving import serve_http
from correlator.service.settings import Settings
from correlator.service.wiring import running
from storage.store import Store


@click.command("up")
@store_option
@click.option("--inbox", type=click.Path(path_type=Path), help="Folder to watch for packets.")
@click.option("--port", type=int, help="Port of the web page.")
def up(store_url: str | None, inbox: Path | None, port: int | None) -> None:
    """Run pipeline and page in one process; packets dropped into the inbox are streamed in.

    Example: correlator up --inbox inbox/
    """
    settings = Settings()
    folder = inbox or settings.inbox or Path("inbox")
    writable_folder(folder)
    chosen = settings.port if port is None else port
    store = Store.open(store_url_of(store_url))
    click.echo(f"watching {folder}/, page at http://{settings.host}:{chosen}", err=True)
    asyncio.run(_run(settings, store, folder, chosen))


async def _run(settings: Settings, store: Store, inbox: Path, port: int) -> None:
    streams = settings.stream_settings()
    async with running(streams, store, settings.policy(), time.time) as pipeline:
        tag, audiences = settings.tagger().tagged, settings.source_audiences()
        watcher = asyncio.create_task(watch_inbox(inbox, pipeline, store, tag, audiences))
        page = asyncio.create_task(serve_http(store, settings, settings.host, port))
        # Either one ends the process: a page over a dead pipeline would say that all is well.
        await asyncio.wait({watcher, page}, return_when=asyncio.FIRST_COMPLETED)
        for task in (watcher, page):
            task.cancel()
        results = await asyncio.gather(watcher, page, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
