"""Every table of docs/science/models.md."""

from __future__ import annotations

from pathlib import Path

from training.real_tables import real_tables
from training.tables import (
    HELD_OUT_SEED,
    VALIDATION_SEED,
    Rows,
    Thresholds,
    simulated,
    simulated_tables,
)


def all_tables(models: Path, real_data: Path | None, held_out: bool) -> dict[str, Rows]:
    """Every table by title; those of real alerts where there are any.

    Parameters
    ----------
    models
        Folder of the models.
    held_out
        Of what nobody was to look at before the models were done; else of the validation sample,
        and of the real alerts that the models are fitted to.
    """
    validation = simulated(models, VALIDATION_SEED, 1.0)
    thresholds = Thresholds(validation)
    shown = simulated(models, HELD_OUT_SEED, 1.0) if held_out else validation
    tables = simulated_tables(shown, thresholds)
    if real_data is not None:
        tables |= real_tables(models, real_data, thresholds, held_out)
    return tables
