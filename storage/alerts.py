"""Optical alerts as received, and the objects that they imply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import select

from correlator.alert import Alert
from correlator.object import OpticalObject
from correlator.wire import of_json, to_json
from storage.database import Database, Row
from storage.schema import alerts, objects

PAGE_ROWS = 1000
"""Objects read at once when all are read."""


class AlertStore:
    """One row an alert, one row an object."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_many(self, new: Iterable[Alert]) -> None:
        """Store alerts in one transaction; a repeated one changes nothing.

        A survey can send one alert id with two contents: the greater by its JSON stays, for that
        is the same whichever comes first.
        """
        self._database.upsert(
            alerts, [_alert_row(a) for a in new], lambda new, stored: new["body"] > stored["body"]
        )

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

    def put_objects(self, new: Iterable[OpticalObject]) -> None:
        """Store objects in one transaction, each unless a higher version of it is stored."""
        self._database.upsert(
            objects,
            [_object_row(o) for o in new],
            lambda new, stored: new["version"] >= stored["version"],
        )

    def get_object(self, object_key: str) -> OpticalObject | None:
        """Object of a key; None when it is not stored."""
        found = select(objects.c.body).where(objects.c.object_key == object_key)
        with self._database.reading() as connection:
            body = connection.execute(found).scalar()
        return None if body is None else _object(object_key, body)

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


def _alert_row(alert: Alert) -> Row:
    return {
        "survey": alert.survey,
        "alert_id": alert.alert_id,
        "object_id": alert.object_id,
        "time_unix_s": alert.time_unix_s,
        "ra_deg": alert.ra_deg,
        "dec_deg": alert.dec_deg,
        "index_29": alert.index_29,
        "band": alert.detection.band,
        "flux_njy": alert.detection.flux_njy,
        "mag_ab": alert.detection.mag_ab,
        "real_bogus": alert.quality.real_bogus,
        "body": to_json(alert).decode(),
    }


def _object_row(obj: OpticalObject) -> Row:
    return {
        "object_key": obj.object_key,
        "survey": obj.survey,
        "object_id": obj.object_id,
        "version": obj.version,
        "ra_deg": obj.ra_deg,
        "dec_deg": obj.dec_deg,
        "index_29": obj.index_29,
        "time_unix_s": obj.latest_unix_s,
        "n_detections": len(obj.detections),
        "real_bogus": obj.real_bogus,
        "body": to_json(obj).decode(),
    }


def _object(object_key: str, body: str) -> OpticalObject:
    return of_json(OpticalObject, body.encode(), f"object {object_key}")
