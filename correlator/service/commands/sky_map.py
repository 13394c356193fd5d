"""``correlator map``: what a sky map or the place of a notice holds, and its region as a MOC."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from correlator.service.commands.options import json_option, plain, print_json, said
from correlator.service.console import stdout_console
from correlator.service.map_row import map_row, read_localization
from skymaps.moc import FORMS, moc_of


@click.command("map")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--level", type=click.FloatRange(0.0, 1.0), default=0.9, help="Credible level; default 0.9."
)
@click.option("--moc", "form", type=click.Choice(FORMS), help="Write the region of that level.")
@click.option("--out", type=click.Path(path_type=Path), help="File for the MOC.")
@json_option
def map_command(
    path: Path, level: float, form: str | None, out: Path | None, as_json: bool
) -> None:
    """Say what a sky map (FITS) or the place in a notice holds, and write its region as a MOC.

    Example: correlator map --level 0.5 --moc fits --out region.fits bayestar.multiorder.fits
    """
    if (form is None) != (out is None):
        raise click.UsageError("--moc and --out go together")
    localization = read_localization(path)
    if form is not None and out is not None:
        out.write_bytes(moc_of(localization, level, form))
    row = {"file": str(path)} | map_row(localization, level) | {"moc": str(out) if out else None}
    if as_json:
        print_json(row)
        return
    table = Table(show_header=False)
    for name, value in row.items():
        table.add_row(*plain((name, said(value))))
    stdout_console().print(table)
