"""Two bodies: where the Sun alone would take a body, for many orbits at once.

Kepler's equation in the universal form that starts at perihelion, ``t - T = q G1(s) + GM G3(s)``
(Stumpff 1947; Battin 1999, section 4.5), which is one for ellipse, parabola and hyperbola.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from correlator.orbits.elements import SUN_GM, Floats, Orbits

OBLIQUITY_RAD = np.radians(84_381.448 / 3600.0)
"""Of the ecliptic of J2000 to which the Minor Planet Center refers its elements (IAU 1976)."""

_ITERATIONS = 60
"""Newton's steps at most; from above on a convex function each comes nearer. Ten are usual."""


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """Heliocentric places and velocities at one time, ICRF axes.

    Attributes
    ----------
    position_au, velocity_au_d
        Of shape ``(n, 3)`` [au, au/d].
    """

    position_au: Floats
    velocity_au_d: Floats

    def take(self, rows: NDArray[np.int64]) -> States:
        """Some of them."""
        return States(self.position_au[rows], self.velocity_au_d[rows])


def two_body_states(orbits: Orbits, mjd_tdb: float | Floats) -> States:
    """States of orbits on which the Sun alone acts.

    Parameters
    ----------
    orbits
        ``n`` of them.
    mjd_tdb
        When [MJD, TDB]: one time, or one for each orbit.
    """
    q, e = orbits.perihelion_au, orbits.eccentricity
    since_d = _within_half_a_period(orbits, mjd_tdb - orbits.perihelion_mjd_tdb)
    beta = SUN_GM * (1.0 - e) / q
    anomaly = _universal_anomaly(q, beta, np.abs(since_d)) * np.sign(since_d)
    g0, g1, g2, g3 = _stumpff(beta, anomaly)
    radius_au = q * g0 + SUN_GM * g2
    speed_au_d = np.sqrt(SUN_GM * (1.0 + e) / q)
    along, across = _axes(orbits)
    x = q - SUN_GM * g2
    y = speed_au_d * (since_d - SUN_GM * g3)
    vx = -SUN_GM * g1 / radius_au
    vy = speed_au_d * (1.0 - SUN_GM * g2 / radius_au)
    return States(
        x[:, None] * along + y[:, None] * across, vx[:, None] * along + vy[:, None] * across
    )


def _within_half_a_period(orbits: Orbits, since_d: Floats) -> Floats:
    """Time from the nearest perihelion of an ellipse; what is no ellipse has one only."""
    is_ellipse = orbits.eccentricity < 1.0
    shape = np.where(is_ellipse, 1.0 - orbits.eccentricity, 1.0)
    period_d = 2.0 * np.pi * np.sqrt((orbits.perihelion_au / shape) ** 3 / SUN_GM)
    turns = np.where(is_ellipse, np.round(since_d / period_d), 0.0)
    return np.asarray(since_d - turns * period_d)


def _universal_anomaly(q: Floats, beta: Floats, since_d: Floats) -> Floats:
    """The root of Kepler's equation for a time after perihelion, from an upper bound downwards."""
    is_ellipse, is_open = beta > 0.0, beta < 0.0
    half_turn = np.pi / np.sqrt(np.where(is_ellipse, beta, 1.0))
    # r is never less than q; where beta <= 0, G3 is never less than s^3 / 6; and on a hyperbola
    # e sinh y - y is never less than (e - 1) sinh y, with y = s sqrt(-beta).
    root = np.sqrt(np.where(is_open, -beta, 1.0))
    s = np.minimum(since_d / q, np.where(is_ellipse, half_turn, np.cbrt(6.0 * since_d / SUN_GM)))
    s = np.where(is_open, np.minimum(s, np.arcsinh(since_d * root / q) / root), s)
    for _ in range(_ITERATIONS):
        g0, g1, g2, g3 = _stumpff(beta, s)
        step = (q * g1 + SUN_GM * g3 - since_d) / (q * g0 + SUN_GM * g2)
        s = s - step
        if np.all(np.abs(step) <= 1e-14 * np.abs(s) + 1e-300):
            break
    return np.asarray(s)


def _stumpff(beta: Floats, s: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Stumpff's functions of a universal anomaly: ``s^k c_k(beta s^2)`` for k of 0 to 3."""
    x = beta * s * s
    small = np.abs(x) < 0.5
    c2, c3 = _series(np.where(small, x, 0.0))
    root = np.sqrt(np.where(small, 1.0, np.abs(x)))
    circular, opened = ~small & (x > 0.0), ~small & (x < 0.0)
    c2 = np.where(circular, (1.0 - np.cos(root)) / root**2, c2)
    c3 = np.where(circular, (root - np.sin(root)) / root**3, c3)
    bounded = np.where(opened, root, 1.0)
    c2 = np.where(opened, (np.cosh(bounded) - 1.0) / bounded**2, c2)
    c3 = np.where(opened, (np.sinh(bounded) - bounded) / bounded**3, c3)
    return 1.0 - x * c2, s * (1.0 - x * c3), s * s * c2, s**3 * c3


def _series(x: Floats) -> tuple[Floats, Floats]:
    """c2 and c3 near 0, where their closed forms cancel; to 1e-17 for |x| < 0.5."""
    c2, c3 = np.zeros_like(x), np.zeros_like(x)
    for k in range(8, 0, -1):
        c2 = (1.0 - x * c2) / (2.0 * k * (2.0 * k - 1.0))
        c3 = (1.0 - x * c3) / (2.0 * k * (2.0 * k + 1.0))
    return c2, c3


def _axes(orbits: Orbits) -> tuple[Floats, Floats]:
    """Unit vectors to perihelion and along the motion there, ICRF, each of shape ``(n, 3)``."""
    node, argument, tilt = (
        np.radians(x) for x in (orbits.node_deg, orbits.argument_deg, orbits.inclination_deg)
    )
    cn, sn, ca, sa = np.cos(node), np.sin(node), np.cos(argument), np.sin(argument)
    ci, si = np.cos(tilt), np.sin(tilt)
    along = _equatorial(ca * cn - sa * sn * ci, ca * sn + sa * cn * ci, sa * si)
    across = _equatorial(-sa * cn - ca * sn * ci, -sa * sn + ca * cn * ci, ca * si)
    return along, across


def _equatorial(x: Floats, y: Floats, z: Floats) -> Floats:
    c, s = np.cos(OBLIQUITY_RAD), np.sin(OBLIQUITY_RAD)
    return np.stack([x, c * y - s * z, s * y + c * z], axis=1)
