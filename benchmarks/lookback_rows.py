"""Millions of alerts of two weeks, and the stores that hold them: for the benchmark of look backs.

Each alert is the second visit of an object of its own, somewhere north of -30 deg, at a moment of
the two weeks. In the stores it is a row of the real table of objects with its real indexes; only
the body, which a look back never reads, is left out, so that ten million rows take 4 GB and not 20.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import sqlalchemy
from numpy.typing import NDArray

from benchmarks.full_store import REGION_INDEX, objects_filled
from correlator.policy import DAY_S
from correlator.simulation.load_sky import SOUTHERN_EDGE_SINE
from skymaps.healpix import index_29_of
from skymaps.runs import SkyRuns
from storage.share import key_hash
from storage.store import Store

LENGTH_S = 14 * DAY_S
VISITS_APART_S = 1_800.0
BATCH_ROWS = 10_000
"""Alerts that come to memory at once: a visit of a large camera."""

COLUMNS = (
    *("object_key", "survey", "object_id", "version", "ra_deg", "dec_deg", "index_29", "key_hash"),
    *("first_unix_s", "time_unix_s", "n_detections", "real_bogus", "is_contested", "body"),
)
_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class Question:
    """A region and a time."""

    ranges: NDArray[np.int64]
    since_unix_s: float
    until_unix_s: float


@dataclass(frozen=True, slots=True)
class AlertRows:
    """Alerts in columns of shape ``(n,)``, by time."""

    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    index_29: NDArray[np.int64]
    first_unix_s: NDArray[np.float64]
    last_unix_s: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.index_29)

    def answer(self, question: Question) -> NDArray[np.int64]:
        """Numbers of the alerts in a region and a time, by a look at each of them."""
        # Ends in order: a place is inside where an odd number of them is not above it.
        ends = question.ranges.ravel()
        is_inside = np.searchsorted(ends, self.index_29, side="right") % 2 == 1
        in_time = self.last_unix_s >= question.since_unix_s
        in_time &= self.first_unix_s <= question.until_unix_s
        return np.flatnonzero(is_inside & in_time)


def alert_rows(n: int, until_unix_s: float, seed: int = 1) -> AlertRows:
    """So many alerts of the two weeks before a moment."""
    rng = np.random.default_rng(seed)
    ra = np.round(rng.uniform(0.0, 360.0, n), 7) % 360.0
    dec = np.round(np.degrees(np.arcsin(rng.uniform(SOUTHERN_EDGE_SINE, 1.0, n))), 7)
    last = np.sort(np.round(until_unix_s - rng.uniform(0.0, LENGTH_S, n), 3))
    return AlertRows(ra, dec, index_29_of(ra, dec), last - VISITS_APART_S, last)


def fill_memory(alerts: AlertRows) -> SkyRuns:
    """Runs of the alerts, which come batch by batch."""
    runs = SkyRuns()
    for start in range(0, len(alerts), BATCH_ROWS):
        some = slice(start, start + BATCH_ROWS)
        ids = np.arange(start, start + len(alerts.index_29[some]))
        first = alerts.first_unix_s[some]
        runs.add(alerts.index_29[some], alerts.last_unix_s[some], ids, first)
    return runs


def fill_sqlite(path: Path, alerts: AlertRows) -> None:
    """Make the file."""
    places = ",".join("?" for _ in COLUMNS)
    insert = f"INSERT INTO objects ({','.join(COLUMNS)}) VALUES ({places})"
    with objects_filled(path) as connection:
        for rows in _table_rows(alerts):
            connection.execute("BEGIN")
            connection.executemany(insert, rows)
            connection.execute("COMMIT")


def fill_postgresql(url: str, alerts: AlertRows) -> None:
    """Fill the table of an empty database, its indexes after its rows, and vacuum it."""
    with Store.open(url):
        pass
    with connected(url) as connection:
        found = "SELECT indexdef FROM pg_indexes WHERE indexname = %s"
        row = connection.execute(found, [REGION_INDEX]).fetchone()
        assert row is not None
        connection.execute(f"DROP INDEX {REGION_INDEX}")
        connection.execute("ALTER TABLE objects DROP CONSTRAINT pk_objects")
        copy_rows(connection, "objects", COLUMNS, _table_rows(alerts))
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute("ALTER TABLE objects ADD CONSTRAINT pk_objects PRIMARY KEY (object_key)")
        connection.execute(row[0])
        settle(connection, "objects")


def connected(url: str) -> psycopg.Connection[Any]:
    """Open a connection of psycopg's own, each statement a transaction."""
    parsed = sqlalchemy.make_url(url).set(drivername="postgresql")
    return psycopg.connect(parsed.render_as_string(hide_password=False), autocommit=True)


def copy_rows(
    connection: psycopg.Connection[Any],
    table: str,
    columns: tuple[str, ...],
    chunks: Iterator[list[tuple[Any, ...]]],
) -> None:
    """Rows into a table by COPY."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        for rows in chunks:
            for row in rows:
                copy.write_row(row)


def settle(connection: psycopg.Connection[Any], table: str) -> None:
    """Have done at once what a server does sooner or later after millions of rows."""
    # An index alone answers for the pages that a vacuum has seen.
    connection.execute(f"VACUUM (ANALYZE) {table}")
    with suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute("CHECKPOINT")


def _table_rows(alerts: AlertRows) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of the table of objects, some at a time."""
    for start in range(0, len(alerts), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        columns = (
            column[some].tolist()
            for column in (
                alerts.ra_deg,
                alerts.dec_deg,
                alerts.index_29,
                alerts.first_unix_s,
                alerts.last_unix_s,
            )
        )
        rows = []
        for number, (ra, dec, index, first, last) in enumerate(zip(*columns, strict=True), start):
            name = _name(number)
            place = ra, dec, index, key_hash(name)
            rows.append((f"ztf:{name}", "ztf", name, 2, *place, first, last, 2, 0.9, False, "{}"))
        yield rows


_PREFIX = "ZTF25"


def _name(number: int) -> str:
    return f"{_PREFIX}{number:09d}"


def number_of(object_key: str) -> int:
    """Number of the alert of an object."""
    return int(object_key.removeprefix(f"ztf:{_PREFIX}"))
