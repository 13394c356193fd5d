"""``python -m training``: fit the models, or report what they say of what they have not seen."""

from __future__ import annotations

from pathlib import Path

import click

from training.evaluation import MODELS
from training.files import write_model
from training.fits import TrainingSet, fit_anomaly, fit_kilonova
from training.onnx_trees import boosted_onnx, isolation_onnx
from training.real import real_alerts
from training.report import all_tables
from training.samples import KILONOVAE_OF_GRID, sample
from training.tables import table_lines

TRAINING_SEED = (20261128, 0)

_models_option = click.option(
    "--models", type=click.Path(path_type=Path), default=Path("deploy/models"), show_default=True
)
_real_option = click.option(
    "--real-data", type=click.Path(exists=True, path_type=Path), help="The folder of real packets."
)


@click.group()
def main() -> None:
    """Fit the models of deploy/models and test them."""


@main.command()
@_models_option
@_real_option
@click.option("--size", type=float, default=1.0, show_default=True, help="Of the usual sample.")
@click.option("--n-trees", type=int, default=128, show_default=True, help="Half for the anomaly.")
def fit(models: Path, real_data: Path | None, size: float, n_trees: int) -> None:
    """Fit both models and write their folders.

    Example: python -m training fit --real-data ../shared/data
    """
    real = [] if real_data is None else real_alerts(real_data)
    simulated = sample(TRAINING_SEED, int(6000 * size), int(1500 * size), KILONOVAE_OF_GRID)
    training = TrainingSet(simulated, [x for x in real if not x.is_held_out])
    click.echo(f"{len(simulated)} simulated objects, {len(training.real)} real alerts", err=True)
    kilonova, anomaly = fit_kilonova(training, n_trees), fit_anomaly(training, n_trees // 2)
    contents = {
        "kilonova-gbt": boosted_onnx(kilonova),
        "anomaly": isolation_onnx(anomaly),
    }
    for name, (version, inputs) in MODELS.items():
        click.echo(write_model(models, name, version, inputs, contents[name]))


@main.command()
@_models_option
@_real_option
@click.option("--held-out", is_flag=True, help="The last word; without it, a sample to look at.")
def report(models: Path, real_data: Path | None, held_out: bool) -> None:
    """Print the tables of docs/science/models.md.

    Without --held-out all is of another sample, and the real alerts are those of the fit.

    Example: python -m training report --held-out --real-data ../shared/data
    """
    for title, rows in all_tables(models, real_data, held_out).items():
        click.echo("\n".join(["", title, "", *table_lines(rows)]))


if __name__ == "__main__":
    main()
