"""A SQLite store as one file, by SQLite's online backup."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine

from correlator.errors import ConfigurationError

PAGES_AT_ONCE = 2000
"""Pages of a step, 8 MB: other threads of ours compute between two."""

Progress = Callable[[int, int, int], object]
"""Is told the state, and the pages that remain of how many."""


def dump(engine: Engine, path: Path, progress: Progress | None = None) -> None:
    """Copy a store as it stands at one moment into an empty file.

    SQLite begins a copy anew whenever another connection has written, which never ends beside a
    worker; so one snapshot is read all the time. Writers go on, and their log grows until the end.

    Raises
    ------
    ConfigurationError
        The copy is not sound: so is the store.
    """
    with closing(engine.raw_connection()) as pooled, closing(sqlite3.connect(path)) as target:
        source = pooled.driver_connection
        if not isinstance(source, sqlite3.Connection):
            raise TypeError(f"a SQLite connection expected, got {type(source)}")
        source.execute("BEGIN").close()
        try:
            source.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            source.backup(target, pages=PAGES_AT_ONCE, progress=progress)
        finally:
            source.execute("ROLLBACK").close()
        # The copy has a log of its own name otherwise, when somebody opens it.
        target.execute("PRAGMA journal_mode = DELETE").fetchall()
        _check(target, path)


def version_of(path: Path) -> str | None:
    """Version of the tables in a copy; None where there are none.

    Raises
    ------
    ConfigurationError
        The copy is damaged.
    """
    try:
        with closing(_read_only(path)) as copy:
            _check(copy, path)
            named = "SELECT name FROM sqlite_schema WHERE name = 'alembic_version'"
            if copy.execute(named).fetchone() is None:
                return None
            row = copy.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise ConfigurationError(f"{path}: damaged: {error}") from error
    return None if row is None else str(row[0])


def load(engine: Engine, path: Path) -> None:
    """Make a store what a copy says, in one transaction."""
    with closing(_read_only(path)) as source, closing(engine.raw_connection()) as pooled:
        target = pooled.driver_connection
        if not isinstance(target, sqlite3.Connection):
            raise TypeError(f"a SQLite connection expected, got {type(target)}")
        source.backup(target)


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _check(copy: sqlite3.Connection, path: Path) -> None:
    found = copy.execute("PRAGMA integrity_check(3)").fetchall()
    if found != [("ok",)]:
        said = "; ".join(str(row[0]) for row in found)
        raise ConfigurationError(f"{path}: damaged: {said}")
