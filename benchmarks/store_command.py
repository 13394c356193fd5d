"""``correlator bench store``."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from benchmarks.event_store import EventStoreSetting, event_store
from benchmarks.report import print_table, whole_rows
from correlator.service.commands.options import json_option, print_json

_DATABASES = "sqlite", "postgresql"


@click.command("store")
@click.option("--alerts", "n_alerts", type=click.IntRange(min=1_000), default=10_000_000)
@click.option("--coincidences", "n_coincidences", type=click.IntRange(min=1), default=1_000_000)
@click.option("--readers", type=click.IntRange(min=1), default=20, show_default=True)
@click.option(
    "--writes",
    type=click.FloatRange(min=1.0),
    default=100.0,
    show_default=True,
    help="Alerts that a worker stores meanwhile [1/s].",
)
@click.option(
    "--duration",
    type=click.FloatRange(min=1.0),
    default=60.0,
    show_default=True,
    help="How long readers are timed, each way [s].",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the stores here for the next time; default: a folder that goes away.",
)
@click.option("--database", type=click.Choice(_DATABASES), help="One of the two.")
@click.option("--no-http", is_flag=True, help="Ask the store itself only.")
@json_option
def store_command(
    n_alerts: int,
    n_coincidences: int,
    readers: int,
    writes: float,
    duration: float,
    folder: Path | None,
    database: str | None,
    no_http: bool,
    as_json: bool,
) -> None:
    """Twenty readers of a store of ten million alerts, while a worker writes.

    Both stores take 45 GB of disk; the user postgres must reach the folder.

    Example: correlator bench store --folder /var/tmp/stores --json
    """
    with ExitStack() as stack:
        where = folder
        if where is None:
            made = tempfile.TemporaryDirectory(
                prefix="correlator-bench-", ignore_cleanup_errors=True
            )
            where = Path(stack.enter_context(made))
            where.chmod(0o755)
        setting = EventStoreSetting(
            where, n_alerts, n_coincidences, readers, writes, duration,
            [database] if database else _DATABASES, not no_http,
        )  # fmt: skip
        rows = whole_rows(list(event_store(setting)))
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
