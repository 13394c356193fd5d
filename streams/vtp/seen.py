"""Which packets came before, by the digest of their bytes, on disk.

It takes the place of Comet's event database, which marks a packet as seen before anybody has it,
is read as a whole for each packet where Python has only ``dbm.dumb``, and can break when its
process is killed.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import structlog

from correlator.policy import DAY_S
from storage.wal import use_wal
from streams.spool import WAIT_FOR_LOCK_S

log = structlog.get_logger(__name__)

KEPT_S = 30.0 * DAY_S
"""How long a packet is remembered [s], as long as by Comet."""

_PRUNE_EVERY_S = 6.0 * 3600.0

_SCHEMA = "CREATE TABLE IF NOT EXISTS seen (digest BLOB PRIMARY KEY, at_unix_s REAL NOT NULL)"


def digest_of(packet: bytes) -> bytes:
    """SHA-256 of a packet: one with the same IVORN and other bytes is another one."""
    return hashlib.sha256(packet).digest()


class SeenPackets:
    """Digests of the packets that came lately.

    A disk that fails makes it forget: packets come twice then, and the log says so.

    Parameters
    ----------
    path
        The file; it and its folder are made when they are missing.

    Raises
    ------
    sqlite3.Error
        The file is no database, or the disk does not take it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One thread at a time uses it, not always the same one.
        self._database = sqlite3.connect(path, timeout=WAIT_FOR_LOCK_S, check_same_thread=False)
        use_wal(self._database, WAIT_FOR_LOCK_S)
        # What a power cut takes from it comes once more; it breaks nothing.
        self._database.execute("PRAGMA synchronous = NORMAL")
        with self._database:
            self._database.execute(_SCHEMA)
        self._pruned_unix_s = 0.0

    def known(self, digests: Iterable[bytes]) -> set[bytes]:
        """Those of some digests that were added before."""
        select = "SELECT 1 FROM seen WHERE digest = ?"
        try:
            return {each for each in digests if self._database.execute(select, (each,)).fetchone()}
        except sqlite3.Error as error:
            log.error("memory_not_read", error=str(error))
            return set()

    def add(self, digests: Iterable[bytes], now_unix_s: float) -> None:
        """Remember digests, and forget those that are too old."""
        rows = [(each, now_unix_s) for each in digests]
        is_due = now_unix_s - self._pruned_unix_s >= _PRUNE_EVERY_S
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", rows)
                if is_due:
                    forget = "DELETE FROM seen WHERE at_unix_s < ?"
                    self._database.execute(forget, (now_unix_s - KEPT_S,))
                    self._pruned_unix_s = now_unix_s
        except sqlite3.Error as error:
            log.error("memory_not_written", error=str(error))

    def close(self) -> None:
        """Close the file."""
        self._database.close()
