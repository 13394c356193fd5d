"""Which known bodies stand near a position at a time, among a million orbits.

Three steps, each for fewer bodies. All by two bodies, once for each hour: within a degree and what
they move by then. Those with the planets, once for each hour: within the radius and 10 arcsec.
Those alone again, to the moment: the answer. So an answer depends on the orbit, the place and the
time, and not on what else was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from correlator.orbits.elements import Floats, Orbits
from correlator.orbits.ephemeris import (
    ARCSEC_PER_RAD,
    Seen,
    direction_of,
    magnitudes,
    seen,
)
from correlator.orbits.kepler import States, two_body_states
from correlator.orbits.observers import Observer, observer_at
from correlator.orbits.perturbed import check_installed, perturbed_state, perturbed_states
from correlator.visibility import Site

Rows = NDArray[np.int64]

RADIUS_ARCSEC = 2.0
"""How near a body must be to be the one that is seen (docs/science/solar-system.md)."""

MAX_RADIUS_ARCSEC = 1_800.0
"""A wider circle would need more than the coarse places are good for."""

MAX_EPOCH_AGE_D = 700.0
"""Orbits of epochs farther away are not searched: two bodies may be a degree wrong by then."""

COARSE_DEG = 1.0
"""How wrong two bodies may be within that age. Of 6,301 numbered asteroids the worst is 0.51 deg
after 700 d (docs/science/solar-system.md); what meets a planet closely may be worse, and missed."""

SLOT_S = 3_600.0
"""Coarse places are those of the middle of an hour."""

_N_SLOTS = 2
"""Hours that are remembered: alerts come a little out of order."""

_SLOW_DEG = 0.05
"""What moves less in half an hour (2.4 deg/d) is looked for in a tree; the others one by one."""

_SLACK_ARCSEC = 10.0
"""Between the states of an hour and those of the moment; tests see less than 0.1."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A known body near a position, as it should be seen at a time.

    Attributes
    ----------
    name
        Of the orbit.
    ra_deg, dec_deg
        Astrometric, ICRF [deg].
    separation_arcsec
        From the position [arcsec].
    mag_v
        By H and G; None without an H.
    motion_east_arcsec_per_h, motion_north_arcsec_per_h
        On the sky; to the east with cos dec [arcsec/h].
    distance_au, sun_au
        From the observer and from the Sun [au].
    epoch_age_d
        Time since the orbit's epoch; negative before it [d].
    """

    name: str
    ra_deg: float
    dec_deg: float
    separation_arcsec: float
    mag_v: float | None
    motion_east_arcsec_per_h: float
    motion_north_arcsec_per_h: float
    distance_au: float
    sun_au: float
    epoch_age_d: float

    @property
    def motion_arcsec_per_h(self) -> float:
        """How fast it moves on the sky [arcsec/h]."""
        return float(np.hypot(self.motion_east_arcsec_per_h, self.motion_north_arcsec_per_h))


class OrbitSky:
    """Orbits as they stand on the sky of a site; it remembers the last two hours asked of.

    Each hour takes two seconds and 0.3 GB for a million orbits, so ask in the order of time.
    Threads may share one: at worst they compute the same twice.

    Parameters
    ----------
    orbits
        What is known.
    site
        From where it is seen.

    Raises
    ------
    ConfigurationError
        REBOUND is not installed.
    """

    def __init__(self, orbits: Orbits, site: Site) -> None:
        check_installed()
        self.orbits = orbits
        self.site = site
        self._slots: dict[int, _Slot] = {}

    def n_searched(self, time_unix_s: float) -> int:
        """How many orbits have an epoch near enough to a time to be searched."""
        return self._slot_of(time_unix_s).n_orbits

    def near(
        self,
        ra_deg: float,
        dec_deg: float,
        time_unix_s: float,
        radius_arcsec: float = RADIUS_ARCSEC,
    ) -> tuple[Prediction, ...]:
        """Bodies near a position at a time, from the nearest on.

        Parameters
        ----------
        ra_deg, dec_deg
            ICRS [deg].
        time_unix_s
            Middle of the exposure [s since the Unix epoch, UTC].
        radius_arcsec
            How far to look, at most 1800 arcsec.

        Raises
        ------
        ValueError
            The radius is larger.
        """
        if not 0.0 <= radius_arcsec <= MAX_RADIUS_ARCSEC:
            raise ValueError(f"a radius must lie in [0, 1800] arcsec, got {radius_arcsec}")
        direction = direction_of(ra_deg, dec_deg)
        observer = observer_at(self.site, time_unix_s)
        rows = self._slot_of(time_unix_s).near(direction, observer, radius_arcsec + _SLACK_ARCSEC)
        found = (self._prediction(int(row), direction, observer) for row in rows)
        within = [each for each in found if each.separation_arcsec <= radius_arcsec]
        return tuple(sorted(within, key=lambda each: (each.separation_arcsec, each.name)))

    def _slot_of(self, time_unix_s: float) -> _Slot:
        number = int(time_unix_s // SLOT_S)
        slot = self._slots.get(number)
        if slot is None:
            middle = observer_at(self.site, (number + 0.5) * SLOT_S)
            slot = _Slot(self.orbits, np.flatnonzero(self._is_fresh(middle.mjd_tdb)), middle)
            kept = list(self._slots.items())[1 - _N_SLOTS :]
            self._slots = {**dict(kept), number: slot}
        return slot

    def _is_fresh(self, mjd_tdb: float) -> NDArray[np.bool_]:
        return np.abs(self.orbits.epoch_mjd_tdb - mjd_tdb) <= MAX_EPOCH_AGE_D

    def _prediction(self, row: int, direction: Floats, observer: Observer) -> Prediction:
        """Of one orbit alone, integrated to the moment."""
        only = self.orbits.take([row])
        state = perturbed_state(only, 0, observer.mjd_tdb)
        return predictions(only, seen(state, observer.mjd_tdb, observer), direction, observer)[0]


def predictions(
    orbits: Orbits, bodies: Seen, direction: Floats, observer: Observer
) -> list[Prediction]:
    """What is said of each body that an observer sees, beside a direction."""
    east, north = bodies.motion_arcsec_per_h
    columns = (
        bodies.ra_deg,
        bodies.dec_deg,
        bodies.separation_arcsec(direction),
        magnitudes(orbits, bodies),
        east,
        north,
        bodies.distance_au,
        bodies.sun_au,
        observer.mjd_tdb - orbits.epoch_mjd_tdb,
    )
    rows = zip(orbits.names, *(column.tolist() for column in columns), strict=True)
    return [
        Prediction(name, ra, dec, sep, None if isnan(mag) else mag, *rest)
        for name, ra, dec, sep, mag, *rest in rows
    ]


class _Slot:
    """All orbits in the middle of an hour, and states with the planets of those looked at."""

    def __init__(self, orbits: Orbits, fresh: Rows, middle: Observer) -> None:
        self._orbits = orbits
        self._fresh = fresh
        self._mjd_tdb = middle.mjd_tdb
        self._coarse = two_body_states(orbits.take(fresh), middle.mjd_tdb)
        bodies = seen(self._coarse, middle.mjd_tdb, middle)
        is_slow = np.hypot(*bodies.motion_arcsec_per_h) * (SLOT_S / 7200.0) < _SLOW_DEG * 3600.0
        self._slow, self._fast = np.flatnonzero(is_slow), np.flatnonzero(~is_slow)
        self._tree = cKDTree(bodies.direction[self._slow]) if len(self._slow) else None
        self._states = States(*(np.empty_like(bodies.direction) for _ in range(2)))
        self._has_state = np.zeros(len(fresh), dtype=np.bool_)

    @property
    def n_orbits(self) -> int:
        """How many are searched."""
        return len(self._fresh)

    def near(self, direction: Floats, observer: Observer, radius_arcsec: float) -> Rows:
        """Rows of orbits that may be within a radius at a moment of the hour."""
        coarse = self._coarsely_near(direction, observer, radius_arcsec)
        if not len(coarse):
            return coarse
        bodies = seen(self._states_of(coarse), self._mjd_tdb, observer)
        return self._fresh[coarse[bodies.separation_arcsec(direction) <= radius_arcsec]]

    def _coarsely_near(self, direction: Floats, observer: Observer, radius_arcsec: float) -> Rows:
        """Which of the fresh orbits two bodies may have there, with the margin."""
        margin_arcsec = radius_arcsec + COARSE_DEG * 3600.0
        fast = seen(self._coarse.take(self._fast), self._mjd_tdb, observer)
        close = self._fast[fast.separation_arcsec(direction) <= margin_arcsec]
        if self._tree is None:
            return close
        reach = np.radians(_SLOW_DEG) + margin_arcsec / ARCSEC_PER_RAD
        in_tree = self._tree.query_ball_point(direction, 2.0 * np.sin(reach / 2.0))
        return np.concatenate([close, self._slow[np.array(in_tree, dtype=np.int64)]])

    def _states_of(self, close: Rows) -> States:
        """States with the planets; those that nobody asked for before are computed together."""
        new = close[~self._has_state[close]]
        if len(new):
            states = perturbed_states(self._orbits.take(self._fresh[new]), self._mjd_tdb)
            self._states.position_au[new] = states.position_au
            self._states.velocity_au_d[new] = states.velocity_au_d
            self._has_state[new] = True
        return self._states.take(close)
