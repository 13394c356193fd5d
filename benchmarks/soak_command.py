"""``correlator bench soak``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from benchmarks.brokers import own_broker
from benchmarks.report import print_table, whole_rows
from benchmarks.soak import SoakSetting, soak, soak_rows
from correlator.service.commands.options import json_option, print_json
from streams.admin import servers_of


@click.command("soak")
@click.option("--seconds", type=click.FloatRange(min=10.0), default=600.0, show_default=True)
@click.option("--rate", type=click.IntRange(min=1), default=1_000, show_default=True)
@click.option("--broker", metavar="URL", help="kafka://HOST:PORT; default: one of its own.")
@click.option(
    "--real-data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CORRELATOR_REAL_DATA",
    help="Folder of real packets, for an edge beside the worker.",
)
@click.option("--program", multiple=True, help="Words that run the worker: a profiler.")
@json_option
def soak_command(
    seconds: float,
    rate: int,
    broker: str | None,
    real_data: Path | None,
    program: tuple[str, ...],
    as_json: bool,
) -> None:
    """Memory of a worker and of an edge, an hour of event time a second.

    Example: correlator bench soak --seconds 600 --json
    """
    setting = SoakSetting(seconds, rate, real_data, program)
    with ExitStack() as stack:
        servers = servers_of(broker) if broker else stack.enter_context(own_broker())
        rows = whole_rows(list(soak_rows(soak(servers, setting), setting)))
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
