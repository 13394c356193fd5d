"""Who does what only one may do, so that one who lost it cannot go on writing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from storage.database import Database
from storage.errors import NotOwnerError
from storage.rows import found

_TAKE = """
    INSERT INTO owners (name, epoch, holder) VALUES (?, 1, ?)
    ON CONFLICT (name) DO UPDATE SET epoch = owners.epoch + 1, holder = excluded.holder
    RETURNING epoch
"""
_EPOCH = "SELECT epoch FROM owners WHERE name = ?"


@dataclass(frozen=True, slots=True)
class Fence:
    """The ownership in whose name something is written: it must still be the latest."""

    name: str
    epoch: int


class OwnerStore:
    """One row a name; the epoch counts the takeovers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, name: str, holder: str) -> int:
        """Take an ownership over from whoever has it; the new epoch, from 1.

        Returns when no transaction of an earlier epoch is under way: what they wrote is stored.
        """
        with self._database.writing() as connection:
            ((epoch,),) = found(connection, _TAKE, name, holder)
        return int(epoch)

    def take_many(self, names: Collection[str], holder: str) -> list[Fence]:
        """Take several ownerships over in one transaction, as :meth:`take` does each."""
        with self._database.writing() as connection:
            return [
                Fence(name, int(found(connection, _TAKE, name, holder)[0][0]))
                for name in sorted(names)
            ]

    def epoch(self, name: str) -> int | None:
        """Latest epoch of a name; None when nobody ever took it."""
        with self._database.reading() as connection:
            rows = found(connection, _EPOCH, name)
        return int(rows[0][0]) if rows else None

    def holder(self, name: str) -> str | None:
        """Who took a name last; None when nobody ever did."""
        with self._database.reading() as connection:
            rows = found(connection, "SELECT holder FROM owners WHERE name = ?", name)
        return str(rows[0][0]) if rows else None


def stand_behind_all(connection: Connection, fences: Sequence[Fence]) -> None:
    """Make sure, until the transaction ends, that ownerships are still the latest.

    Raises
    ------
    NotOwnerError
        Another took one of them over.
    """
    if not fences:
        return
    # In SQLite whoever writes is alone; in PostgreSQL a takeover waits for the locks on the rows.
    lock = " ORDER BY name FOR SHARE" if connection.dialect.name == "postgresql" else ""
    marks = ", ".join("?" for _ in fences)
    rows = found(
        connection,
        f"SELECT name, epoch FROM owners WHERE name IN ({marks})" + lock,  # noqa: S608
        *(fence.name for fence in fences),
    )
    stored = {name: int(epoch) for name, epoch in rows}
    for fence in fences:
        if stored.get(fence.name, 0) != fence.epoch:
            raise NotOwnerError(fence.name, fence.epoch, stored.get(fence.name, 0))
