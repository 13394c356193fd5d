"""Rows of a store of a million coincidences: events one after the other, each with a patch of sky.

An event has five thousand objects that lie side by side. One coincidence in ten has a second
revision, and one in forty is gone by then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from benchmarks.counterparts import merger_notices
from benchmarks.event_store_rows import (
    AT_ONCE,
    LENGTH_S,
    UNTIL_UNIX_S,
    Objects,
    Values,
    cut_open,
    new_alerts,
    object_name,
)
from correlator.coincidence import correlate
from correlator.event import Event, event_of
from correlator.filters.fields import unit_vector
from correlator.object import apply_alert
from correlator.pair import PairEvidence, coincidence_id
from correlator.policy import DAY_S, Policy
from correlator.ranking import Coincidence, rank_event
from correlator.wire import EventRecord, record_of_event, to_json
from ingest_vo.reader import to_notice
from skymaps.healpix import Positions, index_29_of
from skymaps.localization import Localization
from storage.coincidences import CoincidenceState, content_sha256
from storage.columns import COINCIDENCE_COLUMNS, coincidence_columns

OF_AN_EVENT = 5_000
EVERY_NTH_AGAIN, EVERY_NTH_GONE = 10, 40

KEY_COLUMNS = (
    "coincidence_id", "case_name", "revision", "is_current", "state", "event_key", "object_key",
    "published_unix_s", "reason", "content_sha256",
)  # fmt: skip
COLUMNS = (*KEY_COLUMNS, *COINCIDENCE_COLUMNS, "body", "index_29")


@dataclass(frozen=True, slots=True)
class Merger:
    """The event whose map is asked for, and of which the others are copies.

    Attributes
    ----------
    event
        A merger with 90 % in some 300 deg2.
    template
        A coincidence of it, as the join and the ranking make it.
    """

    event: Event
    template: Coincidence

    @property
    def localization(self) -> Localization:
        """Its map."""
        place = self.event.localization
        assert place is not None
        return place

    def record(self, number: int) -> EventRecord:
        """The event as it is stored, or a copy of it under another name and time."""
        record = record_of_event(self.event)
        if not number:
            return record
        name = f"{record.event_id}{number}"
        key = event_key(self, number)
        return replace(
            record, event_key=key, event_id=name, event_unix_s=event_unix_s(self, number)
        )


@cache
def a_merger() -> Merger:
    """A simulated merger ten days before the end, and an object that is found in its map."""
    t0 = UNTIL_UNIX_S - 10 * DAY_S
    (merger,) = merger_notices(1, t0, t0 + 300.0)
    event = event_of([to_notice(merger.first.data, merger.first.name)])
    assert event.localization is not None
    ra, dec = peak_of(event.localization)
    obj = None
    for alert in new_alerts(999_999_999, ra, dec, [t0 + 0.3 * DAY_S, t0 + 1.3 * DAY_S]):
        obj = apply_alert(obj, alert)
    assert obj is not None
    policy = Policy()
    pair = correlate(obj, event, policy)
    assert isinstance(pair, PairEvidence)
    ranking = rank_event(event, [pair], policy, t0 + 2.0 * DAY_S)
    return Merger(event, ranking.coincidences[0])


def peak_of(localization: Localization) -> tuple[float, float]:
    """Where a map is brightest, about: the densest of many places [deg]."""
    rng = np.random.default_rng(4)
    ra, dec = rng.uniform(0.0, 360.0, 200_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 200_000)))
    density = localization.match(Positions.of(ra, dec)).probdensity_per_sr
    best = int(np.argmax(density))
    return float(ra[best]), float(dec[best])


def n_events(objects: Objects, n_coincidences: int) -> int:
    """Events of so many coincidences."""
    return -(-n_coincidences // _of_an_event(objects))


def _of_an_event(objects: Objects) -> int:
    return min(OF_AN_EVENT, len(objects))


def event_key(merger: Merger, number: int) -> str:
    """Key of an event by its number; that of the merger itself is 0."""
    return f"{merger.event.event_key}{number or ''}"


def event_unix_s(merger: Merger, number: int) -> float:
    """When an event happened: one an hour, the latest first."""
    assert merger.event.event_unix_s is not None
    return merger.event.event_unix_s - 3600.0 * number % LENGTH_S


def coincidence_chunks(objects: Objects, n: int) -> Iterator[list[Values]]:
    """Rows of the revisions of so many coincidences, event by event."""
    made = _Maker(a_merger())
    all_rows = np.arange(len(objects))
    ra, dec = objects.places(all_rows, 0)
    by_place = np.argsort(index_29_of(ra, dec), kind="stable")
    chunk: list[Values] = []
    of_an_event = _of_an_event(objects)
    for start in range(0, n, of_an_event):
        number = start // of_an_event
        ranks = np.arange(min(of_an_event, n - start))
        rows = by_place[(start + ranks) % len(by_place)]
        chunk += made.rows(number, objects, rows)
        if len(chunk) >= AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


class _Maker:
    """Rows of coincidences that are like one."""

    def __init__(self, merger: Merger) -> None:
        self._merger = merger
        template = merger.template
        pair = template.pair
        named = {
            pair.event_key: "event", pair.object_key: "object", pair.coincidence_id: "id",
            repr(pair.object.ra_deg): "ra", repr(pair.object.dec_deg): "dec",
            repr(pair.event_unix_s): "at", repr(template.priority.value): "priority",
            '"rank":1': "rank",
        }  # fmt: skip
        self._form = cut_open(to_json(template).decode(), named)
        self._columns = coincidence_columns(template)
        self._sha256 = content_sha256(template)

    def rows(self, number: int, objects: Objects, rows: Any) -> list[Values]:
        """Revisions of the coincidences of an event with some objects, by their rank."""
        event, at = event_key(self._merger, number), event_unix_s(self._merger, number)
        ra, dec = objects.places(rows, 0)
        places = zip(ra.tolist(), dec.tolist(), index_29_of(ra, dec).tolist(), strict=True)
        found: list[Values] = []
        for rank, (name, place) in enumerate(zip(rows.tolist(), places, strict=True), 1):
            object_key = f"ztf:{object_name(name)}"
            key = coincidence_id(event, object_key), self._merger.template.case
            again, gone = rank % EVERY_NTH_AGAIN == 0, rank % EVERY_NTH_GONE == 0
            told = at + 2.0 * DAY_S + rank % 600
            first = CoincidenceState.SUPERSEDED if again else CoincidenceState.ACTIVE
            said = self._said(event, at, object_key, key[0], rank, place)
            found.append(
                (*key, 1, not again, str(first), event, object_key, told, None, self._sha256, *said)
            )
            if gone:
                nothing = [None] * (len(COINCIDENCE_COLUMNS) + 1)
                state, why = str(CoincidenceState.RETRACTED), "the event moved away"
                found.append(
                    (*key, 2, True, state, event, object_key, told + DAY_S, why, None, *nothing,
                     place[2])
                )  # fmt: skip
            elif again:
                found.append(
                    (*key, 2, True, str(CoincidenceState.ACTIVE), event, object_key, told + DAY_S,
                     None, self._sha256, *said)
                )  # fmt: skip
        return found

    def _said(
        self,
        event: str,
        at: float,
        object_key: str,
        key: str,
        rank: int,
        place: tuple[float, float, int],
    ) -> list[Any]:
        """Columns that filters ask for, the body, and the index of the place."""
        ra, dec, index_29 = place
        priority = round(12.0 - rank / 1000.0, 3)
        body = self._form % {
            "event": event, "object": object_key, "id": key, "ra": ra, "dec": dec, "at": at,
            "priority": priority, "rank": f'"rank":{rank}',
        }  # fmt: skip
        x, y, z = unit_vector(ra, dec)
        own = {
            "ra_deg": ra, "dec_deg": dec, "unit_x": x, "unit_y": y, "unit_z": z, "rank": rank,
            "priority": priority, "event_unix_s": at,
        }  # fmt: skip
        columns = self._columns | own
        return [*(columns[name] for name in COINCIDENCE_COLUMNS), body, index_29]
