"""``correlator bench features``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmarks.features import (
    N_BATCHES,
    catalogue,
    feature_rows,
    real_alerts,
    simulated_alerts,
    survivors,
)
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
@click.option("--entries", "n_entries", type=click.IntRange(min=1_000), default=10_000_000)
@json_option
def features_command(
    n_objects: int, rounds: int, real_data: Path | None, n_entries: int, as_json: bool
) -> None:
    """Gate, tags, features and scores of alerts that pass, each by itself and all, on one core.

    The tags are of a catalogue of ten million entries: two minutes, 2 GB of memory and of disk.

    Example: correlator bench features --json
    """
    found = real_alerts(real_data) if real_data else simulated_alerts(n_objects)
    alerts = survivors(found, N_BATCHES * n_objects)
    with tempfile.TemporaryDirectory() as folder:
        catalogs = catalogue(Path(folder), alerts, n_entries)
        rows = whole_rows(list(feature_rows(alerts, catalogs, n_objects, Effort(rounds))))
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
