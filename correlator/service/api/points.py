"""Points of light curves as rows."""

from __future__ import annotations

from collections.abc import Iterable

from correlator.alert import Detection, ForcedMeasurement, Limit, mag_of_flux
from correlator.service.api.columns import Row
from correlator.service.times import iso_utc


def points_of(
    detections: Iterable[Detection], limits: Iterable[Limit], forced: Iterable[ForcedMeasurement]
) -> list[Row]:
    """Measurements and non-detections, by time; every name is in every row."""
    points = [
        *((d.time_unix_s, _detection(d)) for d in detections),
        *((one.time_unix_s, _limit(one)) for one in limits),
        *((f.time_unix_s, _forced(f)) for f in forced),
    ]
    return [row for _, row in sorted(points, key=lambda p: (p[0], p[1]["kind"], p[1]["band"]))]


def _detection(d: Detection) -> Row:
    return {
        "kind": "detection",
        "time": iso_utc(d.time_unix_s),
        "band": d.band,
        "flux_njy": d.flux_njy,
        "flux_err_njy": d.flux_err_njy,
        "mag_ab": d.mag_ab,
        "mag_err_ab": d.mag_err_ab,
        "n_sigma": None,
        "source_id": d.source_id,
    }


def _limit(limit: Limit) -> Row:
    return {
        "kind": "limit",
        "time": iso_utc(limit.time_unix_s),
        "band": limit.band,
        "flux_njy": None,
        "flux_err_njy": None,
        "mag_ab": limit.mag_ab,
        "mag_err_ab": None,
        "n_sigma": limit.n_sigma,
        "source_id": None,
    }


def _forced(f: ForcedMeasurement) -> Row:
    is_positive = f.flux_njy > 0.0
    return {
        "kind": "forced",
        "time": iso_utc(f.time_unix_s),
        "band": f.band,
        "flux_njy": f.flux_njy,
        "flux_err_njy": f.flux_err_njy,
        "mag_ab": mag_of_flux(f.flux_njy) if is_positive else None,
        "mag_err_ab": None,
        "n_sigma": None,
        "source_id": f.forced_id,
    }
