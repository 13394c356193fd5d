"""Colours of light curves: two neighbouring bands near in time, and how that changes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from correlator.features.curves import BANDS, Floats, Ints, Magnitudes, last_of, slopes, taken

MAX_PAIR_D = 0.25
"""Longest time between the two detections of a colour: ZTF sees a field in g and r within one night
(Bellm et al. 2019), Rubin within an hour; a source that fades by 1 mag/d is off by 0.25 mag."""

PAIRS = tuple(pairwise(BANDS))
"""Neighbouring bands, the bluer first."""


def colours(mags: Magnitudes) -> dict[str, Floats]:
    """Latest colour of each pair of bands [mag] and its drift [mag/d], with errors.

    Each detection in the redder band is paired with the nearest one of the object in the bluer
    band; pairs that share a detection make the drift's error too small.
    """
    columns: dict[str, Floats] = {}
    for code, (blue, red) in enumerate(PAIRS):
        at, partner = _pairs(mags, code, code + 1)
        owner, day, n = mags.owner[at], mags.day[at], mags.n_objects
        colour = mags.mag_ab[partner] - mags.mag_ab[at]
        error = np.hypot(mags.mag_err_ab[partner], mags.mag_err_ab[at])
        known = ~np.isnan(error)
        drift, drift_error = slopes(owner[known], n, day[known], colour[known], error[known])
        columns |= {
            f"{blue}_{red}_mag": last_of(owner, n, colour),
            f"{blue}_{red}_err_mag": last_of(owner, n, error),
            f"{blue}_{red}_drift_mag_per_day": drift,
            f"{blue}_{red}_drift_err_mag_per_day": drift_error,
        }
    return columns


def _pairs(mags: Magnitudes, blue: int, red: int) -> tuple[Ints, Ints]:
    """Indices of detections in the redder band and of their partners in the bluer one."""
    index = np.arange(len(mags.band))
    is_blue = mags.band == blue
    before = np.maximum.accumulate(np.where(is_blue, index, -1))
    after = np.minimum.accumulate(np.where(is_blue, index, len(index))[::-1])[::-1]
    at = np.flatnonzero(mags.band == red)
    candidates = np.stack([before[at], np.where(after[at] == len(index), -1, after[at])])
    apart_d = np.abs(taken(mags.day, candidates) - mags.day[at])
    same = np.append(mags.owner, -1)[candidates] == mags.owner[at]
    apart_d[~same] = np.inf
    nearest = np.argmin(apart_d, axis=0)
    column = np.arange(len(at))
    near = apart_d[nearest, column] <= MAX_PAIR_D
    return at[near], candidates[nearest, column][near]
