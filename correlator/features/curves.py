"""Light curves of many objects in columns, and sums over the points of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from correlator.alert import AB_ZERO_POINT_NJY, Detection, Limit
from correlator.object import OpticalObject
from correlator.policy import DAY_S

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BANDS = ("u", "g", "r", "i", "z", "y")
"""Bands with features of their own, from blue to red; a band is its place in this list."""

OTHER_BAND = len(BANDS)
"""Place of a band that is none of them: it counts in what needs no band."""

MIN_BASELINE_D = 0.01
"""Shortest time between points of a slope: two exposures of one visit say nothing (nuztf, BOOM)."""

ERRORS_MAG = (1e-6, 10.0)
"""Errors that a measured magnitude can have, as in ``correlator.light``."""

_MAG_PER_RELATIVE_ERROR = 2.5 / math.log(10.0)

_CODES = {band: code for code, band in enumerate(BANDS)}


@dataclass(frozen=True, slots=True)
class Curves:
    """Detections and limits of ``n_objects`` objects, by object and time.

    Attributes
    ----------
    base_unix_s
        Shape ``(n_objects,)``: the moment from which the days of each object count.
    owner, day, band, flux_njy, flux_err_njy
        Shape ``(n,)``, a detection each; NaN where the error is unknown.
    limit_owner, limit_day, limit_band, limit_mag_ab
        Shape ``(m,)``, a limit each.
    """

    n_objects: int
    base_unix_s: Floats
    owner: Ints
    day: Floats
    band: Ints
    flux_njy: Floats
    flux_err_njy: Floats
    limit_owner: Ints
    limit_day: Floats
    limit_band: Ints
    limit_mag_ab: Floats


@dataclass(frozen=True, slots=True)
class Magnitudes:
    """The positive detections among curves, by object and time; shape ``(n,)`` each.

    An error beyond ``ERRORS_MAG`` is NaN, as one that nobody gave: such a point weighs nothing.
    """

    n_objects: int
    owner: Ints
    day: Floats
    band: Ints
    mag_ab: Floats
    mag_err_ab: Floats


def curves_of(objects: Sequence[OpticalObject], as_of_unix_s: Sequence[float | None]) -> Curves:
    """Columns of what was measured of each object up to its time."""
    detections = [_until(o.detections, t) for o, t in zip(objects, as_of_unix_s, strict=True)]
    limits = [_limits_until(o.limits, t) for o, t in zip(objects, as_of_unix_s, strict=True)]
    flat = [d for each in detections for d in each]
    flat_limits = [x for each in limits for x in each]
    n = len(objects)
    base = np.array([o.latest_unix_s for o in objects], dtype=np.float64)
    owner = np.repeat(np.arange(n), [len(each) for each in detections])
    limit_owner = np.repeat(np.arange(n), [len(each) for each in limits])
    return Curves(
        n_objects=n,
        base_unix_s=base,
        owner=owner,
        day=_days([d.time_unix_s for d in flat], base[owner]),
        band=_band_codes([d.band for d in flat]),
        flux_njy=np.array([d.flux_njy for d in flat], dtype=np.float64),
        flux_err_njy=np.array([d.flux_err_njy for d in flat], dtype=np.float64),
        limit_owner=limit_owner,
        limit_day=_days([x.time_unix_s for x in flat_limits], base[limit_owner]),
        limit_band=_band_codes([x.band for x in flat_limits]),
        limit_mag_ab=np.array([x.mag_ab for x in flat_limits], dtype=np.float64),
    )


def magnitudes_of(curves: Curves) -> Magnitudes:
    """Magnitudes of the detections that are brighter than the template."""
    positive = curves.flux_njy > 0.0
    flux, error = curves.flux_njy[positive], curves.flux_err_njy[positive]
    with np.errstate(over="ignore", invalid="ignore"):
        mag_err = _MAG_PER_RELATIVE_ERROR * error / flux
        mag_err[~((mag_err > ERRORS_MAG[0]) & (mag_err < ERRORS_MAG[1]))] = np.nan
    return Magnitudes(
        n_objects=curves.n_objects,
        owner=curves.owner[positive],
        day=curves.day[positive],
        band=curves.band[positive],
        mag_ab=AB_ZERO_POINT_NJY - 2.5 * np.log10(flux),
        mag_err_ab=mag_err,
    )


def slopes(group: Ints, n_groups: int, x: Floats, y: Floats, err: Floats) -> tuple[Floats, Floats]:
    """Weighted least-squares slope of each group, with its error.

    Parameters
    ----------
    group, x, y, err
        Shape ``(n,)``; the ``x`` [d] of each group do not fall.

    Returns
    -------
    slope, error
        Shape ``(n_groups,)``; NaN for a group that spans less than ``MIN_BASELINE_D``.
    """
    weight = 1.0 / (err * err)
    total = np.bincount(group, weight, n_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        x_off = x - (np.bincount(group, weight * x, n_groups) / total)[group]
        y_off = y - (np.bincount(group, weight * y, n_groups) / total)[group]
        spread = np.bincount(group, weight * x_off * x_off, n_groups)
        long = last_of(group, n_groups, x) - first_of(group, n_groups, x) >= MIN_BASELINE_D
        slope = np.bincount(group, weight * x_off * y_off, n_groups) / spread
        return np.where(long, slope, np.nan), np.where(long, spread**-0.5, np.nan)


def first_of(group: Ints, n_groups: int, values: Floats) -> Floats:
    """First value of each group in the order of the points; NaN of an empty one."""
    return last_of(group[::-1], n_groups, values[::-1])


def last_of(group: Ints, n_groups: int, values: Floats) -> Floats:
    """Last value of each group in the order of the points; NaN of an empty one."""
    found = np.full(n_groups, np.nan)
    found[group] = values  # the last of repeated places stays
    return found


def index_of_least(group: Ints, n_groups: int, values: Floats) -> Ints:
    """Index of the least value of each group, the first of equal ones; -1 of an empty one."""
    least = np.full(n_groups, np.inf)
    np.minimum.at(least, group, values)
    found = np.full(n_groups, -1, dtype=np.int64)
    at = np.flatnonzero(values == least[group])[::-1]
    found[group[at]] = at
    return found


def taken(values: Floats, index: Ints) -> Floats:
    """The value at each index; NaN at -1."""
    return np.append(values, np.nan)[index]


def _until(detections: tuple[Detection, ...], end_unix_s: float | None) -> Sequence[Detection]:
    if end_unix_s is None:
        return detections
    return [d for d in detections if d.time_unix_s <= end_unix_s]


def _limits_until(limits: tuple[Limit, ...], end_unix_s: float | None) -> Sequence[Limit]:
    return limits if end_unix_s is None else [x for x in limits if x.time_unix_s <= end_unix_s]


def _days(times_unix_s: list[float], base_unix_s: Floats) -> Floats:
    return (np.array(times_unix_s, dtype=np.float64) - base_unix_s) / DAY_S


def _band_codes(bands: list[str]) -> Ints:
    return np.array([_CODES.get(band, OTHER_BAND) for band in bands], dtype=np.int64)
