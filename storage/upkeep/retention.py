"""What of the store may go when it is old.

Three rules, by the time of the data and not by the wall clock:

* **What was ever published stays.** An object is published when any revision of a coincidence, or
  a target, names it; it stays whole, with its alerts and all its pairs. So do notices, events,
  localizations, joint events, coincidences, targets, feedback.
* A **pair** of an event with T0 before the cut goes, unless its object is published.
* An **object** whose latest alert is before the cut goes with all its alerts, unless it is
  published or in a pair. Never a single alert: an object is what its stored alerts say.

Batches are short transactions with as long a rest after each, and in PostgreSQL an object that
somebody writes is passed over, so no writer waits for more than one batch. Whoever writes an alert
of an object that just went folds it from what is stored (`storage.batches`), as that of a new one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    delete,
    exists,
    func,
    literal,
    select,
    tuple_,
)

from storage.database import Database
from storage.schema import alerts, coincidences, dead_letters, events, objects, pairs, targets

PAIRS_AT_ONCE = 1000
"""Pairs of a transaction."""

OBJECTS_AT_ONCE = 200
"""Objects of a transaction, each with some dozens of alerts of a few kB."""

LETTERS_AT_ONCE = 200
"""Refused packets of a transaction, each of some 100 kB."""

KEYS_AT_ONCE = 5000
"""Keys read at once, before any of them is looked at."""


class Kind(StrEnum):
    """What may go."""

    PAIRS = "pairs"
    OBJECTS = "objects"
    """With their alerts."""
    DEAD_LETTERS = "dead_letters"
    """Only if it is asked for: what was refused may be understood one day."""


USUAL_KINDS = (Kind.PAIRS, Kind.OBJECTS)
"""What goes when nothing else is said."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Before which moments something is old [s since the Unix epoch].

    Attributes
    ----------
    data_unix_s
        By T0 of events and by the time of alerts.
    received_unix_s
        By when a packet came to us.
    """

    data_unix_s: float
    received_unix_s: float


@dataclass(slots=True)
class Removed:
    """How many rows went, or would go."""

    pairs: int = 0
    objects: int = 0
    alerts: int = 0
    dead_letters: int = 0

    def counts(self) -> dict[str, int]:
        """Rows by table."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass
class Retention:
    """One run over the store.

    Parameters
    ----------
    is_dry
        Count, and remove nothing.
    rest
        Called after each transaction with the seconds that it took.
    """

    database: Database
    cut: Cut
    is_dry: bool = False
    rest: Callable[[float], None] = time.sleep
    removed: Removed = field(default_factory=Removed)

    def run(self, kinds: Collection[Kind] = USUAL_KINDS) -> Removed:
        """Remove what may go of some kinds, the pairs first; a second run finds nothing more."""
        if Kind.PAIRS in kinds:
            self._pairs()
        if Kind.OBJECTS in kinds:
            # Nothing was removed by a dry run, so the objects of such pairs are in a pair still.
            self._objects(pairs_are_going=self.is_dry and Kind.PAIRS in kinds)
        if Kind.DEAD_LETTERS in kinds:
            self._dead_letters()
        return self.removed

    def _pairs(self) -> None:
        e, p = events.c, pairs.c
        old = select(e.event_key).where(e.event_unix_s < self.cut.data_unix_s)
        with self.database.reading() as connection:
            event_keys = list(connection.execute(old.order_by(e.event_key)).scalars())
        for event_key in event_keys:
            going = select(p.coincidence_id).where(p.event_key == event_key, ~_is_published(pairs))
            if self.is_dry:
                self.removed.pairs += self._count(going)
                continue
            for ids in self._removable(going.limit(PAIRS_AT_ONCE)):
                with self._step() as connection:
                    gone = delete(pairs).where(p.coincidence_id.in_(ids))
                    self.removed.pairs += connection.execute(gone).rowcount

    def _objects(self, *, pairs_are_going: bool) -> None:
        c = objects.c
        is_free = ~_is_published(objects) & ~_is_in_pair(self.cut, pairs_are_going)
        for keys in self._old_objects():
            going = (
                select(c.survey, c.object_id, c.object_key)
                .where(c.object_key.in_(keys), c.time_unix_s < self.cut.data_unix_s, is_free)
                .order_by(c.object_key)
            )
            if self.is_dry:
                self.removed.objects += self._count(going)
                self.removed.alerts += self._count(_alerts_of(going))
                continue
            with self._step() as connection:
                chosen = connection.execute(going.with_for_update(skip_locked=True)).all()
                for survey in {row.survey for row in chosen}:
                    ids = [row.object_id for row in chosen if row.survey == survey]
                    mine = (alerts.c.survey == survey) & alerts.c.object_id.in_(ids)
                    self.removed.alerts += connection.execute(delete(alerts).where(mine)).rowcount
                gone = delete(objects).where(c.object_key.in_([row.object_key for row in chosen]))
                self.removed.objects += connection.execute(gone).rowcount

    def _old_objects(self) -> Iterator[Sequence[str]]:
        """Keys of the objects that are old, whether or not they may go, along the sky."""
        c = objects.c
        place = tuple_(c.index_29, c.object_key)
        old = (
            select(c.index_29, c.object_key)
            .where(c.time_unix_s < self.cut.data_unix_s)
            .order_by(c.index_29, c.object_key)
            .limit(KEYS_AT_ONCE)
        )
        page = old
        while True:
            with self.database.reading() as connection:
                rows = connection.execute(page).all()
            keys = [row.object_key for row in rows]
            for start in range(0, len(keys), OBJECTS_AT_ONCE):
                yield keys[start : start + OBJECTS_AT_ONCE]
            if len(rows) < KEYS_AT_ONCE:
                return
            last = rows[-1]
            after = tuple_(literal(last.index_29), literal(last.object_key))
            # The first bound alone is one that every index can be entered by.
            page = old.where(c.index_29 >= last.index_29, place > after)

    def _dead_letters(self) -> None:
        c = dead_letters.c
        going = select(c.dead_letter_id).where(c.received_unix_s < self.cut.received_unix_s)
        if self.is_dry:
            self.removed.dead_letters += self._count(going)
            return
        for ids in self._removable(going.limit(LETTERS_AT_ONCE)):
            with self._step() as connection:
                gone = delete(dead_letters).where(c.dead_letter_id.in_(ids))
                self.removed.dead_letters += connection.execute(gone).rowcount

    def _removable(self, found: Select[Any]) -> Iterator[list[str]]:
        """Ids that a query finds, asked again and again until it finds none."""
        while True:
            with self.database.reading() as connection:
                ids = list(connection.execute(found).scalars())
            if not ids:
                return
            yield ids

    def _count(self, found: Select[Any]) -> int:
        with self.database.reading() as connection:
            return connection.execute(
                select(func.count()).select_from(found.subquery())
            ).scalar_one()

    @contextmanager
    def _step(self) -> Iterator[Connection]:
        """A transaction, and a rest after it."""
        begin_s = time.monotonic()
        with self.database.writing() as connection:
            yield connection
        self.rest(time.monotonic() - begin_s)


def _is_published(table: Table) -> ColumnElement[bool]:
    """Whether a coincidence or a target names the object of a row."""
    key = table.c.object_key
    return exists().where(coincidences.c.object_key == key) | exists().where(
        targets.c.object_key == key
    )


def _is_in_pair(cut: Cut, pairs_are_going: bool) -> ColumnElement[bool]:
    """Whether an object is in a pair; those that are going do not count, if they are said to be."""
    mine = pairs.c.object_key == objects.c.object_key
    if not pairs_are_going:
        return exists().where(mine)
    of_old = exists().where(
        events.c.event_key == pairs.c.event_key, events.c.event_unix_s < cut.data_unix_s
    )
    return exists().where(mine, ~of_old)


def _alerts_of(found: Select[Any]) -> Select[Any]:
    chosen = found.order_by(None).subquery()
    return select(alerts.c.alert_id).where(
        alerts.c.survey == chosen.c.survey, alerts.c.object_id == chosen.c.object_id
    )
