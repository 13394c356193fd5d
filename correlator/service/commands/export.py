"""``correlator export``: what the store implies at a moment, as files."""

from __future__ import annotations

from pathlib import Path

import click

from correlator.audience import Reader
from correlator.errors import ConfigurationError
from correlator.service.bulk import NOUNS
from correlator.service.commands.bulk_options import Asked, bulk_options, export_list
from correlator.service.commands.options import (
    UtcTime,
    reader_options,
    site_of,
    site_option,
    store_option,
    store_url_of,
    writable_folder,
)
from correlator.service.results import results_of, visibilities_of, write_results
from correlator.service.settings import Settings
from storage.store import Store


@click.command("export")
@click.argument("noun", metavar="[LIST]", required=False, type=click.Choice(sorted(NOUNS)))
@store_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the files.")
@click.option("--as-of", "as_of", type=UtcTime(), help="Rank at this time; default: latest alert.")
@site_option
@reader_options
@bulk_options
def export(
    noun: str | None,
    store_url: str | None,
    out: Path,
    as_of: float | None,
    site: str | None,
    reader: Reader,
    asked: Asked,
) -> None:
    """Write what the store implies at a moment; or a LIST of it, whole or in part.

    Without LIST: events, pairs, rankings, coincidences and targets as JSON lines, the same files,
    byte for byte, that a replay of the same packets writes.

    With LIST: OUT/LIST.FORMAT, of any length as jsonl, csv and parquet; Parquet as a folder with a
    folder for each day, and the HEALPix cell of each place in _healpix_29.

    Example: correlator export --as-of 2024-01-16T00:00:00Z --out results

    Example: correlator export coincidences --since 2026-10-01 --filter grandma-gw --out october
    """
    if noun is not None:
        if as_of is not None or site is not None:
            raise click.UsageError("--as-of and --site are for an export without LIST")
        writable_folder(out)
        with Store.open(store_url_of(store_url), migrate=False) as store:
            export_list(NOUNS[noun], asked, store, reader, out)
        return
    if asked.is_said:
        raise click.UsageError("what is to be chosen is for an export of a LIST")
    settings = Settings()
    writable_folder(out)
    with Store.open(store_url_of(store_url), migrate=False) as store:
        at = store.alerts.latest_unix_s() if as_of is None else as_of
        if at is None:
            raise ConfigurationError("the store holds no alerts: say --as-of")
        place = site_of(site or settings.site)
        seen = visibilities_of(store, place, at) if place else None
        write_results(results_of(store, settings.policy(), at, seen), store, out, reader)
