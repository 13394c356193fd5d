"""The region of the sky that a request names."""

from __future__ import annotations

from correlator.audience import Reader
from correlator.service.api.parameters import Placed
from correlator.service.api.problems import Problem, bad_parameter, not_found
from correlator.wire import EventRecord
from skymaps.errors import SkyMapError
from storage.search import Region
from storage.store import Store

CREDIBLE = 0.9
"""Level of the region of an event when none is said."""


def region_of(store: Store, reader: Reader, asked: Placed) -> Region | None:
    """The region; None when none is named. Calls the store, so in a thread.

    Raises
    ------
    Problem
        400 for half a region, several at once, or one that is none; 404 for an event that the
        reader may not read or that has no localization.
    """
    cone = asked.ra, asked.dec, asked.radius
    kinds = {
        "ra, dec and radius": any(part is not None for part in cone),
        "box": asked.box is not None,
        "moc": asked.moc is not None,
        "event and credible": asked.credible is not None,
    }
    named = [kind for kind, is_said in kinds.items() if is_said]
    if len(named) > 1:
        raise Problem(400, f"one region at a time, not {' and '.join(named)}")
    try:
        if kinds["ra, dec and radius"]:
            return _cone(*cone)
        if asked.box is not None:
            return Region.box(*(float(part) for part in asked.box.split(",")))
        if asked.moc is not None:
            return Region.moc(asked.moc)
    except SkyMapError as error:
        raise bad_parameter(named[0], str(error), error.value) from error
    if asked.credible is None:
        return None
    if asked.event is None:
        raise bad_parameter("credible", "it needs `event`, of whose region it is", asked.credible)
    return credible_region(store, event_of(store, reader, asked.event), asked.credible)


def credible_region(store: Store, event: EventRecord, level: float) -> Region:
    """Region of a credible level of an event.

    Raises
    ------
    Problem
        404 when the event has no localization.
    """
    sha256 = event.localization_sha256
    localization = None if sha256 is None else store.localizations.get(sha256)
    if localization is None:
        raise Problem(404, f"event {event.event_key} has no localization")
    return Region.credible(localization, level)


def event_of(store: Store, reader: Reader, named: str) -> EventRecord:
    """The event of a key, or of its mission's own id.

    Raises
    ------
    Problem
        404 when there is none, 400 when several missions have one of that id.
    """
    event = store.by_key.event(reader, named)
    if event is not None:
        return event
    found = store.by_key.events_of_id(reader, named)
    if not found:
        raise not_found("event", named)
    if len(found) > 1:
        keys = ", ".join(event.event_key for event in found)
        raise bad_parameter("event", f"several have that id: say one of {keys}", named)
    return found[0]


def event_key_of(store: Store, reader: Reader, named: str | None) -> str | None:
    """Key of an event that is named by either; joint events are named by their keys.

    Raises
    ------
    Problem
        As of :func:`event_of`.
    """
    if named is None or named.startswith("joint:"):
        return named
    return event_of(store, reader, named).event_key


def _cone(ra: float | None, dec: float | None, radius: float | None) -> Region:
    if ra is None or dec is None or radius is None:
        raise Problem(400, "a cone needs ra, dec and radius [deg]")
    return Region.cone(ra, dec, radius)
