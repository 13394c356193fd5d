"""``correlator bench decode``."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.decode import DecodeSetting, decode_rows
from benchmarks.report import print_table, whole_rows
from correlator.service.commands.options import json_option, print_json


@click.command("decode")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option(
    "--real-data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CORRELATOR_REAL_DATA",
    required=True,
    help="Folder of real packets.",
)
@json_option
def decode_command(rounds: int, real_data: Path, as_json: bool) -> None:
    """Real packets of ZTF and LSST, a first look and the whole alert, against fastavro.

    Example: correlator bench decode --json
    """
    rows = whole_rows(decode_rows(DecodeSetting(real_data, rounds)))
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
