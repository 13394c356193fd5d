"""``correlator bench lookback``."""

from __future__ import annotations

from contextlib import ExitStack

import click

from benchmarks.databases import new_database, own_postgres
from benchmarks.lookback import LookbackSetting, lookback
from benchmarks.report import print_table, whole_rows
from benchmarks.timing import Effort
from correlator.service.commands.options import json_option, print_json


@click.command("lookback")
@click.option("--alerts", "n_alerts", type=click.IntRange(min=1), default=10_000_000)
@click.option("--rounds", type=click.IntRange(min=1), default=9, show_default=True)
@click.option("--postgres", metavar="URL", help="A PostgreSQL; default: one of its own.")
@click.option("--no-postgres", is_flag=True, help="Memory and SQLite only.")
@click.option(
    "--peer-limit",
    type=click.FloatRange(min=0.0),
    default=180.0,
    show_default=True,
    help="Give healpix-alchemy up after so long [s]; 0 leaves it out.",
)
@json_option
def lookback_command(
    n_alerts: int,
    rounds: int,
    postgres: str | None,
    no_postgres: bool,
    peer_limit: float,
    as_json: bool,
) -> None:
    """A region and some days out of millions of stored alerts.

    Example: correlator bench lookback --json
    """
    setting = LookbackSetting(n_alerts, Effort(rounds, 0.0), peer_limit)
    with ExitStack() as stack:
        if no_postgres:
            new_postgres = None
        elif postgres:
            new_postgres = lambda: new_database(postgres)  # noqa: E731
        else:
            new_postgres = stack.enter_context(own_postgres())
        rows = whole_rows(list(lookback(new_postgres, setting)))
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
