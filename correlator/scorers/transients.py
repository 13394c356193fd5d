"""Rules for transients by their features: fast ones, afterglows, young supernovae, lenses."""

from __future__ import annotations

import math

from correlator.alert import Detection
from correlator.features import Features
from correlator.features.curves import MIN_BASELINE_D
from correlator.object import OpticalObject
from correlator.policy import DAY_S
from correlator.scorers.neighbours import (
    ASTEROID_SEP_ARCSEC,
    OLD_D,
    STAR_SCORE,
    STAR_SEP_ARCSEC,
)
from correlator.scorers.score import Scorer, Value, all_of, at_least, at_most, one_by_one

FAST_FADE_MAG_PER_DAY = 0.3
"""Fading of a fast transient (ZTFReST, Andreoni et al. 2021)."""

ORPHAN_AGE_D = 10.0
"""An afterglow fades below a survey's limit within so long (Ho et al. 2022: a few nights)."""

AFTERGLOW_G_R_MAG = 0.0, 1.0
"""Synchrotron colours, g - r > 0 (Ho et al. 2022), and as red as dust makes the seven of them."""

YOUNG_SN_AGE_D = 20.0
"""Most supernovae have their peak by then (Miller et al. 2020: 18.5 d of type Ia)."""

YOUNG_SN_RISE_MAG_PER_DAY = 0.05, 1.0
"""Rise of a supernova after its first day; beyond it something faster."""

YOUNG_SN_G_R_MAG = -0.5, 0.6
"""Colours of young supernovae before dust (Miller et al. 2020, Bruch et al. 2021)."""

LENS_N = 10
"""Fewest points of a lens (Fink's mulens asks for 10)."""


def _fast_rate(obj: OpticalObject, f: Features) -> Value:
    del f
    positive = obj.positive
    if not positive:
        return None, "below its template"
    now = positive[-1]
    limit_s = now.time_unix_s - MIN_BASELINE_D * DAY_S
    for before in reversed(positive[:-1]):
        if before.band == now.band and before.time_unix_s <= limit_s:
            return _between(now, before)
    for limit in reversed(obj.limits):
        mag_ab = now.mag_ab
        if limit.band == now.band and limit.time_unix_s <= limit_s and mag_ab is not None:
            if limit.mag_ab <= mag_ab:
                return None, "the last limit is not deep enough"
            rate = (mag_ab - limit.mag_ab) / ((now.time_unix_s - limit.time_unix_s) / DAY_S)
            return rate, f"at least, from a limit of {limit.mag_ab:.1f} in {now.band}"
    return None, f"seen once in {now.band}, and no limit before"


def _between(now: Detection, before: Detection) -> Value:
    a, b = before.mag_ab, now.mag_ab
    assert a is not None and b is not None  # noqa: S101, PT018 - both are positive
    days = (now.time_unix_s - before.time_unix_s) / DAY_S
    said = f"{now.band} {a:.2f} to {b:.2f} in {days:.2f} d"
    errors = before.mag_err_ab, now.mag_err_ab
    if errors[0] is not None and errors[1] is not None:
        said += f", error {math.hypot(errors[0], errors[1]) / days:.2f} mag/d"
    return (b - a) / days, said


def _is_no_star(f: Features) -> bool:
    """No star-like source within the radius; unknown neighbours are none."""
    sep, score = f.star_sep_arcsec, f.star_score
    return sep is None or score is None or sep > STAR_SEP_ARCSEC or score < 0.5


def _is_no_asteroid(f: Features) -> bool:
    sep = f.solar_system_sep_arcsec
    return f.solar_system_linked != 1.0 and (sep is None or sep > ASTEROID_SEP_ARCSEC)


def _within(value: float | None, error: float | None, limits: tuple[float, float]) -> bool:
    """Whether a value lies within limits and its error; an unknown one does."""
    if value is None:
        return True
    room = 2.0 * (error or 0.0)
    return limits[0] - room <= value <= limits[1] + room


def _orphan(obj: OpticalObject, f: Features) -> Value:
    del obj
    fade, error = f.fade_mag_per_day, f.fade_err_mag_per_day
    sure = None if fade is None or error is None else fade - error
    return all_of(
        (
            (_is_no_asteroid(f), "no asteroid"),
            (_is_no_star(f), "no star"),
            (not f.n_negative, "never below its template"),
            (at_most(f.age_d, ORPHAN_AGE_D), f"at most {ORPHAN_AGE_D:.0f} d old"),
            (
                _within(f.g_r_mag, f.g_r_err_mag, AFTERGLOW_G_R_MAG),
                "g - r of synchrotron light or unknown",
            ),
            (
                at_least(sure, FAST_FADE_MAG_PER_DAY),
                f"fades by more than {FAST_FADE_MAG_PER_DAY} mag/d",
            ),
        )
    )


def _early_supernova(obj: OpticalObject, f: Features) -> Value:
    del obj
    rise, error = f.rise_mag_per_day, f.rise_err_mag_per_day
    rises = None if rise is None or error is None else rise > 2.0 * error
    return all_of(
        (
            (_is_no_asteroid(f), "no asteroid"),
            (_is_no_star(f), "no star"),
            (not f.n_negative, "never below its template"),
            (at_most(f.age_d, YOUNG_SN_AGE_D), f"at most {YOUNG_SN_AGE_D:.0f} d old"),
            (_within(f.g_r_mag, f.g_r_err_mag, YOUNG_SN_G_R_MAG), "g - r as young or unknown"),
            (rises, "rises"),
            (
                None if rise is None else _within(rise, error, YOUNG_SN_RISE_MAG_PER_DAY),
                "not too fast",
            ),
        )
    )


def _microlensing(obj: OpticalObject, f: Features) -> Value:
    del obj
    rise, fade = f.rise_mag_per_day, f.fade_mag_per_day
    errors = f.rise_err_mag_per_day, f.fade_err_mag_per_day
    drift, drift_error = f.g_r_drift_mag_per_day, f.g_r_drift_err_mag_per_day
    both = symmetric = achromatic = None
    if rise is not None and fade is not None and errors[0] is not None and errors[1] is not None:
        both = rise > 3.0 * errors[0] and fade > 3.0 * errors[1]
        larger, smaller = max(rise, fade), min(rise, fade)
        symmetric = larger <= 2.0 * smaller + 2.0 * (errors[0] + errors[1])
    if drift is not None and drift_error is not None:
        achromatic = abs(drift) <= 2.0 * drift_error
    is_star = not _is_no_star(f) and (f.star_score or 0.0) >= STAR_SCORE
    return all_of(
        (
            (is_star, "a star"),
            (not f.n_negative, "never below its template"),
            (at_least(f.n_positive, LENS_N), f"{LENS_N} points"),
            (both, "rises and fades"),
            (symmetric, "as fast up as down"),
            (achromatic, "of one colour"),
            (at_least(f.span_d, OLD_D / 4.0), "lasts a week"),
        )
    )


FAST_RATE = Scorer(
    "fast-rate",
    "1",
    "mag/d of the latest detection against the one before in its band; negative brightens; against "
    "a limit it is the least brightening",
    "Fink's fast_transient_rate without its random draws; nuztf's least time of 0.01 d",
    one_by_one(_fast_rate),
)

ORPHAN = Scorer(
    "orphan-afterglow",
    "1",
    "1 fades fast with the colour of synchrotron light, young, no star; else 0",
    "Andreoni et al. (2021), Ho et al. (2022)",
    one_by_one(_orphan),
)

EARLY_SUPERNOVA = Scorer(
    "early-supernova",
    "1",
    "1 rises as a young supernova does, no star; else 0",
    "Miller et al. (2020), Bruch et al. (2021)",
    one_by_one(_early_supernova),
)

MICROLENSING = Scorer(
    "microlensing",
    "1",
    "1 a star that rises and fades alike in one colour; else 0",
    "achromatic and symmetric (Paczynski 1986)",
    one_by_one(_microlensing),
)
