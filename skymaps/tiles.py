"""Shapes as multi-order maps: fine where the density bends, coarse where it is smooth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import healpy
import numpy as np
from numpy.typing import NDArray

from skymaps.errors import SkyMapError
from skymaps.healpix import MAX_ORDER, REACH_DEG, Positions, ranges_of_cells, separation_deg
from skymaps.shapes import Circle
from skymaps.skymap import SkyMap

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

CELLS_A_WIDTH, CELLS_A_DISTANCE = 16, 8
"""Cells along the width of a shape where its density bends, and along the distance of what is
beyond: there it is wider components that are left, or next to nothing."""

CORE_WIDTHS = 4.0
"""A Gaussian bends up to so many widths from where it is highest."""

GAUSSIAN_SAMPLE = 0.25
"""Widths between the samples of a Gaussian in coarse cells: a P-P plot is off by 0.001 then."""

MAX_TILES = 2**18
"""Most cells of a shape. One that needs more, such as a thin annulus, is divided less finely."""

MAX_HALVINGS = 8
"""How often both numbers of cells are halved before a shape is refused: then cells are sixteen
widths long."""

_BASE_CELL_DEG = math.degrees(math.sqrt(math.pi / 3.0))
"""Side of a cell of order 0, as if it were a square [deg]."""

_INNER_ORDERS = 2
"""A cell's density is the mean over its descendants of so many orders below, at least."""

_FINEST = MAX_ORDER - _INNER_ORDERS

_CELLS_AT_ONCE = 2**16
"""Cells whose descendants are asked for at a time: it bounds the memory."""


class Shape(Protocol):
    """What can be divided into cells."""

    @property
    def width_deg(self) -> float:
        """Angle over which the density changes by much, where it does so fastest [deg]."""
        ...

    @property
    def sample_deg(self) -> float:
        """Angle between descendants that tell the mean of a cell in which the density bends."""
        ...

    def beyond_deg(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        """Angle of places from where the density bends within a width; negative or 0 inside.

        It may be too small, never too large.
        """
        ...

    def probdensity_per_sr(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        """Probability density at places [1/sr]."""
        ...


def tiled(shape: Shape) -> SkyMap:
    """A shape in at most :data:`MAX_TILES` cells, each with the mean density inside it.

    So a cell has its own probability, however coarse it is; what is lost is where inside.

    Raises
    ------
    SkyMapError
        A shape so thin that it needs more cells.
    """
    return SkyMap(*cells_of_shape(shape))


def cells_of_shape(shape: Shape) -> tuple[Indices, Indices, Floats]:
    """Order-29 ranges of the cells of :func:`tiled`, and the mean density in each.

    Raises
    ------
    SkyMapError
        A shape so thin that it needs more cells.
    """
    for halvings in range(MAX_HALVINGS + 1):
        cells = _divided(shape, 0.5**halvings)
        if cells is not None:
            return *ranges_of_cells(*cells), _mean_density(shape, *cells)
    longest = 2**MAX_HALVINGS / CELLS_A_WIDTH
    raise SkyMapError(
        f"a shape needs at most {MAX_TILES} cells of {longest:g} widths [deg]", shape.width_deg
    )


def tiles_of(circle: Circle) -> SkyMap:
    """The density of a circle, systematics included, in ten to seventy thousand cells.

    Before they are normalised they sum to 1 within 2e-4.
    """
    return tiled(_CircleShape(circle))


@dataclass(frozen=True, slots=True)
class _CircleShape:
    circle: Circle

    @property
    def width_deg(self) -> float:
        return math.degrees(1.0 / math.sqrt(self.circle.highest_concentration))

    @property
    def sample_deg(self) -> float:
        return GAUSSIAN_SAMPLE * self.width_deg

    def beyond_deg(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        off_deg = separation_deg(ra_deg, dec_deg, self.circle.ra_deg, self.circle.dec_deg)
        return off_deg - CORE_WIDTHS * self.width_deg

    def probdensity_per_sr(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        places = Positions(ra_deg, dec_deg, np.zeros(len(ra_deg), dtype=np.int64))
        return self.circle.match(places).probdensity_per_sr


def _divided(shape: Shape, fineness: float) -> tuple[Indices, Indices] | None:
    """Orders and indices of the cells; None where there would be more than :data:`MAX_TILES`."""
    least_deg = shape.width_deg / (CELLS_A_WIDTH * fineness)
    a_distance = CELLS_A_DISTANCE * fineness
    order, cells, n_kept = 0, np.arange(12), 0
    orders: list[Indices] = []
    kept: list[Indices] = []
    while len(cells):
        if n_kept + len(cells) > MAX_TILES:
            return None
        ra_deg, dec_deg = healpy.pix2ang(2**order, cells, nest=True, lonlat=True)
        nearest_deg = shape.beyond_deg(ra_deg, dec_deg) - REACH_DEG / 2.0**order
        largest_deg = np.maximum(nearest_deg / a_distance, least_deg)
        is_fine = (_BASE_CELL_DEG / 2.0**order <= largest_deg) | (order == _FINEST)
        kept.append(cells[is_fine])
        orders.append(np.full(int(is_fine.sum()), order))
        n_kept += len(kept[-1])
        cells = (4 * cells[~is_fine, np.newaxis] + np.arange(4)).ravel()
        order += 1
    return np.concatenate(orders), np.concatenate(kept)


def _mean_density(shape: Shape, order: Indices, cells: Indices) -> Floats:
    """Mean over the descendants of each cell, the more of them the coarser it is."""
    ra_deg, dec_deg = healpy.pix2ang(2**order, cells, nest=True, lonlat=True)
    bends = shape.beyond_deg(ra_deg, dec_deg) <= REACH_DEG / 2.0**order
    step_deg = _BASE_CELL_DEG / 2.0 ** (order + _INNER_ORDERS)
    is_coarse = bends & (step_deg > shape.sample_deg) & (order < _FINEST)
    mean = np.empty(len(cells))
    for rows, ask in ((~is_coarse, _mean_over_descendants), (is_coarse, _mean_over_children)):
        found = np.flatnonzero(rows)
        for some in np.array_split(found, len(found) // _CELLS_AT_ONCE + 1):
            mean[some] = ask(shape, order[some], cells[some])
    return mean


def _mean_over_descendants(shape: Shape, order: Indices, cells: Indices) -> Floats:
    n_inner = 4**_INNER_ORDERS
    inner = (n_inner * cells[:, np.newaxis] + np.arange(n_inner)).ravel()
    nside = np.repeat(2 ** (order + _INNER_ORDERS), n_inner)
    ra_deg, dec_deg = healpy.pix2ang(nside, inner, nest=True, lonlat=True)
    density = shape.probdensity_per_sr(ra_deg, dec_deg)
    return np.asarray(density.reshape(-1, n_inner).mean(axis=1))


def _mean_over_children(shape: Shape, order: Indices, cells: Indices) -> Floats:
    if not len(cells):
        return np.empty(0)
    children = (4 * cells[:, np.newaxis] + np.arange(4)).ravel()
    mean = _mean_density(shape, np.repeat(order + 1, 4), children)
    return np.asarray(mean.reshape(-1, 4).mean(axis=1))
