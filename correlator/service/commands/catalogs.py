"""``correlator catalogs``: build catalogues of the sky, list them, ask them about positions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
from rich.table import Table

from correlator.crossmatch import CatalogAnswer
from correlator.errors import ConfigurationError
from correlator.orbits.answers import position_answer
from correlator.orbits.search import MAX_RADIUS_ARCSEC as MAX_ORBIT_RADIUS_ARCSEC
from correlator.orbits.search import RADIUS_ARCSEC, OrbitSky
from correlator.service.catalog_rows import (
    Row,
    description_row,
    description_rows,
    files_of,
    match_rows,
    read_positions,
)
from correlator.service.commands.options import UtcTime, columns_of, json_option, plain, print_json
from correlator.service.console import stdout_console
from correlator.service.progress import tracked
from correlator.service.settings import Settings
from correlator.visibility import SITES
from skymaps.healpix import Positions
from skymaps.neighbours import MAX_RADIUS_ARCSEC
from storage.catalogs.build import build_catalog
from storage.catalogs.catalog import CatalogStore
from storage.catalogs.mapping import mapping_of, ready_mappings
from storage.orbits.file import read_orbits

folder_option = click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Folder of all catalogues."
)


@click.group("catalogs")
def catalogs() -> None:
    """Catalogues of the sky on disk: galaxies, stars, variables, quasars, transients."""


@catalogs.command("build")
@click.argument("name")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--mapping",
    help=f"How to read them: {', '.join(ready_mappings())}, or a TOML file; default: NAME.",
)
@click.option("--release", help="What the files are, in words, as DR3.")
@folder_option
@json_option
def build(
    name: str,
    files: tuple[Path, ...],
    mapping: str | None,
    release: str | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Read published files (CSV, Parquet, FITS, SQLite) into a catalogue.

    Rows without a position on the sky are left out, counted and named. Without files the catalogue
    is that of the mapping's Python package (ongc).

    Example: correlator catalogs build gaia --release DR3 GaiaSource_*.csv.gz
    """
    how = mapping_of(mapping or name)
    paths = list(files) or files_of(how)
    description = build_catalog(
        folder or Settings().catalogs, name, list(tracked(paths, "Reading", len(paths))), how,
        release=release,
    )  # fmt: skip
    row = description_row(description, is_current=True)
    if as_json:
        print_json(row)
        return
    _print_table(("catalog", "version", "title", "n_rows", "n_files", "memory_bytes"), [row])
    if row["refused"]:
        _print_table(("rule", "n_rows", "first"), row["refused"])


@catalogs.command("list")
@folder_option
@json_option
def list_command(folder: Path | None, as_json: bool) -> None:
    """List the catalogues with their versions.

    Example: correlator catalogs list --json
    """
    rows = description_rows(_store(folder))
    if as_json:
        print_json(rows)
        return
    columns = ("catalog", "version", "is_current", "release", "n_rows", "radius_arcsec", "licence")
    _print_table(columns, rows)


# A declination may begin with a minus.
@catalogs.command("match", context_settings={"ignore_unknown_options": True})
@click.argument("ra_deg", type=float, required=False)
@click.argument("dec_deg", type=click.FloatRange(-90.0, 90.0), required=False)
@click.option(
    "--file", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Positions in a file instead, in columns ra and dec [deg], and id.",
)  # fmt: skip
@click.option("--catalog", "names", multiple=True, help="NAME or NAME@VERSION; default: all.")
@click.option(
    "--radius", "radius_arcsec", type=click.FloatRange(0.0, MAX_RADIUS_ARCSEC),
    help="How far to look [arcsec]; default: each catalogue's own.",
)  # fmt: skip
@click.option(
    "--cds/--no-cds", default=None, help="Ask the service of CDS, too; default: as configured."
)
@click.option(
    "--orbits", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Known asteroids of a file of orbits, too; with --at and --site.",
)  # fmt: skip
@click.option("--at", "at_unix_s", type=UtcTime(), help="When the positions were seen.")
@click.option("--site", type=click.Choice(sorted(SITES)), help="From where they were seen.")
@click.option("--nearest", is_flag=True, help="The nearest entry of each catalogue only.")
@folder_option
@json_option
def match(
    ra_deg: float | None,
    dec_deg: float | None,
    file: Path | None,
    names: tuple[str, ...],
    radius_arcsec: float | None,
    cds: bool | None,
    orbits: Path | None,
    at_unix_s: float | None,
    site: str | None,
    nearest: bool,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Say what catalogues have near positions, and which galaxies may be hosts.

    Example: correlator catalogs match 197.450374 -23.381495 --catalog ongc
    """
    settings, store = Settings(), _store(folder)
    opened = [store.open(name) for name in names or store.names()]
    asks_cds = settings.cds_xmatch if cds is None else cds
    if not opened and not asks_cds and orbits is None:
        raise ConfigurationError(f"{store.root}: no catalogue is there; see `catalogs build`")
    ids, positions = _positions(ra_deg, dec_deg, file)
    service = settings.cds() if asks_cds else None
    more = []
    if orbits is not None:
        how = orbits, at_unix_s, site, positions, radius_arcsec
        more.append(_orbit_answers(*how, nearest=nearest))
    rows = list(
        match_rows(opened, ids, positions, radius_arcsec, nearest=nearest, cds=service, more=more)
    )
    if as_json:
        print_json(rows)
        return
    columns = ("id", "catalog", "object_id", "type_name", "separation_arcsec", "values")
    _print_table(columns, [_said(row, tag) for row in rows for tag in _tags(row)])
    host_columns = ("id", "catalog", "object_id", "p_chance", "offset_kpc", "offset_radii")
    found = [{"id": row["id"], **host} for row in rows for host in row["hosts"]]
    if found:
        _print_table(host_columns, found)


def _positions(
    ra_deg: float | None, dec_deg: float | None, file: Path | None
) -> tuple[list[str] | list[None], Positions]:
    if file is not None and ra_deg is None:
        return read_positions(file)
    if file is not None or ra_deg is None or dec_deg is None:
        raise click.UsageError("give RA and DEC [deg], or --file")
    try:
        return [None], Positions.of([ra_deg], [dec_deg])
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _orbit_answers(
    file: Path,
    at_unix_s: float | None,
    site: str | None,
    positions: Positions,
    radius_arcsec: float | None,
    *,
    nearest: bool,
) -> list[CatalogAnswer]:
    if at_unix_s is None or site is None:
        raise click.UsageError("--orbits needs --at and --site: asteroids move")
    if radius_arcsec is not None and radius_arcsec > MAX_ORBIT_RADIUS_ARCSEC:
        raise click.UsageError(f"--radius is at most {MAX_ORBIT_RADIUS_ARCSEC:.0f} with --orbits")
    read = read_orbits(file)
    sky = OrbitSky(read.orbits, SITES[site])
    radius = RADIUS_ARCSEC if radius_arcsec is None else radius_arcsec
    places = zip(positions.ra_deg.tolist(), positions.dec_deg.tolist(), strict=True)
    said = [position_answer(sky, read.version, *place, at_unix_s, radius) for place in places]
    return [replace(answer, tags=answer.tags[:1]) for answer in said] if nearest else said


def _tags(row: Row) -> list[Row]:
    return [tag for answer in row["answers"] for tag in answer["tags"]]


def _said(row: Row, tag: Row) -> Row:
    """A tag as a line: its numbers in one cell."""
    numbers = ", ".join(f"{name} {value:.5g}" for name, value in tag["values"].items())
    return {"id": row["id"], **tag, "values": numbers}


def _store(folder: Path | None) -> CatalogStore:
    settings = Settings()
    return CatalogStore(folder or settings.catalogs, settings.catalog_bytes)


def _print_table(columns: tuple[str, ...], rows: list[Row]) -> None:
    table = Table(*columns)
    for cells in columns_of(rows, columns):
        table.add_row(*plain(cells))
    stdout_console().print(table)
