"""``correlator bench features``."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.features import feature_rows, real_alerts, simulated_alerts
from benchmarks.report import print_table, whole_rows
from benchmarks.timing import Effort
from correlator.service.commands.options import json_option, print_json


@click.command("features")
@click.option("--objects", "n_objects", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@click.option(
    "--real-data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CORRELATOR_REAL_DATA",
    help="Folder of real packets; a simulated night without it.",
)
@json_option
def features_command(n_objects: int, rounds: int, real_data: Path | None, as_json: bool) -> None:
    """Features and scores of objects, each stage by itself, on one core.

    Example: correlator bench features --json
    """
    alerts = real_alerts(real_data) if real_data else simulated_alerts(n_objects)
    rows = whole_rows(list(feature_rows(alerts, n_objects, Effort(rounds))))
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
