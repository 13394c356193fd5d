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
    order: Indices,
    index_29: Indices,
    first: Indices,
    number: Indices,
    target: Targets,
    first_row: Indices,
    first_node: Indices,
    branch: Targets,
) -> tuple[Indices, Indices, Targets]:
    """Position, localization and target of every pair that shares a cell and a row or a shape.

    Positions are gone through in an ``order``; the pairs come by position, then by localization.
    """
    begin = np.empty(len(index_29) + 1, np.int64)
    begin[0] = 0
    for i in range(len(index_29)):
        cell = index_29[i] >> INDEX_SHIFT
        begin[i + 1] = begin[i] + first[cell + 1] - first[cell]
    n = begin[-1]
    row_of, number_of, target_of = (
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int32),
    )
    for i in order:
        index, n = index_29[i], begin[i]
        cell = index >> INDEX_SHIFT
        for entry in range(first[cell], first[cell + 1]):
            which, at = number[entry], np.int64(target[entry])
            shift = _TOP_SHIFT
            while at <= NODE and at > OTHER:
                slot = (index >> shift if shift >= 0 else index << -shift) & (BRANCHES - 1)
                at = np.int64(branch[NODE - at, slot])
                if at >= 0:
                    at += first_row[which]
                elif at != NOTHING:
                    at -= first_node[which]
                shift -= 4
            row_of[n], number_of[n], target_of[n] = i, which, at
            n += 1
    return row_of, number_of, target_of


try:
    candidates = njit(cache=True, nogil=True)(_candidates)
except RuntimeError:  # numba has no place where it may keep what it compiled
    candidates = njit(nogil=True)(_candidates)
