"""How well a site sees a position in the coming night: altitude, twilight, Moon."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body, get_sun
from astropy.time import Time
from astropy.utils import iers
from astropy.utils.exceptions import AstropyWarning
from erfa import ErfaWarning
from numpy.typing import ArrayLike

from correlator.priority import Visibility

MIN_ALTITUDE_DEG = 30.0
"""Airmass 2, where most follow-up programmes stop."""

TWILIGHT_DEG = -12.0
"""Nautical twilight: imaging of bright targets starts."""

_STEP_S = 600.0


@dataclass(frozen=True, slots=True)
class Site:
    """An observatory: geodetic position and height above the ellipsoid."""

    name: str
    longitude_deg: float
    latitude_deg: float
    height_m: float


SITES = {
    # The observatories' own web pages and the astropy site registry, to a kilometre.
    "palomar": Site("palomar", -116.863, 33.356, 1706.0),
    "rubin": Site("rubin", -70.749, -30.245, 2663.0),
    "paranal": Site("paranal", -70.403, -24.625, 2635.0),
    "la-palma": Site("la-palma", -17.892, 28.760, 2326.0),
    "haute-provence": Site("haute-provence", 5.713, 43.931, 650.0),
    "mauna-kea": Site("mauna-kea", -155.472, 19.826, 4145.0),
    "siding-spring": Site("siding-spring", 149.061, -31.273, 1149.0),
    "tubitak": Site("tubitak", 30.335, 36.825, 2500.0),
    "xinglong": Site("xinglong", 117.577, 40.396, 950.0),
}


def visibilities(
    ra_deg: ArrayLike, dec_deg: ArrayLike, site: Site, as_of_unix_s: float
) -> list[Visibility]:
    """Visibility of each position from a site in the 24 hours that begin at ``as_of_unix_s``.

    Needs no network: the Earth orientation is that of the installed tables, and outside their
    range the mean one, which moves a target by less than an arcminute.
    """
    places = SkyCoord(np.atleast_1d(ra_deg), np.atleast_1d(dec_deg), unit="deg", frame="icrs")
    steps = as_of_unix_s + np.arange(0.0, 86_400.0, _STEP_S)
    offline = iers.conf.set_temp("auto_download", False)
    # A month after their release the tables would refuse every date that they predict: tonight.
    however_old = iers.conf.set_temp("auto_max_age", None)
    degraded = iers.conf.set_temp("iers_degraded_accuracy", "ignore")
    with offline, however_old, degraded, warnings.catch_warnings():
        # "Dubious year" and "polar motions unknown": what the docstring says of such dates.
        warnings.simplefilter("ignore", ErfaWarning)
        warnings.simplefilter("ignore", AstropyWarning)
        times = Time(steps, format="unix", scale="utc")
        where = EarthLocation.from_geodetic(
            site.longitude_deg * u.deg, site.latitude_deg * u.deg, site.height_m * u.m
        )
        frame = AltAz(obstime=times, location=where)
        dark = get_sun(times).transform_to(frame).alt.deg < TWILIGHT_DEG
        altitude = places[:, None].transform_to(frame[None, :]).alt.deg
        moon = get_body("moon", times[len(times) // 2], where)
        moon_deg = places.separation(SkyCoord(moon.ra, moon.dec)).deg
    return [_visibility(site, altitude[i][dark], float(moon_deg[i])) for i in range(len(places))]


def _visibility(site: Site, dark_altitude_deg: ArrayLike, moon_deg: float) -> Visibility:
    altitude = np.asarray(dark_altitude_deg, dtype=np.float64)
    up = altitude > MIN_ALTITUDE_DEG
    return Visibility(
        site=site.name,
        hours_up=float(up.sum() * _STEP_S / 3600.0),
        best_altitude_deg=float(altitude.max()) if len(altitude) else -90.0,
        moon_separation_deg=moon_deg,
    )
