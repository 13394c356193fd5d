"""Loops compiled by numba: the same pairs in the same order, the same last digits.

They add and multiply as numpy and healpy do, one after the other, and nothing is contracted; what
needs an exponential is left to numpy. Optional, and not imported unless it is asked for: numba
takes half a second to import, and some seconds to compile at the first call on a machine (it keeps
the result beside the source, or in the user's cache).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from skymaps.footprint import BRANCHES, CIRCLE, INDEX_ORDER, INDEX_SHIFT, NODE, NOTHING, OTHER
from skymaps.healpix import MAX_ORDER, Vectors

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]
Targets = NDArray[np.int32]

_TOP_SHIFT = 2 * (MAX_ORDER - INDEX_ORDER - 2)
_SIDE = 2**MAX_ORDER
_QUARTERS_A_RADIAN = 0.6366197723675814
_RADIANS = math.pi / 180.0


def _kept(loop: Callable[..., Any]) -> Any:
    try:
        return njit(cache=True, nogil=True)(loop)
    except RuntimeError:  # numba has no place where it may keep what it compiled
        return njit(nogil=True)(loop)


@_kept
def _spread(n: int) -> int:
    """Bits of a number of 29 bits, each with a zero before it."""
    n = (n | n << 16) & 0x0000FFFF0000FFFF
    n = (n | n << 8) & 0x00FF00FF00FF00FF
    n = (n | n << 4) & 0x0F0F0F0F0F0F0F0F
    n = (n | n << 2) & 0x3333333333333333
    return (n | n << 1) & 0x5555555555555555


@_kept
def indices_29(ra_deg: Floats, dec_deg: Floats) -> Indices:
    """Order-29 NESTED indices of coordinates [deg] that are some: `place.index_29_at`, compiled."""
    found = np.empty(len(ra_deg), np.int64)
    for i in range(len(ra_deg)):
        theta = math.pi / 2.0 - dec_deg[i] * _RADIANS
        z = math.cos(theta)
        height = abs(z)
        turn = ra_deg[i] * _RADIANS * _QUARTERS_A_RADIAN
        if not 0.0 <= turn < 4.0:
            turn = np.fmod(turn, 4.0) + (0.0 if turn >= 0.0 else 4.0)
            turn = 0.0 if turn == 4.0 else turn
        if height <= 2.0 / 3.0:
            middle, off = _SIDE * (0.5 + turn), _SIDE * (z * 0.75)
            rising, falling = int(middle - off), int(middle + off)
            up, down = rising >> MAX_ORDER, falling >> MAX_ORDER
            face = up | 4 if up == down else up if up < down else down + 8
            x, y = falling & (_SIDE - 1), _SIDE - (rising & (_SIDE - 1)) - 1
        else:
            quarter = min(3, int(turn))
            within = turn - quarter
            if height >= 0.99 and not 0.01 <= theta <= 3.14159 - 0.01:
                reach = _SIDE * math.sin(theta) / math.sqrt((1.0 + height) / 3.0)
            else:
                reach = _SIDE * math.sqrt(3.0 * (1.0 - height))
            rising = min(int(within * reach), _SIDE - 1)
            falling = min(int((1.0 - within) * reach), _SIDE - 1)
            if z >= 0.0:
                face, x, y = quarter, _SIDE - falling - 1, _SIDE - rising - 1
            else:
                face, x, y = quarter + 8, rising, falling
        found[i] = face << 58 | _spread(x) | _spread(y) << 1
    return found


@_kept
def pairs(
    index_29: Indices,
    first: Targets,
    number: Indices,
    target: Targets,
    branch: Targets,
    place: Floats,
    slot: Indices,
    farthest: Floats,
    vectors: Vectors,
    centres: Vectors,
) -> tuple[Indices, Indices, Targets, Floats, Indices]:
    """Position, localization and target of every pair of a row or of a shape; which are of shapes.

    And three numbers: what is said at a row; of a circle, 1 - cos of the angle from its centre, if
    the positions' unit vectors are given, not empty ones: then far circles are left out.
    The pairs come by position, then by localization.
    """
    n = 0
    for i in range(len(index_29)):
        cell = index_29[i] >> INDEX_SHIFT
        n += first[cell + 1] - first[cell]
    row_of, number_of = np.empty(n, np.int64), np.empty(n, np.int64)
    target_of, said, shapes = np.empty(n, np.int32), np.empty((n, 3)), np.empty(n, np.int64)
    n, n_shapes = 0, 0
    for i in range(len(index_29)):
        index = index_29[i]
        cell = index >> INDEX_SHIFT
        for entry in range(first[cell], first[cell + 1]):
            which, at = number[entry], np.int64(target[entry])
            shift = _TOP_SHIFT
            while at <= NODE and at > OTHER:
                child = (index >> shift if shift >= 0 else index << -shift) & (BRANCHES - 1)
                at = np.int64(branch[NODE - at, child])
                shift -= 4
            if at == NOTHING:
                continue
            if at >= 0:
                said[n, 0], said[n, 1], said[n, 2] = place[at, 0], place[at, 1], place[at, 2]
            elif at == CIRCLE and len(vectors[0]):
                circle = slot[which]
                dx = vectors[0][i] - centres[0][circle]
                dy = vectors[1][i] - centres[1][circle]
                dz = vectors[2][i] - centres[2][circle]
                h = 0.5 * (dx * dx + dy * dy + dz * dz)
                if h > farthest[circle]:
                    continue
                said[n, 0], said[n, 1], said[n, 2] = h, 0.0, 0.0
            if at < 0:
                shapes[n_shapes] = n
                n_shapes += 1
            row_of[n], number_of[n], target_of[n] = i, which, at
            n += 1
    return row_of[:n], number_of[:n], target_of[:n], said[:n], shapes[:n_shapes]


@_kept
def shared_sums(
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
