"""Astrometric places, motions and magnitudes of bodies, as an observer sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from correlator.orbits.elements import SUN_GM, Floats, Orbits
from correlator.orbits.kepler import States
from correlator.orbits.observers import Observer

LIGHT_AU_D = 173.144_632_674_240_3
"""Speed of light [au / d]."""

_LIGHT_TIME_ITERATIONS = 3
"""Each is better by v / c, one in ten thousand."""

ARCSEC_PER_RAD = 206_264.806_247_096_36


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Bodies as an observer sees them; each of shape ``(n,)`` but the vectors, ``(n, 3)``.

    Attributes
    ----------
    direction
        Unit vectors, ICRF, light time applied.
    distance_au, sun_au
        From the observer and from the Sun when the light left [au].
    velocity_au_d
        Of the body less that of the observer [au/d].
    phase_rad
        Angle between Sun and observer at the body [rad].
    """

    direction: Floats
    distance_au: Floats
    sun_au: Floats
    velocity_au_d: Floats
    phase_rad: Floats

    @property
    def ra_deg(self) -> Floats:
        """Right ascension, ICRF, in [0, 360) [deg]."""
        return np.asarray(np.degrees(np.arctan2(self.direction[:, 1], self.direction[:, 0])) % 360)

    @property
    def dec_deg(self) -> Floats:
        """Declination, ICRF [deg]."""
        u = self.direction
        return np.asarray(np.degrees(np.arctan2(u[:, 2], np.hypot(u[:, 0], u[:, 1]))))

    @property
    def motion_arcsec_per_h(self) -> tuple[Floats, Floats]:
        """On the sky to the east (times cos dec) and to the north [arcsec/h]."""
        u = self.direction
        flat = np.maximum(np.hypot(u[:, 0], u[:, 1]), 1e-12)
        zero = np.zeros_like(flat)
        east = np.stack([-u[:, 1] / flat, u[:, 0] / flat, zero], axis=1)
        north = np.cross(u, east)
        rate = self.velocity_au_d / self.distance_au[:, None] * (ARCSEC_PER_RAD / 24.0)
        return np.sum(rate * east, axis=1), np.sum(rate * north, axis=1)

    def separation_arcsec(self, direction: Floats) -> Floats:
        """Angle to a direction, a unit vector of shape ``(3,)`` [arcsec]."""
        chord = np.linalg.norm(self.direction - direction, axis=1)
        return np.asarray(2.0 * np.arcsin(np.minimum(chord / 2.0, 1.0)) * ARCSEC_PER_RAD)


def seen(states: States, mjd_tdb: float, observer: Observer) -> Seen:
    """Bodies as an observer sees them, from their states at a time near the observer's.

    Parameters
    ----------
    states, mjd_tdb
        Of ``n`` bodies, and when [MJD, TDB]. They are moved to when the light left by the first
        three terms of their motion about the Sun, which over an hour at 1 au is good to 1e-6
        arcsec, and over the light time always.
    observer
        Who looks, and when.
    """
    r, v = states.position_au, states.velocity_au_d
    pull = -SUN_GM * r / np.linalg.norm(r, axis=1)[:, None] ** 3
    light_d = np.zeros(len(r))
    for _ in range(_LIGHT_TIME_ITERATIONS):
        dt = (observer.mjd_tdb - mjd_tdb - light_d)[:, None]
        then = r + v * dt + 0.5 * pull * dt**2
        away = then - observer.position_au
        distance = np.linalg.norm(away, axis=1)
        light_d = distance / LIGHT_AU_D
    sun = np.linalg.norm(then, axis=1)
    cosine = np.sum(then * away, axis=1) / (sun * distance)
    return Seen(
        away / distance[:, None],
        distance,
        sun,
        v + pull * dt - observer.velocity_au_d,
        np.arccos(np.clip(cosine, -1.0, 1.0)),
    )


def magnitudes(orbits: Orbits, bodies: Seen) -> Floats:
    """Predicted V magnitude in the H, G system (Bowell et al. 1989); NaN without an H.

    It holds for phase angles below 120 deg, and leaves out how a body turns.
    """
    tangent = np.tan(np.minimum(bodies.phase_rad, np.radians(179.0)) / 2.0)
    phi_1 = np.exp(-3.33 * tangent**0.63)
    phi_2 = np.exp(-1.87 * tangent**1.22)
    dimming = (1.0 - orbits.g_slope) * phi_1 + orbits.g_slope * phi_2
    return np.asarray(
        orbits.h_mag
        + 5.0 * np.log10(bodies.sun_au * bodies.distance_au)
        - 2.5 * np.log10(np.maximum(dimming, 1e-12))
    )


def direction_of(ra_deg: float, dec_deg: float) -> Floats:
    """Unit vector of a position, of shape ``(3,)``."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    return np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
