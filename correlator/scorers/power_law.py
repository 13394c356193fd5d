"""Power laws through light curves: magnitudes that fade with the logarithm of the time since T0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc

from correlator.features.curves import (
    OTHER_BAND,
    Floats,
    Ints,
    first_of,
)
from correlator.policy import DAY_S
from correlator.scorers.score import Batch, Scorer, Value

SCATTER_MAG = 0.1
"""Added to each error: calibration between telescopes and the ripples of real afterglows, whose
light curves are rarely smooth below a tenth of a magnitude (Kann et al. 2010)."""

ALPHA_RANGE = 0.3, 3.0
"""Decay indices of afterglows: 0.5 to 1.5 before the jet break and up to 2.8 after it (Kann et al.
2010), with room for errors."""

OLDEST_D = 30.0
"""An object older than this by any count is no afterglow."""

ASSUMED_ONSET_D = 3.0
"""Longest time from T0 to the first detection where no limit bounds it (SCIENCE 2)."""

_DELAYS = np.geomspace(1e-3, 1.0, 16)
"""Free T0: tried at these parts of the longest delay before the first detection."""

_N_BANDS = OTHER_BAND + 1


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """F ~ (t - T0)^-alpha, the same alpha in all bands.

    Attributes
    ----------
    alpha, alpha_err
        Decay index, positive when it fades.
    chi2, n_free
        Chi-square with ``SCATTER_MAG`` in the errors, and its degrees of freedom; T0 costs one
        where it was not given. Below 1 nothing is tested, and with a free T0 alpha is open.
    t0_unix_s
        T0, given or the best of those that were tried.
    """

    alpha: float
    alpha_err: float
    chi2: float
    n_free: int
    t0_unix_s: float

    @property
    def p_value(self) -> float | None:
        """Chance of so bad a fit; None where there are as many unknowns as points."""
        return float(gammaincc(0.5 * self.n_free, 0.5 * self.chi2)) if self.n_free > 0 else None


def power_laws(
    batch: Batch, t0_unix_s: Sequence[float | None] | None = None
) -> list[PowerLaw | None]:
    """Best power law of each object; None without two measured points in a band, or before T0.

    Parameters
    ----------
    batch
        ``n`` objects.
    t0_unix_s
        T0 of each, of an event that it is compared with; None where it is free between the last
        limit and the first detection.
    """
    n, mags = len(batch.objects), batch.magnitudes
    given = np.array([None] * n if t0_unix_s is None else list(t0_unix_s), dtype=np.float64)
    is_given = ~np.isnan(given)
    first_day = first_of(mags.owner, n, mags.day)
    given_delay = first_day - (given - batch.curves.base_unix_s) / DAY_S
    onset = np.array([f.onset_interval_d for f in batch.features], dtype=np.float64)
    longest = np.fmin(np.where(np.isnan(onset), ASSUMED_ONSET_D, onset), ASSUMED_ONSET_D)
    delays = np.where(is_given[:, None], given_delay[:, None], longest[:, None] * _DELAYS)
    with np.errstate(invalid="ignore"):
        measured = (
            ~np.isnan(mags.mag_err_ab) & (mags.band != OTHER_BAND) & (delays[mags.owner, 0] > 0.0)
        )
    owner, band = mags.owner[measured], mags.band[measured]
    since_first = (mags.day - first_day[mags.owner])[measured]
    weight = 1.0 / (mags.mag_err_ab[measured] ** 2 + SCATTER_MAG**2)
    fits = [
        _fit(
            n,
            owner,
            band,
            2.5 * np.log10(since_first + delay[owner]),
            mags.mag_ab[measured],
            weight,
        )
        for delay in delays.T
    ]
    n_points = np.bincount(owner, minlength=n)
    n_bands = np.bincount(np.unique(owner * _N_BANDS + band) // _N_BANDS, minlength=n)
    n_free = n_points - n_bands - np.where(is_given, 1, 2)
    alpha, error, chi2 = (np.stack(x, axis=1) for x in zip(*fits, strict=True))
    best = np.argmin(np.where(np.isnan(chi2), np.inf, chi2), axis=1)
    row = np.arange(n)
    t0 = batch.curves.base_unix_s + (first_day - delays[row, best]) * DAY_S
    columns = (
        x.tolist() for x in (alpha[row, best], error[row, best], chi2[row, best], n_free, t0)
    )
    return [None if np.isnan(a) else PowerLaw(a, *rest) for a, *rest in zip(*columns, strict=True)]


def _fit(
    n: int, owner: Ints, band: Ints, x: Floats, y: Floats, weight: Floats
) -> tuple[Floats, Floats, Floats]:
    """Slope of ``y`` against ``x`` of each object with an offset a band, its error, chi-square."""
    group = owner * _N_BANDS + band
    with np.errstate(invalid="ignore", divide="ignore"):
        total = np.bincount(group, weight, n * _N_BANDS)
        x_off = x - (np.bincount(group, weight * x, n * _N_BANDS) / total)[group]
        y_off = y - (np.bincount(group, weight * y, n * _N_BANDS) / total)[group]
        xx = np.bincount(owner, weight * x_off * x_off, n)
        xy = np.bincount(owner, weight * x_off * y_off, n)
        yy = np.bincount(owner, weight * y_off * y_off, n)
        # One point a band, or all at one time: rounding alone.
        xx = np.where(xx > 1e-9, xx, np.nan)
        chi2: Floats = np.maximum(yy - xy * xy / xx, 0.0)
        error = 1.0 / np.sqrt(xx)
        return xy / xx, error, chi2


def _afterglow(batch: Batch) -> list[Value]:
    fits = power_laws(batch)
    return [_judged(fit, f.age_d) for fit, f in zip(fits, batch.features, strict=True)]


def _judged(fit: PowerLaw | None, age_d: float | None) -> Value:
    if age_d is not None and age_d > OLDEST_D:
        return 0.0, f"seen {age_d:.0f} d ago"
    if fit is None:
        return None, "fewer than two measured points in any band"
    p = fit.p_value
    if p is None:
        return None, "no more points than unknowns"
    return _tested(fit, p)


def _tested(fit: PowerLaw, p: float) -> Value:
    said = f"alpha {fit.alpha:.2f} +- {fit.alpha_err:.2f}, chi2 {fit.chi2:.1f} of {fit.n_free}"
    if fit.alpha + 2.0 * fit.alpha_err < ALPHA_RANGE[0]:
        return 0.0, f"does not fade so: {said}"
    if fit.alpha - 2.0 * fit.alpha_err > ALPHA_RANGE[1]:
        return 0.0, f"fades too fast: {said}"
    if fit.alpha < 2.0 * fit.alpha_err:
        return None, f"no fading measured: {said}"
    return p, said


AFTERGLOW = Scorer(
    "afterglow",
    "1",
    "chance of so bad a fit of a power law with a sane index, T0 free; 0 where it is none",
    "Kann et al. (2010); errors with 0.1 mag in quadrature",
    _afterglow,
)
