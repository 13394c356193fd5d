"""``correlator bench rest``."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.report import print_table, whole_rows
from benchmarks.rest import rest
from correlator.service.commands.options import json_option, print_json


@click.command("rest")
@click.option("--rows", type=click.IntRange(min=1_000), default=1_000_000, show_default=True)
@json_option
def rest_command(rows: int, as_json: bool) -> None:
    """A whole list of coincidences as Parquet over HTTP, and the memory of the service.

    Example: correlator bench rest --rows 1000000 --json
    """
    with TemporaryDirectory(prefix="correlator-rest-") as folder:
        found = whole_rows(list(rest(rows, Path(folder))))
    if as_json:
        print_json(found)
    else:
        print_table(found)
