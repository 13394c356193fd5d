"""Which events have been searched for among the stored objects, partition by partition."""

from __future__ import annotations

from collections.abc import Sequence

from storage.database import Database, upsert
from storage.owners import Fence, stand_behind_all
from storage.rows import found
from storage.schema import lookbacks
from storage.share import Share

_UNDONE = """
    SELECT e.event_key FROM events AS e
    WHERE (
        SELECT count(*) FROM lookbacks AS l
        WHERE l.event_key = e.event_key AND l.n_partitions = ? AND l.version >= e.version
          AND {partitions}
    ) < ?
    ORDER BY e.event_key
"""


class LookbackStore:
    """One row an event and partition: the version of the event that was searched for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def mark(
        self, event_key: str, version: int, share: Share, fences: Sequence[Fence] = ()
    ) -> None:
        """Remember that a version of an event was searched for in a share of the objects.

        Raises
        ------
        NotOwnerError
            Another took over one of the ownerships in whose name that is said.
        """
        rows = [
            {"event_key": event_key, "n_partitions": share.of, "partition": p, "version": version}
            for p in sorted(share.partitions)
        ]
        if rows:
            with self._database.writing() as connection:
                stand_behind_all(connection, fences)
                upsert(connection, lookbacks, rows, "excluded.version > lookbacks.version")

    def undone(self, share: Share) -> list[str]:
        """Keys of the stored events that some partition of a share was not searched for."""
        if share.is_none:
            return []
        chosen = ", ".join(str(p) for p in sorted(share.partitions))
        sql = _UNDONE.format(partitions=f"l.partition IN ({chosen})")
        with self._database.reading() as connection:
            rows = found(connection, sql, share.of, len(share.partitions))
        return [str(key) for (key,) in rows]
