"""``correlator bench archive``."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.archive import N_PACKETS, archive_rows
from benchmarks.report import print_table, whole_rows
from benchmarks.timing import Effort
from correlator.service.commands.options import json_option, print_json


@click.command("archive")
@click.option("--survey", type=click.Choice(list(N_PACKETS)), default="ztf", show_default=True)
@click.option("--night", "n_night", type=click.IntRange(min=1), default=200_000, show_default=True)
@click.option("--survivors", "n_survivors", type=click.IntRange(min=1), default=10_000)
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@click.option(
    "--real-data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CORRELATOR_REAL_DATA",
    required=True,
    help="Folder of real packets.",
)
@json_option
def archive_command(
    survey: str, n_night: int, n_survivors: int, rounds: int, real_data: Path, as_json: bool
) -> None:
    """What the archive of nights costs the edge, and how fast and how large its files are.

    Example: correlator bench archive --json
    """
    rows = whole_rows(archive_rows(real_data, survey, n_night, n_survivors, Effort(rounds)))
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
