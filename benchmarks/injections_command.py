"""``correlator bench injections``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.table import Table as RichTable

from benchmarks.injection_cuts import Cut, cuts_of
from benchmarks.injection_models import model_cut
from benchmarks.injection_nights import fields_of
from benchmarks.injection_tables import Table, rows_of, tables_of
from benchmarks.injections import Outcome, evaluate
from benchmarks.report import whole_rows
from correlator.service.commands.options import json_option, print_json
from correlator.service.console import stdout_console
from correlator.service.progress import tracked
from correlator.simulation.campaign import CampaignConfig, plan_campaign

SURVEYS = ("ztf", "lsst")


@click.command("injections")
@click.option("--survey", type=click.Choice([*SURVEYS, "both"]), default="both", show_default=True)
@click.option("--fields", "n_fields", type=click.IntRange(min=1), default=12, show_default=True)
@click.option("--nights", "n_nights", type=click.IntRange(1, 30), default=8, show_default=True)
@click.option(
    "--alerts",
    type=click.IntRange(min=1),
    default=1_600,
    show_default=True,
    help="Background alerts a visit before any gate; Rubin has 10,000, ZTF some 1,600.",
)
@click.option(
    "--each",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Injected sources of each kind and field.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--model",
    "models",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="Folder with a model's card and its ONNX file: one more cut.",
)
@click.option("--model-least", type=float, default=0.5, show_default=True)
@click.option("--markdown", is_flag=True, help="Tables for a page.")
@json_option
def injections_command(
    survey: str,
    n_fields: int,
    n_nights: int,
    alerts: int,
    each: int,
    seed: int,
    models: tuple[Path, ...],
    model_least: float,
    markdown: bool,
    as_json: bool,
) -> None:
    """AT2017gfo at 40 to 200 Mpc and ten afterglows in simulated nights: who finds them.

    Example: correlator bench injections --survey ztf --fields 4 --json
    """
    chosen = SURVEYS if survey == "both" else (survey,)
    more = [model_cut(folder, model_least) for folder in models]
    outcomes = [
        outcome_of(
            CampaignConfig(
                name,
                seed=seed,
                n_fields=n_fields,
                n_nights=n_nights,
                alerts_per_visit=alerts,
                injections_each=each,
            ),
            more,
        )
        for name in chosen
    ]
    if as_json:
        print_json(whole_rows(row for outcome in outcomes for row in rows_of(outcome)))
        return
    for table in _tables(outcomes):
        if markdown:
            click.echo(table.as_markdown())
        else:
            stdout_console().print(_rich(table))


def outcome_of(config: CampaignConfig, more: Sequence[Cut] = ()) -> Outcome:
    """Simulate a campaign, and ask every cut, and more."""
    campaign = plan_campaign(config)
    fields = tracked(fields_of(campaign), f"Injecting into {config.survey}", len(campaign.fields))
    return evaluate(config.survey, config.n_nights, fields, [*cuts_of(config.survey), *more])


def _tables(outcomes: list[Outcome]) -> Iterator[Table]:
    for outcome in outcomes:
        yield from tables_of(outcome)


def _rich(table: Table) -> RichTable:
    found = RichTable(*table.columns, title=table.title)
    for cells in table.cells:
        found.add_row(*cells)
    return found
