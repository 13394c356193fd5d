"""``correlator voevent``: a published coincidence as VOEvent 2.0."""

from __future__ import annotations

import click

from correlator.audience import Reader
from correlator.service.commands.options import reader_options, store_option, store_url_of
from correlator.service.settings import Settings
from storage.store import Store
from streams.voevents import VOEventDesk


@click.command("voevent")
@click.argument("coincidence_id")
@click.option("--case", help="Science case, if there are several.")
@click.option("--revision", type=click.IntRange(min=1), help="Default: the latest.")
@reader_options
@store_option
def voevent(
    coincidence_id: str,
    case: str | None,
    revision: int | None,
    reader: Reader,
    store_url: str | None,
) -> None:
    """Print a coincidence as a VOEvent 2.0.

    Example: correlator voevent 5f0c2f... > coincidence.xml
    """
    with Store.open(store_url_of(store_url), migrate=False) as store:
        desk = VOEventDesk(store, Settings().author())
        xml = desk.find(coincidence_id, case, revision, reader)
    click.echo(xml.decode(), nl=False)
