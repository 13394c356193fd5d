"""Joint events as they stand: the latest revision of each, and what may have changed for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy import Row as StoredRow

from correlator.audience import Audience, audience_text, union
from correlator.errors import CorrelatorError
from correlator.wire import JointRecord, of_json, to_json
from storage.database import Database, take_turn, upsert
from storage.schema import events, joint_events, joint_members


class BehindError(CorrelatorError):
    """What was to be stored follows from events that have moved on, or from too few of them.

    Attributes
    ----------
    event_keys
        Members that have to be looked at, too.
    """

    def __init__(self, event_keys: Collection[str]) -> None:
        self.event_keys = frozenset(event_keys)
        super().__init__(f"the joint events are behind the stored ones: {sorted(event_keys)}")


class JointState(StrEnum):
    """Where a joint event stands."""

    LIVE = "live"
    DISSOLVED = "dissolved"
    """Its members are one burst no longer, or they are under another id."""


@dataclass(frozen=True, slots=True)
class JointRevision:
    """The latest revision of a joint event.

    Attributes
    ----------
    revision
        Counts from 1 inside one id.
    reason
        Why it is dissolved; None while it stands.
    body
        What it is, or was before it was dissolved.
    """

    joint_id: str
    revision: int
    state: JointState
    published_unix_s: float
    reason: str | None
    body: JointRecord

    @property
    def audience(self) -> Audience:
        """Who may read it."""
        return self.body.audience


_Revisions = dict[str, JointRevision]


class JointEventStore:
    """One row a joint event; one writer at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, joint_id: str) -> JointRevision | None:
        """The joint event of an id, also one that is dissolved."""
        with self._database.reading() as connection:
            return _get(connection, [joint_id]).get(joint_id)

    def of_events(self, event_keys: Collection[str]) -> list[JointRevision]:
        """Joint events that have some of these members, or had when they were dissolved, by id."""
        with self._database.reading() as connection:
            found = _get(connection, _ids_of(connection, event_keys))
        return [found[joint_id] for joint_id in sorted(found)]

    def live(self) -> list[JointRevision]:
        """Joint events that stand, by id."""
        c = joint_events.c
        asked = select(joint_events).where(c.state == _LIVE).order_by(c.joint_id)
        with self._database.reading() as connection:
            return [_revision(row) for row in connection.execute(asked)]

    def ids_since(self, unix_s: float) -> list[str]:
        """Ids of the joint events of a moment or later, also of those that are dissolved."""
        c = joint_events.c
        asked = select(c.joint_id).where(c.event_unix_s >= unix_s).order_by(c.joint_id)
        with self._database.reading() as connection:
            return list(connection.execute(asked).scalars())

    def other_than(self, told: Sequence[JointRevision]) -> list[JointRevision]:
        """How those stand now that do not stand as told, by id."""
        said = {revision.joint_id: revision for revision in told}
        with self._database.reading() as connection:
            found = _get(connection, said)
        return [found[key] for key in sorted(found) if found[key] != said[key]]

    def replace(
        self,
        found: Sequence[JointRecord],
        versions: Mapping[str, int],
        of: Collection[str],
        published_unix_s: float,
    ) -> list[JointRevision]:
        """Make some joint events those that stand, in place of all that have a member of theirs.

        Parameters
        ----------
        found
            What the events imply.
        versions
            Of the events that this follows from; 0 for one that is not stored.
        of
            Events that may have changed: what they are members of no longer is dissolved.

        Returns
        -------
        list of JointRevision
            As they stand now, by id, changed or not; also those that were dissolved before, with
            some of the events as members.

        Raises
        ------
        BehindError
            The stored events are not those versions any more, or others are members too.
        """
        with self._database.writing() as connection:
            take_turn(connection, "joint events")
            members = {key for record in found for key in record.event_keys} | {*of}
            ids = {record.joint_id for record in found}
            known = _get(connection, {*ids, *_ids_of(connection, members)})
            standing = [r for r in known.values() if r.state is JointState.LIVE]
            missing = {key for r in standing for key in r.body.event_keys} - versions.keys()
            if missing or _versions_of(connection, versions) != dict(versions):
                raise BehindError(missing)
            made = {r.joint_id: _made(r, known.get(r.joint_id), published_unix_s) for r in found}
            for old in standing:
                if old.joint_id not in made:
                    made[old.joint_id] = _dissolved(old, found, published_unix_s)
            _write(connection, {key: r for key, r in made.items() if r is not known.get(key)})
        told = known | made
        return [told[joint_id] for joint_id in sorted(told)]

    def touch(self, event_keys: Collection[str]) -> None:
        """Say that the coincidences of the joint events of some members may have changed."""
        with self._database.reading() as connection:
            if not _ids_of(connection, event_keys):
                return
        with self._database.writing() as connection:
            take_turn(connection, "joint events")
            ids = _ids_of(connection, event_keys)
            c = joint_events.c
            changed = update(joint_events).where(c.joint_id.in_(sorted(ids)), c.state == _LIVE)
            connection.execute(changed.values(touched=_last_touch(connection) + 1))

    def touched_after(self, count: int) -> tuple[list[str], int]:
        """Ids of the joint events that were touched after a count, and the count by now."""
        c = joint_events.c
        asked = select(c.joint_id, c.touched).where(c.touched > count).order_by(c.joint_id)
        with self._database.reading() as connection:
            rows = connection.execute(asked).all()
        return [row[0] for row in rows], max((row[1] for row in rows), default=count)

    def last_touch(self) -> int:
        """The count by now."""
        with self._database.reading() as connection:
            return _last_touch(connection)


_LIVE = str(JointState.LIVE)


def _ids_of(connection: Connection, event_keys: Collection[str]) -> set[str]:
    c = joint_members.c
    asked = select(c.joint_id).where(c.event_key.in_(sorted(event_keys)))
    return set(connection.execute(asked).scalars())


def _get(connection: Connection, ids: Collection[str]) -> _Revisions:
    if not ids:
        return {}
    asked = select(joint_events).where(joint_events.c.joint_id.in_(sorted(ids)))
    return {row.joint_id: _revision(row) for row in connection.execute(asked)}


def _versions_of(connection: Connection, event_keys: Collection[str]) -> dict[str, int]:
    asked = select(events.c.event_key, events.c.version)
    rows = connection.execute(asked.where(events.c.event_key.in_(sorted(event_keys))))
    return dict.fromkeys(event_keys, 0) | {row[0]: row[1] for row in rows}


def _last_touch(connection: Connection) -> int:
    return int(connection.execute(select(func.max(joint_events.c.touched))).scalar() or 0)


def _made(record: JointRecord, known: JointRevision | None, now_unix_s: float) -> JointRevision:
    if known is not None and known.state is JointState.LIVE and known.body == record:
        return known
    revision = 1 if known is None else known.revision + 1
    return JointRevision(record.joint_id, revision, JointState.LIVE, now_unix_s, None, record)


def _dissolved(
    old: JointRevision, found: Sequence[JointRecord], now_unix_s: float
) -> JointRevision:
    heir = next((r for r in found if set(r.event_keys) & set(old.body.event_keys)), None)
    reason = "its members are one burst no longer" if heir is None else f"it is {heir.joint_id} now"
    body = old.body
    if heir is not None:  # whose name is in the reason
        body = replace(body, audience=union((body.audience, heir.audience)))
    state = JointState.DISSOLVED
    return JointRevision(old.joint_id, old.revision + 1, state, now_unix_s, reason, body)


def _write(connection: Connection, made: _Revisions) -> None:
    if not made:
        return
    touched = _last_touch(connection) + 1
    rows = [_row(made[joint_id], touched) for joint_id in sorted(made)]
    upsert(connection, joint_events, rows, "TRUE")
    connection.execute(delete(joint_members).where(joint_members.c.joint_id.in_(sorted(made))))
    members = [
        {"event_key": key, "joint_id": r.joint_id}
        for r in made.values()
        for key in r.body.event_keys
    ]
    if members:
        connection.execute(insert(joint_members), members)


def _row(revision: JointRevision, touched: int) -> dict[str, Any]:
    return {
        "joint_id": revision.joint_id,
        "revision": revision.revision,
        "state": str(revision.state),
        "event_unix_s": revision.body.event_unix_s,
        "touched": touched,
        "published_unix_s": revision.published_unix_s,
        "reason": revision.reason,
        "body": to_json(revision.body).decode(),
        "audience": audience_text(revision.audience),
    }


def _revision(row: StoredRow[Any]) -> JointRevision:
    return JointRevision(
        joint_id=row.joint_id,
        revision=row.revision,
        state=JointState(row.state),
        published_unix_s=row.published_unix_s,
        reason=row.reason,
        body=of_json(JointRecord, row.body.encode(), f"joint event {row.joint_id}"),
    )
