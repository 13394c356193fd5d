"""``correlator simulate``: packets with known truth."""

from __future__ import annotations

from pathlib import Path

import click

from correlator.service.commands.options import json_option, print_json
from correlator.simulation.archive import write_night
from correlator.simulation.night import NightConfig


@click.group("simulate")
def simulate() -> None:
    """Make packets with known truth, the same for the same seed."""


@simulate.command("night")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--alerts",
    "n_alerts",
    type=click.IntRange(min=1),
    default=20_000,
    show_default=True,
    help="Alerts before the quality gate.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@json_option
def night(seed: int, n_alerts: int, out: Path, as_json: bool) -> None:
    """Simulate a ZTF night with notices, a kilonova and an afterglow.

    Example: correlator simulate night --seed 7 --out night-7
    """
    summary = write_night(NightConfig(seed=seed, n_alerts=n_alerts), out)
    if as_json:
        print_json(summary)
    else:
        click.echo(f"{out}: {summary}")
