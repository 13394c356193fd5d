"""The loop of the join index, compiled by numba: the same pairs in the same order.

Whole numbers only, so that nothing can round in another way. Optional, and not imported unless it
is asked for: numba takes half a second to import, and a second to compile at the first call on a
machine (it keeps the result beside the source, or in the user's cache).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from skymaps.footprint import BRANCHES, INDEX_ORDER, INDEX_SHIFT, NODE, NOTHING, OTHER
from skymaps.healpix import MAX_ORDER

Indices = NDArray[np.int64]
Targets = NDArray[np.int32]

_TOP_SHIFT = 2 * (MAX_ORDER - INDEX_ORDER - 2)


def _candidates(
    index_29: Indices,
    first: Indices,
    number: Targets,
    target: Targets,
    first_row: Indices,
    first_node: Indices,
    branch: Targets,
) -> tuple[Indices, Targets, Indices]:
    """Position, localization and place of every pair that shares a cell, as in `SkyIndex`."""
    n = 0
    for i in range(len(index_29)):
        cell = index_29[i] >> INDEX_SHIFT
        n += first[cell + 1] - first[cell]
    row_of, number_of = np.empty(n, np.int64), np.empty(n, np.int32)
    place_of = np.empty(n, np.int64)
    n = 0
    for i in range(len(index_29)):
        index = index_29[i]
        cell = index >> INDEX_SHIFT
        for entry in range(first[cell], first[cell + 1]):
            which, at = number[entry], np.int64(target[entry])
            shift = _TOP_SHIFT
            while at <= NODE and at > OTHER:
                slot = (index >> shift if shift >= 0 else index << -shift) & (BRANCHES - 1)
                at = np.int64(branch[first_node[which] + (NODE - at), slot])
                shift -= 4
            if at != NOTHING:
                row_of[n], number_of[n] = i, which
                place_of[n] = at + first_row[which] if at >= 0 else at
                n += 1
    return row_of[:n], number_of[:n], place_of[:n]


try:
    candidates = njit(cache=True, nogil=True)(_candidates)
except RuntimeError:  # numba has no place where it may keep what it compiled
    candidates = njit(nogil=True)(_candidates)
