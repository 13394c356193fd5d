"""``correlator orbits``: check files of orbits, and say which known bodies are where."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.table import Table

from correlator.orbits.search import MAX_EPOCH_AGE_D, MAX_RADIUS_ARCSEC, RADIUS_ARCSEC, OrbitSky
from correlator.service.commands.options import (
    UtcTime,
    columns_of,
    json_option,
    paths_argument,
    plain,
    print_json,
)
from correlator.service.console import stdout_console
from correlator.service.orbit_rows import Row, alert_answer_rows, file_row, prediction_row
from correlator.service.progress import tracked
from correlator.visibility import SITES
from storage.orbits.file import read_orbits

_PARTLY_DONE = 3

file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
radius_option = click.option(
    "--radius", "radius_arcsec", type=click.FloatRange(0.0, MAX_RADIUS_ARCSEC),
    default=RADIUS_ARCSEC, show_default=True, help="How far to look [arcsec].",
)  # fmt: skip


@click.group("orbits")
def orbits() -> None:
    """Known Solar System bodies: where orbits of the Minor Planet Center have them."""


@orbits.command("check")
@file_argument
@json_option
def check(file: Path, as_json: bool) -> None:
    """Say what a file of orbits holds, and which records are none.

    MPCORB.DAT, mpcorb_extended.json or rows of mpc_orbits, gzipped or not. The exit status is 3
    where a record was refused.

    Example: correlator orbits check MPCORB.DAT.gz --json
    """
    row = file_row(read_orbits(file))
    if as_json:
        print_json(row)
    else:
        names = ("file", "version", "n_orbits", "first_epoch", "median_epoch", "last_epoch")
        _print_table((*names, "n_refused"), [row])
        if row["refused"]:
            _print_table(("rule", "n_rows", "first"), row["refused"])
    if row["n_refused"]:
        sys.exit(_PARTLY_DONE)


# A declination may begin with a minus.
@orbits.command("at", context_settings={"ignore_unknown_options": True})
@file_argument
@click.argument("ra_deg", type=click.FloatRange(0.0, 360.0))
@click.argument("dec_deg", type=click.FloatRange(-90.0, 90.0))
@click.argument("time", type=UtcTime())
@click.option("--site", type=click.Choice(sorted(SITES)), required=True, help="Seen from where.")
@radius_option
@json_option
def at(
    file: Path,
    ra_deg: float,
    dec_deg: float,
    time: float,
    site: str,
    radius_arcsec: float,
    as_json: bool,
) -> None:
    """Say which known bodies stand near a position at a time (middle of the exposure).

    Example: correlator orbits at MPCORB.DAT 320.26811 -7.31381 2026-06-27T08:12:01 --site rubin
    """
    read = read_orbits(file)
    sky = OrbitSky(read.orbits, SITES[site])
    found = sky.near(ra_deg, dec_deg, time, radius_arcsec)
    row: Row = {
        "version": read.version,
        "n_orbits": len(read.orbits),
        "n_searched": sky.n_searched(time),
        "bodies": [prediction_row(body) for body in found],
    }
    if as_json:
        print_json(row)
        return
    columns = ("name", "separation_arcsec", "mag_v", "motion_arcsec_per_h", "sun_au", "epoch_age_d")
    _print_table(columns, row["bodies"])
    if row["n_searched"] < row["n_orbits"]:
        n_old = row["n_orbits"] - row["n_searched"]
        click.echo(f"{n_old} orbits of epochs over {MAX_EPOCH_AGE_D:.0f} d away not searched")


@orbits.command("alerts")
@file_argument
@paths_argument
@radius_option
@json_option
def alerts(file: Path, paths: tuple[Path, ...], radius_arcsec: float, as_json: bool) -> None:
    """Say which known bodies stood where alerts are (ZTF and LSST), beside what the survey says.

    Example: correlator orbits alerts MPCORB.DAT night/*.avro
    """
    known = read_orbits(file).known()
    files = [f for p in paths for f in (sorted(p.rglob("*")) if p.is_dir() else [p]) if f.is_file()]
    rows = list(alert_answer_rows(tracked(files, "Reading", len(files)), known, radius_arcsec))
    if as_json:
        print_json(rows)
    else:
        columns = ("survey", "object_id", "time", "state", "nearest", "separation_arcsec")
        _print_table((*columns, "survey_says", "error"), [_with_nearest(row) for row in rows])
    if any(row.get("error") for row in rows):
        sys.exit(_PARTLY_DONE)


def _with_nearest(row: Row) -> Row:
    """A row with its nearest body as cells, or why there is none."""
    tags = row.get("tags") or [{"object_id": row.get("reason"), "separation_arcsec": None}]
    return row | {
        "nearest": tags[0]["object_id"],
        "separation_arcsec": tags[0]["separation_arcsec"],
    }


def _print_table(columns: tuple[str, ...], rows: list[Row]) -> None:
    table = Table(*columns)
    for cells in columns_of(rows, columns):
        table.add_row(*plain(cells))
    stdout_console().print(table)
