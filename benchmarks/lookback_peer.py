"""The same question to healpix-alchemy: its column types, its kind of index, its join.

Singer et al. 2022, AJ 163, 209: points are order-29 indices, a region is a table of int8range
tiles with an SP-GiST index, and the join asks which tile contains the point.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import psycopg
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.exc import OperationalError

from benchmarks.databases import NewStore
from benchmarks.lookback_rows import AlertRows, Question, connected, copy_rows, settle
from correlator.errors import ConfigurationError

PEER = "healpix-alchemy: tile contains point, SP-GiST on the tiles, the same times; one run"

_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class Peer:
    """Its tables, filled."""

    engine: sa.Engine
    alerts: sa.Table
    tiles: sa.Table

    @classmethod
    @contextmanager
    def filled(cls, new_postgres: NewStore, rows: AlertRows) -> Iterator[Peer]:
        """A database of its own with all alerts.

        Raises
        ------
        ConfigurationError
            It is not installed.
        """
        if find_spec("healpix_alchemy") is None:
            raise ConfigurationError("healpix-alchemy: install the group bench, or leave it out")
        types: Any = import_module("healpix_alchemy")
        metadata = sa.MetaData()
        alerts = sa.Table(
            "alerts",
            metadata,
            sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("hpx", types.Point, nullable=False),
            sa.Column("first_unix_s", sa.Double, nullable=False),
            sa.Column("time_unix_s", sa.Double, nullable=False),
        )
        tiles = sa.Table(
            "tiles",
            metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("hpx", types.Tile, index=True, nullable=False),
        )
        with new_postgres() as url:
            engine = sa.create_engine(url)
            metadata.create_all(engine)
            with connected(url) as connection:
                names = ("id", "hpx", "first_unix_s", "time_unix_s")
                copy_rows(connection, "alerts", names, _rows(rows))
                connection.execute("SET maintenance_work_mem = '1GB'")
                connection.execute("CREATE INDEX ix_alerts_hpx ON alerts (hpx)")
                settle(connection, "alerts")
            try:
                yield cls(engine, alerts, tiles)
            finally:
                engine.dispose()

    def asked(self, question: Question, limit_s: float) -> tuple[NDArray[np.int64] | None, float]:
        """Numbers of the alerts, rising, and the seconds that it took; no numbers past a limit."""
        with self.engine.begin() as connection:
            connection.execute(self.tiles.delete())
            tiles = [{"hpx": (lo, hi)} for lo, hi in question.ranges.tolist()]
            connection.execute(self.tiles.insert(), tiles)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM (ANALYZE) tiles")
        alerts, tiles_hpx = self.alerts.c, self.tiles.c.hpx
        select = sa.select(alerts.id).where(
            tiles_hpx.contains(alerts.hpx),
            alerts.time_unix_s >= question.since_unix_s,
            alerts.first_unix_s <= question.until_unix_s,
        )
        with self.engine.connect() as connection:
            connection.exec_driver_sql(f"SET statement_timeout = '{int(1e3 * limit_s)}ms'")
            started = time.perf_counter()
            try:
                ids = connection.execute(select).scalars().all()
            except OperationalError as error:
                if not isinstance(error.orig, psycopg.errors.QueryCanceled):
                    raise
                return None, time.perf_counter() - started
            taken_s = time.perf_counter() - started
        return np.sort(np.array(ids, dtype=np.int64)), taken_s


def _rows(rows: AlertRows) -> Iterator[list[tuple[Any, ...]]]:
    for start in range(0, len(rows), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        columns = rows.index_29[some], rows.first_unix_s[some], rows.last_unix_s[some]
        chunk = zip(*(column.tolist() for column in columns), strict=True)
        yield [(number, *values) for number, values in enumerate(chunk, start)]
