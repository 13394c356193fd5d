"""``correlator bench stream``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from benchmarks.brokers import own_broker
from benchmarks.databases import NewStore, new_database, own_postgres, sqlite_store
from benchmarks.report import print_table, whole_rows
from benchmarks.stream import StreamSetting, fill, stream
from benchmarks.timing import Row
from correlator.errors import ConfigurationError
from correlator.service.commands.options import json_option, print_json
from streams.admin import servers_of

STORES = ("sqlite", "postgresql")


@click.command("stream")
@click.option("--alerts", "n_alerts", type=click.IntRange(min=20_000), default=200_000)
@click.option("--runs", "n_runs", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--broker", metavar="URL", help="kafka://HOST:PORT, empty; default: one of its own.")
@click.option(
    "--store",
    "store_urls",
    multiple=True,
    help="sqlite, postgresql (its own), or the URL of a PostgreSQL; default: the first two.",
)
@click.option(
    "--profile",
    type=click.Path(dir_okay=False, path_type=Path),
    help="One more run under py-spy: its stacks into this file, the pieces into rows.",
)
@json_option
def stream_command(
    n_alerts: int,
    n_runs: int,
    broker: str | None,
    store_urls: tuple[str, ...],
    profile: Path | None,
    as_json: bool,
) -> None:
    """Slim alerts through one worker with 100 live events.

    Example: correlator bench stream --runs 5 --json
    """
    setting = StreamSetting(n_alerts, n_runs, profile)
    with ExitStack() as stack:
        servers = servers_of(broker) if broker else stack.enter_context(own_broker())
        stores = {name: store for url in store_urls or STORES for name, store in _store(url, stack)}
        size = Row("stream-alert-size", fill(servers, n_alerts), "bytes, median")
        rows = whole_rows([*stream(servers, stores, setting), size])
    if as_json:
        print_json(rows)
    else:
        print_table(rows)


def _store(url: str, stack: ExitStack) -> list[tuple[str, NewStore]]:
    if url == "sqlite":
        return [("sqlite", sqlite_store)]
    if url == "postgresql":
        return [("postgresql", stack.enter_context(own_postgres()))]
    if url.startswith("postgresql"):
        return [("postgresql", lambda: new_database(url))]
    raise ConfigurationError(f"store {url}: sqlite, postgresql or the URL of a PostgreSQL")
