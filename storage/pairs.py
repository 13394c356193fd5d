"""Pairs of an object and an event: the evidence, or why there is none any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import func, select

from correlator.audience import OPERATOR, Audience, Reader, audience_of_text, audience_text
from correlator.pair import PairEvidence
from correlator.wire import PairRecord, of_json, to_json
from storage.database import Database, Row, equal_to, upsert
from storage.owners import Fence, stand_behind_all
from storage.readable import readable
from storage.rows import found
from storage.schema import pairs
from storage.share import Share, key_hash

_EVIDENCE = (
    "event_class",
    "delta_t_s",
    "credible_level",
    "probdensity_per_sr",
    "separation_deg",
    "log_lr",
)

_REPLACES = (
    "excluded.event_version > pairs.event_version"
    " OR (excluded.event_version = pairs.event_version"
    " AND excluded.object_version >= pairs.object_version)"
)

_EVENT_KEYS = """
    WITH RECURSIVE known(event_key) AS (
        SELECT min(event_key) FROM pairs
        UNION ALL
        SELECT (SELECT min(p.event_key) FROM pairs AS p WHERE p.event_key > known.event_key)
        FROM known WHERE known.event_key IS NOT NULL
    )
    SELECT event_key FROM known WHERE event_key IS NOT NULL
"""
"""From key to key along the index: a plain DISTINCT reads every pair."""


class PairStore:
    """One row a pair; a withdrawn pair stays, with its reason."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_many(self, records: Iterable[PairRecord], fences: Sequence[Fence] = ()) -> None:
        """Store pairs in one transaction, each unless a later one is stored.

        Later is that of the later event version, then of the later object version: an event that
        moves may close earlier, and its pairs then know fewer alerts. The end is the same in any
        order as long as one record of a pair has the highest version of its event, and of its
        object up to the event's closing. The join sees to that: whichever of the two comes last
        is compared with the other as it stands.

        Parameters
        ----------
        fences
            The ownerships of the objects by whoever compared them; looked at also when nothing
            came of it, for that too is said in their name.

        Raises
        ------
        NotOwnerError
            Another took one of them over; nothing is stored.
        """
        rows = [_row(r) for r in records]
        if rows or fences:
            with self._database.writing() as connection:
                stand_behind_all(connection, fences)
                if rows:
                    upsert(connection, pairs, rows, _REPLACES)

    def live(self, event_key: str) -> list[PairEvidence]:
        """Evidence of the pairs of an event that hold, by object."""
        return self._live(OPERATOR, event_key=event_key)

    def known(self, event_key: str, share: Share) -> list[tuple[str, int, int, Audience]]:
        """Every pair of an event with the objects of a share, live or withdrawn.

        Returns
        -------
        list of tuple
            Object key, event version, object version and audience, by object.
        """
        sql = f"""
            SELECT object_key, event_version, object_version, audience FROM pairs
            WHERE event_key = ? AND {share.condition("object_hash")} ORDER BY object_key
        """  # noqa: S608 - the condition holds numbers only
        with self._database.reading() as connection:
            rows = found(connection, sql, event_key)
        return [(key, event, obj, audience_of_text(text)) for key, event, obj, text in rows]

    def live_objects(self, event_key: str) -> list[str]:
        """Objects that make a pair with an event, sorted; reads no evidence."""
        c = pairs.c
        asked = select(c.object_key).where(c.event_key == event_key, c.is_live)
        with self._database.reading() as connection:
            return sorted(connection.execute(asked).scalars())

    def keys_with_pairs(self) -> list[str]:
        """Keys of the events that have or had a pair, sorted."""
        with self._database.reading() as connection:
            return [key for (key,) in found(connection, _EVENT_KEYS)]

    def count_live(self, event_key: str) -> int:
        """How many pairs of an event hold."""
        c = pairs.c
        live = select(func.count()).where(c.event_key == event_key, c.is_live)
        with self._database.reading() as connection:
            return connection.execute(live).scalar_one()

    def all_live(self, reader: Reader = OPERATOR) -> list[PairEvidence]:
        """Evidence of every pair that holds and is for a reader, by event and object."""
        return self._live(reader)

    def get(self, coincidence_id: str) -> PairRecord | None:
        """Pair as it stands, live or withdrawn; None when it is not stored."""
        found = select(pairs).where(pairs.c.coincidence_id == coincidence_id)
        with self._database.reading() as connection:
            row = connection.execute(found).one_or_none()
        if row is None:
            return None
        evidence = None if row.body is None else _evidence(row.coincidence_id, row.body)
        return PairRecord(
            row.coincidence_id,
            row.event_key,
            row.object_key,
            row.event_version,
            row.object_version,
            evidence,
            row.withdrawn_reason,
            audience_of_text(row.audience),
        )

    def _live(self, reader: Reader, **wanted: object) -> list[PairEvidence]:
        found = (
            select(pairs.c.coincidence_id, pairs.c.body)
            .where(pairs.c.is_live, *equal_to(pairs, **wanted), *readable(pairs, reader))
            .order_by(pairs.c.event_key, pairs.c.object_key)
        )
        with self._database.reading() as connection:
            rows = connection.execute(found).all()
        return [_evidence(key, body) for key, body in rows]


def _row(record: PairRecord) -> Row:
    evidence = record.evidence
    row = {
        "coincidence_id": record.coincidence_id,
        "event_key": record.event_key,
        "object_key": record.object_key,
        "object_hash": key_hash(record.object_key.partition(":")[2]),
        "event_version": record.event_version,
        "object_version": record.object_version,
        "is_live": evidence is not None,
        "withdrawn_reason": record.withdrawn_reason,
        "body": None if evidence is None else to_json(evidence).decode(),
        "audience": audience_text(record.audience),
    }
    # The rows of a batch must all have the same columns.
    row |= {name: getattr(evidence, name, None) for name in _EVIDENCE}
    return row


def _evidence(coincidence_id: str, body: str) -> PairEvidence:
    return of_json(PairEvidence, body.encode(), f"pair {coincidence_id}")
