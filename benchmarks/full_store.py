"""A SQLite event store with millions of objects, made by SQL once and copied for each run.

Two weeks of a survey's sky: each object was seen twice within half an hour, at a moment drawn
from the two weeks. Some of the objects are new; the others have been there for a hundred days.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from correlator.alert import Detection, Limit, Surroundings
from correlator.object import OpticalObject
from correlator.policy import DAY_S
from correlator.simulation.load_sky import SOUTHERN_EDGE_SINE
from correlator.wire import to_json
from skymaps.healpix import index_29_of
from storage.share import key_hash
from storage.store import Store

LENGTH_S = 14 * DAY_S
VISITS_APART_S = 1_800.0
NEW_SHARE = 0.1
"""Objects that were not there before, of all: what an event's rules let through."""

_AGO_S = 100 * DAY_S
_AT_ONCE = 100_000
_COLUMNS = (
    "object_key, survey, object_id, version, ra_deg, dec_deg, index_29, key_hash, first_unix_s,"
    " time_unix_s, n_detections, real_bogus, is_contested, body"
)
_INSERT = f"INSERT INTO objects ({_COLUMNS}) VALUES (?,'ztf',?,2,?,?,?,?,?,?,?,0.9,0,?)"
REGION_INDEX = "ix_objects_region"


def make_full_store(path: Path, n_objects: int, until_unix_s: float, seed: int = 1) -> None:
    """Make the file: so many objects, the latest of them seen at a moment."""
    rng = np.random.default_rng(seed)
    with objects_filled(path) as connection:
        for start in range(0, n_objects, _AT_ONCE):
            connection.execute("BEGIN")
            n = min(_AT_ONCE, n_objects - start)
            connection.executemany(_INSERT, stored_rows(start, n, until_unix_s, rng))
            connection.execute("COMMIT")


@contextmanager
def objects_filled(path: Path) -> Iterator[sqlite3.Connection]:
    """A new store's file, to fill its objects by the million: the index is made after the rows."""
    with Store.open(f"sqlite:///{path}"):
        pass
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -500000")
    found = "SELECT sql FROM sqlite_master WHERE name = ?"
    (index,) = connection.execute(found, (REGION_INDEX,)).fetchone()
    connection.execute(f"DROP INDEX {REGION_INDEX}")
    yield connection
    connection.execute(index)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def stored_rows(
    start: int, n: int, until_unix_s: float, rng: np.random.Generator
) -> Iterator[tuple[Any, ...]]:
    """Rows of so many objects, in the order of their keys."""
    ra = np.round(rng.uniform(0.0, 360.0, n), 7) % 360.0
    dec = np.round(np.degrees(np.arcsin(rng.uniform(SOUTHERN_EDGE_SINE, 1.0, n))), 7)
    latest = np.round(until_unix_s - rng.uniform(0.0, LENGTH_S, n), 3)
    is_new = rng.random(n) < NEW_SHARE
    columns = (x.tolist() for x in (ra, dec, index_29_of(ra, dec), latest, is_new))
    for number, (ra_deg, dec_deg, index, time_unix_s, new) in enumerate(
        zip(*columns, strict=True), start
    ):
        name = f"ZTF25{number:09d}"
        form = _NEW if new else _OLD
        first = time_unix_s - form.reaches_back_s
        body = form.body(name, number, ra_deg, dec_deg, index, time_unix_s)
        seen = first, time_unix_s, form.n_detections
        yield (f"ztf:{name}", name, ra_deg, dec_deg, index, key_hash(name), *seen, body)


@dataclass(frozen=True, slots=True)
class _Form:
    """An object's canonical JSON with places for what differs from object to object.

    Attributes
    ----------
    shifts_s
        Times in it, counted from that of the latest alert.
    reaches_back_s
        Age of its first detection at the latest alert.
    """

    text: str
    shifts_s: tuple[float, ...]
    reaches_back_s: float
    n_detections: int

    def body(
        self, name: str, number: int, ra_deg: float, dec_deg: float, index: int, unix_s: float
    ) -> str:
        """The JSON of one object."""
        times = {f"t{i}": round(unix_s + shift, 3) for i, shift in enumerate(self.shifts_s)}
        return self.text % {
            "name": name, "id": f"25{number:010d}", "ra": ra_deg, "dec": dec_deg, "ix": index,
            **times,
        }  # fmt: skip


_BASE_UNIX_S = 1_700_000_000.0
_STAND_INS = {
    '"NAME"': '"%(name)s"',
    "ALERT": "%(id)s",
    "211.125": "%(ra)s",
    "33.0625": "%(dec)s",
    "1234567890123": "%(ix)s",
}


def _form(ages_s: tuple[float, ...], n_limits: int) -> _Form:
    """The form of an object that was detected so long before its latest alert, and then."""
    ages = (*ages_s, VISITS_APART_S, 0.0)
    limit_ages = tuple(2 * DAY_S * n + 7_000.0 for n in range(n_limits, 0, -1))
    shifts = tuple(sorted({-age for age in (*ages, *limit_ages)}))
    obj = OpticalObject(
        survey="ztf",
        object_id="NAME",
        alert_ids=("ALERT01", "ALERT02"),
        ra_deg=211.125,
        dec_deg=33.0625,
        index_29=1234567890123,
        position_snr=14.5,
        position_alert_id="ALERT02",
        latest_unix_s=_BASE_UNIX_S,
        latest_alert_id="ALERT02",
        detections=tuple(
            Detection(f"ALERT{n:02d}", _BASE_UNIX_S - age, "gr"[n % 2], 5.1e4, 3.5e3)
            for n, age in zip((*range(10, 10 + len(ages_s)), 1, 2), ages, strict=True)
        ),
        limits=tuple(Limit(_BASE_UNIX_S - age, "g", 20.6) for age in limit_ages),
        survey_first_unix_s=_BASE_UNIX_S - max(ages),
        real_bogus=0.9,
        surroundings=Surroundings(star_score=0.02, star_sep_arcsec=5.4),
    )
    text = to_json(obj).decode()
    for number, shift in enumerate(shifts):
        text = text.replace(f"{_BASE_UNIX_S + shift:.1f}", f"%(t{number})s")
    for stand_in, place in _STAND_INS.items():
        text = text.replace(stand_in, place)
    return _Form(text, shifts, max(ages), len(ages))


_NEW = _form((), 6)
_OLD = _form(tuple(_AGO_S - 15 * DAY_S * n for n in range(5)), 3)
