"""What a light curve says in a few numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from correlator.alert import Detection, mag_of_flux
from correlator.policy import DAY_S

_MIN_BASELINE_S = 0.01 * DAY_S
"""Shortest time between points of a rate: two exposures of one visit say nothing (nuztf, BOOM)."""

_ERRORS_MAG = (1e-6, 10.0)
"""Errors that a measured magnitude can have; outside, a point has no weight or all of it."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Change of magnitude with time in one band; positive fades [mag/d]."""

    band: str
    mag_per_day: float
    error_mag_per_day: float
    n_points: int


def rate(detections: Iterable[Detection]) -> Rate | None:
    """Best-measured rate over the bands; None without two points far enough apart.

    Weighted least squares of magnitude against time with the errors of the points
    (ZTFReST, Andreoni et al. 2021).
    """
    bands: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for d in detections:
        error = d.mag_err_ab
        if error is not None and _ERRORS_MAG[0] < error < _ERRORS_MAG[1]:
            bands[d.band].append((d.time_unix_s, mag_of_flux(d.flux_njy), error))
    rates = [r for band in sorted(bands) if (r := _slope(band, bands[band])) is not None]
    return min(rates, key=lambda r: (r.error_mag_per_day, r.band)) if rates else None


def _slope(band: str, points: list[tuple[float, float, float]]) -> Rate | None:
    """Rate from times [s], magnitudes and their errors; None from too short a baseline."""
    times = [t / DAY_S for t, _, _ in points]
    if (max(times) - min(times)) * DAY_S < _MIN_BASELINE_S:
        return None
    # Lists: half of the cost of a generator, and a look back takes many.
    weights = [1.0 / (e * e) for _, _, e in points]
    total = sum(weights)
    mean_t = sum([w * t for w, t in zip(weights, times, strict=True)]) / total
    mean_m = sum([w * m for w, (_, m, _) in zip(weights, points, strict=True)]) / total
    off = [t - mean_t for t in times]
    spread = sum([w * dt**2 for w, dt in zip(weights, off, strict=True)])
    rise = sum(
        [w * dt * (m - mean_m) for w, dt, (_, m, _) in zip(weights, off, points, strict=True)]
    )
    return Rate(band, rise / spread, spread**-0.5, len(points))
