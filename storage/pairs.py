"""Pairs of an object and an event: the evidence, or why there is none any more."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, and_, select

from correlator.coincidence import PairEvidence
from correlator.wire import PairRecord, of_json, to_json
from storage.database import Columns, Database, Row, equal_to
from storage.schema import pairs

_EVIDENCE = (
    "event_class",
    "delta_t_s",
    "credible_level",
    "probdensity_per_sr",
    "separation_deg",
    "log_lr",
)


class PairStore:
    """One row a pair; a withdrawn pair stays, with its reason."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_many(self, records: Iterable[PairRecord]) -> None:
        """Store pairs in one transaction, each if neither of its versions is lower.

        The end is the same in any order as long as one record of a pair has the highest version
        of its event and of its object, and the join sees to that: whichever of the two comes
        last is compared with the other as it stands.
        """
        self._database.upsert(pairs, [_row(r) for r in records], _replaces)

    def live(self, event_key: str) -> list[PairEvidence]:
        """Evidence of the pairs of an event that hold, by object."""
        return self._live(event_key=event_key)

    def all_live(self) -> list[PairEvidence]:
        """Evidence of every pair that holds, by event and object."""
        return self._live()

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
        )

    def _live(self, **wanted: object) -> list[PairEvidence]:
        found = (
            select(pairs.c.coincidence_id, pairs.c.body)
            .where(pairs.c.is_live, *equal_to(pairs, **wanted))
            .order_by(pairs.c.event_key, pairs.c.object_key)
        )
        with self._database.reading() as connection:
            rows = connection.execute(found).all()
        return [_evidence(key, body) for key, body in rows]


def _replaces(new: Columns, stored: Columns) -> ColumnElement[bool]:
    return and_(
        new["event_version"] >= stored["event_version"],
        new["object_version"] >= stored["object_version"],
    )


def _row(record: PairRecord) -> Row:
    evidence = record.evidence
    row = {
        "coincidence_id": record.coincidence_id,
        "event_key": record.event_key,
        "object_key": record.object_key,
        "event_version": record.event_version,
        "object_version": record.object_version,
        "is_live": evidence is not None,
        "withdrawn_reason": record.withdrawn_reason,
        "body": None if evidence is None else to_json(evidence).decode(),
    }
    # The rows of a batch must all have the same columns.
    row |= {name: getattr(evidence, name, None) for name in _EVIDENCE}
    return row


def _evidence(coincidence_id: str, body: str) -> PairEvidence:
    return of_json(PairEvidence, body.encode(), f"pair {coincidence_id}")
