"""``correlator db read-only-role``: what analysts may read of PostgreSQL."""

from __future__ import annotations

import click

from correlator.service.commands.options import store_option, store_url_of
from storage.engine import open_engine
from storage.upkeep.analysts import (
    CONNECTIONS,
    SCHEMA,
    STATEMENT_TIMEOUT_S,
    VIEWS,
    give_role,
    role_sql,
)


@click.command("read-only-role")
@click.argument("name")
@click.option(
    "--statement-timeout",
    "statement_timeout_s",
    type=click.IntRange(1, 86_400),
    default=STATEMENT_TIMEOUT_S,
    show_default=True,
    help="How long a statement may take [s].",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 1000),
    default=CONNECTIONS,
    show_default=True,
    help="How many connections it may have at once.",
)
@click.option("--sql", "as_sql", is_flag=True, help="Print what would be said; change nothing.")
@store_option
def read_only_role_command(
    name: str, statement_timeout_s: int, connections: int, as_sql: bool, store_url: str | None
) -> None:
    """Let a role of PostgreSQL read what is public, and nothing else.

    It sees views with the names of the tables. A new role has no password: set one in psql. To
    say it again changes nothing. docs/operations/store.md tells of SQLite.

    Example: correlator db read-only-role analyst --store postgresql://correlator@HOST/correlator
    """
    engine = open_engine(store_url_of(store_url))
    if as_sql:
        click.echo(role_sql(engine, name, statement_timeout_s, connections), nl=False)
    else:
        give_role(engine, name, statement_timeout_s, connections)
        click.echo(f"{name} may read {', '.join(VIEWS)} in the schema {SCHEMA}")
    engine.dispose()
