"""``correlator hermes``: a coincidence as a message of Hermes, printed or sent."""

from __future__ import annotations

import asyncio

import click

from correlator.audience import Reader
from correlator.errors import ConfigurationError
from correlator.service.commands.options import (
    print_json,
    reader_options,
    store_option,
    store_url_of,
)
from correlator.service.hermes_client import HERMES_URL, submit
from correlator.service.hermes_message import TEST_TOPIC, message_of
from correlator.service.hermes_rules import check_message
from correlator.service.settings import Settings
from correlator.service.skyportal_told import told_of
from storage.store import Store
from streams.published import NoCoincidenceError, chosen


@click.command("hermes")
@click.argument("coincidence_id")
@click.option("--case", help="Science case, if there are several.")
@click.option("--revision", type=click.IntRange(min=1), help="Default: the latest.")
@click.option("--topic", default=TEST_TOPIC, show_default=True, help="Of Hopskotch: GROUP.TOPIC.")
@click.option("--submit", "is_sent", is_flag=True, help="Send it, and not only print it.")
@click.option("--url", default=HERMES_URL, show_default=True, help="Of Hermes.")
@reader_options
@store_option
def hermes(
    coincidence_id: str,
    case: str | None,
    revision: int | None,
    topic: str,
    is_sent: bool,
    url: str,
    reader: Reader,
    store_url: str | None,
) -> None:
    """Print a coincidence as a message of Hermes, and send it with --submit.

    It is checked by Hermes' rules first. The token is CORRELATOR_HERMES_TOKEN.

    Example: correlator hermes 5f0c2f... --topic grandma.counterparts --submit
    """
    settings = Settings()
    with Store.open(store_url_of(store_url), migrate=False) as store:
        history = store.by_key.history(reader, coincidence_id, case)
        told = told_of(store, reader, chosen(history, coincidence_id, revision))
    if told is None:
        raise NoCoincidenceError(f"nothing is known any more of {coincidence_id}")
    message = message_of(told, settings.author(), topic)
    check_message(message)
    if is_sent:
        token = settings.hermes_token
        if token is None:
            raise ConfigurationError("no token of Hermes: set CORRELATOR_HERMES_TOKEN")
        asyncio.run(submit(message, token.get_secret_value(), url))
    print_json(message)
