"""The one sky key: order-29 NESTED HEALPix indices, half-open ranges, coarser by bit shift."""

from __future__ import annotations

from dataclasses import dataclass

import healpy
import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_ORDER = 29
"""Finest HEALPix order whose indices fit a signed 64-bit integer (Górski et al. 2005)."""

FULL_SKY_SR = 4.0 * np.pi
DEG2_PER_SR = (180.0 / np.pi) ** 2


@dataclass(frozen=True, slots=True)
class Positions:
    """Positions on the sky with their index, computed once and used against every map.

    Attributes
    ----------
    ra_deg, dec_deg
        ICRS coordinates [deg], shape ``(n,)``.
    index_29
        Order-29 NESTED index, shape ``(n,)``.
    """

    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    index_29: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ra_deg)

    @classmethod
    def of(cls, ra_deg: ArrayLike, dec_deg: ArrayLike) -> Positions:
        """Positions of coordinates [deg], scalars or arrays of shape ``(n,)``.

        Raises
        ------
        ValueError
            A declination outside [-90, 90] deg, or a coordinate that is not finite.
        """
        ra = np.atleast_1d(np.asarray(ra_deg, dtype=np.float64))
        dec = np.atleast_1d(np.asarray(dec_deg, dtype=np.float64))
        return cls(ra, dec, index_29_of(ra, dec))


def index_29_of(ra_deg: ArrayLike, dec_deg: ArrayLike) -> NDArray[np.int64]:
    """Order-29 NESTED index of coordinates [deg], shape ``(n,)``.

    Raises
    ------
    ValueError
        A declination outside [-90, 90] deg, or a coordinate that is not finite.
    """
    ra = np.atleast_1d(np.asarray(ra_deg, dtype=np.float64))
    dec = np.atleast_1d(np.asarray(dec_deg, dtype=np.float64))
    if not (np.isfinite(ra).all() and np.isfinite(dec).all()):
        raise ValueError("coordinates must be finite")
    if (np.abs(dec) > 90.0).any():
        raise ValueError(f"dec must lie in [-90, 90] deg, got {dec[np.abs(dec) > 90.0][0]}")
    index = healpy.ang2pix(2**MAX_ORDER, ra, dec, nest=True, lonlat=True)
    return np.asarray(index, dtype=np.int64)


def coarsen(index_29: ArrayLike, order: int) -> NDArray[np.int64]:
    """Pixel at a coarser ``order`` that holds each order-29 index."""
    return np.asarray(index_29, dtype=np.int64) >> (2 * (MAX_ORDER - order))


def unit_vectors(ra_deg: ArrayLike, dec_deg: ArrayLike) -> NDArray[np.float64]:
    """Unit vectors of coordinates [deg], shape ``(n, 3)``."""
    ra, dec = np.radians(np.atleast_1d(ra_deg)), np.radians(np.atleast_1d(dec_deg))
    cos_dec = np.cos(dec)
    return np.stack([cos_dec * np.cos(ra), cos_dec * np.sin(ra), np.sin(dec)], axis=-1)


def separation_deg(
    ra_deg: ArrayLike, dec_deg: ArrayLike, ra0_deg: float, dec0_deg: float
) -> NDArray[np.float64]:
    """Angle [deg] of positions of shape ``(n,)`` from one place; exact at 0 and at 180 deg."""
    here, there = unit_vectors(ra_deg, dec_deg), unit_vectors(ra0_deg, dec0_deg)[0]
    cross = np.linalg.norm(np.cross(here, there), axis=-1)
    return np.asarray(np.degrees(np.arctan2(cross, here @ there)))
