"""``correlator coincidence``: a published coincidence as a notice on GCN's core schema."""

from __future__ import annotations

import click
import orjson

from correlator.audience import Reader
from correlator.service.commands.options import reader_options, store_option, store_url_of
from correlator.service.settings import Settings
from storage.store import Store
from streams.gcn_notice import boom_form
from streams.gcn_notices import GCNNoticeDesk


@click.command("coincidence")
@click.argument("coincidence_id")
@click.option("--case", help="Science case, if there are several.")
@click.option("--revision", type=click.IntRange(min=1), help="Default: the latest.")
@click.option("--boom", is_flag=True, help="As gcn.notices.boom.alert has it, for its readers.")
@reader_options
@store_option
def coincidence(
    coincidence_id: str,
    case: str | None,
    revision: int | None,
    boom: bool,
    reader: Reader,
    store_url: str | None,
) -> None:
    """Print a coincidence as the topics `coincidence.*` have it: JSON on GCN's core schema.

    Example: correlator coincidence 5f0c2f... > coincidence.json
    """
    with Store.open(store_url_of(store_url), migrate=False) as store:
        desk = GCNNoticeDesk(store, Settings().author())
        document = desk.find(coincidence_id, case, revision, reader)
    said = boom_form(document) if boom else document
    click.echo(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode())
