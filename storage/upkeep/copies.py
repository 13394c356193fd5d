"""Copies of a whole store in one file, made while workers write, and the way back.

A SQLite store is copied as a SQLite file, a PostgreSQL store as a dump in pg_dump's custom form;
each goes back into a store of its own kind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, inspect

from correlator.errors import ConfigurationError
from storage import migrations
from storage.engine import shown_url, writing
from storage.schema import metadata
from storage.upkeep import postgresql_copy, sqlite_copy
from storage.upkeep.analysts import drop_views, renew_views

_MAGIC = {"sqlite": b"SQLite format 3\0", "postgresql": b"PGDMP"}
"""First bytes of a copy of each database."""


def back_up(engine: Engine, path: Path, *, replaces: bool = False) -> int:
    """Copy a store as it stands at one moment; length of the copy [bytes].

    The file has its name when it is whole and on the disk, and only its owner can read it: it holds
    what is private, too.

    Raises
    ------
    ConfigurationError
        The file is there already, the store has no tables, or PostgreSQL's tools are missing or
        fail.
    """
    if path.exists() and not replaces:
        raise ConfigurationError(f"{path} is there already")
    if migrations.current(engine) is None:
        raise ConfigurationError(
            f"event store {shown_url(engine.url)} has no tables: nothing to copy"
        )
    with _whole(path) as partial:
        if engine.dialect.name == "sqlite":
            sqlite_copy.dump(engine, partial)
        else:
            postgresql_copy.dump(engine, partial)
    return path.stat().st_size


def restore(engine: Engine, path: Path, *, replaces: bool = False) -> str:
    """Make a store what a copy of it says; the version of its tables.

    Either all of the copy is in the store in the end, or the store is as before.

    Parameters
    ----------
    replaces
        What is in the store may be lost; otherwise it must be empty.

    Raises
    ------
    ConfigurationError
        The file is no copy, damaged, of the other kind of database or of a release that this one
        does not know, or the store is not empty.
    """
    _check_kind(engine, path)
    if not replaces and (filled := _filled(engine)):
        raise ConfigurationError(
            f"event store {shown_url(engine.url)} is not empty ({', '.join(filled)}): "
            "name another one, or say that it may be replaced"
        )
    copy = sqlite_copy if engine.dialect.name == "sqlite" else postgresql_copy
    version: str | None = copy.version_of(path)
    if version is None or version not in migrations.versions():
        raise ConfigurationError(f"{path}: its tables are of version {version}, unknown here")
    found = migrations.current(engine)
    if engine.dialect.name == "postgresql" and found not in {None, version}:
        # Tables of the one that the other has not would be left over.
        raise ConfigurationError(
            f"event store {shown_url(engine.url)}: its tables are of version {found}, those of the "
            f"copy of {version}: restore into a database without tables"
        )
    with _views_away(engine):
        copy.load(engine, path)
    if version == migrations.newest() and (problems := migrations.check(engine)):
        raise ConfigurationError(f"{path}: {len(problems)} tables or columns were changed by hand")
    return version


@contextmanager
def _views_away(engine: Engine) -> Iterator[None]:
    """No views of analysts meanwhile: they would hold on to the tables."""
    with writing(engine).begin() as connection:
        drop_views(connection)
    try:
        yield
    finally:
        if migrations.current(engine) == migrations.newest():
            with writing(engine).begin() as connection:
                renew_views(connection)


def _check_kind(engine: Engine, path: Path) -> None:
    with path.open("rb") as file:
        begin = file.read(16)
    kind = next((name for name, magic in _MAGIC.items() if begin.startswith(magic)), None)
    if kind is None:
        raise ConfigurationError(f"{path} is no copy of an event store")
    if kind != engine.dialect.name:
        shown = shown_url(engine.url)
        raise ConfigurationError(f"{path} is a copy of a {kind} store, and {shown} is none")


def _filled(engine: Engine) -> list[str]:
    """Tables of ours that have a row."""
    present = set(inspect(engine).get_table_names())
    with engine.connect() as connection:
        return [
            name
            for name in sorted(present & metadata.tables.keys())
            if connection.exec_driver_sql(f"SELECT 1 FROM {name} LIMIT 1").first() is not None  # noqa: S608
        ]


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A file to write, which gets its name when it is whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield partial
        _sync(partial)
        partial.replace(path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
