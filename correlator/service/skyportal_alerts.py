"""Which objects SkyPortal finds as alerts, and with which coincidences."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from correlator.audience import PUBLIC_READER, Reader
from correlator.errors import CorrelatorError
from correlator.object import OpticalObject
from correlator.service.skyportal_row import (
    Row,
    alert_row,
    annotation_of,
    event_name_of,
    latest_between,
    light_curve,
    unix_s_of,
)
from storage.coincidences import CoincidenceRevision, CoincidenceState
from storage.search import MAX_LIMIT, Region
from storage.store import Store

SURVEYS = ("ztf", "lsst")
"""Whose objects there are."""

MAX_OBJECTS = 20_000
"""Objects of a cone and a time that are looked at; of more the question is refused."""

_MAX_COINCIDENCES = 5_000
"""Of a cone, whose annotations go with its objects."""

_BEYOND_DEG = 0.01
"""How far an object may have moved since a coincidence of it was published [deg]."""

_SLACK_S = 1.0
"""Far above the rounding of a Julian date [s]; the dates themselves decide."""


_ACTIVE = CoincidenceState.ACTIVE


class TooManyError(CorrelatorError):
    """A cone and a time hold more objects than are looked at."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which objects, and when.

    Attributes
    ----------
    surveys
        Whose objects.
    jd_start, jd_end
        Julian dates (UTC) of the row, both included.
    """

    surveys: tuple[str, ...] = SURVEYS
    jd_start: float = -math.inf
    jd_end: float = math.inf

    def row(self, obj: OpticalObject) -> Row | None:
        """The object at its last detection in the time; None when it is not wanted."""
        if obj.survey not in self.surveys:
            return None
        seen = latest_between(obj, self.jd_start, self.jd_end)
        return None if seen is None else alert_row(obj, seen, is_public=_is_public(obj))

    @property
    def since_unix_s(self) -> float | None:
        """A moment before the first one [s since the Unix epoch]; None for all of the past."""
        return None if self.jd_start == -math.inf else unix_s_of(self.jd_start) - _SLACK_S

    @property
    def until_unix_s(self) -> float | None:
        """A moment after the last one [s since the Unix epoch]; None for all of the future."""
        return None if self.jd_end == math.inf else unix_s_of(self.jd_end) + _SLACK_S


class AlertDesk:
    """Finds objects with a reader's eyes, one row each, with annotations by event."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def in_cone(
        self, reader: Reader, cone: tuple[float, float, float], wanted: Wanted
    ) -> list[Row]:
        """Rows of the objects of a cone (RA, dec, radius [deg]), by time.

        Raises
        ------
        SkyMapError
            It is no cone.
        SearchError
            A time that is no number.
        TooManyError
            There are more than :data:`MAX_OBJECTS` objects in the cone and the time.
        """
        ra_deg, dec_deg, radius_deg = cone
        region = Region.cone(ra_deg, dec_deg, radius_deg)
        batches = self._store.search.stream_objects(
            reader, region, wanted.since_unix_s, wanted.until_unix_s
        )
        rows: dict[str, Row] = {}
        n_objects = 0
        for objects in batches:
            n_objects += len(objects)
            if n_objects > MAX_OBJECTS:
                raise TooManyError(
                    f"more than {MAX_OBJECTS} objects: ask for a smaller cone or a shorter time"
                )
            rows |= {o.object_key: row for o in objects if (row := wanted.row(o)) is not None}
        if rows:
            around = Region.cone(ra_deg, dec_deg, min(radius_deg + _BEYOND_DEG, 180.0))
            page = self._store.search.coincidences(
                reader, around, limit=_MAX_COINCIDENCES, is_current=True, state=_ACTIVE
            )
            self._annotate(rows, page.rows)
        return _by_time(rows.values())

    def of_object(self, reader: Reader, object_id: str, wanted: Wanted) -> list[Row]:
        """Rows of the objects of an id; one, unless two surveys have it."""
        rows: dict[str, Row] = {}
        for obj in self._objects(reader, object_id, wanted):
            if (row := wanted.row(obj)) is not None:
                rows[obj.object_key] = row
                self._annotate(rows, self._coincidences(reader, obj.object_key))
        return _by_time(rows.values())

    def whole(self, reader: Reader, object_id: str, wanted: Wanted) -> Row | None:
        """Row of an object with its light curve; None when there is none for this reader."""
        for obj in self._objects(reader, object_id, wanted):
            if (row := wanted.row(obj)) is not None:
                self._annotate({obj.object_key: row}, self._coincidences(reader, obj.object_key))
                return row | light_curve(obj, is_public=_is_public(obj))
        return None

    def _objects(self, reader: Reader, object_id: str, wanted: Wanted) -> list[OpticalObject]:
        survey, colon, _ = object_id.partition(":")
        keys = [object_id] if colon and survey in SURVEYS else _keys_of(object_id, wanted.surveys)
        found = [self._store.search.object(reader, key) for key in keys]
        return [obj for obj in found if obj is not None]

    def _coincidences(self, reader: Reader, object_key: str) -> list[CoincidenceRevision]:
        page = self._store.search.coincidences(
            reader, object_key=object_key, limit=MAX_LIMIT, is_current=True, state=_ACTIVE
        )
        return page.rows

    def _annotate(self, rows: dict[str, Row], found: Iterable[CoincidenceRevision]) -> None:
        """Give rows what is published of them, by event; of several cases the first in line."""
        bodies = [r.body for r in found if r.body is not None and r.object_key in rows]
        for body in sorted(bodies, key=lambda b: (-b.priority.value, b.case)):
            row = rows[body.pair.object_key]
            place = self._store.localizations.get(body.pair.localization_sha256)
            said = annotation_of(body, row["candidate"], place)
            row["annotations"].setdefault(event_name_of(body.pair.event_key), said)


def _keys_of(object_id: str, surveys: Iterable[str]) -> list[str]:
    return [f"{survey}:{object_id}" for survey in surveys]


def _by_time(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["jd"], row["survey"], row["objectId"]))


def _is_public(obj: OpticalObject) -> bool:
    return PUBLIC_READER.may_read(obj.audience)
