"""Where Sun, Moon and sky stand over Palomar, to a fraction of a degree: enough to plan a night."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SITE_LATITUDE_DEG = 33.3563
SITE_LONGITUDE_DEG = -116.8650
"""Samuel Oschin telescope at Palomar, east longitude (Bellm et al. 2019, PASP 131, 018002)."""

DAY_S = 86_400.0
UNIX_EPOCH_JD = 2_440_587.5
J2000_JD = 2_451_545.0

OBLIQUITY_DEG = 23.439
"""Obliquity of the ecliptic at J2000 (Astronomical Almanac)."""

GALACTIC_POLE_DEG = (192.85948, 27.12825)
GALACTIC_LONGITUDE_OF_POLE_DEG = 122.93192
"""Galactic pole in ICRS; galactic longitude of the celestial pole (Hipparcos, volume 1)."""


def jd_of(unix_s: ArrayLike) -> Floats:
    """Julian date, UTC, of seconds since the Unix epoch."""
    return np.asarray(unix_s, dtype=np.float64) / DAY_S + UNIX_EPOCH_JD


def sidereal_deg(unix_s: ArrayLike) -> Floats:
    """Local mean sidereal time at Palomar [deg] (Meeus, Astronomical Algorithms, 12.4)."""
    days = jd_of(unix_s) - J2000_JD
    return (280.46061837 + 360.98564736629 * days + SITE_LONGITUDE_DEG) % 360.0


def altitude_deg(ra_deg: ArrayLike, dec_deg: ArrayLike, unix_s: ArrayLike) -> Floats:
    """Altitude above Palomar's horizon [deg], without refraction; arguments broadcast."""
    hour_angle = np.radians(sidereal_deg(unix_s) - np.asarray(ra_deg))
    dec, latitude = np.radians(dec_deg), np.radians(SITE_LATITUDE_DEG)
    sine = np.sin(latitude) * np.sin(dec) + np.cos(latitude) * np.cos(dec) * np.cos(hour_angle)
    return np.asarray(np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0))))


def sun_position_deg(unix_s: ArrayLike) -> tuple[Floats, Floats]:
    """Right ascension and declination of the Sun [deg], equinox of date (Almanac, page C5)."""
    days = jd_of(unix_s) - J2000_JD
    anomaly = np.radians(357.528 + 0.9856003 * days)
    longitude = 280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly)
    return _equatorial(longitude, np.zeros_like(longitude))


def moon_position_deg(unix_s: ArrayLike) -> tuple[Floats, Floats]:
    """Right ascension and declination of the Moon [deg], equinox of date (Almanac, page D22)."""
    century = (jd_of(unix_s) - J2000_JD) / 36_525.0

    def wave(size: float, phase_deg: float, rate_deg: float) -> Floats:
        return np.asarray(size * np.sin(np.radians(phase_deg + rate_deg * century)))

    longitude = (
        218.32
        + 481_267.881 * century
        + wave(6.29, 135.0, 477_198.87)
        - wave(1.27, 259.3, -413_335.36)
        + wave(0.66, 235.7, 890_534.22)
        + wave(0.21, 269.9, 954_397.74)
        - wave(0.19, 357.5, 35_999.05)
        - wave(0.11, 186.5, 966_404.03)
    )
    latitude = (
        wave(5.13, 93.3, 483_202.02)
        + wave(0.28, 228.2, 960_400.89)
        - wave(0.28, 318.3, 6_003.15)
        - wave(0.17, 217.6, -407_332.21)
    )
    return _equatorial(longitude, latitude)


def moon_illumination(unix_s: ArrayLike) -> Floats:
    """Illuminated fraction of the Moon's disk, 0 to 1, from its angle to the Sun."""
    angle = angle_deg(*moon_position_deg(unix_s), *sun_position_deg(unix_s))
    return np.asarray(0.5 * (1.0 - np.cos(np.radians(angle))))


def angle_deg(
    ra_deg: ArrayLike, dec_deg: ArrayLike, ra2_deg: ArrayLike, dec2_deg: ArrayLike
) -> Floats:
    """Angle between positions [deg]; arguments broadcast (haversine)."""
    dec, dec2 = np.radians(dec_deg), np.radians(dec2_deg)
    half_ra = 0.5 * np.radians(np.asarray(ra2_deg) - np.asarray(ra_deg))
    chord = np.sin(0.5 * (dec2 - dec)) ** 2 + np.cos(dec) * np.cos(dec2) * np.sin(half_ra) ** 2
    return np.asarray(2.0 * np.degrees(np.arcsin(np.sqrt(np.clip(chord, 0.0, 1.0)))))


def galactic_deg(ra_deg: ArrayLike, dec_deg: ArrayLike) -> tuple[Floats, Floats]:
    """Galactic longitude and latitude [deg]."""
    pole_ra, pole_dec = np.radians(GALACTIC_POLE_DEG)
    ra, dec = np.radians(ra_deg) - pole_ra, np.radians(dec_deg)
    sine = np.sin(dec) * np.sin(pole_dec) + np.cos(dec) * np.cos(pole_dec) * np.cos(ra)
    y = np.cos(dec) * np.sin(ra)
    x = np.sin(dec) * np.cos(pole_dec) - np.cos(dec) * np.sin(pole_dec) * np.cos(ra)
    longitude = (GALACTIC_LONGITUDE_OF_POLE_DEG - np.degrees(np.arctan2(y, x))) % 360.0
    return longitude, np.asarray(np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0))))


def ecliptic_deg(ra_deg: ArrayLike, dec_deg: ArrayLike) -> tuple[Floats, Floats]:
    """Ecliptic longitude and latitude [deg]."""
    return _turned(ra_deg, dec_deg, -OBLIQUITY_DEG)


def moved_deg(
    ra_deg: ArrayLike, dec_deg: ArrayLike, distance_deg: ArrayLike, bearing_deg: ArrayLike
) -> tuple[Floats, Floats]:
    """Positions at a distance and a bearing (east of north) from others; arguments broadcast."""
    dec, bearing = np.radians(dec_deg), np.radians(bearing_deg)
    distance = np.radians(distance_deg)
    sine = np.sin(dec) * np.cos(distance) + np.cos(dec) * np.sin(distance) * np.cos(bearing)
    y = np.sin(bearing) * np.sin(distance) * np.cos(dec)
    x = np.cos(distance) - np.sin(dec) * sine
    ra = (np.asarray(ra_deg) + np.degrees(np.arctan2(y, x))) % 360.0
    return ra, np.asarray(np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0))))


def _equatorial(longitude_deg: Floats, latitude_deg: Floats) -> tuple[Floats, Floats]:
    return _turned(longitude_deg, latitude_deg, OBLIQUITY_DEG)


def _turned(
    longitude_deg: ArrayLike, latitude_deg: ArrayLike, angle: float
) -> tuple[Floats, Floats]:
    """Spherical coordinates after a turn about the axis of the equinox by an angle [deg]."""
    lon, lat, tilt = np.radians(longitude_deg), np.radians(latitude_deg), np.radians(angle)
    x = np.cos(lat) * np.cos(lon)
    y = np.cos(lat) * np.sin(lon) * np.cos(tilt) - np.sin(lat) * np.sin(tilt)
    z = np.cos(lat) * np.sin(lon) * np.sin(tilt) + np.sin(lat) * np.cos(tilt)
    ra = np.degrees(np.arctan2(y, x)) % 360.0
    return np.asarray(ra), np.asarray(np.degrees(np.arcsin(np.clip(z, -1.0, 1.0))))
