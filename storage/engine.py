"""Connections to the event store: SQLite in WAL mode, or PostgreSQL by plain SQLAlchemy."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from correlator.errors import ConfigurationError
from storage.errors import StoreAwayError
from storage.wal import use_wal

_POOL = {"pool_size": 8, "max_overflow": 32, "pool_timeout": 10, "pool_use_lifo": True}
"""More threads than asyncio's default executor has; who gets no connection in 10 s tries again. The
connection used last is used next: SQLite keeps pages with each, until another one writes."""

DIALECTS = ("postgresql", "sqlite")
"""The databases that the migrations and the upserts are written for."""

BUSY_TIMEOUT_MS = 30_000
"""How long a SQLite writer waits for the writer of another process [ms]."""

CACHE_KIB = 64_000
"""Pages that a SQLite connection keeps in memory [KiB]: the indexes of the alerts are random."""

CHECKPOINT_PAGES = 50_000
"""WAL pages after which SQLite copies them to the file [4 KiB each] within a commit; long before
that they are copied in the background (`storage.checkpoints`)."""

CONNECT_TIMEOUT_S = 5
"""How long a PostgreSQL server may take to accept a connection [s]."""

LOCK_TIMEOUT_S = 10
"""How long a transaction waits for another one's lock in PostgreSQL [s]."""

IDLE_TIMEOUT_S = 60
"""After which PostgreSQL ends the transaction of a client that stands still [s]: a worker that is
frozen must not hold its locks for ever."""

_POSTGRESQL_ARGUMENTS = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    # A server that vanished is noticed after at most 9 s, whether we wait for it or talk to it.
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 9000,
    "options": (
        f"-c lock_timeout={LOCK_TIMEOUT_S}s"
        f" -c idle_in_transaction_session_timeout={IDLE_TIMEOUT_S}s"
        # A plan that was made for an empty table would be kept while thousands of rows a second
        # come; and nothing that we ask is worth compiling.
        " -c plan_cache_mode=force_custom_plan -c jit=off"
    ),
}
"""Of libpq; what the URL says goes before."""

_WRITES = "correlator_writes"


def open_engine(url: str) -> Engine:
    """Engine on an event store, tried by one connection.

    ``sqlite://`` is a store in memory on one connection, for tests; ``sqlite:///PATH`` is a file
    in WAL mode, so that readers never wait for the writer.

    Raises
    ------
    ConfigurationError
        The URL cannot be parsed, names another database, or lacks its driver.
    StoreAwayError
        It does not connect.
    """
    parsed = _parsed(url)
    shown = shown_url(parsed)
    if parsed.get_backend_name() not in DIALECTS:
        raise ConfigurationError(f"event store {shown}: the URL must name {' or '.join(DIALECTS)}")
    try:
        engine = _engine(parsed)
    except (ImportError, SQLAlchemyError) as error:
        raise ConfigurationError(f"event store {shown}: no driver: {error}") from error
    try:
        with engine.connect():
            pass
    except SQLAlchemyError as error:
        engine.dispose()
        said = getattr(error, "orig", None) or error
        raise StoreAwayError(f"event store {shown}: cannot connect: {said}") from error
    return engine


def writing(engine: Engine) -> Engine:
    """Same engine, for transactions that write: SQLite then locks at BEGIN.

    A SQLite transaction that reads first and writes later fails at once when another process
    wrote in between; one that begins as a writer waits its turn.
    """
    return engine.execution_options(**{_WRITES: True})


def limit_statements(engine: Engine, seconds: float) -> None:
    """Let PostgreSQL end each statement of the connections to come after so long.

    What the URL says goes before; SQLite has no such limit.
    """
    if engine.dialect.name != "postgresql":
        return
    limit = f"-c statement_timeout={round(seconds * 1000)}"

    def add(_dialect: object, _record: object, _parts: object, named: dict[str, Any]) -> None:
        said = named.get("options", "")
        # The next connection is asked for with the same arguments.
        named["options"] = said if said.startswith(limit) else f"{limit} {said}"

    event.listen(engine, "do_connect", add)
    engine.dispose()


def shown_url(url: URL) -> str:
    """URL as it may be shown: without a password, wherever it stands."""
    query = {key: "***" if "pass" in key.lower() else value for key, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        # Not even the shape of a URL: whatever may be a password goes, and so does the cause.
        shown = re.sub(r"(pass\w*=)[^&]*", r"\1***", re.sub(r"//.*@", "//***@", url))
        raise ConfigurationError(
            f"event store {shown!r}: no database URL such as sqlite:///correlator.sqlite"
        ) from None


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return _postgresql(url)
    if url.database in {None, "", ":memory:"}:
        # One connection for all threads: another one would be another, empty database.
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        engine = create_engine(url, **_POOL)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _postgresql(url: URL) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.get_driver_name() != "psycopg":
        raise ImportError(f"psycopg is the one that we know, not {url.get_driver_name()}")
    ours = {k: v for k, v in _POSTGRESQL_ARGUMENTS.items() if k not in url.query}
    # A connection that broke while nobody used it is replaced, and with it all of its age.
    return create_engine(url, **_POOL, pool_pre_ping=True, connect_args=ours)


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    # None: the driver begins nothing by itself, so that DDL is transactional and we choose how.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}").close()
    use_wal(connection, BUSY_TIMEOUT_MS / 1000.0)
    for pragma in (
        "synchronous = NORMAL",
        "foreign_keys = ON",
        f"cache_size = -{CACHE_KIB}",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
