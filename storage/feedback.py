"""What follow-up teams say of coincidences."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import exists, select

from correlator.audience import Reader
from correlator.errors import RefusedError
from correlator.wire import to_json
from storage.database import Database, Row, plain_text
from storage.readable import readable
from storage.schema import coincidences, feedback

MAX_TEXT = 4000
"""Longest comment or reason [characters]."""

MAX_AUTHOR = 100
"""Longest name of an author [characters]."""


class FeedbackStatus(StrEnum):
    """What a team holds a coincidence for, in SkyPortal's words for a source in an event."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    AMBIGUOUS = "ambiguous"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Feedback:
    """What one author said once.

    Attributes
    ----------
    feedback_id
        Hash of all the rest: what is said twice by one request is stored once.
    viable, viability_reason
        In the words of the TOM Toolkit's ``EventCandidate``; None when nothing was said of it.
    """

    feedback_id: str
    coincidence_id: str
    author: str
    status: FeedbackStatus
    viable: bool | None
    viability_reason: str | None
    comment: str | None
    created_unix_s: float


_COLUMNS = [feedback.c[name] for name in Feedback.__dataclass_fields__]


class FeedbackStore:
    """One row a statement; rows are only added."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        coincidence_id: str,
        author: str,
        status: FeedbackStatus | str,
        now_unix_s: float,
        *,
        viable: bool | None = None,
        viability_reason: str | None = None,
        comment: str | None = None,
    ) -> Feedback:
        """Remember what somebody says of a coincidence; whether it is stored is not asked.

        Raises
        ------
        RefusedError
            An unknown status, no author, or a text that is too long.
        """
        record = f"feedback on {plain_text(coincidence_id)[:MAX_AUTHOR]}"
        if status not in set(FeedbackStatus):
            known = ", ".join(FeedbackStatus)
            raise RefusedError(record, f"its status must be one of {known}", str(status))
        if not 0 < len(author) <= MAX_AUTHOR:
            raise RefusedError(record, f"its author has 1 to {MAX_AUTHOR} characters", author)
        for text in (viability_reason, comment):
            if text is not None and len(text) > MAX_TEXT:
                raise RefusedError(record, f"a text has at most {MAX_TEXT} characters", text)
        row: Row = {
            "coincidence_id": plain_text(coincidence_id),
            "author": plain_text(author),
            "status": str(status),
            "viable": viable,
            "viability_reason": None if viability_reason is None else plain_text(viability_reason),
            "comment": None if comment is None else plain_text(comment),
            "created_unix_s": now_unix_s,
        }
        row["feedback_id"] = hashlib.sha256(to_json(row)).hexdigest()[:24]
        self._database.upsert(feedback, [row])
        return _feedback(row)

    def of(self, coincidence_id: str, reader: Reader) -> tuple[Feedback, ...]:
        """What was said of a coincidence that a reader may read, the oldest first.

        May it not be read as it stands now, then nothing was said.
        """
        c = feedback.c
        mine = coincidences.c.coincidence_id == c.coincidence_id
        seen = exists().where(mine, coincidences.c.is_current, *readable(coincidences, reader))
        conditions = [] if reader.reads_all else [seen]
        found = (
            select(*_COLUMNS)
            .where(c.coincidence_id == plain_text(coincidence_id), *conditions)
            .order_by(c.created_unix_s, c.feedback_id)
        )
        with self._database.reading() as connection:
            rows = connection.execute(found).all()
        return tuple(_feedback(row._asdict()) for row in rows)


def _feedback(row: Row) -> Feedback:
    return Feedback(**row | {"status": FeedbackStatus(row["status"])})
