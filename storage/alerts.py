"""Optical alerts as received, and the objects that they imply."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from correlator.alert import Alert
from correlator.object import OpticalObject
from correlator.wire import of_json
from storage.batches import ReceivedAlert, folded_until, write_batch
from storage.database import Database
from storage.regions import RegionRows, objects_in_region, region_rows
from storage.rows import found_of_keys
from storage.schema import alerts, objects
from storage.share import Share

PAGE_ROWS = 1000
"""Objects read at once when all are read."""


class AlertStore:
    """One row an alert, one row an object; an object is the fold of its stored alerts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_batch(
        self, new: Sequence[ReceivedAlert], folded: Sequence[OpticalObject]
    ) -> list[OpticalObject]:
        """Store alerts with their canonical JSON, and their objects, in one transaction.

        A repeated alert changes nothing. A survey can send one alert id of an object with two
        contents: the greater by its JSON stays, for that is the same whichever comes first; and it
        stays for those who may read all that came. An object that does not hold every alert that is
        stored of it, because another worker was faster, is folded from them.

        Parameters
        ----------
        folded
            The objects of all the alerts, with these alerts folded in, of alerts that are stored
            by now or before.

        Returns
        -------
        list of OpticalObject
            The objects as they stand, in the order given.

        Raises
        ------
        ValueError
            An alert without its object, or an object of which no alert is stored.
        """
        if not folded and not new:
            return []
        with self._database.writing() as connection:
            others = write_batch(connection, new, folded)
        return [others.get(obj.object_key, obj) for obj in folded] if others else list(folded)

    def of_object(self, survey: str, object_id: str) -> list[Alert]:
        """Alerts of an object, by time."""
        c = alerts.c
        found = (
            select(c.alert_id, c.body)
            .where(c.survey == survey, c.object_id == object_id)
            .order_by(c.time_unix_s, c.alert_id)
        )
        with self._database.reading() as connection:
            rows = connection.execute(found).all()
        return [of_json(Alert, body.encode(), f"alert {survey}:{key}") for key, body in rows]

    def object_until(
        self, survey: str, object_id: str, until_unix_s: float
    ) -> OpticalObject | None:
        """An object by its alerts up to a moment, that moment included; None if it has none."""
        with self._database.reading() as connection:
            return folded_until(connection, survey, object_id, until_unix_s)

    def get_object(self, object_key: str) -> OpticalObject | None:
        """Object of a key; None when it is not stored."""
        return self.get_objects([object_key]).get(object_key)

    def get_objects(self, object_keys: Collection[str]) -> dict[str, OpticalObject]:
        """Objects by key, those of the keys that are stored."""
        found = """
            SELECT o.object_key, o.body FROM {wanted} CROSS JOIN objects AS o
            WHERE o.object_key = wanted.key
        """
        with self._database.reading() as connection:
            rows = found_of_keys(connection, found, object_keys)
        return {key: _object(key, body) for key, body in rows}

    def places(self, object_keys: Collection[str]) -> RegionRows:
        """Places of objects, those of the keys that are stored; reads no object whole."""
        wanted = """
            SELECT o.object_key, o.ra_deg, o.dec_deg, o.index_29
            FROM {wanted} CROSS JOIN objects AS o WHERE o.object_key = wanted.key
        """
        with self._database.reading() as connection:
            rows = found_of_keys(connection, wanted, object_keys)
        return region_rows(*(zip(*rows, strict=True) if rows else ((),) * 4))

    def region(
        self,
        ranges: NDArray[np.int64],
        since_unix_s: float,
        until_unix_s: float,
        share: Share,
    ) -> RegionRows:
        """Objects of a share in some ranges of the sky that were seen in a time.

        Parameters
        ----------
        ranges
            Half-open, in ``index_29``, disjoint; shape ``(n, 2)``.
        since_unix_s, until_unix_s
            The latest alert is not older than the one, the earliest detection not younger than
            the other.
        """
        with self._database.reading() as connection:
            return objects_in_region(connection, ranges, since_unix_s, until_unix_s, share)

    def latest_unix_s(self) -> float | None:
        """Time of the latest alert; None when there are none."""
        with self._database.reading() as connection:
            latest: float | None = connection.execute(
                select(func.max(objects.c.time_unix_s))
            ).scalar()
        return latest

    def objects(self, since_unix_s: float | None = None) -> Iterator[OpticalObject]:
        """Every object whose latest alert is not older than a moment, by key.

        Read page by page, so that nobody waits for the whole; an object that is stored meanwhile
        may come or not.
        """
        c = objects.c
        pages = select(c.object_key, c.body).order_by(c.object_key).limit(PAGE_ROWS)
        if since_unix_s is not None:
            pages = pages.where(c.time_unix_s >= since_unix_s)
        page = pages
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(page).all()
            for key, body in rows:
                yield _object(key, body)
            if len(rows) < PAGE_ROWS:
                return
            page = pages.where(c.object_key > rows[-1].object_key)


def _object(object_key: str, body: str) -> OpticalObject:
    return of_json(OpticalObject, body.encode(), f"object {object_key}")
