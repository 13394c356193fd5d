"""``correlator bench notices``."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.notices import notice_rows
from benchmarks.report import print_table, whole_rows
from benchmarks.timing import Effort
from correlator.service.commands.options import json_option, print_json


@click.command("notices")
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@click.option(
    "--real-data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CORRELATOR_REAL_DATA",
    required=True,
    help="Folder of real packets.",
)
@json_option
def notices_command(rounds: int, real_data: Path, as_json: bool) -> None:
    """Notices of each mission against voevent-parse, gcn-notice-parser and ligo.skymap.

    Example: correlator bench notices --real-data FOLDER --json
    """
    rows = whole_rows(notice_rows(Effort(rounds), real_data))
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
