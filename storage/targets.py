"""Target lists: every object that ever was in one, with its rank or why it left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy import Row as StoredRow

from correlator.audience import OPERATOR, PUBLIC_READER, Reader, audience_text
from correlator.policy import ScienceCase
from correlator.priority import aged
from correlator.ranking import Coincidence
from correlator.target import Target, TargetState, target_list
from correlator.wire import of_json, to_json
from storage.coincidences import active_of_case, content_sha256
from storage.database import ALWAYS, Database, Row, equal_to, take_turn, upsert
from storage.readable import readable
from storage.rows import KEYS_AT_ONCE
from storage.schema import coincidences, targets

LEFT_THE_LIST = "it is no longer among the targets of its science case"
"""Why a target is retired when nobody says more."""


class TargetStore:
    """One row a target; a retired one stays, with its reason."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace_list(
        self,
        case: str,
        new: Iterable[Target],
        as_of_unix_s: float,
        why_gone: Mapping[str, str] | str = LEFT_THE_LIST,
    ) -> list[Target]:
        """Make the targets of a science case its list, and retire the others.

        Priorities are stored as of this moment, but a target counts as changed only when its
        place in the list, its event or the content of its coincidence did.

        Parameters
        ----------
        why_gone
            Reason by target id (the default reason where it has none), or one for all.

        Returns
        -------
        list of Target
            What changed: by rank, then the newly retired by id.

        Raises
        ------
        ValueError
            A target of another science case.
        """
        wanted = {t.target_id: t for t in new}
        if strange := {t.case for t in wanted.values()} - {case}:
            raise ValueError(f"targets of {case} expected, got {sorted(strange)}")
        with self._database.writing() as connection:
            take_turn(connection, f"targets of {case}")
            return _replaced(connection, case, wanted, as_of_unix_s, why_gone)

    def refresh(self, case: ScienceCase, as_of_unix_s: float) -> list[Target]:
        """Make the list of a science case anew from what is published of all events.

        Every coincidence has its age at this moment, whenever it was published.
        Whoever published something calls this afterwards: the last of them sees it all.

        Returns
        -------
        list of Target
            What changed, as :meth:`replace_list` says.
        """
        with self._database.writing() as connection:
            take_turn(connection, f"targets of {case.name}")
            found = active_of_case(connection, case.name)
            new = target_list(case, [_aged(c, case, as_of_unix_s) for c in found])
            wanted = {t.target_id: t for t in new}
            return _replaced(connection, case.name, wanted, as_of_unix_s, LEFT_THE_LIST)

    def other_than(self, told: Iterable[Target]) -> list[Target]:
        """Those of some targets that stand otherwise by now, as :meth:`replace_list` counts it.

        Whoever told an older list after another had told a newer one finds what to tell again.
        """
        known = {target.target_id: target for target in told}
        ids, found = sorted(known), select(targets)
        rows: list[StoredRow[Any]] = []
        with self._database.reading() as connection:
            for start in range(0, len(ids), KEYS_AT_ONCE):
                some = targets.c.target_id.in_(ids[start : start + KEYS_AT_ONCE])
                rows += connection.execute(found.where(some))
        return [target_of(row) for row in rows if _differs(known[row.target_id], row)]

    def list(
        self, case: str, include_retired: bool = False, reader: Reader = OPERATOR
    ) -> tuple[Target, ...]:
        """Targets of a science case by rank; then, if asked for, the retired ones by id.

        What is not for the reader is left out, and its rank with it.
        """
        state = None if include_retired else str(TargetState.ACTIVE)
        wanted = equal_to(targets, case_name=case, state=state)
        with self._database.reading() as connection:
            found = select(targets).where(*wanted, *readable(targets, reader))
            return tuple(sorted((target_of(r) for r in connection.execute(found)), key=_place))

    def public(self, told: Iterable[Target]) -> tuple[Target, ...]:
        """Some targets as everybody is told of them.

        One that is not public has left the list; where it never was in it for everybody, nothing
        is told.
        """
        found = []
        for target in told:
            if not target.audience:
                found.append(target)
            elif (last := self._last_public(target)) is not None:
                found.append(_retired(replace(target, coincidence=last), LEFT_THE_LIST))
        return tuple(found)

    def _last_public(self, target: Target) -> Coincidence | None:
        """The last coincidence of a target that everybody could read."""
        c = coincidences.c
        found = (
            select(c.body)
            .where(
                c.object_key == target.object_key,
                c.case_name == target.case,
                c.body.is_not(None),
                *readable(coincidences, PUBLIC_READER),
            )
            .order_by(c.published_unix_s.desc(), c.coincidence_id, c.revision.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            body = connection.execute(found).scalar()
        return None if body is None else of_json(Coincidence, body.encode(), target.target_id)

    def as_of_unix_s(self, case: str) -> float | None:
        """Moment for which the list of a science case was made; None when it is empty."""
        active = equal_to(targets, case_name=case, state=str(TargetState.ACTIVE))
        with self._database.reading() as connection:
            found = select(func.max(targets.c.as_of_unix_s)).where(*active)
            at: float | None = connection.execute(found).scalar_one()
        return at

    def get(self, target_id: str) -> Target | None:
        """Target of an id, active or retired; None when it never was in a list."""
        with self._database.reading() as connection:
            found = select(targets).where(targets.c.target_id == target_id)
            row = connection.execute(found).one_or_none()
        return None if row is None else target_of(row)


def _replaced(
    connection: Connection,
    case: str,
    wanted: dict[str, Target],
    as_of_unix_s: float,
    why_gone: Mapping[str, str] | str,
) -> list[Target]:
    known = _active(connection, case)
    retired = [
        _retired(target_of(known[target_id]), why_gone)
        for target_id in sorted(known.keys() - wanted.keys())
    ]
    rows = [_row(t, as_of_unix_s) for t in (*wanted.values(), *retired)]
    upsert(connection, targets, rows, ALWAYS)
    changed = [t for t in wanted.values() if _differs(t, known.get(t.target_id))]
    return [*sorted(changed, key=_place), *retired]


def _active(connection: Connection, case: str) -> dict[str, StoredRow[Any]]:
    wanted = equal_to(targets, case_name=case, state=str(TargetState.ACTIVE))
    return {row.target_id: row for row in connection.execute(select(targets).where(*wanted))}


def _retired(target: Target, why_gone: Mapping[str, str] | str) -> Target:
    reason = why_gone if isinstance(why_gone, str) else why_gone.get(target.target_id)
    return replace(
        target, state=TargetState.RETIRED, rank=None, retired_reason=reason or LEFT_THE_LIST
    )


def _differs(target: Target, row: StoredRow[Any] | None) -> bool:
    return (
        row is None
        or row.rank != target.rank
        or row.content_sha256 != content_sha256(target.coincidence)
    )


def _aged(coincidence: Coincidence, case: ScienceCase, as_of_unix_s: float) -> Coincidence:
    now = aged(coincidence.priority, coincidence.pair, case, as_of_unix_s)
    return replace(coincidence, priority=now)


def _place(target: Target) -> tuple[bool, int, str]:
    return target.rank is None, target.rank or 0, target.target_id


def _row(target: Target, as_of_unix_s: float) -> Row:
    coincidence = target.coincidence
    return {
        "target_id": target.target_id,
        "case_name": target.case,
        "object_key": target.object_key,
        "event_key": coincidence.pair.event_key,
        "state": str(target.state),
        "rank": target.rank,
        "priority": coincidence.priority.value,
        "ra_deg": coincidence.pair.object.ra_deg,
        "dec_deg": coincidence.pair.object.dec_deg,
        "retired_reason": target.retired_reason,
        "as_of_unix_s": as_of_unix_s,
        "content_sha256": content_sha256(coincidence),
        "body": to_json(coincidence).decode(),
        "audience": audience_text(target.audience),
    }


def target_of(row: StoredRow[Any]) -> Target:
    """Target of a row of the table."""
    return Target(
        target_id=row.target_id,
        case=row.case_name,
        object_key=row.object_key,
        state=TargetState(row.state),
        rank=row.rank,
        coincidence=of_json(Coincidence, row.body.encode(), f"target {row.target_id}"),
        retired_reason=row.retired_reason,
    )
