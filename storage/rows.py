"""Many rows by one statement of the database's own, past what SQLAlchemy costs for each row.

Statements are written once for both databases: ``?`` is a parameter, and ``{wanted}`` a relation
of that name that holds what is asked for. It stands first in a CROSS JOIN, for SQLite takes the
sides of one in the order given.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import cache
from itertools import chain
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Double,
    Integer,
    LargeBinary,
    Table,
    Text,
)

KEYS_AT_ONCE = 500
"""Keys looked up by one statement."""

ROWS_AT_ONCE = 200
"""Rows inserted by one statement of SQLite, which takes 32,766 parameters at most."""

_ARRAYS = {
    Text: "text[]",
    Double: "double precision[]",
    BigInteger: "bigint[]",
    Integer: "integer[]",
    Boolean: "boolean[]",
    LargeBinary: "bytea[]",
}


def found(connection: Connection, sql: str, *parameters: Any) -> Sequence[tuple[Any, ...]]:
    """Rows that a statement finds."""
    statement = _native(sql, connection.dialect.name)
    rows: Any = connection.exec_driver_sql(statement, parameters).fetchall()
    return cast(Sequence[tuple[Any, ...]], rows)


def found_of_keys(connection: Connection, sql: str, keys: Collection[str]) -> list[tuple[Any, ...]]:
    """Rows that a statement finds for the keys in the column ``key`` of ``{wanted}``."""
    return found_of(connection, sql, ("key",), [(key,) for key in keys])


def found_of(
    connection: Connection, sql: str, names: tuple[str, ...], wanted: Sequence[tuple[str, ...]]
) -> list[tuple[Any, ...]]:
    """Rows that a statement finds for rows of text that it joins as ``{wanted}``.

    Parameters
    ----------
    names
        Columns of the relation ``wanted``.
    """
    dialect = connection.dialect.name
    statement = sql.format(wanted=_wanted(names, dialect))
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(wanted), KEYS_AT_ONCE):
        some = wanted[start : start + KEYS_AT_ONCE]
        if dialect == "sqlite":
            said = json.dumps([row[0] for row in some] if len(names) == 1 else some)
            rows += found(connection, statement, said)
        else:
            rows += found(connection, statement, *(list(each) for each in zip(*some, strict=True)))
    return rows


@cache
def _wanted(names: tuple[str, ...], dialect: str) -> str:
    if dialect == "sqlite":
        columns = [f"json_extract(value, '$[{i}]') AS {name}" for i, name in enumerate(names)]
        if len(names) == 1:  # by far the most frequent: half the time a key
            columns = [f"value AS {names[0]}"]
        return f"(SELECT {', '.join(columns)} FROM json_each(?)) AS wanted"  # noqa: S608
    return f"unnest({', '.join('?::text[]' for _ in names)}) AS wanted({', '.join(names)})"


def insert_rows(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    on_conflict: str,
) -> int:
    """Insert rows, each key once, in the order of their key.

    That order keeps two writers from waiting for each other, and pages from being read twice.

    Parameters
    ----------
    columns
        Names of the values of a row, in order.
    on_conflict
        What the statement says after its values: ``ON CONFLICT ...``.

    Returns
    -------
    int
        How many were inserted or changed.
    """
    if not rows:
        return 0
    if connection.dialect.name == "sqlite":
        return _insert_values(connection, table, columns, rows, on_conflict)
    statement = _native(_of_arrays(table, columns, on_conflict), connection.dialect.name)
    arrays = tuple(list(column) for column in zip(*rows, strict=True))
    return connection.exec_driver_sql(statement, arrays).rowcount


def _insert_values(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    on_conflict: str,
) -> int:
    """Insert rows in SQLite by the hundred.

    Not by an executemany: at each row it lets other threads compute, and waits 5 ms for any that
    does (the interpreter's switch interval).
    """
    n = 0
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        statement = _of_values(table, columns, on_conflict, len(some))
        n += connection.exec_driver_sql(statement, tuple(chain.from_iterable(some))).rowcount
    return n


def replacing(table: Table, columns: Sequence[str], condition: str) -> str:
    """``ON CONFLICT`` clause by which a new row replaces the stored one.

    Parameters
    ----------
    condition
        When it does; the new row is ``excluded``, the stored one has the name of the table.
    """
    key = [column.name for column in table.primary_key]
    new = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {new} WHERE {condition}"


# Names and clauses are our own; values are parameters.


@cache
def _of_values(table: Table, columns: tuple[str, ...], on_conflict: str, n_rows: int) -> str:
    row = f"({', '.join('?' for _ in columns)})"
    rows = ", ".join(row for _ in range(n_rows))
    return f"{_into(table, columns)} VALUES {rows} {on_conflict}"


@cache
def _of_arrays(table: Table, columns: tuple[str, ...], on_conflict: str) -> str:
    # One statement with an array a column: the server plans once and answers once.
    arrays = ", ".join(f"?::{_ARRAYS[type(table.c[name].type)]}" for name in columns)
    return f"{_into(table, columns)} SELECT * FROM unnest({arrays}) {on_conflict}"  # noqa: S608


def _into(table: Table, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table.name} ({', '.join(columns)})"


@cache
def _native(sql: str, dialect: str) -> str:
    # %b: psycopg sends the value in binary, which for a long text costs a copy and no quoting.
    return sql if dialect == "sqlite" else sql.replace("%", "%%").replace("?", "%b")
