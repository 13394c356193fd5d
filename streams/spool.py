"""A spool: packets that are on the disk before anybody says that they have arrived.

One SQLite file, which several processes may use at once: who receives puts, who sends takes. What
is put is on the disk when :meth:`Spool.put` returns, and stays until it is removed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from correlator.audience import PUBLIC, Audience, audience_of_text, audience_text
from correlator.errors import CorrelatorError
from storage.wal import use_wal

WAIT_FOR_LOCK_S = 60.0
"""How long one process waits while another writes [s]: a write takes milliseconds."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS packets (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    packet BLOB NOT NULL,
    received_unix_s REAL NOT NULL,
    audience TEXT
)
"""


class SpoolError(CorrelatorError):
    """The disk does not keep what it must: full, broken, or the file is no spool.

    Parameters
    ----------
    path
        The spool's file.
    problem
        What SQLite or the system said.
    """

    def __init__(self, path: Path, problem: object) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"spool {path}: a packet must be on the disk, got {problem}")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet as it came.

    Attributes
    ----------
    name
        How a person finds it: topic, partition and offset; or an IVORN.
    received_unix_s
        When it came [s since the Unix epoch].
    audience
        Who may read it.
    """

    name: str
    packet: bytes
    received_unix_s: float
    audience: Audience = PUBLIC


class Spool:
    """The packets that came and were not sent on, in the order in which they came.

    Parameters
    ----------
    path
        The file; it and its folder are made when they are missing.

    Raises
    ------
    sqlite3.Error
        The file is no spool, or the disk does not take it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One thread at a time uses a spool, not always the same one.
        self.path = path
        self._database = sqlite3.connect(path, timeout=WAIT_FOR_LOCK_S, check_same_thread=False)
        use_wal(self._database, WAIT_FOR_LOCK_S)
        self._database.execute("PRAGMA synchronous = FULL")
        with self._database:
            self._database.execute(_SCHEMA)
            columns = self._database.execute("SELECT name FROM pragma_table_info('packets')")
            if ("audience",) not in columns.fetchall():  # of a release without audiences
                self._database.execute("ALTER TABLE packets ADD COLUMN audience TEXT")

    def put(self, arrivals: Iterable[Arrival]) -> None:
        """Keep packets, all or none of them; they outlast a power cut when this returns.

        Raises
        ------
        sqlite3.Error
            They are not kept: the disk is full, or broken.
        """
        rows = [
            (each.name, each.packet, each.received_unix_s, audience_text(each.audience))
            for each in arrivals
        ]
        insert = "INSERT INTO packets (name, packet, received_unix_s, audience) VALUES (?, ?, ?, ?)"
        with self._database:
            self._database.executemany(insert, rows)

    def after(self, number: int, most: int, most_bytes: int) -> list[tuple[int, Arrival]]:
        """The next packets after a number: at least one where there is one, else within bounds."""
        select = (
            "SELECT number, name, packet, received_unix_s, audience FROM packets "
            "WHERE number > ? ORDER BY number LIMIT ?"
        )
        found: list[tuple[int, Arrival]] = []
        n_bytes = 0
        for at, name, packet, received, text in self._database.execute(select, (number, most)):
            n_bytes += len(packet)
            if found and n_bytes > most_bytes:
                break
            found.append((at, Arrival(name, packet, received, audience_of_text(text))))
        return found

    def remove(self, numbers: Iterable[int]) -> None:
        """Forget packets that are safe elsewhere."""
        with self._database:
            self._database.executemany(
                "DELETE FROM packets WHERE number = ?", [(number,) for number in numbers]
            )

    @property
    def used_bytes(self) -> int:
        """Disk that the packets take [bytes]: whole pages, known without looking at them."""
        asked = ("page_count", "freelist_count", "page_size")
        n, n_free, size = (
            int(self._database.execute(f"PRAGMA {name}").fetchone()[0]) for name in asked
        )
        return (n - n_free) * size

    def __len__(self) -> int:
        (count,) = self._database.execute("SELECT count(*) FROM packets").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the file."""
        self._database.close()
