"""Known asteroids among many orbits: reading, placing all, and asking for one place."""

from __future__ import annotations

import string
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from benchmarks.agreement import require
from benchmarks.timing import Effort, Row
from correlator.orbits.elements import Orbits
from correlator.orbits.ephemeris import direction_of, seen
from correlator.orbits.kepler import two_body_states
from correlator.orbits.observers import UNIX_EPOCH_MJD, observer_at
from correlator.orbits.perturbed import perturbed_states
from correlator.orbits.search import OrbitSky
from correlator.policy import DAY_S
from correlator.visibility import SITES
from storage.orbits.file import read_orbits

EPOCH_MJD = 61_000.0
AGE_D = 100.0
"""The night is so long after the epoch: half of what a month-old file of the MPC has at most."""

TIME_UNIX_S = (EPOCH_MJD + AGE_D - UNIX_EPOCH_MJD) * DAY_S

N_PLACES = 50
N_PEER = 10_000
"""Orbits that the peer integrates; all of them would take it minutes."""

_RADIUS_ARCSEC = 60.0
_MB = 1e6
_PEER = f"REBOUND with the planets for all (of {N_PEER} orbits)"
_BASE_62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def orbits_rows(effort: Effort, n_orbits: int, folder: Path) -> Iterator[Row]:
    """All rows; what is asked was found by integrating every orbit first.

    Parameters
    ----------
    n_orbits
        In the file: bodies between Mars and Jupiter, near the ecliptic, all of one epoch.
    folder
        For the file.
    """
    path = folder / "MPCORB.DAT"
    written(path, n_orbits)
    before = psutil.Process().memory_info().rss
    orbits = read_orbits(path).orbits
    once = Effort(1, 0.0)
    yield once.rate_of("orbits-read", n_orbits, "orbits/s", lambda: read_orbits(path))
    observer = observer_at(SITES["rubin"], TIME_UNIX_S)
    some = orbits.take(np.arange(min(N_PEER, n_orbits)))
    _check(some)
    ours = effort.in_turn(lambda: two_body_states(some, observer.mjd_tdb),
                          lambda: perturbed_states(some, observer.mjd_tdb))  # fmt: skip
    mine, theirs = (median(seconds) for seconds in ours)
    yield Row("orbits-two-body", len(some) / mine, "orbits/s", _PEER, len(some) / theirs,
              theirs / mine)  # fmt: skip
    sky = OrbitSky(orbits, SITES["rubin"])
    yield Row("orbits-hour", _seconds(lambda: sky.n_searched(TIME_UNIX_S)), "s")
    places = _places(orbits.take(np.arange(N_PLACES)))
    first = [_seconds(lambda p=p: _near(sky, p)) for p in places]
    again = [_seconds(lambda p=p: _near(sky, p)) for p in places]
    yield Row("orbits-first-look", 1e3 * median(first), "ms")
    yield Row("orbits-first-look-worst", 1e3 * max(first), "ms")
    yield Row("orbits-next-look", 1e3 * median(again), "ms")
    static = [_seconds(lambda p=p: sky.near(*p, TIME_UNIX_S)) for p in places]
    yield Row("orbits-next-look-nothing-near", 1e3 * median(static), "ms")
    yield Row("orbits-memory", (psutil.Process().memory_info().rss - before) / _MB, "MB")


def written(path: Path, n_orbits: int) -> None:
    """A file in the format of MPCORB.DAT of bodies that there are not."""
    random = np.random.default_rng(24)
    e = random.rayleigh(0.1, n_orbits).clip(0.0, 0.6)
    tilt_deg = np.degrees(random.rayleigh(0.1, n_orbits)).clip(0.0, 90.0)
    axis = random.uniform(2.1, 3.3, n_orbits)
    m, peri, node = random.uniform(0.0, 360.0, (3, n_orbits))
    with path.open("w", encoding="ascii") as file:
        file.write("-" * 160 + "\n")
        for k in range(n_orbits):
            line = (
                f"{_packed(k + 1):<7} 17.00  0.15 K25BL {m[k]:9.5f}  {peri[k]:9.5f}  {node[k]:9.5f}"
                f"  {tilt_deg[k]:9.5f}  {e[k]:9.7f} {0.2:11.8f} {axis[k]:11.7f}"
            )
            file.write(line.ljust(202) + "\n")


def _packed(number: int) -> str:
    if number < 620_000:
        return f"{_BASE_62[number // 10_000]}{number % 10_000:04d}"
    rest, digits = number - 620_000, ""
    for _ in range(4):
        rest, digit = divmod(rest, 62)
        digits = _BASE_62[digit] + digits
    return f"~{digits}"


def _check(orbits: Orbits) -> None:
    """The search finds what integrating every orbit has near some places."""
    sky, observer = OrbitSky(orbits, SITES["rubin"]), observer_at(SITES["rubin"], TIME_UNIX_S)
    there = seen(perturbed_states(orbits, observer.mjd_tdb), observer.mjd_tdb, observer)
    for place in _places(orbits.take(np.arange(min(20, len(orbits))))):
        near = there.separation_arcsec(direction_of(*place)) <= _RADIUS_ARCSEC
        expected = {orbits.names[row] for row in np.flatnonzero(near)}
        found = {body.name for body in _near(sky, place)}
        require(found == expected, "the search and the integration of every orbit")


def _places(orbits: Orbits) -> list[tuple[float, float]]:
    """Half an arcminute or so beside bodies [deg]."""
    observer = observer_at(SITES["rubin"], TIME_UNIX_S)
    there = seen(two_body_states(orbits, observer.mjd_tdb), observer.mjd_tdb, observer)
    return list(zip(there.ra_deg.tolist(), (there.dec_deg + 0.01).tolist(), strict=True))


def _near(sky, place: tuple[float, float]):
    return sky.near(*place, TIME_UNIX_S, _RADIUS_ARCSEC)


def _seconds(way) -> float:
    begin = time.perf_counter()
    way()
    return time.perf_counter() - begin
