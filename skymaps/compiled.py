"""Loops compiled by numba: the same pairs in the same order, sums with the same last digit.

The loop of the join index has whole numbers only, so that nothing can round in another way; the
sums add and multiply one after the other, as numpy does, and nothing is contracted.

Optional, and not imported unless it is asked for: numba takes half a second to import, and a second
to compile at the first call on a machine (it keeps the result beside the source, or in the user's
cache).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from skymaps.footprint import BRANCHES, INDEX_ORDER, INDEX_SHIFT, NODE, NOTHING, OTHER
from skymaps.healpix import MAX_ORDER

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]
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


def _shared_sums(
    lo_a: Indices,
    hi_a: Indices,
    order_a: Indices,
    density_a: Floats,
    lo_b: Indices,
    hi_b: Indices,
    order_b: Indices,
    density_b: Floats,
    area_sr: Floats,
) -> tuple[float, float, float]:
    """Integrals of the product of two sorted maps over the cells that they share.

    Those of a that are finer than b's, those of b that are finer, and equal ones.
    """
    finer, coarser, equal = 0.0, 0.0, 0.0
    i, j = 0, 0
    while i < len(lo_a) and j < len(lo_b):
        if lo_a[i] < hi_b[j] and lo_b[j] < hi_a[i]:  # of two nested cells one holds the other
            product = density_a[i] * density_b[j]
            if order_a[i] > order_b[j]:
                finer += product * area_sr[order_a[i]]
            elif order_a[i] < order_b[j]:
                coarser += product * area_sr[order_b[j]]
            else:
                equal += product * area_sr[order_a[i]]
        if hi_a[i] < hi_b[j]:
            i += 1
        else:
            j += 1
    return finer, coarser, equal


def _kept(loop: Callable[..., Any]) -> Any:
    try:
        return njit(cache=True, nogil=True)(loop)
    except RuntimeError:  # numba has no place where it may keep what it compiled
        return njit(nogil=True)(loop)


candidates = _kept(_candidates)
shared_sums = _kept(_shared_sums)
