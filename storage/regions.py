"""Objects in a region of the sky and of time, as the look back of an event asks for them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sqlalchemy import Connection

from storage.rows import found
from storage.share import Share

_IN_REGION = {
    # SQLite takes the sides of a CROSS JOIN in the order given.
    "sqlite": """
        SELECT o.object_key, o.ra_deg, o.dec_deg, o.index_29
        FROM (
            SELECT json_extract(value, '$[0]') AS lo, json_extract(value, '$[1]') AS hi
            FROM json_each(?)
        ) AS r CROSS JOIN objects AS o
        WHERE {condition}
    """,
    # The planner takes every range for half a percent of the sky, and would go through the objects
    # and through the ranges for each; OFFSET 0 keeps it from turning the two around. Whole columns
    # come in one row, the numbers as they are in memory: ten thousand rows of text take four times
    # as long as to find them.
    "postgresql": """
        SELECT
            string_agg(convert_to(object_key, 'UTF8'), '\\x00'), array_send(array_agg(ra_deg)),
            array_send(array_agg(dec_deg)), array_send(array_agg(index_29))
        FROM unnest(?::bigint[], ?::bigint[]) AS r(lo, hi) CROSS JOIN LATERAL (
            SELECT o.object_key, o.ra_deg, o.dec_deg, o.index_29
            FROM objects AS o WHERE {condition} OFFSET 0
        ) AS found
    """,
}
_CONDITION = """o.index_29 >= r.lo AND o.index_29 < r.hi
    AND o.time_unix_s >= ? AND o.first_unix_s <= ? AND {share}
"""
"""Bounds on the index column itself, for a range type that contains it would scan every row."""


_ARRAY_HEADER_BYTES = 20
"""Of an array in PostgreSQL's binary form: dimensions, flags, type, length, first index; after it
comes each value behind its own length, most significant byte first."""


@dataclass(frozen=True, slots=True)
class RegionRows:
    """Objects in columns, each with ``n`` values, in the order of their ranges."""

    keys: list[str]
    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    index_29: NDArray[np.int64]


def objects_in_region(
    connection: Connection,
    ranges: NDArray[np.int64],
    since_unix_s: float,
    until_unix_s: float,
    share: Share,
) -> RegionRows:
    """Objects of a share in some ranges that were seen in a time; see ``AlertStore.region``."""
    if not len(ranges) or share.is_none:
        return region_rows([], [], [], [])
    condition = _CONDITION.format(share=share.condition("o.key_hash"))
    sql = _IN_REGION[connection.dialect.name].format(condition=condition)
    bounds, times = np.asarray(ranges, dtype=np.int64), (since_unix_s, until_unix_s)
    if connection.dialect.name == "sqlite":
        rows = found(connection, sql, json.dumps(bounds.tolist()), *times)
        keys = [row[0] for row in rows]
        kinds = np.float64, np.float64, np.int64
        numbers = [
            np.fromiter(map(itemgetter(nth), rows), kind, len(rows))
            for nth, kind in enumerate(kinds, 1)
        ]
        return region_rows(keys, *numbers)
    plan_by_index(connection)
    ((keys, *sent),) = found(connection, sql, *bounds.T.tolist(), *times)
    if keys is None:
        return region_rows([], [], [], [])
    numbers = [_array(one, kind) for one, kind in zip(sent, (">f8", ">f8", ">i8"), strict=True)]
    # No text of PostgreSQL holds a NUL.
    return region_rows(keys.decode().split("\0"), *numbers)


def region_rows(
    keys: Iterable[str], ra_deg: ArrayLike, dec_deg: ArrayLike, index_29: ArrayLike
) -> RegionRows:
    """Columns of whichever kind as those of a region."""
    return RegionRows(
        list(keys),
        np.asarray(ra_deg, dtype=np.float64),
        np.asarray(dec_deg, dtype=np.float64),
        np.asarray(index_29, dtype=np.int64),
    )


def _array(sent: bytes, kind: str) -> NDArray[Any]:
    values = np.dtype([("length", ">i4"), ("value", kind)])
    return np.frombuffer(sent, values, offset=_ARRAY_HEADER_BYTES)["value"]


def plan_by_index(connection: Connection) -> None:
    """Let PostgreSQL look ranges up in the index until the transaction ends."""
    for name in ("enable_seqscan", "enable_bitmapscan"):
        found(connection, f"SELECT set_config('{name}', 'off', true)")
