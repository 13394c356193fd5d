"""Packets that cannot be understood: the bytes, where they came from, and why."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row as StoredRow
from sqlalchemy import func, select, update

from correlator.audience import PUBLIC, Audience, audience_of_text, audience_text, union
from storage.database import Database, equal_to, plain_text, upsert
from storage.schema import dead_letters


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One packet that was refused; :meth:`DeadLetterStore.packet` has its bytes.

    Attributes
    ----------
    dead_letter_id
        Hash of source, packet and reason.
    rule
        The rule that it breaks, without names and values: what one counts by.
    record_key
        Key of the record on its topic; None when it had none, or came from no topic.
    replayed_unix_s
        When it was put back and understood.
    audience
        Who may read the packet, as far as that was said.
    """

    dead_letter_id: str
    source: str
    packet_name: str
    packet_sha256: str
    rule: str
    reason: str
    received_unix_s: float
    record_key: str | None
    replayed_unix_s: float | None
    audience: Audience


_LETTER = [dead_letters.c[name] for name in DeadLetter.__dataclass_fields__]

_REFUSED_AGAIN = "dead_letters.replayed_unix_s < excluded.received_unix_s"


class DeadLetterStore:
    """One row for each packet, source and reason."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self,
        source: str,
        packet_name: str,
        packet: bytes,
        reason: str,
        received_unix_s: float,
        *,
        rule: str | None = None,
        record_key: str | None = None,
        audience: Audience = PUBLIC,
    ) -> str:
        """Store a refused packet and return its id; a repeated one changes nothing.

        One that was put back and is refused again counts as never put back.

        Parameters
        ----------
        rule
            The rule that it breaks (``MalformedPacketError.rule``); the reason if not given.
        audience
            Who may read it; with one that came before, all that both name.
        """
        source, packet_name, reason = (
            plain_text(source),
            plain_text(packet_name),
            plain_text(reason),
        )
        sha256 = hashlib.sha256(packet).hexdigest()
        said = "\0".join((source, sha256, reason))
        row = {
            "dead_letter_id": hashlib.sha256(said.encode()).hexdigest()[:24],
            "source": source,
            "packet_name": packet_name,
            "packet_sha256": sha256,
            "rule": plain_text(rule or reason),
            "reason": reason,
            "received_unix_s": received_unix_s,
            "packet": packet,
            "record_key": None if record_key is None else plain_text(record_key),
            "replayed_unix_s": None,
            "audience": audience_text(audience),
        }
        c = dead_letters.c
        same = c.dead_letter_id == row["dead_letter_id"]
        with self._database.writing() as connection:
            known = connection.execute(select(c.audience).where(same).with_for_update()).scalar()
            row["audience"] = audience_text(union((audience, audience_of_text(known))))
            upsert(connection, dead_letters, [row], _REFUSED_AGAIN)
            connection.execute(update(dead_letters).where(same).values(audience=row["audience"]))
        return str(row["dead_letter_id"])

    def list(
        self,
        source: str | None = None,
        rule: str | None = None,
        limit: int = 100,
        *,
        include_replayed: bool = False,
    ) -> tuple[DeadLetter, ...]:
        """Latest refused packets, of a source or against a rule, that were not put back since."""
        c = dead_letters.c
        conditions = equal_to(dead_letters, source=source, rule=rule)
        if not include_replayed:
            conditions.append(c.replayed_unix_s.is_(None))
        found = (
            select(*_LETTER)
            .where(*conditions)
            .order_by(c.received_unix_s.desc(), c.dead_letter_id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return tuple(_letter(row) for row in connection.execute(found))

    def mark_replayed(self, dead_letter_id: str, when_unix_s: float) -> None:
        """Remember when a refused packet was put back."""
        c = dead_letters.c
        marked = update(dead_letters).where(c.dead_letter_id == dead_letter_id)
        with self._database.writing() as connection:
            connection.execute(marked.values(replayed_unix_s=when_unix_s))

    def get(self, dead_letter_id: str) -> DeadLetter | None:
        """Refused packet of an id; None when it is not stored."""
        found = select(*_LETTER).where(dead_letters.c.dead_letter_id == dead_letter_id)
        with self._database.reading() as connection:
            row = connection.execute(found).one_or_none()
        return None if row is None else _letter(row)

    def packet(self, dead_letter_id: str) -> bytes | None:
        """Bytes of a refused packet; None when it is not stored."""
        c = dead_letters.c
        found = select(c.packet).where(c.dead_letter_id == dead_letter_id)
        with self._database.reading() as connection:
            return connection.execute(found).scalar()

    def count_by_rule(self) -> dict[str, int]:
        """How many packets each rule refused, the most frequent rule first."""
        n = func.count()
        found = select(dead_letters.c.rule, n).group_by(dead_letters.c.rule)
        with self._database.reading() as connection:
            rows = connection.execute(found).all()
        return dict(sorted(((r, int(k)) for r, k in rows), key=lambda row: (-row[1], row[0])))


def _letter(row: StoredRow[Any]) -> DeadLetter:
    return DeadLetter(**{**row._mapping, "audience": audience_of_text(row.audience)})
