"""``correlator simulate``: packets with known truth."""

from __future__ import annotations

from pathlib import Path

import click

from correlator.service.commands.options import json_option, print_json
from correlator.simulation.archive import write_night
from correlator.simulation.load import LoadConfig, write_load
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


@simulate.command("load")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--alerts",
    "n_alerts",
    type=click.IntRange(min=1),
    default=200_000,
    show_default=True,
    help="Distinct slim alerts; those that come again come on top.",
)
@click.option(
    "--notices",
    "n_notices",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    help="Distinct notices; those that come again come on top.",
)
@click.option(
    "--order",
    type=click.Choice(["event", "shuffled"]),
    default="event",
    show_default=True,
    help="Deliver by time, or permuted.",
)
@click.option("--order-seed", type=int, default=1, show_default=True, help="Of --order shuffled.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@json_option
def load(
    seed: int,
    n_alerts: int,
    n_notices: int,
    order: str,
    order_seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Simulate a night as the topics carry it, to load the engine with.

    Alerts and notices come twice, late and changed; events are updated, retracted, and close.

    Example: correlator simulate load --alerts 20000 --notices 40 --seed 1 --out load-1
    """
    config = LoadConfig(
        seed=seed,
        n_alerts=n_alerts,
        n_notices=n_notices,
        order_seed=order_seed if order == "shuffled" else None,
    )
    truth = write_load(config, out)
    if as_json:
        print_json(truth)
        return
    click.echo(
        f"{out}: {truth['n_records']} records ({truth['n_bytes'] / 1e6:.1f} MB): "
        f"{truth['n_alerts']} alerts of {truth['n_objects']} objects and {truth['n_alerts_again']} "
        f"again, {truth['n_notices']} notices of {len(truth['events'])} events and "
        f"{truth['n_notices_again']} again"
    )
