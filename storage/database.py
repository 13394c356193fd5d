"""Transactions and upserts: the two things that every store does with the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    StaticPool,
    Table,
    func,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from storage.engine import writing

Row = dict[str, Any]
"""Values of one row by column name."""

Columns = ReadOnlyColumnCollection[str, Column[Any]]

Replaces = Callable[[Columns, Columns], ColumnElement[bool]]
"""Whether a new row replaces the stored one: a condition on (new columns, stored columns)."""


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
        self._write_turn = lock if engine.dialect.name == "sqlite" else none
        self._read_turn = lock if isinstance(engine.pool, StaticPool) else none

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

    def upsert(self, table: Table, rows: Sequence[Row], replaces: Replaces | None = None) -> None:
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
    connection: Connection, table: Table, rows: Sequence[Row], replaces: Replaces | None = None
) -> None:
    """Insert rows by primary key, as if one after the other.

    Parameters
    ----------
    replaces
        The rule by which a new row replaces a stored one of the same key; None keeps the stored.
    """
    insert: Any = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}[
        connection.dialect.name
    ]
    statement = insert(table)
    key = [column.name for column in table.primary_key]
    if replaces is None:
        statement = statement.on_conflict_do_nothing(index_elements=key)
    else:
        new = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=key,
            set_={column.name: new[column.name] for column in table.c if column.name not in key},
            where=replaces(new, table.c),
        )
    for each in _rounds(rows, key):
        # A list of rows is an executemany: one prepared statement, no limit of variables.
        connection.execute(statement, each)


def _rounds(rows: Sequence[Row], key: list[str]) -> list[list[Row]]:
    """Rows in rounds that hold each key once: the n-th row of a key is in the n-th round.

    A driver may send a batch as one statement, and PostgreSQL refuses to touch a row twice in
    one; and the rule of a partial order is exact only one row after the other.
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


def always(_new: Columns, _stored: Columns) -> ColumnElement[bool]:
    """Last write wins: the rule of a table whose rows simply change."""
    return true()


def equal_to(table: Table, **wanted: object) -> list[ColumnElement[bool]]:
    """Conditions ``column == value`` for every value that is not None."""
    return [table.c[name] == value for name, value in wanted.items() if value is not None]
