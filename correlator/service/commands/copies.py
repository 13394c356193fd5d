"""``correlator db backup`` and ``restore``: the whole store in one file."""

from __future__ import annotations

from pathlib import Path

import click

from correlator.service.commands.options import (
    json_option,
    print_json,
    store_option,
    store_url_of,
)
from storage import migrations
from storage.engine import open_engine
from storage.store import Store
from storage.upkeep.copies import back_up, restore


@click.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", "replaces", is_flag=True, help="Replace the file if it is there.")
@store_option
@json_option
def backup_command(file: Path, replaces: bool, store_url: str | None, as_json: bool) -> None:
    """Copy the store into FILE as it stands now, while workers go on.

    A SQLite store becomes a SQLite file, a PostgreSQL store a dump of pg_dump. It holds everything,
    private data too: keep it where only you can read.

    Example: correlator db backup /backups/correlator-2026-11-29.sqlite
    """
    engine = open_engine(store_url_of(store_url))
    n_bytes = back_up(engine, file, replaces=replaces)
    version = migrations.current(engine)
    engine.dispose()
    if as_json:
        print_json({"file": str(file), "n_bytes": n_bytes, "version": version})
    else:
        click.echo(f"{file}: {n_bytes / 1e6:.1f} MB, schema at {version}")


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", "replaces", is_flag=True, help="What the store holds now may be lost.")
@store_option
@json_option
def restore_command(file: Path, replaces: bool, store_url: str | None, as_json: bool) -> None:
    """Make the store what FILE says; it must be empty, and no worker may run.

    The file is checked first, and the store is as before if something fails.

    Example: correlator db restore correlator-2026-11-29.sqlite --store sqlite:///data/new.sqlite
    """
    url = store_url_of(store_url)
    engine = open_engine(url)
    version = restore(engine, file, replaces=replaces)
    engine.dispose()
    rows = None
    if version == migrations.newest():
        with Store.open(url, migrate=False) as store:
            rows = store.counts()
    if as_json:
        print_json({"file": str(file), "version": version, "rows": rows})
        return
    click.echo(f"schema at {version}")
    if rows is None:
        click.echo("the copy is of an earlier release: run `correlator db upgrade`", err=True)
    else:
        click.echo(", ".join(f"{n} {table}" for table, n in rows.items() if n))
