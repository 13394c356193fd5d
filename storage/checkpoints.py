"""Checkpoints of a SQLite file in a thread of their own.

SQLite appends what is written to a log, and copies the log into the file when it has grown: a
checkpoint, which waits for the disk twice. Left to itself, it does so within the commit of whoever
happens to write; on a disk that took 300 MB/s that was a quarter of a worker's time.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import AbstractContextManager, closing, suppress
from threading import Lock, Thread
from typing import Any

from sqlalchemy import Engine

INTERVAL_S = 0.5
"""Least time between the begins of two checkpoints [s]: at 100 MB/s, which thousands of alerts a
second write, the log then has some 50 MB."""


class Checkpoints:
    """Copies the log into the file after writes, at most every half second.

    Parameters
    ----------
    turn
        Held by whoever writes.
    """

    def __init__(self, engine: Engine, turn: AbstractContextManager[Any]) -> None:
        self._engine = engine
        self._turn = turn
        self._under_way = Lock()
        self._due_s = time.monotonic() + INTERVAL_S

    def written(self) -> None:
        """Begin a checkpoint in the background, if it is time for one and none is under way."""
        if time.monotonic() < self._due_s or not self._under_way.acquire(blocking=False):
            return
        self._due_s = time.monotonic() + INTERVAL_S
        Thread(target=self._run, name="checkpoint").start()

    def settle(self) -> None:
        """Wait for the checkpoint that is under way."""
        with self._under_way:
            pass

    def _run(self) -> None:
        try:
            # What fails is tried again after another write; and when the log is far too long, the
            # writer does it and fails.
            with suppress(sqlite3.Error), closing(self._engine.raw_connection()) as connection:
                _copy(connection)
                # The rest, quickly: only a log that is copied whole is begun anew.
                with self._turn:
                    _copy(connection)
        finally:
            self._under_way.release()


def _copy(connection: Any) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
