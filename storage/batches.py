"""One batch of alerts with their objects, so that an object is what its stored alerts say.

A worker folds alerts into the objects that it has in memory. Another worker may have stored
alerts of the same object meanwhile, before this one noticed that it owns the object no longer; so
whatever is written is compared with the alerts that are stored, and folded anew if it differs:

* An object holds only alerts that are stored, so it is right when it holds as many as are stored.
* An alert id that came with two contents, or for two audiences, breaks that argument: such an
  object is marked as contested, once for all, and always folded from the stored alerts.

In PostgreSQL the rows of the objects are locked when they are written, before the alerts are
counted: of two writers of one object the second counts what the first one stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from correlator.alert import Alert
from correlator.audience import audience_text, union
from correlator.object import OpticalObject, apply_alert
from correlator.wire import of_json, to_json
from storage.rows import found, found_of, found_of_keys, insert_rows, replacing
from storage.schema import alerts as alerts_table
from storage.schema import objects as objects_table
from storage.share import key_hash

ReceivedAlert = tuple[Alert, bytes]
"""An alert and its canonical JSON."""

_ALERT = (
    "survey",
    "object_id",
    "alert_id",
    "time_unix_s",
    "ra_deg",
    "dec_deg",
    "index_29",
    "band",
    "flux_njy",
    "mag_ab",
    "real_bogus",
    "body",
    "audience",
)
_OBJECT = (
    "object_key",
    "survey",
    "object_id",
    "version",
    "ra_deg",
    "dec_deg",
    "index_29",
    "key_hash",
    "first_unix_s",
    "time_unix_s",
    "n_detections",
    "real_bogus",
    "is_contested",
    "body",
    "audience",
)
_KEEPS = "ON CONFLICT DO NOTHING"
_REPLACES = replacing(alerts_table, _ALERT, "TRUE")
_UNCONTESTED = replacing(objects_table, _OBJECT, "NOT objects.is_contested")
_ANYWAY = replacing(objects_table, _OBJECT, "TRUE")

_WRONG = """
    SELECT o.object_key FROM {wanted} CROSS JOIN objects AS o
    WHERE o.object_key = wanted.key AND (o.is_contested OR o.version <> (
        SELECT count(*) FROM alerts AS a WHERE a.survey = o.survey AND a.object_id = o.object_id)
        + CASE WHEN o.audience IS NULL THEN 0
          ELSE 1 + length(o.audience) - length(replace(o.audience, ' ', '')) END)
"""
"""A version counts the alerts and the tags of the audience."""
_BODIES = """
    SELECT o.object_key, a.alert_id, a.body
    FROM {wanted} CROSS JOIN objects AS o CROSS JOIN alerts AS a
    WHERE o.object_key = wanted.key AND a.survey = o.survey AND a.object_id = o.object_id
"""
_BODY = """
    SELECT a.survey, a.object_id, a.alert_id, a.body FROM {wanted} CROSS JOIN alerts AS a
    WHERE a.survey = wanted.survey AND a.object_id = wanted.object_id
      AND a.alert_id = wanted.alert_id
"""
_CONTESTED = """
    SELECT o.object_key FROM {wanted} CROSS JOIN objects AS o
    WHERE o.object_key = wanted.key AND o.is_contested
"""


def write_batch(
    connection: Connection, alerts: Sequence[ReceivedAlert], objects: Iterable[OpticalObject]
) -> dict[str, OpticalObject]:
    """Store alerts and the objects that somebody folded them into.

    Returns
    -------
    dict of str to OpticalObject
        The objects that stand otherwise than given, by key.

    Raises
    ------
    ValueError
        An alert without its object, or an object of which no alert is stored.
    """
    given = {obj.object_key: obj for obj in objects}
    rows = sorted([_alert_row(alert, body) for alert, body in alerts], key=_key)
    if strange := {f"{row[0]}:{row[1]}" for row in rows} - given.keys():
        raise ValueError(f"objects of all alerts expected, got none of {sorted(strange)}")
    n_new = insert_rows(connection, alerts_table, _ALERT, rows, _KEEPS)
    written = [_object_row(key, given[key]) for key in sorted(given)]
    insert_rows(connection, objects_table, _OBJECT, written, _UNCONTESTED)
    contested = _settled(connection, rows) if n_new < len(rows) else set()
    wrong = {key for (key,) in found_of_keys(connection, _WRONG, given)} | contested
    return _refolded(connection, wrong, contested)


def _settled(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> set[str]:
    """Let the greater content of each alert stay, for those who may read all of them.

    Returns
    -------
    set of str
        Keys of the objects of which an alert came with two contents.
    """
    keys = list(dict.fromkeys(_key(row) for row in rows))
    stored = {tuple(key): body for *key, body in found_of(connection, _BODY, _ALERT[:3], keys)}
    if gone := [key for key in keys if key not in stored]:
        # Removed with its old object since we met it (`storage.upkeep.retention`), which cannot
        # happen again: we hold the object's row.
        again = [row for row in rows if _key(row) in gone]
        insert_rows(connection, alerts_table, _ALERT, again, _KEEPS)
        found = found_of(connection, _BODY, _ALERT[:3], gone)
        stored |= {tuple(key): body for *key, body in found}
    others = [row for row in rows if _body(row) != stored[_key(row)]]
    settled: dict[tuple[str, ...], str] = {}
    for row in others:
        key = _key(row)
        settled[key] = _greater(settled.get(key, stored[key]), _body(row))
    changed = [_row_of(body) for key, body in settled.items() if body != stored[key]]
    insert_rows(connection, alerts_table, _ALERT, sorted(changed, key=_key), _REPLACES)
    return {f"{row[0]}:{row[1]}" for row in others}


def _greater(a: str, b: str) -> str:
    """The greater of two contents of an alert by its public JSON, for both their audiences."""
    one, other = _alert_of(a), _alert_of(b)
    if one.audience == other.audience:
        return max(a, b)
    content = max(one, other, key=lambda alert: to_json(replace(alert, audience=())))
    return to_json(replace(content, audience=union((one.audience, other.audience)))).decode()


def _row_of(body: str) -> tuple[Any, ...]:
    return _alert_row(_alert_of(body), body.encode())


def _alert_of(body: str) -> Alert:
    return of_json(Alert, body.encode(), "stored alert")


def _refolded(
    connection: Connection, keys: Collection[str], contested: Collection[str]
) -> dict[str, OpticalObject]:
    """Objects folded from their stored alerts, and stored."""
    if not keys:
        return {}
    contested = {key for (key,) in found_of_keys(connection, _CONTESTED, keys)} | {*contested}
    folded: dict[str, OpticalObject] = {}
    for key, alert_id, body in found_of_keys(connection, _BODIES, keys):
        alert = of_json(Alert, body.encode(), f"alert {key} {alert_id}")
        folded[key] = apply_alert(folded.get(key), alert)
    if empty := {*keys} - folded.keys():
        raise ValueError(f"objects of stored alerts expected, got {sorted(empty)}")
    rows = [_object_row(key, folded[key], key in contested) for key in sorted(folded)]
    insert_rows(connection, objects_table, _OBJECT, rows, _ANYWAY)
    return folded


def folded_until(
    connection: Connection, survey: str, object_id: str, until_unix_s: float
) -> OpticalObject | None:
    """Fold of an object's stored alerts up to a moment; None if there are none."""
    obj: OpticalObject | None = None
    for key, body in found(
        connection,
        "SELECT alert_id, body FROM alerts WHERE survey = ? AND object_id = ? AND time_unix_s <= ?",
        survey,
        object_id,
        until_unix_s,
    ):
        obj = apply_alert(obj, of_json(Alert, body.encode(), f"alert {survey}:{key}"))
    return obj


def _alert_row(alert: Alert, body: bytes) -> tuple[Any, ...]:
    own = alert.detection
    return (
        alert.survey,
        alert.object_id,
        alert.alert_id,
        own.time_unix_s,
        alert.ra_deg,
        alert.dec_deg,
        alert.index_29,
        own.band,
        own.flux_njy,
        own.mag_ab,
        alert.quality.real_bogus,
        body.decode(),
        audience_text(alert.audience),
    )


_key, _body = itemgetter(0, 1, 2), itemgetter(-2)


def _object_row(object_key: str, obj: OpticalObject, is_contested: bool = False) -> tuple[Any, ...]:
    return (
        object_key,
        obj.survey,
        obj.object_id,
        obj.version,
        obj.ra_deg,
        obj.dec_deg,
        obj.index_29,
        key_hash(obj.object_id),
        obj.detections[0].time_unix_s,
        obj.latest_unix_s,
        len(obj.detections),
        obj.real_bogus,
        is_contested,
        to_json(obj).decode(),
        audience_text(obj.audience),
    )
