"""``correlator db retain`` and ``vacuum``: what is old goes, and its room is given back."""

from __future__ import annotations

import time
from typing import Any

import click

from correlator.errors import ConfigurationError
from correlator.policy import DAY_S, Policy
from correlator.service.commands.options import Duration, json_option, print_json, store_option
from correlator.service.commands.options import store_url_of as url_of
from correlator.service.settings import Settings
from correlator.service.times import iso_utc
from storage.engine import open_engine
from storage.store import Store
from storage.upkeep.retention import USUAL_KINDS, Cut, Kind
from storage.upkeep.vacuum import size_bytes, vacuum

_LATENESS_S = 2 * DAY_S
"""How late an alert of an open event may come [s]."""


@click.command("retain")
@click.option("--older-than", "age_s", type=Duration(), required=True, help="Age, as 180d.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Count what would go; remove nothing.")
@click.option(
    "--table",
    "tables",
    multiple=True,
    type=click.Choice([str(kind) for kind in Kind]),
    help="Only of this; may be repeated.  [default: pairs and objects]",
)
@store_option
@json_option
def retain_command(
    age_s: float, is_dry: bool, tables: tuple[str, ...], store_url: str | None, as_json: bool
) -> None:
    """Remove pairs and objects that are old and were never published.

    The age is counted from the latest alert of the store. Notices, events, coincidences, targets,
    and everything of a published object stay for ever; docs/operations/store.md has the rules.
    Workers go on meanwhile, and what was interrupted is done by the next run.

    Example: correlator db retain --older-than 180d --dry-run
    """
    _check_age(age_s, Settings().policy())
    now = time.time()
    with Store.open(url_of(store_url), migrate=False) as store:
        latest = store.alerts.latest_unix_s()
        as_of = now if latest is None else min(now, latest)
        cut = Cut(as_of - age_s, now - age_s)
        kinds = [Kind(table) for table in tables] or USUAL_KINDS
        removed = store.retention(cut, is_dry=is_dry).run(kinds).counts()
    row: dict[str, Any] = {
        "before_time": iso_utc(cut.data_unix_s),
        "received_before_time": iso_utc(cut.received_unix_s),
        "is_dry_run": is_dry,
        "tables": [str(kind) for kind in kinds],
        "removed": removed,
    }
    if as_json:
        print_json(row)
        return
    verb = "would go" if is_dry else "went"
    said = ", ".join(f"{n} {name}" for name, n in removed.items())
    click.echo(f"of before {row['before_time']} {verb}: {said}")


@click.command("vacuum")
@click.option(
    "--full", "whole", is_flag=True, help="PostgreSQL: give the room to the disk; nobody can read."
)
@store_option
@json_option
def vacuum_command(whole: bool, store_url: str | None, as_json: bool) -> None:
    """Give the room of removed rows back.

    On SQLite the file is written anew: stop the worker, and have as much disk free again.

    Example: correlator db vacuum
    """
    engine = open_engine(url_of(store_url))
    before = size_bytes(engine)
    vacuum(engine, whole=whole)
    after = size_bytes(engine)
    engine.dispose()
    if as_json:
        print_json({"bytes_before": before, "bytes_after": after})
    else:
        click.echo(f"{before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after")


def _check_age(age_s: float, policy: Policy) -> None:
    """Refuse an age at which an event may be open.

    Raises
    ------
    ConfigurationError
        Says the least age.
    """
    least_s = policy.longest_open_s + _LATENESS_S
    if age_s < least_s:
        raise ConfigurationError(
            f"--older-than {age_s / DAY_S:g}d: at least {least_s / DAY_S:g}d, for events are open "
            f"for up to {policy.longest_open_s / DAY_S:g}d and alerts come late"
        )
