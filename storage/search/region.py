"""Regions of the sky that people ask for: a cone, a box, a MOC, a credible region.

A region has a bounded number of order-29 ranges that hold it, for the index of a table, and an
exact test that decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import healpy
import numpy as np
from numpy.typing import ArrayLike, NDArray

from skymaps.errors import SkyMapError
from skymaps.healpix import (
    END_29,
    REACH_DEG,
    Positions,
    joined_ranges,
    merged_ranges,
    ranges_of_cells,
    separation_deg,
)
from skymaps.localization import Localization
from skymaps.moc import ranges_of_moc

Indices = NDArray[np.int64]
Inside = NDArray[np.bool_]
Floats = NDArray[np.float64]

MAX_RANGES = 4096
"""Ranges of a region; of a finer one the smallest gaps are closed, and the exact test decides."""

CELLS_A_SIZE = 8.0
"""Cells of the finest order beside one another in the smallest extent of a region."""

MAX_EDGE_CELLS = 2048
"""Cells on the edge of a region beyond which none is divided any more."""

_FINEST_ORDER = 26
_ROUNDING_DEG = 1e-9
"""Far above what a rounded place is off [deg], far below any cell."""

_Touch = Callable[[Floats, Floats, float], tuple[Inside, Inside]]
"""Of cells with some centres and a reach [deg]: which may touch a shape, and which lie in it."""


@dataclass(frozen=True, slots=True)
class Region:
    """A region of the sky.

    Attributes
    ----------
    ranges
        Half-open order-29 ranges that hold it, sorted, disjoint, shape ``(n, 2)``, at most
        :data:`MAX_RANGES`.
    text
        What was asked for, in words.
    """

    ranges: Indices
    text: str
    _holds: Callable[[Positions], Inside]

    def contains(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> Inside:
        """Whether each place [deg] lies in the region, its edge included; shape ``(n,)``."""
        places = Positions.of(ra_deg, dec_deg)
        return np.asarray(self._holds(places), dtype=np.bool_)

    @classmethod
    def whole_sky(cls) -> Self:
        """Every place."""
        everywhere = np.array([[0, END_29]], dtype=np.int64)
        return cls(everywhere, "whole sky", lambda places: np.ones(len(places), dtype=np.bool_))

    @classmethod
    def cone(cls, ra_deg: float, dec_deg: float, radius_deg: float) -> Self:
        """All places within a radius of one, the edge included.

        Raises
        ------
        SkyMapError
            A declination outside [-90, 90] deg, a radius outside [0, 180] deg, no number.
        """
        ra, dec = _right_ascension(ra_deg), _declination(dec_deg)
        radius = _number("a radius of a cone", radius_deg)
        if not 0.0 <= radius <= 180.0:
            raise SkyMapError("a radius of a cone lies in [0, 180] deg", radius)

        def touch(ra0: Floats, dec0: Floats, reach_deg: float) -> tuple[Inside, Inside]:
            off_deg = separation_deg(ra0, dec0, ra, dec)
            return off_deg <= radius + reach_deg, off_deg <= radius - reach_deg

        def holds(places: Positions) -> Inside:
            return np.asarray(separation_deg(places.ra_deg, places.dec_deg, ra, dec) <= radius)

        ranges = _ranges_of(touch, radius)
        return cls(ranges, f"cone of {radius:g} deg around {ra:g}, {dec:g} deg", holds)

    @classmethod
    def box(
        cls, ra_min_deg: float, ra_max_deg: float, dec_min_deg: float, dec_max_deg: float
    ) -> Self:
        """All places between two right ascensions and two declinations, edges included.

        It goes eastward from ``ra_min_deg``, through 0 where ``ra_max_deg`` is smaller; 360 deg
        or more apart are the whole circle. A pole lies in every box that reaches it.

        Raises
        ------
        SkyMapError
            Declinations outside [-90, 90] deg or in the wrong order, no number.
        """
        west, east = _number("a right ascension", ra_min_deg), _right_ascension(ra_max_deg)
        low, high = _declination(dec_min_deg), _declination(dec_max_deg)
        if low > high:
            raise SkyMapError("a box has its lower declination first", (low, high))
        width = 360.0 if east - west >= 360.0 else (east - west) % 360.0
        west = west % 360.0

        def touch(ra0: Floats, dec0: Floats, reach_deg: float) -> tuple[Inside, Inside]:
            return _box_touched(west, width, low, high, ra0, dec0, reach_deg)

        def holds(places: Positions) -> Inside:
            is_pole = np.abs(places.dec_deg) == 90.0
            # Reduced first: of 360.0 and 0.0 the difference from the western edge must be one.
            eastward = (places.ra_deg % 360.0 - west) % 360.0
            in_dec = (places.dec_deg >= low) & (places.dec_deg <= high)
            return np.asarray(in_dec & ((eastward <= width) | is_pole))

        narrowest = min(width * math.cos(math.radians(min(abs(low), abs(high)))), high - low)
        text = f"box of RA {west:g} to {east:g} deg, dec {low:g} to {high:g} deg"
        return cls(_ranges_of(touch, narrowest), text, holds)

    @classmethod
    def moc(cls, text: str | bytes) -> Self:
        """The cells of a MOC in ASCII or JSON, or in FITS.

        Raises
        ------
        SkyMapError
            It is no MOC of the sky, or too long (`skymaps.moc`).
        """
        content = text if isinstance(text, bytes) else text.encode(errors="replace")
        exact = ranges_of_moc(content)

        def holds(places: Positions) -> Inside:
            return _in_ranges(exact, places.index_29)

        return cls(merged_ranges(exact, MAX_RANGES), f"MOC of {len(exact)} ranges", holds)

    @classmethod
    def credible(cls, localization: Localization, level: float) -> Self:
        """Region of a credible level of a localization, as the join takes it.

        Raises
        ------
        SkyMapError
            A level outside [0, 1].
        """
        level = _number("a credible level", level)
        cover = localization.cover(level)

        def holds(places: Positions) -> Inside:
            return localization.match(places).inside(level)

        text = f"credible region of {level:g} of {localization.sha256[:12]}"
        return cls(merged_ranges(cover, MAX_RANGES), text, holds)


def _ranges_of(touch: _Touch, size_deg: float) -> Indices:
    """Ranges of the cells that may touch a shape, finer on its edge than within."""
    finest = math.ceil(math.log2(REACH_DEG * CELLS_A_SIZE / max(size_deg, 1e-9)))
    finest = min(max(finest, 0), _FINEST_ORDER)
    order, cells = 0, np.arange(12)
    found = []
    while True:
        ra, dec = healpy.pix2ang(2**order, cells, nest=True, lonlat=True)
        touched, whole = touch(ra, dec, REACH_DEG / 2.0**order + _ROUNDING_DEG)
        edge = touched & ~whole
        is_last = order == finest or 4 * np.count_nonzero(edge) > MAX_EDGE_CELLS
        taken = touched if is_last else whole
        found.append(np.stack(ranges_of_cells(order, cells[taken]), axis=1))
        if is_last:
            break
        order += 1
        cells = (4 * cells[edge, np.newaxis] + np.arange(4)).ravel()
    ranges = np.concatenate(found)
    ranges = ranges[np.argsort(ranges[:, 0])]
    return merged_ranges(joined_ranges(ranges[:, 0], ranges[:, 1]), MAX_RANGES)


def _box_touched(
    west: float, width: float, low: float, high: float, ra: Floats, dec: Floats, reach_deg: float
) -> tuple[Inside, Inside]:
    """Of circles around some centres: which may touch a box, and which lie in it."""
    # How far such a circle reaches in right ascension; one that holds a pole goes all around.
    sine = np.sin(np.radians(min(reach_deg, 90.0))) / np.maximum(np.cos(np.radians(dec)), 1e-12)
    around = (np.abs(dec) + reach_deg >= 90.0) | (sine >= 1.0)
    half = np.where(around, 180.0, np.degrees(np.arcsin(np.minimum(sine, 1.0)))) + _ROUNDING_DEG
    eastward = (ra - west) % 360.0
    beyond = np.minimum(np.maximum(eastward - width, 0.0), 360.0 - eastward)
    in_ra = around | (eastward <= width) | (beyond <= half)
    whole_ra = np.asarray(
        (width >= 360.0) | (~around & (eastward - half >= 0.0) & (eastward + half <= width))
    )
    touched = in_ra & (dec + reach_deg >= low) & (dec - reach_deg <= high)
    # A circle over a pole has every declination up to it.
    whole = whole_ra & (dec - reach_deg >= low) & (dec + reach_deg <= high)
    return touched, whole


def _in_ranges(ranges: Indices, index_29: Indices) -> Inside:
    if not len(ranges):
        return np.zeros(len(index_29), dtype=np.bool_)
    row = np.searchsorted(ranges[:, 0], index_29, side="right") - 1
    return np.asarray((row >= 0) & (index_29 < ranges[np.maximum(row, 0), 1]))


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SkyMapError(f"{name} is a finite number", value)
    return float(value)


def _right_ascension(value: float) -> float:
    return _number("a right ascension", value)


def _declination(value: float) -> float:
    dec = _number("a declination", value)
    if not -90.0 <= dec <= 90.0:
        raise SkyMapError("a declination lies in [-90, 90] deg", dec)
    return dec
