"""``correlator push``: coincidences to where other people look, such as a SkyPortal."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson

from correlator.audience import Reader
from correlator.errors import ConfigurationError
from correlator.filters import predicate_of
from correlator.service.commands.filters import filter_named
from correlator.service.commands.options import (
    UtcTime,
    reader_options,
    store_option,
    store_url_of,
)
from correlator.service.settings import Settings
from correlator.service.skyportal_client import RATE_HZ, SkyPortal, checked_url
from correlator.service.skyportal_memory import Memory
from correlator.service.skyportal_posts import annotation_entry, candidate_post
from correlator.service.skyportal_push import Groups, Pusher
from correlator.service.skyportal_row import ORIGIN
from correlator.service.skyportal_told import Told, coincidences_told
from storage.store import Store

PARTLY_DONE = 3
"""Exit state when some of it failed; the next run does it again."""


@click.group("push")
def push() -> None:
    """Send coincidences to the services of others.

    Example: correlator push skyportal --url https://icare.example --filter-id 42 --dry-run
    """


@push.command("skyportal")
@click.option("--url", required=True, help="Of the SkyPortal, without /api.")
@click.option(
    "--token", help="Ours there; better CORRELATOR_SKYPORTAL_TOKEN, for others see command lines."
)
@click.option(
    "--filter-id", "filter_ids", type=click.IntRange(min=1), multiple=True, required=True,
    help="Filter on whose scanning page the candidates come; may be repeated.",
)  # fmt: skip
@click.option(
    "--group", "group_ids", type=click.IntRange(min=1), multiple=True,
    help="Group that may read the annotations; may be repeated.  [all of the token's]",
)  # fmt: skip
@click.option("--origin", default=ORIGIN, show_default=True, help="Of the annotations.")
@click.option("--case", help="Only those of this science case.")
@click.option("--filter", "said", help="Only those that pass: a filter, a file of one, a preset.")
@click.option("--since", "since", type=UtcTime(), help="Published at this time or later.")
@click.option("--include-tests", is_flag=True, help="Also tests and drills.")
@click.option(
    "--state", "state_file", type=click.Path(dir_okay=False, path_type=Path),
    help="File that remembers what was sent.  [ask the SkyPortal each time]",
)  # fmt: skip
@click.option(
    "--rate", "rate_hz", type=click.FloatRange(0.01, 100.0), default=RATE_HZ, show_default=True,
    help="Requests a second at most.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
@reader_options
@store_option
def skyportal(
    url: str,
    token: str | None,
    filter_ids: tuple[int, ...],
    group_ids: tuple[int, ...],
    origin: str,
    case: str | None,
    said: str | None,
    since: float | None,
    include_tests: bool,
    state_file: Path | None,
    rate_hz: float,
    dry_run: bool,
    reader: Reader,
    store_url: str | None,
) -> None:
    """Post candidates, annotations and links to GCN events; take back what was retracted.

    One JSON line a coincidence says what was done. It can run as often as one likes: what is there
    already stays, and what people there decided is not changed. Exits 3 when some of it failed.

    Example: correlator push skyportal --url https://icare.example --filter-id 42 --group 7
    """
    checked_url(url)
    groups = Groups(filter_ids, group_ids, origin)
    memory = Memory.read(state_file, url)
    passes = (lambda _: True) if said is None else predicate_of(filter_named(said))
    with Store.open(store_url_of(store_url), migrate=False) as store:
        found = coincidences_told(store, reader, case, since, include_tests)
        wanted = (t for t in found if memory.knows(t.key) or not t.is_active or passes(t.body))
        if dry_run:
            for told in wanted:
                _print(_draft(told, groups))
            return
        portal = SkyPortal(url, token or _token(), rate_hz)
        counts = asyncio.run(_push(portal, groups, memory, wanted))
    click.echo(
        ", ".join(f"{n} {what}" for what, n in sorted(counts.items())) or "nothing", err=True
    )
    if counts["failed"]:
        sys.exit(PARTLY_DONE)


async def _push(
    portal: SkyPortal, groups: Groups, memory: Memory, wanted: Iterable[Told]
) -> Counter[str]:
    counts: Counter[str] = Counter()
    async with portal:
        pusher = Pusher(portal, groups, memory)
        for told in wanted:
            outcome = await pusher.push(told)
            _print(asdict(outcome))
            counts["failed" if outcome.error else "changed" if outcome.done else "as before"] += 1
    return counts


def _token() -> str:
    secret = Settings().skyportal_token
    if secret is None:
        raise ConfigurationError("no token of the SkyPortal: set CORRELATOR_SKYPORTAL_TOKEN")
    return secret.get_secret_value()


def _draft(told: Told, groups: Groups) -> dict[str, Any]:
    """What would be sent of a coincidence, where nothing of it is there yet."""
    entry = {told.event_name: annotation_entry(told)}
    return {
        "key": told.key,
        "revision": told.revision.revision,
        "state": str(told.revision.state),
        "candidate": candidate_post(told, groups.filter_ids) if told.is_active else None,
        "annotation": {"origin": groups.origin, "data": entry, "group_ids": groups.group_ids},
    }


def _print(row: dict[str, Any]) -> None:
    click.echo(orjson.dumps(row).decode())
