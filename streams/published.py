"""What is published, and of which events: for whoever writes it in a form of its own."""

from __future__ import annotations

from correlator.audience import OPERATOR, Reader
from correlator.errors import CorrelatorError
from correlator.event import EventState
from correlator.wire import EventRecord
from storage.coincidences import CoincidenceRevision
from storage.store import Store
from streams.joint import is_joint


class NoCoincidenceError(CorrelatorError):
    """No published coincidence is the one that was asked for."""


def chosen(
    history: list[CoincidenceRevision], coincidence_id: str, revision: int | None
) -> CoincidenceRevision:
    """One revision of a history, by default the latest.

    Raises
    ------
    NoCoincidenceError
        There is no such revision, or it is of several cases.
    """
    found = [r for r in history if revision in (None, r.revision)]
    if not found:
        raise NoCoincidenceError(f"no coincidence {coincidence_id} of that case and revision")
    if len({r.case for r in found}) > 1:
        cases = ", ".join(sorted({r.case for r in found}))
        raise NoCoincidenceError(f"{coincidence_id} is in several cases, choose one: {cases}")
    return found[-1]


def events_of(store: Store, event_key: str, reader: Reader = OPERATOR) -> list[EventRecord]:
    """The event as it is stored, or the members of the joint event, as far as for a reader."""
    keys: tuple[str, ...] = (event_key,)
    if is_joint(event_key):
        joint = store.joint_events.get(event_key)
        keys = () if joint is None else joint.body.event_keys
    found = store.events.get_many(keys)
    return [found[k] for k in keys if k in found and reader.may_read(found[k].audience)]


def is_test(events: list[EventRecord]) -> bool:
    """Whether nobody may act on it: one of its events is a test."""
    return any(event.state is EventState.TEST for event in events)
