"""``correlator db``: the event store's schema."""

from __future__ import annotations

import click

from correlator.errors import ConfigurationError
from correlator.service.commands.options import store_option, store_url_of
from storage import migrations
from storage.engine import open_engine


@click.group("db")
def db() -> None:
    """Bring the event store's schema up to date, or check it."""


@db.command("upgrade")
@store_option
def upgrade(store_url: str | None) -> None:
    """Apply the migrations that are missing.

    Example: correlator db upgrade --store sqlite:///data/correlator.sqlite
    """
    engine = open_engine(store_url_of(store_url))
    migrations.upgrade(engine)
    click.echo(f"schema at {migrations.current(engine)}")


@db.command("check")
@store_option
def check(store_url: str | None) -> None:
    """Say whether the schema is the one that this release expects; exit 1 if not.

    Example: correlator db check
    """
    engine = open_engine(store_url_of(store_url))
    problems = migrations.check(engine)
    if problems:
        raise ConfigurationError("the store's schema differs: " + "; ".join(problems))
    click.echo(f"schema at {migrations.current(engine)}, as expected")
