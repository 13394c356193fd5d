"""``correlator topics``: the topics of the cluster, from one table."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import click
from rich.table import Table

from correlator.errors import ConfigurationError
from correlator.policy import DAY_S
from correlator.service.commands.options import columns_of, json_option, plain, print_json
from correlator.service.console import stdout_console
from correlator.service.settings import Settings
from streams.topics import Topic, all_topics

_PARTLY_DONE = 3

_SHOWN = ("name", "key", "partitions", "kept", "max_message_bytes", "value")


@click.group("topics")
def topics() -> None:
    """Make the cluster's topics, or print what they must be."""


@topics.command("declare")
@click.option(
    "--replication",
    type=click.IntRange(min=1),
    help="Copies of each partition.  [default: 3, or as many as there are brokers]",
)
@json_option
def declare_command(replication: int | None, as_json: bool) -> None:
    """Make the topics that the broker's cluster has not; those that it has stay as they are.

    Exits 3 when one of those is otherwise than it must be.

    Example: correlator topics declare --replication 3
    """
    from streams import admin

    settings = Settings()
    servers = _servers(settings)
    copies = replication or min(admin.MOST_COPIES, admin.brokers(servers))
    wanted = all_topics(settings.policy())
    made = admin.declare(servers, wanted, copies)
    left = admin.differences(servers, wanted)
    if as_json:
        print_json({"made": made, "copies": copies, "differences": [asdict(d) for d in left]})
    else:
        click.echo(f"{len(made)} topics made, {len(wanted) - len(made)} were there")
        for difference in left:
            click.echo(f"differs: {difference}", err=True)
    if left:
        sys.exit(_PARTLY_DONE)


@topics.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """Print the table of topics: what `declare` makes and `correlator check` compares with.

    Example: correlator topics list --json
    """
    rows = [topic_row(topic) for topic in all_topics(Settings().policy())]
    if as_json:
        print_json(rows)
        return
    table = Table(*_SHOWN)
    for cells in columns_of(rows, _SHOWN):
        table.add_row(*plain(cells))
    stdout_console().print(table)


def topic_row(topic: Topic) -> dict[str, Any]:
    """A topic as people read it."""
    kept = "compacted" if topic.retention_s is None else f"{topic.retention_s / DAY_S:g} d"
    return {
        "name": topic.name,
        "key": topic.key,
        "partitions": topic.partitions,
        "kept": kept,
        "retention_s": topic.retention_s,
        "max_message_bytes": topic.max_message_bytes,
        "value": topic.value,
    }


def _servers(settings: Settings) -> str:
    from streams.admin import servers_of

    if not settings.broker.startswith("kafka://"):
        raise ConfigurationError(
            f"CORRELATOR_BROKER must be kafka://HOST:PORT to make topics, got {settings.broker}"
        )
    return servers_of(settings.broker)
