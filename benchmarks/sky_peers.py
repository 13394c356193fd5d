"""The peers of the sky benchmark: mocpy, ligo.skymap, ligo-raven, as their own users call them."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import Latitude, Longitude, SkyCoord

from correlator.errors import ConfigurationError
from skymaps.healpix import Positions, uniq_of_ranges
from skymaps.localization import Localization
from skymaps.shapes import Circle
from skymaps.skymap import SkyMap

_NEEDED = {"mocpy": "mocpy", "ligo.raven": "ligo-raven", "ligo.skymap": "ligo.skymap"}
"""Modules, and the distributions that have them."""

CELLS_A_RADIUS = 32
"""Cells of a mocpy cone along its radius: with more of them it is slower."""


def require_peers() -> None:
    """Refuse to measure without the peers.

    Raises
    ------
    ConfigurationError
        One is not installed.
    """
    missing = [name for module, name in _NEEDED.items() if not _has(module)]
    if missing:
        raise ConfigurationError(
            f"the sky benchmark needs {', '.join(missing)}: "
            "pip install --constraint constraints.txt --group bench"
        )


def has_numba() -> bool:
    """Whether the compiled ways can be measured too."""
    return _has("numba")


def _has(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


class MocLoop:
    """A MOC an event, asked one after the other: `MOC.contains_lonlat`."""

    def __init__(self, localizations: Sequence[Localization], level: float) -> None:
        self._mocs = [_moc(one, level) for one in localizations]

    def __call__(self, longitude: Any, latitude: Any) -> list[Any]:
        """Of each event, which positions are inside."""
        return [moc.contains_lonlat(longitude, latitude) for moc in self._mocs]


def angles(positions: Positions) -> tuple[Any, Any]:
    """Longitudes and latitudes as mocpy wants them; made before anything is timed."""
    return positions.ra_deg * u.deg, positions.dec_deg * u.deg


def _moc(localization: Localization, level: float) -> Any:
    moc = import_module("mocpy").MOC
    if isinstance(localization, SkyMap):
        ranges = localization.ranges(level).astype(np.uint64)
        return moc.from_depth29_ranges(max_depth=int(localization.order.max()), ranges=ranges)
    if not isinstance(localization, Circle):
        raise TypeError(f"a circle or a map is expected, got {localization}")
    radius_deg = localization.radius_at(level)
    return moc.from_cone(
        Longitude(localization.ra_deg, u.deg),
        Latitude(localization.dec_deg, u.deg),
        radius=radius_deg * u.deg,
        max_depth=cone_depth(radius_deg),
    )


def cone_depth(radius_deg: float) -> int:
    """Order of the cells at the edge of a cone."""
    return min(max(math.ceil(math.log2(CELLS_A_RADIUS / math.radians(radius_deg))), 0), 24)


def ligo_map(data: bytes) -> Any:
    """Table of UNIQ, PROBDENSITY and the distance, by `ligo.skymap.io.read_sky_map`."""
    with warnings.catch_warnings():  # of its own dependencies, at import
        warnings.simplefilter("ignore")
        read = import_module("ligo.skymap.io").read_sky_map
    return read(io.BytesIO(data), moc=True)


def crossmatch(table: Any, coordinates: SkyCoord) -> Any:
    """`ligo.skymap.postprocess.crossmatch`: with distances in space, else on the sky."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module("ligo.skymap.postprocess").crossmatch(table, coordinates)


def raven_overlap(a: SkyMap, b: SkyMap) -> Any:
    """A call of `ligo.raven.search.skymap_overlap_integral`, its columns made beforehand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        integral = import_module("ligo.raven.search").skymap_overlap_integral
    columns = [(m.published_density_per_sr, uniq_of_ranges(m.lo, m.hi)) for m in (a, b)]
    (density_a, uniq_a), (density_b, uniq_b) = columns
    return lambda: float(integral(density_a, density_b, uniq_a, uniq_b))
