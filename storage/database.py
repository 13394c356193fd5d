"""Transactions and upserts: the two things that every store does with the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, StaticPool, Table, func, select

from storage.checkpoints import Checkpoints
from storage.engine import writing
from storage.rows import insert_rows, replacing

Row = dict[str, Any]
"""Values of one row by column name."""

ALWAYS = "TRUE"
"""Last write wins: the rule of a table whose rows simply change."""


class Database:
    """Transactions on one engine, safe to use from many threads.

    On SQLite one thread writes at a time and the others wait for a lock rather than for the
    busy timeout; a store in memory has a single connection, so there readers wait as well.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = writing(engine)
        none: AbstractContextManager[Any] = nullcontext()
        lock = Lock()
        is_sqlite = engine.dialect.name == "sqlite"
        is_in_memory = isinstance(engine.pool, StaticPool)
        self._write_turn = lock if is_sqlite else none
        self._read_turn = lock if is_in_memory else none
        has_log = is_sqlite and not is_in_memory
        self._checkpoints = Checkpoints(engine, lock) if has_log else None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Connection that sees one snapshot; it must not be held while writing."""
        with self._read_turn, self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Transaction: all of it is stored when the block ends, nothing if it raises."""
        with self._write_turn, self._writer.begin() as connection:
            yield connection
        if self._checkpoints is not None:
            self._checkpoints.written()

    def close(self) -> None:
        """Close every connection."""
        if self._checkpoints is not None:
            self._checkpoints.settle()
        self.engine.dispose()

    def upsert(self, table: Table, rows: Sequence[Row], replaces: str | None = None) -> None:
        """Store rows in one transaction; see :func:`upsert`."""
        if rows:
            with self.writing() as connection:
                upsert(connection, table, rows, replaces)


def take_turn(connection: Connection, name: str) -> None:
    """Wait until no other transaction has the turn of that name; it ends with the transaction.

    What reads, compares and writes needs it in PostgreSQL; in SQLite every writer has its turn.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def upsert(
    connection: Connection, table: Table, rows: Sequence[Row], replaces: str | None = None
) -> None:
    """Insert rows by primary key, as if one after the other.

    Parameters
    ----------
    rows
        All with the same columns.
    replaces
        The rule by which a new row replaces a stored one of the same key, in SQL: the new one is
        ``excluded``, the stored one has the name of the table. None keeps the stored.
    """
    if not rows:
        return
    columns = tuple(rows[0])
    keeps = "ON CONFLICT DO NOTHING"
    on_conflict = keeps if replaces is None else replacing(table, columns, replaces)
    key = [column.name for column in table.primary_key]
    for each in _rounds(rows, key):
        values = [tuple(row[name] for name in columns) for row in each]
        insert_rows(connection, table, columns, values, on_conflict)


def _rounds(rows: Sequence[Row], key: list[str]) -> list[list[Row]]:
    """Rows in rounds that hold each key once: the n-th row of a key is in the n-th round.

    PostgreSQL refuses to touch a row twice in one statement; and the rule of a partial order is
    exact only one row after the other.
    """
    seen: dict[tuple[Any, ...], int] = {}
    rounds: list[list[Row]] = []
    for row in rows:
        identity = tuple(row[name] for name in key)
        turn = seen.get(identity, 0)
        seen[identity] = turn + 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(row)
    # In the order of the key, so that two writers cannot wait for each other.
    return [sorted(each, key=lambda row: [row[name] for name in key]) for each in rounds]


def equal_to(table: Table, **wanted: object) -> list[ColumnElement[bool]]:
    """Conditions ``column == value`` for every value that is not None."""
    return [table.c[name] == value for name, value in wanted.items() if value is not None]


def plain_text(said: str) -> str:
    """Text that every database takes: what came off a topic may hold NUL or half a character."""
    return said.replace("\0", "\\0").encode(errors="backslashreplace").decode()
