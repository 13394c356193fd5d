"""Stores of millions of rows, made by the quickest ways of their databases and kept in a folder.

PostgreSQL takes the rows by COPY, each table in the transaction that empties it, so that nothing is
written twice; indexes are made after the rows. SQLite takes them in the order in which they came.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg
import sqlalchemy

from benchmarks.event_store_coincidences import COLUMNS as COINCIDENCE_COLUMNS
from benchmarks.event_store_coincidences import a_merger, coincidence_chunks, n_events
from benchmarks.event_store_rows import (
    ALERT_COLUMNS,
    OBJECT_COLUMNS,
    Objects,
    Values,
    alert_chunks,
    object_chunks,
)
from correlator.errors import ConfigurationError
from storage import migrations
from storage.store import Store

_SCRIPT = Path(__file__).parent.parent / "deploy" / "postgres" / "postgres.sh"

TABLES = "objects", "alerts", "coincidences"

CACHE_KIB = 3_000_000
"""Pages that SQLite keeps in memory while it is filled [KiB]: its keys come in no order."""

_SAID = "made.json"


class Sink(Protocol):
    """A database that takes rows."""

    def take(self, table: str, columns: Sequence[str], chunks: Iterator[list[Values]]) -> None:
        """Rows of an empty table."""
        ...


class PostgresSink:
    """A PostgreSQL database with our tables, empty."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def take(self, table: str, columns: Sequence[str], chunks: Iterator[list[Values]]) -> None:
        """See :class:`Sink`."""
        into = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {table}")
            with cursor.copy(into) as copy:
                for chunk in chunks:
                    copy.write("".join(map(_line, chunk)))


class SqliteSink:
    """A SQLite file with our tables, empty."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def take(self, table: str, columns: Sequence[str], chunks: Iterator[list[Values]]) -> None:
        """See :class:`Sink`."""
        marks = ",".join("?" for _ in columns)
        into = f"INSERT INTO {table} ({','.join(columns)}) VALUES ({marks})"
        for chunk in chunks:
            self._connection.execute("BEGIN")
            self._connection.executemany(into, chunk)
            self._connection.execute("COMMIT")


def _line(row: Values) -> str:
    """A row as COPY takes it; no value of ours has a tab, and no body but of names a backslash."""
    said = "\t".join(["\\N" if value is None else str(value) for value in row])
    return f"{said}\n"


def fill(sink: Sink, n_alerts: int, n_coincidences: int) -> None:
    """All rows of the large tables."""
    objects = Objects.drawn(n_alerts)
    sink.take("objects", OBJECT_COLUMNS, object_chunks(objects))
    sink.take("alerts", ALERT_COLUMNS, alert_chunks(objects))
    sink.take("coincidences", COINCIDENCE_COLUMNS, coincidence_chunks(objects, n_coincidences))


def put_events(store: Store, n_alerts: int, n_coincidences: int) -> None:
    """The events of the coincidences, and the map of all of them."""
    merger, objects = a_merger(), Objects.drawn(n_alerts)
    store.localizations.put(merger.localization)
    for number in range(n_events(objects, n_coincidences)):
        store.events.put(merger.record(number))


def made_sqlite(path: Path, n_alerts: int, n_coincidences: int) -> str:
    """URL of a store in a file; made unless such a one is there."""
    url = f"sqlite:///{path / 'store.sqlite'}"
    if _is_made(path, n_alerts, n_coincidences):
        return url
    path.mkdir(parents=True, exist_ok=True)
    with Store.open(url) as store:
        put_events(store, n_alerts, n_coincidences)
    connection = sqlite3.connect(path / "store.sqlite", isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    marks = ",".join("?" for _ in TABLES)
    found = f"SELECT name, sql FROM sqlite_master WHERE sql LIKE 'CREATE INDEX%' AND tbl_name IN ({marks})"  # noqa: E501
    indexes = connection.execute(found, TABLES).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    fill(SqliteSink(connection), n_alerts, n_coincidences)
    for _, sql in indexes:
        connection.execute(sql)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    _say_made(path, n_alerts, n_coincidences)
    return url


@contextmanager
def made_postgres(path: Path, n_alerts: int, n_coincidences: int) -> Iterator[str]:
    """URL of a store on a server of its own, which stops with the context; the data remain."""
    server, is_made = path / "server", _is_made(path, n_alerts, n_coincidences)
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)  # the server runs as somebody else
    url = _run("start", str(server), "0").split()[-1]
    try:
        if not is_made:
            with Store.open(url) as store:
                put_events(store, n_alerts, n_coincidences)
            _set(url, {"wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "'8GB'"})
            _run("stop", str(server))
            _run("start", str(server))
            _fill_postgres(url, n_alerts, n_coincidences)
            _set(url, dict.fromkeys(("wal_level", "max_wal_senders", "max_wal_size"), "DEFAULT"))
            _run("stop", str(server))
            _run("start", str(server))
            _say_made(path, n_alerts, n_coincidences)
        yield url
    finally:
        _run("stop", str(server))


def connected(url: str) -> psycopg.Connection[Any]:
    """Open a connection of psycopg's own, each statement a transaction."""
    parsed = sqlalchemy.make_url(url).set(drivername="postgresql")
    return psycopg.connect(parsed.render_as_string(hide_password=False), autocommit=True)


def _fill_postgres(url: str, n_alerts: int, n_coincidences: int) -> None:
    with connected(url) as connection:
        indexes = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s)"
            " AND indexname LIKE 'ix%%'",
            [list(TABLES)],
        ).fetchall()
        keys = connection.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
            " FROM pg_constraint WHERE contype = 'p' AND conrelid::regclass::text = ANY(%s)",
            [list(TABLES)],
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        for table, name, _ in keys:
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        fill(PostgresSink(connection), n_alerts, n_coincidences)
        connection.execute("SET maintenance_work_mem = '1GB'")
        for table, name, said in keys:
            connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {said}")
        for _, said in indexes:
            connection.execute(said)
        # What a server does by itself sooner or later.
        connection.execute("VACUUM (ANALYZE)")


def _set(url: str, settings: dict[str, str]) -> None:
    with connected(url) as connection:
        for name, value in settings.items():
            connection.execute(f"ALTER SYSTEM SET {name} = {value}")


def fsync_of(url: str) -> str:
    """What the server says of fsync."""
    with connected(url) as connection:
        row = connection.execute("SHOW fsync").fetchone()
    return str(row[0]) if row else "unknown"


def _made(n_alerts: int, n_coincidences: int) -> dict[str, object]:
    version = migrations.newest()
    return {"alerts": n_alerts, "coincidences": n_coincidences, "tables": version, "form": 1}


def _is_made(path: Path, n_alerts: int, n_coincidences: int) -> bool:
    """Whether the store of a folder is the one.

    Raises
    ------
    ConfigurationError
        There is another store, which is not ours to remove.
    """
    said = path / _SAID
    if not said.exists():
        if any((path / name).exists() for name in ("store.sqlite", "server")):
            raise ConfigurationError(f"{path}: a store that was not made to its end; remove it")
        return False
    if (found := json.loads(said.read_text())) != _made(n_alerts, n_coincidences):
        raise ConfigurationError(f"{path} has a store of {found}; remove it, or choose another")
    return True


def _say_made(path: Path, n_alerts: int, n_coincidences: int) -> None:
    (path / _SAID).write_text(json.dumps(_made(n_alerts, n_coincidences)))


def _run(*words: str) -> str:
    done = subprocess.run([str(_SCRIPT), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigurationError(f"{_SCRIPT.name} {words[0]}: {done.stderr.strip()}")
    return done.stdout
