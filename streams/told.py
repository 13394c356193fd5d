"""What of a revision its readers are told: as much as they may read, or that it is gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from correlator.audience import PUBLIC_READER, Reader
from correlator.ranking import Coincidence
from correlator.wire import EventRecord
from storage.coincidences import CoincidenceRevision, withdrawn
from storage.store import Store

Key = tuple[str, str, int]
"""Coincidence, science case, revision."""


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody is told of a revision.

    Attributes
    ----------
    body
        What was published in it, or of one that is gone last before it; None where that is not
        stored any more.
    events
        Those of its events that they may read of.
    """

    revision: CoincidenceRevision
    body: Coincidence | None
    events: list[EventRecord]


def told_to(
    reader: Reader,
    revision: CoincidenceRevision,
    before: CoincidenceRevision | None,
    events: Sequence[EventRecord],
) -> Told | None:
    """What a reader is told of a revision; None when it is nothing.

    Where the one before was theirs to read and this one is not, what they have is taken back, in
    the words of what they have.

    Parameters
    ----------
    before
        The revision before it, where it is stored.
    events
        Its events as the store has them.
    """
    known = [event for event in events if reader.may_read(event.audience)]
    last = None if before is None or not reader.may_read(before.audience) else before.body
    if reader.may_read(revision.audience):
        return Told(revision, last if revision.body is None else revision.body, known)
    return None if last is None else Told(withdrawn(revision), last, known)


def told_to_all(
    store: Store, revisions: Iterable[CoincidenceRevision]
) -> list[CoincidenceRevision]:
    """What everybody is told of revisions, in their order."""
    made = list(revisions)
    before = revisions_before(store, [r for r in made if r.audience])
    found = (told_to(PUBLIC_READER, r, before.get(key_of(r)), ()) for r in made)
    return [told.revision for told in found if told is not None]


def key_of(revision: CoincidenceRevision) -> Key:
    """What names a revision."""
    return revision.coincidence_id, revision.case, revision.revision


def revisions_before(
    store: Store, revisions: Iterable[CoincidenceRevision]
) -> dict[Key, CoincidenceRevision]:
    """The revision before each of some, by the key of the one after it; what is stored of them."""
    told = {key_of(r): r for r in revisions}
    places = {key: (*key[:2], key[2] - 1) for key in told}
    found = {key: told[place] for key, place in places.items() if place in told}
    waiting = [r for key, r in told.items() if key not in found and r.revision > 1]
    while waiting:
        # The store answers for one revision of a coincidence at a time.
        some = {(r.coincidence_id, r.case): r for r in waiting}
        for (coincidence_id, case), last in store.coincidences.before(some.values()).items():
            found[coincidence_id, case, last.revision + 1] = last
        asked = {key_of(r) for r in some.values()}
        waiting = [r for r in waiting if key_of(r) not in asked]
    return found
