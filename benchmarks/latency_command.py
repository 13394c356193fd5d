"""``correlator bench latency``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from benchmarks.brokers import own_broker
from benchmarks.latency import LatencySetting, latency
from benchmarks.report import print_table, whole_rows
from correlator.service.commands.options import json_option, print_json
from streams.admin import servers_of


@click.command("latency")
@click.option("--rate", type=click.FloatRange(min=1.0), default=300.0, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=1.0), default=60.0, show_default=True)
@click.option("--notices", "n_notices", type=click.IntRange(min=0), default=20, show_default=True)
@click.option("--objects", "n_objects", type=click.IntRange(min=1), default=5_000_000)
@click.option(
    "--store-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The store of so many objects; made if it is not there, copied before use.",
)
@click.option("--broker", metavar="URL", help="kafka://HOST:PORT; default: one of its own.")
@json_option
def latency_command(
    rate: float,
    seconds: float,
    n_notices: int,
    n_objects: int,
    store_file: Path | None,
    broker: str | None,
    as_json: bool,
) -> None:
    """Alert in, and notice in, to coincidence out.

    Example: correlator bench latency --store-file full.sqlite --json
    """
    setting = LatencySetting(rate, seconds, n_notices, n_objects, store_file)
    with ExitStack() as stack:
        servers = servers_of(broker) if broker else stack.enter_context(own_broker())
        rows = whole_rows(list(latency(servers, setting)))
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
