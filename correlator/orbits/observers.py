"""Where an observatory is in the Solar System at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import erfa
import numpy as np

from correlator.orbits.elements import MJD_ZERO_JD, Floats
from correlator.policy import DAY_S
from correlator.visibility import Site

AU_M = 149_597_870_700.0
"""Astronomical unit [m] (IAU 2012)."""

TT_MINUS_TAI_S = 32.184
"""Terrestrial minus atomic time [s]."""

UNIX_EPOCH_MJD = 40_587.0
"""Modified Julian date of 1970-01-01T00:00."""

SITE_OF_SURVEY = {"lsst": "rubin", "ztf": "palomar"}
"""From where each survey looks; the sites are those of :mod:`correlator.visibility`."""


@dataclass(frozen=True, slots=True, eq=False)
class Observer:
    """An observatory at a time.

    Attributes
    ----------
    mjd_tdb
        The time [MJD, TDB].
    position_au, velocity_au_d
        Heliocentric, ICRF axes, each of shape ``(3,)`` [au, au/d].
    """

    mjd_tdb: float
    position_au: Floats
    velocity_au_d: Floats


def mjd_tdb_of(time_unix_s: float) -> float:
    """Modified Julian date, TDB, of seconds since the Unix epoch (UTC); to 2 ms."""
    starts_unix_s, offsets_s = _leap_seconds()
    step = max(int(np.searchsorted(starts_unix_s, time_unix_s, side="right")) - 1, 0)
    tt_s = time_unix_s + float(offsets_s[step]) + TT_MINUS_TAI_S
    return tt_s / DAY_S + UNIX_EPOCH_MJD


@lru_cache(maxsize=256)
def observer_at(site: Site, time_unix_s: float) -> Observer:
    """A site at a time, by SOFA's Earth (epv00), turned with UTC for UT1.

    The Earth is good to 11 km, which is 0.15 arcsec for a body at 0.1 au and less farther off. UT1
    lies within 0.9 s of UTC, which moves a site by at most 0.4 km, and polar motion by 20 m.
    Those of the last times are remembered, because the alerts of an exposure share one; nobody
    writes into them.
    """
    mjd_tdb = mjd_tdb_of(time_unix_s)
    earth, _ = erfa.epv00(MJD_ZERO_JD, mjd_tdb)
    mjd_utc = time_unix_s / DAY_S + UNIX_EPOCH_MJD
    longitude, latitude = np.radians(site.longitude_deg), np.radians(site.latitude_deg)
    turn = erfa.era00(MJD_ZERO_JD, mjd_utc)
    local = erfa.pvtob(longitude, latitude, site.height_m, 0.0, 0.0, 0.0, turn)
    to_gcrs = np.asarray(erfa.c2i06a(MJD_ZERO_JD, mjd_tdb)).T
    return Observer(
        mjd_tdb,
        np.asarray(earth["p"]) + to_gcrs @ np.asarray(local["p"]) / AU_M,
        np.asarray(earth["v"]) + to_gcrs @ np.asarray(local["v"]) * DAY_S / AU_M,
    )


@lru_cache(maxsize=1)
def _leap_seconds() -> tuple[Floats, Floats]:
    """Begin of each whole TAI - UTC [s since the Unix epoch, UTC] with its value [s]."""
    rows = [row for row in erfa.leap_seconds.get() if row["year"] >= 1972]
    months = np.array([(int(row["year"]) - 1970) * 12 + int(row["month"]) - 1 for row in rows])
    starts = months.astype("datetime64[M]").astype("datetime64[s]").astype(np.float64)
    return starts, np.array([float(row["tai_utc"]) for row in rows])
