"""``correlator join``: the batch cross-match for analysts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from correlator.audience import Reader
from correlator.batch import JoinOptions, OnsetRule, Versions
from correlator.errors import ConfigurationError
from correlator.service.commands.options import json_option, print_json, reader_options
from correlator.service.joined import check_table_file, joined_rows, write_table
from correlator.service.settings import Settings

_PARTLY_DONE = 3

_EXISTING = click.Path(exists=True, path_type=Path)


class Days(click.ParamType):
    """Two numbers with a comma between: from and to, in days."""

    name = "from,to"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """The two numbers."""
        if isinstance(value, tuple):
            return value
        try:
            start, end = (float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is no pair of days such as -0,7", param, ctx)
        return start, end


@click.command("join")
@click.option(
    "--alerts",
    multiple=True,
    required=True,
    type=_EXISTING,
    help="Files or folders of alerts; may be repeated.",
)
@click.option(
    "--notices",
    multiple=True,
    required=True,
    type=_EXISTING,
    help="Files or folders of notices; may be repeated.",
)
@click.option(
    "--window-days",
    type=Days(),
    default="-0,7",
    show_default=True,
    help="Onset minus T0, half-open [d].",
)
@click.option(
    "--onset",
    type=click.Choice([r.value for r in OnsetRule]),
    default=OnsetRule.FIRST_DETECTION.value,
    show_default=True,
    help="Which moment of an alert counts.",
)
@click.option(
    "--credible", type=float, default=0.9, show_default=True, help="Credible level of the region."
)
@click.option(
    "--radius-scale",
    type=float,
    default=1.0,
    show_default=True,
    help="With --no-systematics: factor of a circle's published radius.",
)
@click.option("--no-systematics", is_flag=True, help="Cut circles by their published radius.")
@click.option(
    "--versions",
    type=click.Choice([v.value for v in Versions]),
    default=Versions.BEST.value,
    show_default=True,
    help="Every notice, or the best.",
)
@click.option("--include-tests", is_flag=True, help="Match tests, mocks and drills too.")
@click.option("--where", help="Keep the rows that this filter lets pass.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Result: .csv, .parquet or .ecsv.",
)
@reader_options
@json_option
def join_command(
    alerts: tuple[Path, ...],
    notices: tuple[Path, ...],
    window_days: tuple[float, float],
    onset: str,
    credible: float,
    radius_scale: float,
    no_systematics: bool,
    versions: str,
    include_tests: bool,
    where: str | None,
    out: Path | None,
    reader: Reader,
    as_json: bool,
) -> None:
    """Cross-match alerts with notices: one row for each pair inside region and window.

    Example: correlator join --alerts alerts/ --notices notices/ --credible 0.9 --out pairs.csv
    """
    if out is None and not as_json:
        raise click.UsageError("say --out FILE (.csv, .parquet, .ecsv) or --json")
    if out is not None:
        check_table_file(out)
    try:
        options = JoinOptions(
            window_days,
            OnsetRule(onset),
            credible,
            radius_scale,
            not no_systematics,
            Versions(versions),
            include_tests,
        )
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    audiences = Settings().source_audiences()
    rows, refusals = joined_rows(alerts, notices, options, where, audiences, reader)
    if out is not None:
        write_table(rows, out)
    if as_json:
        print_json({"rows": rows, "refused": refusals})
    else:
        click.echo(f"{len(rows)} pairs in {out}; {len(refusals)} packets refused", err=True)
    for said in refusals:
        click.echo(f"refused: {said}", err=True)
    if refusals:
        sys.exit(_PARTLY_DONE)
