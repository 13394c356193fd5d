"""``correlator targets``: the ranked list of a science case, from the store."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from typing import Any

import click
from rich.table import Table

from correlator.audience import Reader
from correlator.policy import Policy
from correlator.service.commands.options import (
    columns_of,
    plain,
    print_json,
    reader_options,
    site_of,
    site_option,
    store_option,
    store_url_of,
)
from correlator.service.console import stdout_console
from correlator.service.rows import target_row
from correlator.service.settings import Settings
from correlator.service.site_view import seen_from
from storage.store import Store

Row = dict[str, Any]

_CASES = [case.name for case in Policy().cases]
_SHOWN = ("rank", "object_key", "event_key", "ra_deg", "dec_deg", "last_mag_ab", "last_band",
          "credible_level", "log_lr", "priority")  # fmt: skip
_TOM = {"name": "object_key", "ra": "ra_deg", "dec": "dec_deg"}
"""What TOM Toolkit's own importer reads, and ours for each."""


@click.command("targets")
@click.option("--case", "cases", multiple=True, type=click.Choice(_CASES), help="One list only.")
@site_option
@click.option(
    "--format",
    "form",
    default="table",
    show_default=True,
    type=click.Choice(["table", "json", "csv", "tom-csv", "ecsv", "votable"]),
)
@reader_options
@store_option
def targets(
    cases: tuple[str, ...], site: str | None, form: str, reader: Reader, store_url: str | None
) -> None:
    """Print the ranked target lists.

    Example: correlator targets --case kilonova --site palomar --format csv
    """
    store = Store.open(store_url_of(store_url))
    rows = [
        target_row(target)
        for case in cases or _CASES
        for target in seen_from(
            store, store.targets.list(case, reader=reader), site_of(site or Settings().site)
        )
    ]
    _PRINTERS[form](rows)


def _print_table(rows: list[Row]) -> None:
    table = Table("case", *_SHOWN)
    for row, cells in zip(rows, columns_of(rows, _SHOWN), strict=True):
        table.add_row(*plain([row["case"], *cells]))
    stdout_console().print(table)


def _print_csv(rows: list[Row]) -> None:
    _csv([{name: row[name] for name in ("case", *_SHOWN)} for row in rows], ("case", *_SHOWN))


def _print_tom_csv(rows: list[Row]) -> None:
    named = [{"type": "SIDEREAL"} | {tom: row[ours] for tom, ours in _TOM.items()} for row in rows]
    _csv(named, ("name", "type", "ra", "dec"))


def _csv(rows: list[Row], names: tuple[str, ...]) -> None:
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _print_astropy(rows: list[Row], form: str) -> None:
    from astropy.table import Table as AstropyTable

    flat = [{name: row[name] for name in ("case", *_SHOWN)} for row in rows]
    table = (
        AstropyTable(rows=flat, names=("case", *_SHOWN))
        if flat
        else AstropyTable(names=("case", *_SHOWN), dtype=[str] * (len(_SHOWN) + 1))
    )
    for name in ("ra_deg", "dec_deg"):
        table[name].unit = "deg"
    table.write(sys.stdout if form == "ascii.ecsv" else sys.stdout.buffer, format=form)


_PRINTERS: dict[str, Callable[[list[Row]], None]] = {
    "table": _print_table,
    "json": print_json,
    "csv": _print_csv,
    "tom-csv": _print_tom_csv,
    "ecsv": lambda rows: _print_astropy(rows, "ascii.ecsv"),
    "votable": lambda rows: _print_astropy(rows, "votable"),
}
