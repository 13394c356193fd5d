"""The published cuts of Fink and ZTFReST on one packet, as far as its content decides them.

What they need beside the packet has a stand-in that helps them or leaves them as they are:

- SIMBAD, where "unknown" counts as extragalactic: nothing is known there, so nothing is lost.
- Fink's kilonova forest (rf_kn > 0.5): every object with the two magnitudes that it needs passes.
  Efficiency and contamination are those without it, upper bounds of both.
- SExtractor's classtar > 0.4, braai > 0.8, bright stars, SDSS: passed by all.
- ``ndethist`` < 20 is not in our alert; an age below 5 d implies it at the cadence of the survey.
- Rubin's galaxies and stars: the stand-in catalogue of ``benchmarks/injection_nights.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from correlator.alert import Alert, Detection, Surroundings
from correlator.features import features_of
from correlator.features.place import galactic_latitude_deg
from correlator.object import object_of
from correlator.policy import DAY_S
from correlator.scorers import batch_of
from correlator.scorers.fink import ORPHAN_FINK, roid
from ingest_optical.quality import PRESETS, rejections

YOUNG_D = 5.0
"""Fink's age limit of kilonova candidates."""

FADE_MAG_PER_DAY, RISE_MAG_PER_DAY = 0.3, -1.0
"""ZTFReST's ``index_decay`` and ``index_rise`` (Andreoni et al. 2021, filter_kn.py)."""

ZTFREST_BASELINE_D, ZTFREST_LONGEST_D, ZTFREST_LONGEST_G_D, ZTFREST_AGE_D = 0.125, 15.0, 7.0, 14.0
ZTFREST_STILL_D = {"g": 6.0, "r": 8.0, "i": 10.0}
"""Longest time without any change (``var_baseline``)."""

FINK_BASELINE_D, FINK_FAINTEST_MAG = 0.5, 21.0

FINK_LSST_FADE = {"u": 0.5, "g": 0.5}
"""Fading of a new extragalactic object in Rubin's bands [mag/d]; 0.2 in the redder ones."""

GALAXY_SEP_ARCSEC = 15.0
"""A reference source that is no star at this distance stands in for Fink's near galaxy."""


def fink_kilonova(alert: Alert) -> bool:
    """Fink's kn_candidates, without its forest."""
    return (
        not rejections(alert, PRESETS["fink"])
        and (alert.quality.real_bogus or 0.0) > 0.5
        and _age_d(alert) < YOUNG_D
        and len(alert.history) >= 1
        and _roid(alert) != 3
    )


def fink_rate(alert: Alert) -> bool:
    """Fink's rate_based_kn: a linear fit of at least half a day that fades by 0.3 mag/d."""
    sep = alert.surroundings.solar_system_sep_arcsec
    if (
        rejections(alert, PRESETS["fink"])
        or (alert.quality.real_bogus or 0.0) <= 0.9
        or not alert.detection.is_positive
        or not _age_d(alert) < YOUNG_D
        or (sep is not None and sep <= 10.0)
        or abs(_latitude_deg(alert)) <= 10.0
    ):
        return False
    for points in _by_band(alert).values():
        bright = [(t, m, e) for t, m, e in points if m < FINK_FAINTEST_MAG]
        is_long = len(bright) > 1 and bright[-1][0] - bright[0][0] > FINK_BASELINE_D
        if is_long and slope(bright) > FADE_MAG_PER_DAY:
            return True
    return False


def fink_orphan(alert: Alert) -> bool:
    """Fink's filter_orphan_grb_candidates, on the packet alone."""
    if rejections(alert, PRESETS["fink"]) or len(alert.history) != 2:
        return False
    obj = object_of(alert)
    (score,) = ORPHAN_FINK.scores(batch_of([obj], [features_of(obj)]))
    return score.value == 1.0


def ztfrest(alert: Alert) -> bool:
    """ZTFReST: its cuts on the detection, then every band that can be fitted must be fast."""
    if alert.survey == "ztf":
        rejected = bool(rejections(alert, PRESETS["ztfrest"]))
    else:
        near = alert.surroundings
        is_star = (near.star_score or 0.0) > 0.5 and (near.star_sep_arcsec or 0.0) < 1.5
        rejected = is_star or bool(rejections(alert, PRESETS["antares-lsst"]))
    if rejected or not alert.detection.is_positive or not 0.01 <= _age_d(alert) < ZTFREST_AGE_D:
        return False
    by_band = _by_band(alert)
    times = [t for points in by_band.values() for t, _, _ in points]
    if max(times) - min(times) > ZTFREST_LONGEST_D:
        return False
    verdicts = [_judged(band, points, min(times)) for band, points in by_band.items()]
    return True in verdicts and False not in verdicts


def fink_extragalactic_new(alert: Alert) -> bool:
    """Fink's extragalactic_new for Rubin: near a galaxy, young, rising or fading fast."""
    near, age_d = alert.surroundings, _age_d(alert)
    mag, flux_err = alert.detection.mag_ab, alert.detection.flux_err_njy
    gaia = near.gaia_sep_arcsec
    if (
        rejections(alert, PRESETS["rubin-good"])
        or near.solar_system_name is not None
        or mag is None
        or flux_err is None
        or mag >= 24.0
        or not age_d < YOUNG_D
        or abs(_latitude_deg(alert)) <= 20.0
        or (gaia is not None and gaia <= 1.0)
        or not is_near_galaxy(near)
    ):
        return False
    band = alert.detection.band
    points = _by_band(alert)[band]
    if len(points) < 2 or points[-1][0] <= points[-2][0]:
        return False
    rate = (points[-1][1] - points[-2][1]) / (points[-1][0] - points[-2][0])
    return rate > FINK_LSST_FADE.get(band, 0.2) or (rate < -0.2 and age_d < 3.0)


def is_near_galaxy(near: Surroundings) -> bool:
    """Whether the nearest reference source is near enough, and no star."""
    sep, score = near.star_sep_arcsec, near.star_score
    return sep is not None and sep <= GALAXY_SEP_ARCSEC and (score or 0.0) < 0.5


Points = Sequence[tuple[float, float, float]]
"""Time [d], magnitude and its error, by time."""


def slope(points: Points) -> float:
    """Weighted least-squares slope [mag/d]; NaN where all are at one time."""
    weights = [1.0 / (e * e) for _, _, e in points]
    total = sum(weights)
    t_mean = sum(w * t for w, (t, _, _) in zip(weights, points, strict=True)) / total
    m_mean = sum(w * m for w, (_, m, _) in zip(weights, points, strict=True)) / total
    rows = list(zip(weights, points, strict=True))
    spread = sum(w * (t - t_mean) ** 2 for w, (t, _, _) in rows)
    if spread == 0.0:
        return math.nan
    return sum(w * (t - t_mean) * (m - m_mean) for w, (t, m, _) in rows) / spread


def _judged(band: str, points: Points, first_d: float) -> bool | None:
    """Whether a band is fast; None where it cannot be told."""
    if points[-1][0] - points[0][0] < ZTFREST_BASELINE_D:
        return None
    bright = min(points, key=lambda p: p[1])
    faint = max(points, key=lambda p: p[1])
    unchanged = bright[1] + bright[2] > faint[1] - faint[2]
    if unchanged and abs(bright[0] - faint[0]) >= ZTFREST_STILL_D.get(band, 10.0):
        return False
    if band == "g" and points[-1][0] - first_d > ZTFREST_LONGEST_G_D:
        return False
    only_fades = bright[0] < points[0][0] + ZTFREST_BASELINE_D
    only_rises = bright[0] > points[-1][0] - ZTFREST_BASELINE_D
    parts = (
        [points]
        if only_fades or only_rises
        else [[p for p in points if p[0] <= bright[0]], [p for p in points if p[0] >= bright[0]]]
    )
    indices = [slope(part) for part in parts]
    return not any(0.0 < i <= FADE_MAG_PER_DAY or RISE_MAG_PER_DAY < i < 0.0 for i in indices)


def _by_band(alert: Alert) -> dict[str, list[tuple[float, float, float]]]:
    """The packet's detections that are brighter than the template, by time, with an error."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for d in (*alert.history, alert.detection):
        mag, error = d.mag_ab, d.mag_err_ab
        if mag is not None and error:
            found.setdefault(d.band, []).append((d.time_unix_s / DAY_S, mag, error))
    return found


def _age_d(alert: Alert) -> float:
    """Since the survey's own first detection, or the first of the packet."""
    first = alert.survey_first_unix_s
    if first is None:
        first = min((d.time_unix_s for d in alert.history), default=alert.time_unix_s)
    return (alert.time_unix_s - first) / DAY_S


def _latitude_deg(alert: Alert) -> float:
    return float(galactic_latitude_deg(np.array([alert.ra_deg]), np.array([alert.dec_deg]))[0])


def _roid(alert: Alert) -> int:
    near, n = alert.surroundings, 1 + len(alert.history)
    gap_min = (alert.time_unix_s - _last_s(alert.history, alert)) / 60.0 if n > 1 else None
    unknown = -999.0
    return roid(
        n,
        n,
        unknown if near.star_score is None else near.star_score,
        unknown if near.star_sep_arcsec is None else near.star_sep_arcsec,
        unknown if near.solar_system_sep_arcsec is None else near.solar_system_sep_arcsec,
        gap_min,
    )


def _last_s(history: Sequence[Detection], alert: Alert) -> float:
    return max((d.time_unix_s for d in history), default=alert.time_unix_s)
