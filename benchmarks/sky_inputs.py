"""What the sky benchmark joins: live events of every size, and alerts of the whole sky or a visit.

Of the events a tenth are gravitational-wave maps (two arcs on BAYESTAR's grid of 19,200 cells), a
quarter circles of 1 to 20 deg (Fermi GBM), 15 % of 10 arcmin, 40 % of 3 arcmin, 10 % of 5 arcsec.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from correlator.simulation.gwmap import Arc, GwMap, Reach, Ring, map_of
from skymaps.healpix import Positions
from skymaps.shapes import Circle
from skymaps.skymap import SkyMap

LEVEL = 0.9
"""Containment of the circles, and of the regions that alerts are joined with."""

NORTHERN_EDGE_DEG = 15.0
VISIT_RADIUS_DEG = 1.75

_SIZES_DEG = ((0.15, 10.0 / 60.0), (0.4, 3.0 / 60.0), (0.1, 5.0 / 3600.0))
_MAPS, _BURSTS = 0.1, 0.25


@dataclass(frozen=True, slots=True)
class LiveSky:
    """Localizations of so many live events, in random order."""

    localizations: tuple[Circle | SkyMap, ...]

    def __len__(self) -> int:
        return len(self.localizations)


def live_sky(n: int, seed: int = 1) -> LiveSky:
    """So many events; the same for the same numbers."""
    rng = np.random.default_rng((seed, n))
    n_maps, n_bursts = round(_MAPS * n), round(_BURSTS * n)
    radii = np.exp(rng.uniform(0.0, math.log(20.0), n_bursts)).tolist()
    for share, radius_deg in _SIZES_DEG:
        radii += [radius_deg] * round(share * n)
    radii = radii[: n - n_maps]
    events: list[Circle | SkyMap] = [_circle(rng, radius_deg) for radius_deg in radii]
    events += [sky_map_of(two_arcs(i)) for i in range(n - len(events))]
    return LiveSky(tuple(events[i] for i in rng.permutation(n).tolist()))


def anywhere(n: int, seed: int) -> Positions:
    """Alerts over the sky south of 15 deg, in random order: the worst case."""
    rng = np.random.default_rng((2, seed))
    dec = np.degrees(np.arcsin(rng.uniform(-1.0, math.sin(math.radians(NORTHERN_EDGE_DEG)), n)))
    return Positions.of(rng.uniform(0.0, 360.0, n), dec)


def visit(n: int, seed: int) -> Positions:
    """Alerts of one visit: a field of 1.75 deg anywhere south of 15 deg."""
    rng = np.random.default_rng((3, seed))
    ra, dec = _place(rng, math.sin(math.radians(NORTHERN_EDGE_DEG)))
    off = np.radians(VISIT_RADIUS_DEG * np.sqrt(rng.uniform(0.0, 1.0, n)))
    turn = rng.uniform(0.0, 2.0 * np.pi, n)
    sin_dec = np.sin(np.radians(dec)) * np.cos(off)
    sin_dec += np.cos(np.radians(dec)) * np.sin(off) * np.cos(turn)
    east = np.sin(turn) * np.sin(off) * np.cos(np.radians(dec))
    north = np.cos(off) - np.sin(np.radians(dec)) * sin_dec
    return Positions.of(
        (ra + np.degrees(np.arctan2(east, north))) % 360.0,
        np.degrees(np.arcsin(np.clip(sin_dec, -1.0, 1.0))),
    )


@cache
def two_arcs(seed: int) -> GwMap:
    """Map of two detectors: two arcs of a ring, of a few ten to ten thousand square degrees."""
    rng = np.random.default_rng((4, seed))
    width_deg = float(np.exp(rng.normal(math.log(2.0), 1.0)))
    length_deg = float(np.exp(rng.normal(math.log(20.0), 0.8)))
    arcs = (Arc(0.0, length_deg, 1.0), Arc(float(rng.uniform(60.0, 180.0)), length_deg, 0.7))
    ra, dec = _place(rng)
    ring = Ring(
        ra, dec, float(rng.uniform(20.0, 85.0)), float(rng.uniform(0, 360)), width_deg, arcs
    )
    return map_of(ring, Reach(ra, dec, float(rng.uniform(50.0, 400.0)), 0.3, 0.4))


def columns_of(gw_map: GwMap) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """UNIQ and density [1/sr] of a map, sorted by UNIQ as in the files of LVK."""
    return 4 * 4**gw_map.order + gw_map.ipix, gw_map.probdensity_per_sr


def sky_map_of(gw_map: GwMap) -> SkyMap:
    """The map as we hold it, with its distances."""
    distance = gw_map.mu_mpc, gw_map.sigma_mpc, gw_map.norm_per_mpc2
    return SkyMap.from_uniq(*columns_of(gw_map), *distance)


def _circle(rng: np.random.Generator, radius_deg: float) -> Circle:
    return Circle(*_place(rng), radius_deg, LEVEL, False)


def _place(rng: np.random.Generator, highest: float = 1.0) -> tuple[float, float]:
    ra, sin_dec = rng.uniform(0.0, 360.0), rng.uniform(-1.0, highest)
    return float(ra), math.degrees(math.asin(sin_dec))
