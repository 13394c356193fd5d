"""``correlator bench crossmatch``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmarks.crossmatch import crossmatch
from benchmarks.report import print_table, whole_rows
from benchmarks.timing import Effort
from correlator.service.commands.options import json_option, print_json


@click.command("crossmatch")
@click.option("--entries", "n_rows", type=click.IntRange(min=1_000), default=10_000_000)
@click.option(
    "--positions", "n_positions", type=click.IntRange(min=100), default=1_000, show_default=True
)
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@json_option
def crossmatch_command(n_rows: int, n_positions: int, rounds: int, as_json: bool) -> None:
    """Positions against a catalogue of ten million entries, astropy and a KD-tree.

    Some minutes, 4 GB of memory and 2 GB of disk.

    Example: correlator bench crossmatch --json
    """
    with tempfile.TemporaryDirectory() as folder:
        rows = whole_rows(list(crossmatch(Effort(rounds), n_rows, n_positions, Path(folder))))
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
