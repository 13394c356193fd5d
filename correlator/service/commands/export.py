"""``correlator export``: what the store implies at a moment, as files."""

from __future__ import annotations

from pathlib import Path

import click

from correlator.audience import Reader
from correlator.errors import ConfigurationError
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
@store_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the files.")
@click.option("--as-of", "as_of", type=UtcTime(), help="Rank at this time; default: latest alert.")
@site_option
@reader_options
def export(
    store_url: str | None, out: Path, as_of: float | None, site: str | None, reader: Reader
) -> None:
    """Write events, pairs, rankings, coincidences and targets as JSON lines.

    The same files, byte for byte, that a replay of the same packets writes.

    Example: correlator export --as-of 2024-01-16T00:00:00Z --out results
    """
    settings = Settings()
    writable_folder(out)
    with Store.open(store_url_of(store_url), migrate=False) as store:
        at = store.alerts.latest_unix_s() if as_of is None else as_of
        if at is None:
            raise ConfigurationError("the store holds no alerts: say --as-of")
        place = site_of(site or settings.site)
        seen = visibilities_of(store, place, at) if place else None
        write_results(results_of(store, settings.policy(), at, seen), store, out, reader)
