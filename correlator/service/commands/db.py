"""``correlator db``: the event store's schema."""

from __future__ import annotations

import click
from sqlalchemy import Engine

from correlator.errors import ConfigurationError
from correlator.service.commands.analysts import read_only_role_command
from correlator.service.commands.copies import backup_command, restore_command
from correlator.service.commands.options import store_option, store_url_of
from correlator.service.commands.upkeep import retain_command, vacuum_command
from storage import migrations
from storage.diagram import mermaid, schema_page
from storage.engine import open_engine


@click.group("db")
def db() -> None:
    """Bring the event store's schema up to date, check it, and look after what is stored."""


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
    check_schema(engine)
    click.echo(f"schema at {migrations.current(engine)}, as expected")


@db.command("diagram")
@click.option(
    "--page", is_flag=True, help="With every table and column, as docs/operations/schema.md."
)
def diagram_command(page: bool) -> None:
    """Print the entity-relationship diagram of the tables, in Mermaid's words.

    Example: correlator db diagram --page > docs/operations/schema.md
    """
    click.echo(schema_page() if page else mermaid(), nl=False)


db.add_command(retain_command)
db.add_command(vacuum_command)
db.add_command(backup_command)
db.add_command(restore_command)
db.add_command(read_only_role_command)


def check_schema(engine: Engine) -> None:
    """Refuse a store whose tables are not those of this release.

    Raises
    ------
    ConfigurationError
        Says which version it has and what to do.
    """
    found, needed = migrations.current(engine), migrations.newest()
    if found is None:
        raise ConfigurationError("the store has no tables yet: run `correlator db upgrade`")
    if found != needed:
        raise ConfigurationError(
            f"the store's tables are of version {found}, this release needs {needed}: "
            "run `correlator db upgrade`, or use the release that made it"
        )
    if problems := migrations.check(engine):
        raise ConfigurationError(f"{len(problems)} tables or columns were changed by hand")
