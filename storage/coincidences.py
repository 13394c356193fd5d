"""Published coincidences: every revision of each, the current one marked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, case, func, insert, select, tuple_, update
from sqlalchemy import Row as StoredRow

from correlator.audience import (
    OPERATOR,
    PUBLIC,
    Audience,
    Reader,
    audience_of_text,
    audience_text,
    union,
)
from correlator.filters import Filter
from correlator.ranking import Coincidence
from correlator.wire import of_json, to_json
from storage.columns import coincidence_columns, index_29_of_body
from storage.database import Database, Row, equal_to, take_turn
from storage.errors import NotOwnerError
from storage.filters import select_sent
from storage.owners import Fence, stand_behind_all
from storage.rows import KEYS_AT_ONCE
from storage.schema import coincidences

__all__ = [
    "CoincidenceRevision",
    "CoincidenceState",
    "CoincidenceStore",
    "Fence",
    "Gone",
    "NotOwnerError",
    "Sent",
    "content_sha256",
]


class CoincidenceState(StrEnum):
    """Where a revision of a coincidence stands."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    """It was active until a later revision came."""
    RETRACTED = "retracted"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Gone:
    """Why a coincidence left its event's ranking, and the state that this leaves it in.

    Attributes
    ----------
    audience
        Who may read that, of those who may read what was published.
    """

    reason: str
    state: CoincidenceState = CoincidenceState.RETRACTED
    audience: Audience = PUBLIC


@dataclass(frozen=True, slots=True)
class CoincidenceRevision:
    """One revision of a published coincidence.

    Attributes
    ----------
    revision
        Counts from 1 inside one coincidence and science case.
    reason
        Why it is gone; None while it is (or was) active.
    body
        What was published; None when it is gone.
    audience
        Who may read it: whoever may read what was published, and what took it back.
    """

    coincidence_id: str
    revision: int
    state: CoincidenceState
    case: str
    event_key: str
    object_key: str
    published_unix_s: float
    reason: str | None
    body: Coincidence | None
    audience: Audience = PUBLIC


@dataclass(frozen=True, slots=True)
class Sent:
    """A revision that a filter's subscriber would have been sent.

    Attributes
    ----------
    passes
        Whether the filter lets it pass; otherwise the one before it did.
    """

    revision: CoincidenceRevision
    passes: bool


WhyGone = str | Gone | Callable[[CoincidenceRevision], str | Gone]
"""Why what left is gone: the same for all, or asked for each with its last active revision."""


def content_sha256(coincidence: Coincidence) -> str:
    """Hash of what makes a revision: pair evidence, science case and rank.

    The evidence holds the versions of the event and the object, so whatever the notices and the
    alerts change shows. Left out is what time and strangers change: the priority (age,
    visibility) and the number of rivals that are not published.
    """
    said = f"{coincidence.case}|{coincidence.rank}|".encode() + to_json(coincidence.pair)
    return hashlib.sha256(said).hexdigest()


class CoincidenceStore:
    """Revisions of coincidences; nothing is deleted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def publish(
        self,
        event_key: str,
        found: Iterable[Coincidence],
        published_unix_s: float,
        gone_reason: WhyGone,
        fence: Fence | None = None,
    ) -> list[CoincidenceRevision]:
        """Make the coincidences of an event what is published of it.

        A new or changed one gets its next revision, ``active``, and the one before becomes
        ``superseded``; one that is not among them any more gets a last revision, ``retracted``
        or ``expired``. The same call again makes nothing.

        Parameters
        ----------
        fence
            The ownership of whoever publishes.

        Returns
        -------
        list of CoincidenceRevision
            The new revisions: by case and rank, then those that are gone.

        Raises
        ------
        ValueError
            A coincidence of another event.
        NotOwnerError
            Another took the ownership over; nothing is stored.
        """
        wanted = {(c.pair.coincidence_id, c.case): c for c in found}
        if strange := {c.pair.event_key for c in wanted.values()} - {event_key}:
            raise ValueError(f"coincidences of {event_key} expected, got {sorted(strange)}")
        with self._database.writing() as connection:
            take_turn(connection, f"coincidences of {event_key}")
            stand_behind_all(connection, [fence] if fence else [])
            current = _current_of_event(connection, event_key)
            made = [
                *_changed(wanted, current, published_unix_s),
                *_gone(connection, wanted, current, published_unix_s, gone_reason),
            ]
            _write(connection, made)
        return made

    def history(
        self, coincidence_id: str, case: str | None = None, reader: Reader = OPERATOR
    ) -> list[CoincidenceRevision]:
        """Every revision of a coincidence that is for a reader, by case and revision."""
        found = self._found(coincidence_id=coincidence_id, case_name=case)
        return [revision for revision in found if reader.may_read(revision.audience)]

    def before(
        self, revisions: Iterable[CoincidenceRevision]
    ) -> dict[tuple[str, str], CoincidenceRevision]:
        """The revision before each, by id and case; what is not stored any more is left out."""
        c = coincidences.c
        keys = [(r.coincidence_id, r.case, r.revision - 1) for r in revisions]
        place = tuple_(c.coincidence_id, c.case_name, c.revision)
        rows: list[StoredRow[Any]] = []
        with self._database.reading() as connection:
            for start in range(0, len(keys), KEYS_AT_ONCE):
                some = keys[start : start + KEYS_AT_ONCE]
                # The ids as well: by three columns at once SQLite would look through the table.
                named = c.coincidence_id.in_([key[0] for key in some])
                rows += connection.execute(select(coincidences).where(named, place.in_(some)))
        return {(row.coincidence_id, row.case_name): revision_of(row) for row in rows}

    def current(
        self,
        event_key: str | None = None,
        case: str | None = None,
        object_key: str | None = None,
        include_gone: bool = False,
    ) -> list[CoincidenceRevision]:
        """Current revisions, by event, case and rank; those that are gone only if asked."""
        state = None if include_gone else str(CoincidenceState.ACTIVE)
        return self._found(
            event_key=event_key, case_name=case, object_key=object_key, is_current=True, state=state
        )

    def sent(
        self,
        tree: Filter,
        since_unix_s: float | None = None,
        until_unix_s: float | None = None,
        limit: int | None = None,
        *,
        newest_first: bool = False,
        reader: Reader = OPERATOR,
    ) -> list[Sent]:
        """What whoever subscribed by a filter would have been sent, as it was published.

        Revisions that pass, and those that follow one that passed and do not: what was sent is
        taken back.

        Parameters
        ----------
        since_unix_s, until_unix_s
            Published in the half-open interval [s since the Unix epoch]; None is open.
        limit
            At most so many, from the first on.
        newest_first
            Begin with what was published last.
        reader
            The subscriber. What may not be read any more is taken back, as :func:`withdrawn`.
        """
        found = select_sent(tree, since_unix_s, until_unix_s, reader)
        if newest_first:
            c = coincidences.c
            newest = c.published_unix_s.desc(), c.coincidence_id, c.case_name, c.revision.desc()
            found = found.order_by(None).order_by(*newest)
        found = found.limit(limit)
        with self._database.reading() as connection:
            rows = connection.execute(found).all()
        return [Sent(_as_sent(revision_of(row), reader), bool(row.passes)) for row in rows]

    def count_sent(
        self,
        tree: Filter,
        since_unix_s: float | None = None,
        until_unix_s: float | None = None,
        *,
        reader: Reader = OPERATOR,
    ) -> int:
        """How many :meth:`sent` has without a limit."""
        found = select_sent(tree, since_unix_s, until_unix_s, reader).order_by(None).subquery()
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).select_from(found)).scalar_one()

    def published_keys(self) -> list[str]:
        """Keys of the events of which something is published, sorted; reads no coincidence."""
        c = coincidences.c
        found = select(c.event_key).where(c.is_current, c.state == _ACTIVE).distinct()
        with self._database.reading() as connection:
            return sorted(connection.execute(found).scalars())

    def _found(self, **wanted: object) -> list[CoincidenceRevision]:
        c = coincidences.c
        found = (
            select(coincidences)
            .where(*equal_to(coincidences, **wanted))
            .order_by(c.event_key, c.case_name, c.rank.nulls_last(), c.coincidence_id, c.revision)
        )
        if "coincidence_id" in wanted:
            found = found.order_by(None).order_by(c.case_name, c.revision)
        with self._database.reading() as connection:
            return [revision_of(row) for row in connection.execute(found)]


NOT_YOURS = "it is of data by now that are not for you to read"


def withdrawn(revision: CoincidenceRevision) -> CoincidenceRevision:
    """A revision for those who may not read it and were told the one before: that it is gone."""
    return replace(
        revision, state=CoincidenceState.RETRACTED, reason=NOT_YOURS, body=None, audience=PUBLIC
    )


def _as_sent(revision: CoincidenceRevision, reader: Reader) -> CoincidenceRevision:
    return revision if reader.may_read(revision.audience) else withdrawn(revision)


def active_of_case(connection: Connection, case_name: str) -> list[Coincidence]:
    """What is published in a science case, of all events."""
    c = coincidences.c
    found = select(coincidences).where(c.case_name == case_name, c.is_current, c.state == _ACTIVE)
    bodies = [revision_of(row).body for row in connection.execute(found)]
    return [body for body in bodies if body is not None]


_ACTIVE, _SUPERSEDED = str(CoincidenceState.ACTIVE), str(CoincidenceState.SUPERSEDED)


class _Standing(NamedTuple):
    """How a current revision stands; what was published is not read for that."""

    revision: int
    state: str
    content_sha256: str | None


_Key = tuple[str, str]
_Current = dict[_Key, _Standing]


def _current_of_event(connection: Connection, event_key: str) -> _Current:
    c = coincidences.c
    asked = c.coincidence_id, c.case_name, c.revision, c.state, c.content_sha256
    found = select(*asked).where(c.event_key == event_key, c.is_current)
    return {(row[0], row[1]): _Standing(*row[2:]) for row in connection.execute(found)}


def _with_body(connection: Connection, key: _Key, revision: int) -> CoincidenceRevision:
    c = coincidences.c
    found = select(coincidences).where(
        c.coincidence_id == key[0], c.case_name == key[1], c.revision == revision
    )
    return revision_of(connection.execute(found).one())


def _changed(
    wanted: dict[_Key, Coincidence], current: _Current, published_unix_s: float
) -> list[CoincidenceRevision]:
    made = []
    for key, coincidence in sorted(wanted.items(), key=lambda kv: (kv[1].case, kv[1].rank, kv[0])):
        known = current.get(key)
        if known is not None and known.content_sha256 == content_sha256(coincidence):
            continue
        made.append(
            CoincidenceRevision(
                coincidence_id=key[0],
                revision=1 if known is None else known.revision + 1,
                state=CoincidenceState.ACTIVE,
                case=coincidence.case,
                event_key=coincidence.pair.event_key,
                object_key=coincidence.pair.object_key,
                published_unix_s=published_unix_s,
                reason=None,
                body=coincidence,
                audience=coincidence.audience,
            )
        )
    return made


def _gone(
    connection: Connection,
    wanted: dict[_Key, Coincidence],
    current: _Current,
    published_unix_s: float,
    why: WhyGone,
) -> list[CoincidenceRevision]:
    made = []
    for key in sorted(current.keys() - wanted.keys()):
        if current[key].state != _ACTIVE:
            continue
        last = _with_body(connection, key, current[key].revision)
        said = why(last) if callable(why) else why
        gone = Gone(said) if isinstance(said, str) else said
        made.append(
            CoincidenceRevision(
                coincidence_id=last.coincidence_id,
                revision=last.revision + 1,
                state=gone.state,
                case=last.case,
                event_key=last.event_key,
                object_key=last.object_key,
                published_unix_s=published_unix_s,
                reason=gone.reason,
                body=None,
                audience=union((last.audience, gone.audience)),
            )
        )
    return made


def _write(connection: Connection, made: list[CoincidenceRevision]) -> None:
    c = coincidences.c
    overtaken = (
        update(coincidences)
        .where(
            c.coincidence_id == bindparam("of_id"),
            c.case_name == bindparam("of_case"),
            # The whole key: by "is current" SQLite would look through all of the science case.
            c.revision == bindparam("of_revision"),
        )
        # A retraction that is overtaken in turn remains what it was.
        .values(is_current=False, state=case((c.state == _ACTIVE, _SUPERSEDED), else_=c.state))
    )
    keys = [
        {"of_id": r.coincidence_id, "of_case": r.case, "of_revision": r.revision - 1}
        for r in made
        if r.revision > 1
    ]
    if keys:
        connection.execute(overtaken, keys)
    if made:
        connection.execute(insert(coincidences), [_row(r) for r in made])
        _place_gone(connection, [r for r in made if r.body is None])


def _place_gone(connection: Connection, gone: list[CoincidenceRevision]) -> None:
    """Let what is gone lie where the revision before it did, so that a region finds it."""
    c, before = coincidences.c, coincidences.alias("before").c
    last = (
        select(before.index_29)
        .where(
            before.coincidence_id == c.coincidence_id,
            before.case_name == c.case_name,
            before.revision == c.revision - 1,
        )
        .scalar_subquery()
    )
    placed = update(coincidences).values(index_29=last)
    placed = placed.where(
        c.coincidence_id == bindparam("of_id"),
        c.case_name == bindparam("of_case"),
        c.revision == bindparam("of_revision"),
    )
    keys = [{"of_id": r.coincidence_id, "of_case": r.case, "of_revision": r.revision} for r in gone]
    if keys:
        connection.execute(placed, keys)


def _row(revision: CoincidenceRevision) -> Row:
    body = revision.body
    return {
        "coincidence_id": revision.coincidence_id,
        "case_name": revision.case,
        "revision": revision.revision,
        "is_current": True,
        "state": str(revision.state),
        "event_key": revision.event_key,
        "object_key": revision.object_key,
        "published_unix_s": revision.published_unix_s,
        "reason": revision.reason,
        "content_sha256": None if body is None else content_sha256(body),
        **coincidence_columns(body),
        "body": None if body is None else to_json(body).decode(),
        "index_29": None if body is None else index_29_of_body(body),
        "audience": audience_text(revision.audience),
    }


def revision_of(row: StoredRow[Any]) -> CoincidenceRevision:
    """Revision of a row of the table."""
    name = f"coincidence {row.coincidence_id}"
    return CoincidenceRevision(
        coincidence_id=row.coincidence_id,
        revision=row.revision,
        state=CoincidenceState(row.state),
        case=row.case_name,
        event_key=row.event_key,
        object_key=row.object_key,
        published_unix_s=row.published_unix_s,
        reason=row.reason,
        body=None if row.body is None else of_json(Coincidence, row.body.encode(), name),
        audience=audience_of_text(row.audience),
    )
