"""Connections to the event store: SQLite in WAL mode, or PostgreSQL by plain SQLAlchemy."""

from __future__ import annotations

import re
import sqlite3

from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from correlator.errors import ConfigurationError

DIALECTS = ("postgresql", "sqlite")
"""The databases that the migrations and the upserts are written for."""

BUSY_TIMEOUT_MS = 30_000
"""How long a SQLite writer waits for the writer of another process [ms]."""

_WRITES = "correlator_writes"


def open_engine(url: str) -> Engine:
    """Engine on an event store, tried by one connection.

    ``sqlite://`` is a store in memory on one connection, for tests; ``sqlite:///PATH`` is a file
    in WAL mode, so that readers never wait for the writer.

    Raises
    ------
    ConfigurationError
        The URL cannot be parsed, names another database, lacks its driver, or does not connect.
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
        raise ConfigurationError(f"event store {shown}: cannot connect: {said}") from error
    return engine


def writing(engine: Engine) -> Engine:
    """Same engine, for transactions that write: SQLite then locks at BEGIN.

    A SQLite transaction that reads first and writes later fails at once when another process
    wrote in between; one that begins as a writer waits its turn.
    """
    return engine.execution_options(**{_WRITES: True})


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
        return create_engine(url, pool_pre_ping=True)
    if url.database in {None, "", ":memory:"}:
        # One connection for all threads: another one would be another, empty database.
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        engine = create_engine(url, pool_size=8, max_overflow=32)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    # None: the driver begins nothing by itself, so that DDL is transactional and we choose how.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
