"""What a region has in each cell of the join index: one row of a map, a tree of rows, or a shape.

Cells of order 6 are numbered 0 to 49,151. A cell that one row of a map covers tells that row. In
one that several rows share hangs a tree: each node has a branch for each of its sixteen cells two
orders below, which tells a row, a further node, or nothing. A position thus finds its row without
a search, by whole numbers alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from skymaps.errors import SkyMapError
from skymaps.healpix import MAX_ORDER, cells_of_ranges
from skymaps.localization import LEVEL_SLACK, Localization
from skymaps.shapes import Circle
from skymaps.skymap import SkyMap

Indices = NDArray[np.int64]
Targets = NDArray[np.int32]
Index = TypeVar("Index", int, NDArray[np.int64])

INDEX_ORDER = 6
"""Order of the cells by which regions are looked up, 0.84 deg2 each: finer ones let hardly fewer
pairs through and take longer to make (sky join notes: at order 6 a fifth is in vain)."""

INDEX_SHIFT = 2 * (MAX_ORDER - INDEX_ORDER)
"""An order-29 index, shifted right by so much, is the cell that holds it."""

N_CELLS = 12 * 4**INDEX_ORDER

BRANCHES = 16
"""Branches of a node: the cells two orders below it."""

NOTHING, NODE = -1, -2
"""Targets: a row is 0 and more; no row; node n is ``NODE - n``, the first of a tree ``NODE``."""

OTHER = int(np.iinfo(np.int32).min) + 1
CIRCLE = int(np.iinfo(np.int32).min)
"""Targets of cells that a shape touches, which is asked itself."""


_CHORD_SLACK = 1e-12
"""Added to the chord of a radius: far above the rounding of a unit vector, 2e-7 arcsec."""


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """A region of a localization, cell by cell; made once, used in one index after another.

    Attributes
    ----------
    cell
        Cells that the region touches, sorted, shape ``(n_cells,)``.
    target
        What is in each: a row, ``NODE - node``, :data:`CIRCLE` or :data:`OTHER`.
    branch
        Targets by node and branch, shape ``(n_nodes, 16)``.
    row
        Density [1/sr], credible level and probability of the map's cells in the region, shape
        ``(n_rows, 3)``.
    cell_of_row, cell_of_node
        The cell in which each begins.
    farthest
        1 - cos of the angle from the centre of a circle beyond which nothing is inside.
    """

    localization: Localization
    level: float
    cell: NDArray[np.uint16]
    target: Targets
    branch: Targets
    row: NDArray[np.float64]
    cell_of_row: NDArray[np.uint16]
    cell_of_node: NDArray[np.uint16]
    farthest: float = 0.0

    @classmethod
    def of(cls, localization: Localization, level: float) -> Footprint:
        """Footprint of the region of credible ``level``, as `SkyMatch.inside` defines it.

        Raises
        ------
        SkyMapError
            A level outside [0, 1].
        """
        if not 0.0 <= level <= 1.0:
            raise SkyMapError("a credible level lies in [0, 1]", level)
        if isinstance(localization, SkyMap):
            return _of_map(localization, level)
        cell = cells_of_ranges(localization.cover(level), INDEX_ORDER).astype(np.uint16)
        is_circle = isinstance(localization, Circle)
        none = np.empty(0, dtype=np.uint16)
        return cls(
            localization,
            level,
            cell,
            np.full(len(cell), CIRCLE if is_circle else OTHER, dtype=np.int32),
            np.empty((0, BRANCHES), dtype=np.int32),
            np.empty((0, 3)),
            none,
            none,
            _farthest(localization, level) if isinstance(localization, Circle) else 0.0,
        )


def _farthest(circle: Circle, level: float) -> float:
    radius_deg = circle.radius_at(min(level + LEVEL_SLACK, 1.0))
    chord = 2.0 * math.sin(math.radians(radius_deg) / 2.0) * (1.0 + LEVEL_SLACK) + _CHORD_SLACK
    return 0.5 * chord * chord


def _of_map(sky_map: SkyMap, level: float) -> Footprint:
    inside = np.flatnonzero(sky_map.credible_level - sky_map.cell_probability < level)
    lo, order = sky_map.lo[inside], sky_map.order[inside]
    row = np.stack(
        [
            sky_map.probdensity_per_sr[inside],
            sky_map.credible_level[inside],
            sky_map.cell_probability[inside],
        ],
        axis=1,
    )
    is_whole = order <= INDEX_ORDER
    whole, fine = np.flatnonzero(is_whole), np.flatnonzero(~is_whole)
    n_cells = np.int64(1) << (2 * (INDEX_ORDER - order[whole]))
    before = np.cumsum(n_cells) - n_cells
    cells = np.repeat((lo[whole] >> INDEX_SHIFT) - before, n_cells) + np.arange(n_cells.sum())
    shared, branch, cell_of_node = _trees(lo, order, fine)
    cell = np.concatenate([cells, shared])
    target = np.concatenate([np.repeat(whole, n_cells), NODE - np.arange(len(shared))])
    by_cell = np.argsort(cell)
    return Footprint(
        sky_map,
        level,
        cell[by_cell].astype(np.uint16),
        target[by_cell].astype(np.int32),
        branch,
        row,
        (lo >> INDEX_SHIFT).astype(np.uint16),
        cell_of_node.astype(np.uint16),
    )


def _trees(lo: Indices, order: Indices, rows: Indices) -> tuple[Indices, Targets, Indices]:
    """Cells that the ``rows`` share, all finer than a cell; the nodes below, and their cells."""
    top = lo[rows] >> INDEX_SHIFT
    begins = np.diff(top, prepend=-1) > 0
    node, n_nodes, n_before = np.cumsum(begins) - 1, int(begins.sum()), 0
    branches = [np.empty((0, BRANCHES), dtype=np.int32)]
    cells = [top[begins]]
    for child_order in range(INDEX_ORDER + 2, MAX_ORDER + 2, 2):
        if not n_nodes:
            break
        branch = np.full(n_nodes * BRANCHES, NOTHING, dtype=np.int32)
        at = BRANCHES * node + branch_of(lo[rows], child_order)
        depth = order[rows]
        branch[at[depth <= child_order]] = rows[depth <= child_order]
        quarter = depth < child_order  # a row one order below the node has four branches
        for k in (1, 2, 3):
            branch[at[quarter] + k] = rows[quarter]
        n_before += n_nodes
        deeper = depth > child_order
        rows, at = rows[deeper], at[deeper]
        begins = np.diff(at, prepend=-1) > 0
        node, n_nodes = np.cumsum(begins) - 1, int(begins.sum())
        branch[at[begins]] = NODE - n_before - np.arange(n_nodes)
        branches.append(branch.reshape(-1, BRANCHES))
        cells.append(lo[rows[begins]] >> INDEX_SHIFT)
    return cells[0], np.concatenate(branches), np.concatenate(cells)


def branch_of(index_29: Index, child_order: int) -> Index:
    """Branch to which an order-29 index belongs, at the node whose branches have an order."""
    shift = 2 * (MAX_ORDER - child_order)
    # Below order 29 there is nothing: a cell of it has four equal branches of order 30.
    return (index_29 >> shift if shift >= 0 else index_29 << -shift) & (BRANCHES - 1)
