"""``correlator subscriptions``: whose filters have a topic, and what it would have had."""

from __future__ import annotations

import time
from typing import Any

import click
from rich.table import Table

from correlator.errors import ConfigurationError
from correlator.filters import filter_id, read_filter
from correlator.policy import DAY_S
from correlator.service.commands.filters import filter_named, show_sent
from correlator.service.commands.options import (
    Duration,
    columns_of,
    json_option,
    plain,
    print_json,
    store_option,
    store_url_of,
)
from correlator.service.console import stdout_console
from correlator.service.filter_rows import sent_row
from correlator.service.settings import Settings
from correlator.service.times import iso_utc
from storage.store import Store
from storage.subscriptions import Subscription
from streams.topics import user_topic

_SHOWN = ("name", "owner", "is_active", "audience", "created_time", "topic", "filter")

_MONTH_S = 30 * DAY_S

last_option = click.option(
    "--last", "last_s", type=Duration(), default=_MONTH_S, help="How far to look back.  [30d]"
)
limit_option = click.option(
    "--limit", type=click.IntRange(min=0), default=10, show_default=True, help="Rows at most."
)


@click.group("subscriptions")
def subscriptions() -> None:
    """Send coincidences that a filter lets pass to a topic of their own, coincidence.user.NAME.

    Example: correlator subscriptions add anna-bright --owner anna --filter "last_mag_ab < 20"
    """


@subscriptions.command("add")
@click.argument("name")
@click.option("--owner", required=True, help="Who may change it: as the token is called.")
@click.option("--filter", "said", required=True, help="A filter, a file of one, or a preset.")
@click.option(
    "--audience",
    "audience",
    multiple=True,
    help="Tag of private streams whose data may be sent; may be repeated.  [public data only]",
)
@click.option("--paused", is_flag=True, help="Send nothing for now.")
@last_option
@limit_option
@store_option
@json_option
def add_command(
    name: str,
    owner: str,
    said: str,
    audience: tuple[str, ...],
    paused: bool,
    last_s: float,
    limit: int,
    store_url: str | None,
    as_json: bool,
) -> None:
    """Subscribe NAME by a filter, or change that; say what the last month would have sent.

    Workers take it up with the next coincidence; its topic is made at once.

    Example: correlator subscriptions add grandma --owner grandma --filter grandma-gw
    """
    tree = filter_named(said)
    now = time.time()
    with Store.open(store_url_of(store_url), migrate=False) as store:
        made = store.subscriptions.put(name, owner, tree, audience, now, is_active=not paused)
        _declare(made)
        _show(store, made, now - last_s, limit, as_json=as_json)


@subscriptions.command("list")
@click.option("--owner", help="Those of one owner.")
@store_option
@json_option
def list_command(owner: str | None, store_url: str | None, as_json: bool) -> None:
    """List the subscriptions.

    Example: correlator subscriptions list --owner anna --json
    """
    with Store.open(store_url_of(store_url), migrate=False) as store:
        rows = [subscription_row(one) for one in store.subscriptions.list(owner)]
    if as_json:
        print_json(rows)
        return
    table = Table(*_SHOWN)
    shown = (row | {"audience": " ".join(row["audience"])} for row in rows)
    for cells in columns_of(shown, _SHOWN):
        table.add_row(*plain(cells))
    stdout_console().print(table)


@subscriptions.command("show")
@click.argument("name")
@last_option
@limit_option
@store_option
@json_option
def show_command(
    name: str, last_s: float, limit: int, store_url: str | None, as_json: bool
) -> None:
    """Show a subscription and the newest of what it would have sent in the last month.

    Example: correlator subscriptions show anna-bright --last 90d --limit 100
    """
    with Store.open(store_url_of(store_url), migrate=False) as store:
        found = store.subscriptions.get(name)
        if found is None:
            raise ConfigurationError(f"there is no subscription {name!r}")
        _show(store, found, time.time() - last_s, limit, as_json=as_json)


@subscriptions.command("remove")
@click.argument("name")
@click.option("--owner", help="Only if it is this owner's.")
@store_option
def remove_command(name: str, owner: str | None, store_url: str | None) -> None:
    """Send nothing more to NAME; what its topic has stays until Kafka lets it go.

    The name remains its owner's, who may subscribe by it again.

    Example: correlator subscriptions remove anna-bright --owner anna
    """
    with Store.open(store_url_of(store_url), migrate=False) as store:
        if not store.subscriptions.remove(name, owner):
            whose = f" of {owner!r}" if owner else ""
            raise ConfigurationError(f"there is no subscription {name!r}{whose}")
    click.echo(f"subscription {name} is removed")


def subscription_row(one: Subscription) -> dict[str, Any]:
    """A subscription as people read it."""
    return {
        "name": one.name,
        "owner": one.owner,
        "topic": user_topic(one.name).name,
        "filter": one.filter,
        "is_active": one.is_active,
        "audience": list(one.audience),
        "created_time": iso_utc(one.created_unix_s),
    }


def _declare(made: Subscription) -> None:
    """Make the topic, where there is a broker of which it can be asked."""
    settings = Settings()
    if settings.broker.startswith("kafka://"):
        from streams.admin import declare, servers_of

        declare(servers_of(settings.broker), [user_topic(made.name)])


def _show(
    store: Store, one: Subscription, since_unix_s: float, limit: int, *, as_json: bool
) -> None:
    tree = read_filter(one.filter)
    (as_held,) = store.subscriptions.with_tags_held([one], time.time())
    of_it, reader = store.coincidences, as_held.reader
    found = of_it.sent(tree, since_unix_s, limit=limit, newest_first=True, reader=reader)
    n_sent = of_it.count_sent(tree, since_unix_s, reader=reader)
    rows = [sent_row(each) for each in found]
    row = subscription_row(one)
    if as_json:
        since = iso_utc(since_unix_s)
        said = {"filter_id": filter_id(tree), "since": since, "n_sent": n_sent, "sent": rows}
        print_json(row | said)
        return
    for name in _SHOWN:
        value = row[name]
        click.echo(f"{name}: {' '.join(value) if isinstance(value, list) else value}")
    show_sent(rows)
    click.echo(
        f"since {iso_utc(since_unix_s)}: {n_sent} sent, the last {len(rows)} shown", err=True
    )
