"""``correlator bench sky``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from benchmarks.report import print_table, whole_rows
from benchmarks.sky_join import join_rows
from benchmarks.sky_maps import map_rows
from benchmarks.sky_peers import require_peers
from benchmarks.sky_rows import SkyRow
from benchmarks.timing import Effort
from correlator.service.commands.options import json_option, print_json


@click.command("sky")
@click.option(
    "--events", "n_events", type=click.IntRange(min=10), multiple=True, default=(100, 1000)
)
@click.option(
    "--alerts", "n_alerts", type=click.IntRange(min=10), default=10_000, show_default=True
)
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@click.option(
    "--real-data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CORRELATOR_REAL_DATA",
    help="Folder of real packets, for a real map.",
)
@json_option
def sky_command(
    n_events: tuple[int, ...],
    n_alerts: int,
    rounds: int,
    real_data: Path | None,
    as_json: bool,
) -> None:
    """Alerts against live events, and single maps, against mocpy, ligo.skymap and ligo-raven.

    Example: correlator bench sky --json
    """
    rows = whole_rows(sky(Effort(rounds), n_events, n_alerts, real_data))
    if as_json:
        print_json(rows)
    else:
        print_table(rows)


def sky(
    effort: Effort, n_events: tuple[int, ...], n_alerts: int, real_data: Path | None
) -> Iterator[SkyRow]:
    """All rows of the sky benchmark; what is compared was found equal first."""
    require_peers()
    yield from join_rows(effort, n_events, n_alerts)
    yield from map_rows(effort, real_data)
