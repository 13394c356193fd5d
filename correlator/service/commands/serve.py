"""``correlator serve``: the page and the interface ``/api/v1`` over a store."""

from __future__ import annotations

import asyncio

import click

from correlator.service.arenas import bound_arenas
from correlator.service.commands.options import store_option, store_url_of
from correlator.service.serving import serve_http
from correlator.service.settings import Settings
from storage.store import Store

STATEMENT_LIMIT_S = 60.0
"""After which PostgreSQL ends a statement of the serving process [s]."""


@click.command("serve")
@store_option
@click.option("--host", help="Address to listen at.  [default: CORRELATOR_HOST]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port.  [default: CORRELATOR_PORT]")
def serve(store_url: str | None, host: str | None, port: int | None) -> None:
    """Serve page and REST interface over a store that other processes fill.

    Example: correlator serve --store postgresql://correlator@127.0.0.1/correlator --port 8000
    """
    bound_arenas()
    settings = Settings()
    at, chosen = host or settings.host, settings.port if port is None else port
    with Store.open(store_url_of(store_url), statement_limit_s=STATEMENT_LIMIT_S) as store:
        click.echo(f"page at http://{at}:{chosen}, REST at http://{at}:{chosen}/api/v1", err=True)
        asyncio.run(serve_http(store, settings, at, chosen))
