"""Objects in a region of the sky and of time, as the look back of an event asks for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from storage.rows import found
from storage.share import Share

_IN_REGION = {
    # SQLite takes the sides of a CROSS JOIN in the order given.
    "sqlite": """
        SELECT o.object_key, o.ra_deg, o.dec_deg, o.index_29, o.time_unix_s
        FROM (
            SELECT json_extract(value, '$[0]') AS lo, json_extract(value, '$[1]') AS hi
            FROM json_each(?)
        ) AS r CROSS JOIN objects AS o
        WHERE {condition}
    """,
    # The planner takes every range for half a percent of the sky, and would go through the objects
    # and through the ranges for each; OFFSET 0 keeps it from turning the two around.
    "postgresql": """
        SELECT found.* FROM unnest(?::bigint[], ?::bigint[]) AS r(lo, hi) CROSS JOIN LATERAL (
            SELECT o.object_key, o.ra_deg, o.dec_deg, o.index_29, o.time_unix_s
            FROM objects AS o WHERE {condition} OFFSET 0
        ) AS found
    """,
}
_CONDITION = """o.index_29 >= r.lo AND o.index_29 < r.hi
    AND o.time_unix_s >= ? AND o.first_unix_s <= ? AND {share}
"""
"""Bounds on the index column itself, for a range type that contains it would scan every row."""


@dataclass(frozen=True, slots=True)
class RegionRows:
    """Objects in columns, each with ``n`` values, in the order of their ranges.

    Attributes
    ----------
    latest_unix_s
        Time of the latest alert.
    """

    keys: list[str]
    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    index_29: NDArray[np.int64]
    latest_unix_s: NDArray[np.float64]


def objects_in_region(
    connection: Connection,
    ranges: NDArray[np.int64],
    since_unix_s: float,
    until_unix_s: float,
    share: Share,
) -> RegionRows:
    """Objects of a share in some ranges that were seen in a time; see ``AlertStore.region``."""
    rows: Sequence[tuple[Any, ...]] = ()
    if len(ranges) and not share.is_none:
        condition = _CONDITION.format(share=share.condition("o.key_hash"))
        sql = _IN_REGION[connection.dialect.name].format(condition=condition)
        bounds = np.asarray(ranges, dtype=np.int64)
        if connection.dialect.name == "sqlite":
            given: tuple[Any, ...] = (json.dumps(bounds.tolist()),)
        else:
            given = (bounds[:, 0].tolist(), bounds[:, 1].tolist())
            _plan_by_index(connection)
        rows = found(connection, sql, *given, since_unix_s, until_unix_s)
    keys, ra_deg, dec_deg, index_29, latest = zip(*rows, strict=True) if rows else ((),) * 5
    return RegionRows(
        list(keys),
        np.array(ra_deg, dtype=np.float64),
        np.array(dec_deg, dtype=np.float64),
        np.array(index_29, dtype=np.int64),
        np.array(latest, dtype=np.float64),
    )


def _plan_by_index(connection: Connection) -> None:
    for name in ("enable_seqscan", "enable_bitmapscan"):
        found(connection, f"SELECT set_config('{name}', 'off', true)")
