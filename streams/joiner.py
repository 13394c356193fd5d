"""The join: whichever of object and event comes second finds the other, by one function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from correlator.alert import Alert
from correlator.coincidence import Miss, PairEvidence, admission, coincidence_id, correlate
from correlator.event import Event
from correlator.object import OpticalObject
from correlator.policy import Policy
from correlator.wire import PairRecord, pair_record
from streams.tables import AlertWindow, EventBook


class Joiner:
    """The two tables and what holds between them.

    Every method is one step: nothing else of the join may run inside it, and that closes the
    race between the sides (write the object, then match; activate the event, then look back).
    """

    def __init__(self, window: AlertWindow, book: EventBook, policy: Policy) -> None:
        self.window = window
        self.book = book
        self.policy = policy
        self._live: dict[str, dict[str, _Versions]] = defaultdict(dict)

    def resume(self, pairs: Iterable[PairEvidence]) -> None:
        """Remember which pairs held before a restart, so that they can be withdrawn."""
        for pair in pairs:
            self._live[pair.event_key][pair.object_key] = _versions(pair)

    def told(self, records: Iterable[PairRecord]) -> None:
        """Forget the pairs whose withdrawal is out.

        Not before: a batch that fails half way is handled again, and must say the same again.
        """
        for record in records:
            live = self._live[record.event_key]
            held = live.get(record.object_key)
            if record.evidence is None and held is not None and _covers(_versions(record), held):
                del live[record.object_key]

    def look_back(self) -> list[PairRecord]:
        """Every open event against every object: what a crash may have left undone."""
        return [record for event in list(self.book.events()) for record in self.set_event(event)]

    def add_alerts(self, alerts: Iterable[Alert]) -> tuple[list[OpticalObject], list[PairRecord]]:
        """Fold alerts into their objects; the objects, and every pair that this changes."""
        changed = {obj.object_key: obj for obj in map(self.window.fold, alerts)}
        objects = list(changed.values())
        records = [
            record
            for event, obj in self.book.candidates(objects, self.policy)
            if (record := self._compare(obj, event)) is not None
        ]
        records += self._withdrawn_of_objects(objects, records)
        return objects, records

    def set_event(self, event: Event) -> list[PairRecord]:
        """Activate an event (or a later version of it) and look back; the pairs that change."""
        if not self.book.put(event):
            return []
        records: list[PairRecord] = []
        if admission(event, self.policy) is None:
            found = self.window.candidates(event, self.policy)
            records = [r for obj in found if (r := self._compare(obj, event)) is not None]
        compared = {r.object_key for r in records}
        for object_key in sorted(self._live[event.event_key].keys() - compared):
            obj = self.window.get(object_key)
            if obj is not None and (record := self._compare(obj, event)) is not None:
                records.append(record)
        return records

    def _withdrawn_of_objects(
        self, objects: list[OpticalObject], records: list[PairRecord]
    ) -> list[PairRecord]:
        """Pairs of these objects that held and were no candidates any more."""
        compared = {(r.event_key, r.object_key) for r in records}
        gone = [
            (event_key, obj)
            for obj in objects
            for event_key, live in self._live.items()
            if obj.object_key in live and (event_key, obj.object_key) not in compared
        ]
        withdrawn = []
        for event_key, obj in gone:
            event = self.book.get(event_key)
            if event is not None and (record := self._compare(obj, event)) is not None:
                withdrawn.append(record)
        return withdrawn

    def _compare(self, obj: OpticalObject, event: Event) -> PairRecord | None:
        """The pair's record: its evidence, its withdrawal if it held before, or None."""
        live = self._live[event.event_key]
        result = correlate(obj, event, self.policy)
        if isinstance(result, PairEvidence):
            live[obj.object_key] = _versions(result)
            return pair_record(result)
        return _withdrawal(obj, event, result) if obj.object_key in live else None


_Versions = tuple[int, int]
"""Version of the event and of the object that were compared."""


def _versions(pair: PairEvidence | PairRecord) -> _Versions:
    return pair.event_version, pair.object_version


def _covers(later: _Versions, earlier: _Versions) -> bool:
    return later[0] >= earlier[0] and later[1] >= earlier[1]


def _withdrawal(obj: OpticalObject, event: Event, miss: Miss) -> PairRecord:
    return PairRecord(
        coincidence_id(event.event_key, obj.object_key),
        event.event_key,
        obj.object_key,
        event.version,
        obj.version,
        evidence=None,
        withdrawn_reason=miss.value,
    )
