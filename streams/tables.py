"""The two windowed sky tables of the join: objects seen lately, events still open.

Both live by event time, never by the wall clock: a replay of 2024 must work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from correlator.alert import Alert
from correlator.coincidence import admission
from correlator.event import Event
from correlator.object import OpticalObject, apply_alert
from correlator.policy import Policy
from skymaps.healpix import Positions

_FIRST_ROWS = 1024


_SLACK = 1e-9
"""Added to the level of the quick test: numpy's last digits differ between one position and many,
and a quick test that is sharper than the full one would let the order of delivery decide."""


class AlertWindow:
    """Optical objects by position and time, held in columns for the look back."""

    def __init__(self) -> None:
        self._objects: dict[str, OpticalObject] = {}
        self._rows: dict[str, int] = {}
        self._columns = _Columns.empty(_FIRST_ROWS)

    def __len__(self) -> int:
        return len(self._objects)

    def fold(self, alert: Alert) -> OpticalObject:
        """Fold an alert into its object and return the object as it stands now."""
        key = f"{alert.survey}:{alert.object_id}"
        obj = apply_alert(self._objects.get(key), alert)
        self.put(obj)
        return obj

    def put(self, obj: OpticalObject) -> None:
        """Set an object, as the store remembers it after a restart."""
        key = obj.object_key
        row = self._rows.setdefault(key, len(self._rows))
        if row >= self._columns.capacity:
            self._columns = self._columns.grown()
        self._objects[key] = obj
        self._columns.set(row, obj)

    def get(self, object_key: str) -> OpticalObject | None:
        """The object of a key, if it is in the window."""
        return self._objects.get(object_key)

    def objects(self) -> Iterator[OpticalObject]:
        """All objects in the window."""
        return iter(self._objects.values())

    def candidates(self, event: Event, policy: Policy) -> list[OpticalObject]:
        """Objects that may pair with an admitted event: a superset, cheap to test whole."""
        if event.localization is None or event.event_unix_s is None or not self._rows:
            return []
        rows = np.flatnonzero(
            self._columns.last_positive_unix_s[: len(self._rows)]
            >= event.event_unix_s - policy.prior_tolerance_s
        )
        if not len(rows):
            return []
        match = event.localization.match(self._columns.positions(rows))
        inside = rows[match.inside(policy.widest_level + _SLACK)]
        keys = list(self._rows)
        return [self._objects[keys[row]] for row in inside]


class EventBook:
    """Every event that is still open to the join."""

    def __init__(self) -> None:
        self._events: dict[str, Event] = {}

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: Event) -> bool:
        """Set an event unless a later version is known; whether it was set."""
        known = self._events.get(event.event_key)
        if known is not None and known.version > event.version:
            return False
        self._events[event.event_key] = event
        return True

    def get(self, event_key: str) -> Event | None:
        """The event of a key."""
        return self._events.get(event_key)

    def events(self) -> Iterator[Event]:
        """All events, retracted ones included."""
        return iter(self._events.values())

    def candidates(
        self, objects: list[OpticalObject], policy: Policy
    ) -> Iterable[tuple[Event, OpticalObject]]:
        """Pairs worth a full test, for a batch of objects: a superset, tested whole."""
        if not objects:
            return
        columns = _Columns.of(objects)
        everything = np.arange(len(objects))
        positions = columns.positions(everything)
        for event in self._events.values():
            if admission(event, policy) is not None or event.localization is None:
                continue
            recent = columns.last_positive_unix_s >= (
                (event.event_unix_s or 0.0) - policy.prior_tolerance_s
            )
            if recent.any():
                inside = event.localization.match(positions).inside(policy.widest_level + _SLACK)
                for row in np.flatnonzero(recent & inside):
                    yield event, objects[row]


@dataclass(slots=True)
class _Columns:
    """The columns that decide whether an object is worth a full test."""

    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    index_29: NDArray[np.int64]
    last_positive_unix_s: NDArray[np.float64]

    @classmethod
    def empty(cls, n: int) -> _Columns:
        return cls(np.zeros(n), np.zeros(n), np.zeros(n, dtype=np.int64), np.zeros(n))

    @classmethod
    def of(cls, objects: list[OpticalObject]) -> _Columns:
        columns = cls.empty(len(objects))
        for row, obj in enumerate(objects):
            columns.set(row, obj)
        return columns

    @property
    def capacity(self) -> int:
        return len(self.ra_deg)

    def grown(self) -> _Columns:
        more = _Columns.empty(2 * self.capacity)
        for name in ("ra_deg", "dec_deg", "index_29", "last_positive_unix_s"):
            getattr(more, name)[: self.capacity] = getattr(self, name)
        return more

    def set(self, row: int, obj: OpticalObject) -> None:
        positive = obj.positive
        self.ra_deg[row], self.dec_deg[row] = obj.ra_deg, obj.dec_deg
        self.index_29[row] = obj.index_29
        self.last_positive_unix_s[row] = positive[-1].time_unix_s if positive else -np.inf

    def positions(self, rows: NDArray[np.intp]) -> Positions:
        return Positions(self.ra_deg[rows], self.dec_deg[rows], self.index_29[rows])
