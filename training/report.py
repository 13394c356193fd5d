"""Every table of docs/science/models.md."""

from __future__ import annotations

from pathlib import Path

import click

from training.real_tables import real_tables
from training.tables import (
    HELD_OUT_SEED,
    VALIDATION_SEED,
    Thresholds,
    simulated,
    simulated_tables,
    table_lines,
)


def print_report(models: Path, real_data: Path | None, held_out: bool) -> None:
    """Print every table; the ones of real alerts where there are any."""
    validation = simulated(models, VALIDATION_SEED, 1.0)
    thresholds = Thresholds(validation)
    shown = simulated(models, HELD_OUT_SEED, 1.0) if held_out else validation
    tables = simulated_tables(shown, thresholds)
    if real_data is not None:
        tables |= real_tables(models, real_data, thresholds, held_out)
    for title, rows in tables.items():
        click.echo(f"\n{title}\n")
        for line in table_lines(rows):
            click.echo(line)
