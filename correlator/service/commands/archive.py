"""``correlator archive``: nights of alerts as Parquet, by night and HEALPix cell."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import msgspec

from correlator.service.archive import optical_files
from correlator.service.archive_rows import check_out, write_rows
from correlator.service.archived import Written, write_files
from correlator.service.commands.options import json_option, paths_argument, print_json
from correlator.service.progress import tracked
from correlator.service.settings import Settings
from ingest_optical.quality import DEFAULT_CUTS, PRESETS
from storage.archive import DATA_SETS, SURVIVORS
from storage.archive.compaction import Compacted, compact
from storage.archive.hats import nights_of
from storage.archive.nights import night_named, nights_between
from storage.archive.parts import waiting_nights
from storage.archive.reading import Cone, Selection, cone_of

_PARTLY_DONE = 3

_folder = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))


@click.group("archive")
def archive() -> None:
    """Keep nights of alerts as Parquet: all packets, and in full those that passed the gate."""


@archive.command("write")
@paths_argument
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The archive's folder.")
@click.option("--gate", type=click.Choice(sorted(PRESETS)), help="Quality cuts, of either survey.")
@json_option
def write(paths: tuple[Path, ...], out: Path, gate: str | None, as_json: bool) -> None:
    """Write packets (files or folders) into an archive, each alert once.

    When it is stopped, start it again: files that are written are passed over.

    Example: correlator archive write raw/ztf/20240115 --out archive/
    """
    cuts = dict.fromkeys(DEFAULT_CUTS, PRESETS[gate]) if gate else DEFAULT_CUTS
    files = optical_files(paths)
    written = write_files(out, tracked(files, "Writing"), cuts, Settings().tagger().tagged)
    if as_json:
        print_json(_report(written))
    else:
        counts = written.counts
        _tell(written.nights)
        click.echo(
            f"{counts.n_packets} packets: {counts.n_passed} passed, {counts.n_refused} refused",
            err=True,
        )
    for said in written.counts.first_refused.values():
        click.echo(f"refused: {said}", err=True)
    if written.counts.n_refused:
        sys.exit(_PARTLY_DONE)


def _report(written: Written) -> dict[str, Any]:
    counts: dict[str, Any] = msgspec.to_builtins(written.counts)
    return counts | {
        "n_files": written.n_files,
        "n_files_before": written.n_files_before,
        "nights": [asdict(each) for each in written.nights],
    }


def _tell(nights: list[Compacted]) -> None:
    for done in nights:
        click.echo(
            f"{done.data_set} {done.night}: {done.n_rows} rows in {done.n_files} files; "
            f"{done.n_repeated} were repeated"
        )


@archive.command("compact")
@_folder
@click.option("--night", "nights", multiple=True, help="YYYYMMDD; default: all that have rows.")
@click.option("--again", is_flag=True, help="Features and scores anew, of all rows that are there.")
@json_option
def compact_command(folder: Path, nights: tuple[str, ...], again: bool, as_json: bool) -> None:
    """Make the catalogue of a night of what an edge wrote; it may go on writing meanwhile.

    Example: correlator archive compact archive/ --night 20240115
    """
    known = {n for d in DATA_SETS for n in nights_of(folder, d)} if again else set[str]()
    chosen = [night_named(night) for night in nights] or sorted({*waiting_nights(folder), *known})
    done = [
        each for night in tracked(chosen, "Compacting") for each in compact(folder, night, again)
    ]
    if as_json:
        print_json([asdict(each) for each in done])
    else:
        _tell(done)


class ConeType(click.ParamType):
    """Three numbers with commas between: RA, declination, radius [deg]."""

    name = "ra,dec,radius"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Cone:
        """The cone."""
        if isinstance(value, Cone):
            return value
        try:
            ra_deg, dec_deg, radius_deg = (float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is no cone such as 197.45,-23.38,0.5", param, ctx)
        return cone_of(ra_deg, dec_deg, radius_deg)


@archive.command("read")
@_folder
@click.option("--cone", type=ConeType(), help="RA,DEC,RADIUS in degrees, ICRS.")
@click.option("--nights", help="A..B, both counted, or one: YYYYMMDD.")
@click.option("--data", type=click.Choice(DATA_SETS), default=SURVIVORS, show_default=True)
@click.option("--columns", help="Names with commas between; default: all.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Result: .parquet or .csv.",
)
@json_option
def read(
    folder: Path,
    cone: Cone | None,
    nights: str | None,
    data: str,
    columns: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Copy rows about a position, of some nights, into a file; no more is read than it needs.

    Example: correlator archive read archive/ --cone 197.45,-23.38,0.5 --nights 20240115..20240122
    --out near.parquet
    """
    check_out(out)
    names = columns.split(",") if columns else None
    selection = Selection(folder, data, cone, nights_between(nights) if nights else None, names)
    write_rows(selection, out)
    touched = asdict(selection.touched)
    if as_json:
        print_json({"out": str(out)} | touched)
    else:
        said = ", ".join(f"{n} {name.removeprefix('n_')}" for name, n in touched.items())
        click.echo(f"{out}: {said}", err=True)
