"""SQLite's write-ahead log, switched on by several processes that open a new file at once."""

from __future__ import annotations

import sqlite3
import time

_LOOK_AGAIN_S = 0.02


def use_wal(connection: sqlite3.Connection, within_s: float) -> None:
    """Let a file have a write-ahead log, which it keeps.

    While another connection switches it on, SQLite says at once that the file is locked, whatever
    its busy timeout: two that wait for each other would wait for ever.

    Raises
    ------
    sqlite3.Error
        The file is no database, or it was locked all the time.
    """
    give_up = time.monotonic() + within_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up:
                raise
        time.sleep(_LOOK_AGAIN_S)
