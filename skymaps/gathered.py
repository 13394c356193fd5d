"""Footprints put together: what is in one place of the sky lies together in memory.

A position that is in five regions reads five rows. Were they sorted by map, each would be a wait
for memory; sorted by cell they are neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skymaps.footprint import BRANCHES, N_CELLS, NODE, NOTHING, Footprint, Targets

Indices = NDArray[np.int64]
Cells = NDArray[np.uint16]


class Gathered(NamedTuple):
    """Entries, nodes and rows of all footprints, each by cell, numbered through.

    Attributes
    ----------
    first, n_entries
        Where the entries of each cell begin, and the last ones end, shape ``(n_cells + 1,)``; how
        many there are, shape ``(n_cells,)``.
    number, target
        Of each entry the footprint, and what it has there.
    branch, place
        Nodes, and rows: see :class:`Footprint`.
    """

    first: Targets
    n_entries: Indices
    number: Indices
    target: Targets
    branch: Targets
    place: NDArray[np.float64]


def gathered(footprints: Sequence[Footprint]) -> Gathered:
    """Put footprints together."""
    cell = _joined([one.cell for one in footprints])
    row_order = _by_cell([one.cell_of_row for one in footprints])
    node_order = _by_cell([one.cell_of_node for one in footprints])
    rows, nodes = _inverse(row_order), _inverse(node_order)

    def numbered(targets: list[Targets]) -> Targets:
        """Targets of each footprint, in the numbers of all."""
        parts, row, node = [np.empty(0, dtype=np.int32)], 0, 0
        for one, target in zip(footprints, targets, strict=True):
            parts.append(target.ravel())
            if len(one.row):
                parts[-1] = _renamed(
                    parts[-1], rows[row : row + len(one.row)], nodes[node : node + len(one.branch)]
                )
            row, node = row + len(one.row), node + len(one.branch)
        return np.concatenate(parts)

    order, count = np.argsort(cell, kind="stable"), np.bincount(cell, minlength=N_CELLS)
    number = np.repeat(np.arange(len(footprints)), [len(one.cell) for one in footprints])
    place = np.concatenate([np.empty((0, 3)), *(one.row for one in footprints)])
    branch = numbered([one.branch for one in footprints]).reshape(-1, BRANCHES)
    return Gathered(
        np.concatenate([[0], np.cumsum(count)]).astype(np.int32),
        count,
        number[order],
        numbered([one.target for one in footprints])[order],
        branch.take(node_order, axis=0),
        place.take(row_order, axis=0),
    )


def _renamed(target: Targets, rows: Indices, nodes: Indices) -> Targets:
    # From the last node to the first one, nothing, and from the first row to the last one.
    names = np.concatenate([(NODE - nodes)[::-1], [NOTHING], rows]).astype(np.int32)
    return names.take(target + (len(nodes) - NOTHING))


def _joined(cells: list[Cells]) -> Cells:
    return np.concatenate([np.empty(0, dtype=np.uint16), *cells])


def _by_cell(cells: list[Cells]) -> Indices:
    # numpy sorts 16-bit numbers by radix.
    return np.argsort(_joined(cells), kind="stable")


def _inverse(order: Indices) -> Indices:
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(order))
    return inverse
