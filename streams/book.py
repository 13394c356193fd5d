"""The event book: every event that is open to the join, and which of them an object may be of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from correlator.coincidence import admission
from correlator.event import Event
from correlator.object import OpticalObject
from correlator.policy import Policy
from correlator.window import closes_unix_s
from skymaps.footprint import Footprint
from skymaps.healpix import Positions, merged_ranges
from skymaps.index import SkyIndex
from skymaps.localization import LEVEL_SLACK, Localization

MAX_REGION_RANGES = 2_000
"""Most ranges of a region; a real map of 196,608 cells has 1,446 at 0.9."""


class EventBook:
    """Events by key, and an index of their regions that is made anew after a change.

    What it answers depends on the events in it alone, not on the order in which they came. One
    thread may change it at a time; any number may read.
    """

    def __init__(self) -> None:
        self._events: dict[str, Event] = {}
        self._footprints: dict[str, Footprint] = {}
        self._index: _Index | None = None
        self._n_changes = 0

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: Event) -> bool:
        """Set an event unless a later version is known; whether it was set."""
        known = self._events.get(event.event_key)
        if known is not None and known.version > event.version:
            return False
        self._events[event.event_key] = event
        self._n_changes += 1
        return True

    def remove(self, event_key: str) -> None:
        """Forget an event, if it is there."""
        self._events.pop(event_key, None)
        self._footprints.pop(event_key, None)
        self._n_changes += 1

    def get(self, event_key: str) -> Event | None:
        """The event of a key."""
        return self._events.get(event_key)

    def events(self) -> list[Event]:
        """All events, retracted ones included."""
        return list(self._events.values())

    def closed_before(self, unix_s: float, policy: Policy) -> list[Event]:
        """Events that closed before a moment; one without a time or a class never closes."""
        closings = [(event, closes_unix_s(event, policy)) for event in self.events()]
        return [event for event, closes in closings if closes is not None and closes < unix_s]

    def region(self, event: Event, policy: Policy) -> NDArray[np.int64]:
        """Half-open order-29 ranges that hold the widest region of an event.

        Sorted and disjoint, shape ``(n, 2)``, at most :data:`MAX_REGION_RANGES`; none without a
        localization.
        """
        if event.localization is None:
            return np.empty((0, 2), dtype=np.int64)
        ranges = event.localization.cover(policy.widest_level)
        return merged_ranges(ranges, MAX_REGION_RANGES)

    def candidates(
        self, objects: Sequence[OpticalObject], policy: Policy
    ) -> list[tuple[Event, int]]:
        """Pairs worth a full test: an event and an index into the objects.

        Every pair that :func:`correlator.coincidence.correlate` accepts, and few others; by event
        key, then by index.

        Raises
        ------
        ValueError
            An object's position is none.
        """
        if not objects or not self._events:
            return []
        return self._index_for(policy).candidates(objects)

    def _index_for(self, policy: Policy) -> _Index:
        # Read before the events: what changes meanwhile makes the index out of date.
        index, n_changes = self._index, self._n_changes
        if index is None or index.n_changes != n_changes or index.policy is not policy:
            events = sorted(self.events(), key=lambda event: event.event_key)
            known = [
                _Known(event.event_unix_s, event.localization, event)
                for event in events
                if admission(event, policy) is None
                and event.event_unix_s is not None
                and event.localization is not None
            ]
            footprints = [self._footprint_of(k.event, k.localization, policy) for k in known]
            self._index = index = _Index.of(known, footprints, policy, n_changes)
        return index

    def _footprint_of(self, event: Event, localization: Localization, policy: Policy) -> Footprint:
        footprint, level = self._footprints.get(event.event_key), _level(policy)
        if (
            footprint is None
            or footprint.level != level
            or footprint.localization is not localization
        ):
            footprint = Footprint.of(localization, level)
            self._footprints[event.event_key] = footprint
        return footprint


@dataclass(frozen=True, slots=True)
class _Known:
    """What an admitted event is known to have."""

    event_unix_s: float
    localization: Localization
    event: Event


@dataclass(frozen=True, slots=True)
class _Index:
    """Admitted events by place.

    Attributes
    ----------
    n_changes
        Of the book, before it was made.
    sky
        Localizations of ``known``, in its order.
    not_before_unix_s
        Earliest last detection of a counterpart, of each event.
    """

    policy: Policy
    n_changes: int
    known: list[_Known]
    sky: SkyIndex
    not_before_unix_s: NDArray[np.float64]

    @classmethod
    def of(
        cls, known: list[_Known], footprints: list[Footprint], policy: Policy, n_changes: int
    ) -> _Index:
        times = np.array([k.event_unix_s for k in known], dtype=np.float64)
        sky = SkyIndex.of_footprints(footprints, _level(policy))
        return cls(policy, n_changes, known, sky, times - policy.prior_tolerance_s)

    def candidates(self, objects: Sequence[OpticalObject]) -> list[tuple[Event, int]]:
        ra_deg = np.array([obj.ra_deg for obj in objects], dtype=np.float64)
        dec_deg = np.array([obj.dec_deg for obj in objects], dtype=np.float64)
        last_unix_s = np.array([_last_positive_unix_s(obj) for obj in objects], dtype=np.float64)
        # Not the index that the alert said: the full test makes its own.
        pairs = self.sky.match(Positions.of(ra_deg, dec_deg))
        recent = last_unix_s[pairs.row] >= self.not_before_unix_s[pairs.number]
        row, number = pairs.row[recent], pairs.number[recent]
        by_event = np.argsort(number, kind="stable")
        rows, numbers = row[by_event].tolist(), number[by_event].tolist()
        return [(self.known[n].event, r) for n, r in zip(numbers, rows, strict=True)]


def _level(policy: Policy) -> float:
    """Level of what is indexed: whatever was rounded on the way, no pair is missed."""
    return min(policy.widest_level + LEVEL_SLACK, 1.0)


def _last_positive_unix_s(obj: OpticalObject) -> float:
    for detection in reversed(obj.detections):
        if detection.flux_njy > 0.0:
            return detection.time_unix_s
    return -math.inf
