"""``correlator bench orbits``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmarks.orbits import orbits_rows
from benchmarks.report import print_table, whole_rows
from benchmarks.timing import Effort
from correlator.service.commands.options import json_option, print_json


@click.command("orbits")
@click.option(
    "--orbits", "n_orbits", type=click.IntRange(100, 1_500_000), default=1_000_000,
    show_default=True,
)  # fmt: skip
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@json_option
def orbits_command(n_orbits: int, rounds: int, as_json: bool) -> None:
    """Read a file of a million orbits, place all, and ask which are near a place.

    A minute, 1 GB of memory, 200 MB of disk.

    Example: correlator bench orbits --json
    """
    with tempfile.TemporaryDirectory() as folder:
        rows = whole_rows(list(orbits_rows(Effort(rounds), n_orbits, Path(folder))))
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
