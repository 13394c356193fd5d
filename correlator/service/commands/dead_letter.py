"""``correlator dead-letter``: what could not be understood, and a second try for it."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import asdict
from typing import Any

import click
from rich.table import Table

from correlator.service.commands.options import (
    UtcTime,
    columns_of,
    json_option,
    plain,
    print_json,
    store_option,
    store_url_of,
)
from correlator.service.console import stdout_console
from correlator.service.letters import Outcome, Return, put_back
from correlator.service.outlets import open_outlet
from correlator.service.progress import tracked
from correlator.service.settings import Settings
from correlator.service.times import iso_utc
from ingest_optical.registry import Registry
from storage.dead_letters import DeadLetter
from storage.store import Store

Row = dict[str, Any]

_PARTLY_DONE = 3

_SHOWN = ("dead_letter_id", "received_time", "source", "packet_name", "rule")

_MOST = 1_000_000
"""Letters of one run; those that remain are for the next one."""

_source_option = click.option("--source", help="Those of one topic, or of `archive` or `inbox`.")
_rule_option = click.option("--rule", help="Those that break one rule, as `list` prints it.")


@click.group("dead-letter")
def dead_letter() -> None:
    """List and show what could not be understood, and put it back after a fix."""


@dead_letter.command("list")
@_source_option
@_rule_option
@click.option("--since", type=UtcTime(), help="Those received since then.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--include-replayed", is_flag=True, help="Also those that were put back.")
@store_option
@json_option
def list_command(
    source: str | None,
    rule: str | None,
    since: float | None,
    limit: int,
    include_replayed: bool,
    store_url: str | None,
    as_json: bool,
) -> None:
    """Print dead letters, the latest first.

    Example: correlator dead-letter list --source notices.raw --since 2024-01-15
    """
    with Store.open(store_url_of(store_url)) as store:
        found = store.dead_letters.list(
            source=source, rule=rule, limit=limit, include_replayed=include_replayed
        )
    rows = [letter_row(x) for x in found if since is None or x.received_unix_s >= since]
    if as_json:
        print_json(rows)
    else:
        _print_table(rows, (*_SHOWN, "replayed_time") if include_replayed else _SHOWN)


@dead_letter.command("show")
@click.argument("dead_letter_id", metavar="ID")
@click.option("--raw", is_flag=True, help="Write the packet's bytes to standard output, no more.")
@store_option
@json_option
def show_command(dead_letter_id: str, raw: bool, store_url: str | None, as_json: bool) -> None:
    """Print all that is known of one dead letter.

    Example: correlator dead-letter show 0f3c5a9e21b7d4c86a5e9f01 --raw > packet.avro
    """
    with Store.open(store_url_of(store_url)) as store:
        row = letter_row(_letter(store, dead_letter_id))
        packet = store.dead_letters.packet(dead_letter_id) or b""
    row["n_bytes"] = len(packet)
    if raw:
        sys.stdout.buffer.write(packet)
        sys.stdout.buffer.flush()
    elif as_json:
        print_json(row)
    else:
        for name, value in row.items():
            click.echo(f"{name:<16} {'' if value is None else value}")


@dead_letter.command("replay")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_source_option
@_rule_option
@click.option("--all", "everything", is_flag=True, help="All that were not put back yet.")
@store_option
@json_option
def replay_command(
    ids: tuple[str, ...],
    source: str | None,
    rule: str | None,
    everything: bool,
    store_url: str | None,
    as_json: bool,
) -> None:
    """Put dead letters back where they came from; exits 3 when some are still refused.

    What an edge refused is decoded anew, passes the survey's usual gate and goes to the join.
    Without a cluster a pipeline of its own works on the store: not while `correlator up` does.

    Example: correlator dead-letter replay --source notices.raw
    """
    chosen = [bool(ids), source is not None or rule is not None, everything]
    if sum(chosen) != 1:
        raise click.UsageError("give IDs, or --source and --rule, or --all")
    with Store.open(store_url_of(store_url)) as store:
        letters = [_letter(store, each) for each in ids] if ids else _waiting(store, source, rule)
        returns = asyncio.run(_replay(letters, store, Settings()))
    counts = {str(o): sum(r.outcome is o for r in returns) for o in Outcome}
    if as_json:
        print_json({**counts, "letters": [return_row(r) for r in returns]})
    else:
        for each in returns:
            if each.outcome is not Outcome.REPLAYED:
                click.echo(f"{each.letter.dead_letter_id} {each.outcome}: {each.reason}")
        click.echo(", ".join(f"{n} {outcome}" for outcome, n in counts.items()))
    if counts[str(Outcome.REFUSED)]:
        sys.exit(_PARTLY_DONE)


def letter_row(letter: DeadLetter) -> Row:
    """A dead letter as people read it; times in seconds and in ISO 8601."""
    row = asdict(letter)
    row["received_time"] = iso_utc(letter.received_unix_s)
    row["replayed_time"] = iso_utc(letter.replayed_unix_s)
    return row


def return_row(back: Return) -> Row:
    """What became of a dead letter, as people read it."""
    return {
        "dead_letter_id": back.letter.dead_letter_id,
        "source": back.letter.source,
        "packet_name": back.letter.packet_name,
        "outcome": str(back.outcome),
        "topic": back.topic,
        "reason": back.reason,
    }


async def _replay(letters: list[DeadLetter], store: Store, settings: Settings) -> list[Return]:
    if not letters:
        return []
    schemas = Registry(settings.source_registry or None, settings.source_schemas)
    async with open_outlet(settings, store) as outlet:
        bar = tracked(letters, "Putting back", len(letters))
        backs = put_back(bar, store, outlet, schemas.schema, time.time, settings.tagger().tagged)
        return [back async for back in backs]


def _waiting(store: Store, source: str | None, rule: str | None) -> list[DeadLetter]:
    """Those that were not put back yet, the oldest first."""
    return list(reversed(store.dead_letters.list(source=source, rule=rule, limit=_MOST)))


def _letter(store: Store, dead_letter_id: str) -> DeadLetter:
    found = store.dead_letters.get(dead_letter_id)
    if found is None:
        raise click.BadParameter(f"{dead_letter_id!r} is no dead letter of this store")
    return found


def _print_table(rows: list[Row], names: tuple[str, ...]) -> None:
    table = Table(*names)
    for cells in columns_of(rows, names):
        table.add_row(*plain(cells))
    stdout_console().print(table)
