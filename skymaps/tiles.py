"""Circles as multi-order maps: fine where the density bends, coarse where it is smooth."""

from __future__ import annotations

import math

import healpy
import numpy as np
from numpy.typing import NDArray

from skymaps.healpix import MAX_ORDER, REACH_DEG, Positions, ranges_of_cells, separation_deg
from skymaps.shapes import Circle
from skymaps.skymap import SkyMap

Indices = NDArray[np.int64]

CELLS_A_WIDTH, CELLS_A_DISTANCE = 16, 8
"""Cells along the width of the narrowest component, up to four widths from the centre, and along
what is beyond: there it is the wider components that are left, or next to nothing."""

_WIDTHS = 4.0

_BASE_CELL_DEG = math.degrees(math.sqrt(math.pi / 3.0))
"""Side of a cell of order 0, as if it were a square [deg]."""

_INNER_ORDERS = 2
"""A cell's density is the mean over its descendants of so many orders below."""

_FINEST = MAX_ORDER - _INNER_ORDERS


def tiles_of(circle: Circle) -> SkyMap:
    """The density of a circle, systematics included, in ten to seventy thousand cells.

    Before they are normalised they sum to 1 within 2e-4.
    """
    width_deg = math.degrees(1.0 / math.sqrt(circle.highest_concentration))
    order, cells = 0, np.arange(12)
    orders: list[Indices] = []
    kept: list[Indices] = []
    while len(cells):
        nearest_deg = _off_deg(circle, order, cells) - REACH_DEG / 2.0**order
        beyond_deg = nearest_deg - _WIDTHS * width_deg
        largest_deg = np.maximum(beyond_deg / CELLS_A_DISTANCE, width_deg / CELLS_A_WIDTH)
        is_fine = (_BASE_CELL_DEG / 2.0**order <= largest_deg) | (order == _FINEST)
        kept.append(cells[is_fine])
        orders.append(np.full(int(is_fine.sum()), order))
        cells = (4 * cells[~is_fine, np.newaxis] + np.arange(4)).ravel()
        order += 1
    order_of, cell_of = np.concatenate(orders), np.concatenate(kept)
    return SkyMap(*ranges_of_cells(order_of, cell_of), _mean_density(circle, order_of, cell_of))


def _off_deg(circle: Circle, order: int, cells: Indices) -> NDArray[np.float64]:
    ra_deg, dec_deg = healpy.pix2ang(2**order, cells, nest=True, lonlat=True)
    return separation_deg(ra_deg, dec_deg, circle.ra_deg, circle.dec_deg)


def _mean_density(circle: Circle, order: Indices, cells: Indices) -> NDArray[np.float64]:
    n_inner = 4**_INNER_ORDERS
    inner = (n_inner * cells[:, np.newaxis] + np.arange(n_inner)).ravel()
    nside = np.repeat(2 ** (order + _INNER_ORDERS), n_inner)
    ra_deg, dec_deg = healpy.pix2ang(nside, inner, nest=True, lonlat=True)
    places = Positions(ra_deg, dec_deg, np.zeros(len(inner), dtype=np.int64))
    density = circle.match(places).probdensity_per_sr
    return np.asarray(density.reshape(-1, n_inner).mean(axis=1))
