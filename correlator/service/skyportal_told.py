"""Coincidences that a SkyPortal is told of, each with all that is needed to tell of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from correlator.audience import Reader
from correlator.object import OpticalObject
from correlator.ranking import Coincidence
from correlator.service.skyportal_row import (
    Row,
    alert_row,
    event_name_of,
    jd_of,
    latest_between,
    summary_row,
)
from correlator.wire import EventRecord
from skymaps.localization import Localization
from storage.coincidences import CoincidenceRevision, CoincidenceState
from storage.store import Store
from streams.joint import is_joint


@dataclass(frozen=True, slots=True)
class Told:
    """A revision of a coincidence, with all that is needed to tell of it.

    Attributes
    ----------
    revision
        The current one; gone or not.
    body
        What was published: the revision's own, or of one that is gone its predecessor's.
    object
        As it is now; None where it is not stored, or not for the reader.
    localization
        That the evidence is of; None where it is not stored any more.
    events
        The event as it is now, or the members of the joint event.
    """

    revision: CoincidenceRevision
    body: Coincidence
    object: OpticalObject | None
    localization: Localization | None
    events: Sequence[EventRecord]

    @property
    def key(self) -> str:
        """Of a coincidence in one science case."""
        return f"{self.revision.coincidence_id}/{self.revision.case}"

    @property
    def object_id(self) -> str:
        """The survey's own id, which is that of SkyPortal's object."""
        return self.revision.object_key.partition(":")[2]

    @property
    def event_name(self) -> str:
        """What the annotation has its entry under."""
        return event_name_of(self.revision.event_key)

    @property
    def is_active(self) -> bool:
        """Whether it stands."""
        return self.revision.state is CoincidenceState.ACTIVE

    @property
    def is_retracted(self) -> bool:
        """Whether it was taken back; one that expired was not."""
        return self.revision.state is CoincidenceState.RETRACTED

    @property
    def row(self) -> Row:
        """The object as an alert, at the last detection that the evidence knows."""
        pair, obj = self.body.pair, self.object
        until = jd_of(pair.object.last_unix_s)
        seen = None if obj is None else latest_between(obj, -math.inf, until)
        return summary_row(pair) if obj is None or seen is None else alert_row(obj, seen)


def coincidences_told(
    store: Store,
    reader: Reader,
    case: str | None = None,
    since_unix_s: float | None = None,
    include_tests: bool = False,
) -> Iterator[Told]:
    """Current revisions that a reader may read, gone or not, in order of publication.

    A coincidence that is in several science cases comes once: as it stands in the one where it is
    active and has the highest priority.

    Parameters
    ----------
    since_unix_s
        Published at this time or later [s since the Unix epoch].
    include_tests
        Also those of tests and drills.
    """

    def all_current() -> Iterator[CoincidenceRevision]:
        batches = store.search.stream_coincidences(
            reader, case=case, since_unix_s=since_unix_s, is_current=True
        )
        return chain.from_iterable(batches)

    chosen: dict[str, tuple[bool, float, str]] = {}
    for revision in all_current():
        key, weight = revision.coincidence_id, _weight(revision)
        chosen[key] = max(chosen.get(key, weight), weight)
    for revision in all_current():
        if revision.coincidence_id not in chosen:
            continue  # published since, for the next time
        is_chosen = chosen[revision.coincidence_id][2] == revision.case
        if is_chosen and (include_tests or not _is_test(revision.event_key)):
            told = told_of(store, reader, revision)
            if told is not None:
                yield told


def _is_test(event_key: str) -> bool:
    return event_key.removeprefix("joint:").startswith("test:")


def _weight(revision: CoincidenceRevision) -> tuple[bool, float, str]:
    body = revision.body
    return body is not None, 0.0 if body is None else body.priority.value, revision.case


def told_of(store: Store, reader: Reader, revision: CoincidenceRevision) -> Told | None:
    """A revision with all of it; None where nothing is known any more of what was published."""
    body = revision.body
    if body is None:
        history = store.by_key.history(reader, revision.coincidence_id, revision.case)
        bodies = [r.body for r in history if r.body is not None and r.revision < revision.revision]
        if not bodies:
            return None
        body = bodies[-1]
    return Told(
        revision,
        body,
        store.search.object(reader, revision.object_key),
        store.localizations.get(body.pair.localization_sha256),
        _events(store, reader, revision.event_key),
    )


def _events(store: Store, reader: Reader, event_key: str) -> tuple[EventRecord, ...]:
    keys: Sequence[str] = (event_key,)
    if is_joint(event_key):
        joint = store.joint_events.get(event_key)
        keys = () if joint is None else joint.body.event_keys
    found = [store.by_key.event(reader, key) for key in keys]
    return tuple(event for event in found if event is not None)
