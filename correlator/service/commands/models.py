"""``correlator models``: the models of the folder, how they stand, how two versions differ."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from correlator.features import FEATURES
from correlator.policy import DAY_S
from correlator.service.commands.options import columns_of, json_option, plain, print_json
from correlator.service.console import stdout_console
from correlator.service.model_compare import QUANTILES, Comparison, compared
from correlator.service.settings import Settings
from correlator.service.times import iso_utc
from streams.model_card import CARD_NAME, ModelError
from streams.model_folder import Model, folders_of, read_model
from streams.model_process import ModelProcess
from streams.score_log import kept_scores, kept_states, lines_of
from streams.scores import ModelStates, latest_states, scores_of
from streams.settings import ModelSettings
from streams.topic_reader import read_topic
from streams.topics import MODELS_STATE, SCORES

Row = dict[str, Any]

_UNITS = {name: meaning.unit for name, meaning in FEATURES.items()}
_SHOWN = ("worker", "folder", "name", "version", "stage", "state", "n_scored", "problem")
_SILENT_AFTER_S = 600.0
"""Workers that said nothing for longer have gone, and are not listed [s]."""


@click.group("models")
def models() -> None:
    """The models of the folder CORRELATOR_MODELS: how they stand, and how two of them differ."""


@models.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the models and how they stand in each worker; those that no worker has seen, too.

    Example: correlator models list --json
    """
    settings = Settings()
    rows = _rows(_states(settings), settings.model_settings())
    if as_json:
        print_json(rows)
        return
    table = Table(*_SHOWN)
    for cells in columns_of(rows, _SHOWN):
        table.add_row(*plain(cells))
    stdout_console().print(table)


@models.command("check")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@json_option
def check_command(path: Path, as_json: bool) -> None:
    """Read a model's folder or card, load its file and try it out, as a worker does.

    Exits 1 when a worker would refuse it.

    Example: correlator models check data/models/fast-rise-1.0
    """
    folder = path.parent if path.name == CARD_NAME else path
    model = read_model(folder, str(folder), _UNITS)
    asyncio.run(_try_out(model, Settings().model_settings()))
    row = asdict(model.card) | {"sha256": model.sha256}
    if as_json:
        print_json(row)
    else:
        click.echo(f"{model.card.key}: fine, {len(model.card.inputs)} inputs, {model.sha256[:12]}")


@models.command("inputs")
@json_option
def inputs_command(as_json: bool) -> None:
    """List the features that a model can be given, with units and meanings.

    Example: correlator models inputs --json
    """
    rows = [{"name": name} | asdict(meaning) for name, meaning in FEATURES.items()]
    if as_json:
        print_json(rows)
        return
    table = Table("name", "unit", "meaning")
    for cells in columns_of(rows, ("name", "unit", "text")):
        table.add_row(*plain(cells))
    stdout_console().print(table)


@models.command("compare")
@click.argument("name")
@click.argument("first")
@click.argument("second")
@click.option(
    "--from", "files", multiple=True, type=click.Path(exists=True, path_type=Path),
    help="Records of `scores`, one JSON a line.  [default: the topic, or what `up` kept]",
)  # fmt: skip
@click.option(
    "--days", type=float, default=15.0, show_default=True, help="Of the topic: how far back."
)
@click.option(
    "--threshold", type=float, help="Count where one is at or above it and the other not."
)
@json_option
def compare_command(
    name: str,
    first: str,
    second: str,
    files: tuple[Path, ...],
    days: float,
    threshold: float | None,
    as_json: bool,
) -> None:
    """Compare two versions of a model on the objects that both have scored.

    Example: correlator models compare fast-rise 1.0 1.1 --threshold 0.5
    """
    records = scores_of(_values(files, days))
    found = compared(records, name, first, second, threshold)
    if as_json:
        print_json(asdict(found) | {"quantiles": QUANTILES})
    else:
        _print_comparison(found)


async def _try_out(model: Model, settings: ModelSettings) -> None:
    process = ModelProcess(model.card, settings)
    try:
        await process.start(model.onnx)
    finally:
        await process.stop()


def _servers(settings: Settings) -> str | None:
    if not settings.broker.startswith("kafka://"):
        return None
    from streams.admin import servers_of

    return servers_of(settings.broker)


def _states(settings: Settings) -> list[ModelStates]:
    servers = _servers(settings)
    if servers is None:
        return latest_states(kept_states(settings.models))
    return latest_states(read_topic(servers, MODELS_STATE, _SILENT_AFTER_S))


def _values(files: Iterable[Path], days: float) -> Iterator[bytes]:
    if files:
        for path in files:
            yield from lines_of(path)
        return
    settings = Settings()
    servers = _servers(settings)
    if servers is None:
        yield from kept_scores(settings.models)
    else:
        yield from read_topic(servers, SCORES, days * DAY_S)


def _rows(states: list[ModelStates], settings: ModelSettings) -> list[Row]:
    rows = [
        {"worker": each.source, "told": iso_utc(each.time_unix_s)} | asdict(model)
        for each in states
        for model in each.models
    ]
    seen = {row["folder"] for row in rows}
    unseen = [name for name in folders_of(settings.folder) if name not in seen]
    return rows + [_unseen(settings.folder, name) for name in unseen]


def _unseen(folder: Path, name: str) -> Row:
    """A model that no worker has said anything of."""
    row: Row = {"worker": None, "told": None, "folder": name, "n_scored": 0}
    try:
        model = read_model(folder / name, name, _UNITS)
    except ModelError as error:
        empty = {"name": None, "version": None, "stage": None, "sha256": None}
        return row | empty | {"state": "refused", "problem": error.problem}
    card = model.card
    said = {"name": card.name, "version": card.version, "stage": card.stage}
    return row | said | {"sha256": model.sha256, "state": "unseen", "problem": None}


def _print_comparison(found: Comparison) -> None:
    table = Table("", found.first, found.second, f"{found.second} - {found.first}")
    columns = found.quantiles_first, found.quantiles_second, found.quantiles_difference
    for quantile, *values in zip(QUANTILES, *columns, strict=True) if found.n_both else ():
        table.add_row(f"quantile {quantile:g}", *(f"{value:.4g}" for value in values))
    stdout_console().print(table)
    only = f"{found.n_first_only} by {found.first} only, {found.n_second_only} by {found.second}"
    click.echo(f"{found.name}: {found.n_both} objects scored by both, {only}")
    if found.n_both:
        spread = f"{found.mean_difference:.4g} +- {found.std_difference:.4g}"
        click.echo(f"difference {spread}, rank correlation {_number(found.rank_correlation)}")
    if found.decide_differently is not None:
        share = f"{100.0 * found.decide_differently:.3g} %"
        click.echo(f"at the threshold {found.threshold:g} they decide differently for {share}")


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
