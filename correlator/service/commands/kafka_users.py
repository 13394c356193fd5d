"""``correlator kafka-users``: who may read notices from our Kafka, and of which subscriptions."""

from __future__ import annotations

import secrets

import click

from correlator.errors import ConfigurationError
from correlator.service.commands.options import (
    json_option,
    print_json,
    store_option,
    store_url_of,
)
from correlator.service.settings import Settings
from storage.store import Store


@click.group("kafka-users")
def kafka_users() -> None:
    """Let users read notices from our Kafka: the public topics, and those of their subscriptions.

    The broker must have a listener for them: docs/operations/subscriptions.md.

    Example: correlator kafka-users add anna
    """


@kafka_users.command("add")
@click.argument("name")
@click.option("--password", help="At least 12 characters.  [default: a random one, printed]")
@store_option
def add_command(name: str, password: str | None, store_url: str | None) -> None:
    """Make a user, or give one another password; with the rights that `grant` gives.

    Example: correlator kafka-users add anna > anna.password
    """
    from streams import kafka_users as broker

    servers = _servers()
    secret = password or secrets.token_urlsafe(24)
    broker.set_password(servers, name, secret)
    if password is None:
        click.echo(secret)  # before the rights, which the store may be too far away to tell
    click.echo(_grant(servers, name, store_url), err=True)


@kafka_users.command("grant")
@click.argument("name")
@store_option
def grant_command(name: str, store_url: str | None) -> None:
    """Let a user read the topics of the subscriptions that the user owns now, and no other's.

    Example: correlator kafka-users grant anna
    """
    click.echo(_grant(_servers(), name, store_url), err=True)


@kafka_users.command("remove")
@click.argument("name")
def remove_command(name: str) -> None:
    """Take password and rights from a user.

    Example: correlator kafka-users remove anna
    """
    from streams import kafka_users as broker

    broker.remove_user(_servers(), name)
    click.echo(f"user {name} is removed", err=True)


@kafka_users.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the users, and the subscriptions whose topics each may read.

    Example: correlator kafka-users list --json
    """
    from streams import kafka_users as broker

    found = broker.users(_servers())
    if as_json:
        print_json([{"name": u.name, "subscriptions": list(u.subscriptions)} for u in found])
        return
    for user in found:
        click.echo(f"{user.name}: {' '.join(user.subscriptions) or 'public topics only'}")


def _grant(servers: str, name: str, store_url: str | None) -> str:
    from streams import kafka_users as broker

    broker.checked_name(name)
    with Store.open(store_url_of(store_url), migrate=False) as store:
        owned = [one.name for one in store.subscriptions.list(name)]
    broker.set_rights(servers, name, owned)
    topics = ", ".join(owned) or "none"
    return f"user {name} reads the public topics, and those of the subscriptions: {topics}"


def _servers() -> str:
    from streams.admin import servers_of

    broker = Settings().broker
    if not broker.startswith("kafka://"):
        raise ConfigurationError(f"CORRELATOR_BROKER must be kafka://HOST:PORT, got {broker}")
    return servers_of(broker)
