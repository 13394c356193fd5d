"""Distance along a line of sight: the moments and the distribution that its ansatz gives.

p(r) is proportional to r^2 N(r; mu, sigma), r > 0 (Singer et al. 2016, ApJL 829, L15). Its moments
are ratios of parabolic cylinder functions: the integral of r^k N(r) is
sigma^k k! / sqrt(2 pi) exp(-x^2 / 4) D_{-k-1}(-x), x = mu / sigma (DLMF 12.5.1), which keeps its
digits where mu is negative and the plain recurrence loses all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, ndtr, pbdv

from skymaps.skymap import DistanceMatch

Floats = NDArray[np.float64]

_FAR_BELOW, _FAR_ABOVE = -25.0, 10.0
"""mu / sigma beyond which the functions leave the floats: below, their asymptotic series is right
to 1e-8 (DLMF 12.9.1); above, all of the Gaussian lies at positive distances, to 1e-22."""

_SERIES_TERMS = 6


@dataclass(frozen=True, slots=True)
class ConditionalDistance:
    """Mean and standard deviation of the distance at ``n`` positions [Mpc], shape ``(n,)``.

    NaN where the map has no distance.
    """

    mean_mpc: Floats
    std_mpc: Floats


def conditional_distance(match: DistanceMatch) -> ConditionalDistance:
    """Mean and standard deviation of the distance, given the position."""
    mean, std = (np.full(len(match.norm), np.nan) for _ in range(2))
    known = np.flatnonzero(match.norm > 0.0)
    sigma = match.sigma_mpc[known]
    x = match.mu_mpc[known] / sigma
    first, variance = np.empty_like(x), np.empty_like(x)
    low, high = x < _FAR_BELOW, x > _FAR_ABOVE
    for where, moments in ((low, _far_below), (high, _far_above), (~low & ~high, _between)):
        first[where], variance[where] = moments(x[where])
    mean[known], std[known] = sigma * first, sigma * np.sqrt(variance)
    return ConditionalDistance(mean, std)


def probability_within(match: DistanceMatch, distance_mpc: ArrayLike) -> Floats:
    """Probability that the source is nearer than a distance [Mpc], given the position.

    Parameters
    ----------
    distance_mpc
        One, or one a position.

    Returns
    -------
    array of shape ``(n,)``
        NaN where the map has no distance.
    """
    distance = np.broadcast_to(np.asarray(distance_mpc, dtype=np.float64), match.norm.shape)
    found = np.full(len(match.norm), np.nan)
    known = np.flatnonzero(match.norm > 0.0)
    mu, sigma = match.mu_mpc[known], match.sigma_mpc[known]
    to = np.maximum(distance[known], 0.0)
    nearest, farthest = np.zeros_like(mu), np.full_like(mu, np.inf)
    low = mu < _FAR_BELOW * sigma
    with np.errstate(invalid="ignore"):
        inside = second_moment(nearest, to, mu, sigma) / second_moment(nearest, farthest, mu, sigma)
    inside[low] = _far_below_within(mu[low] / sigma[low], to[low] / sigma[low])
    found[known] = np.clip(inside, 0.0, 1.0)
    return found


def _between(x: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of r^2 N(r; x, 1)."""
    third, fourth, fifth = (np.asarray(pbdv(order, -x)[0]) for order in (-3.0, -4.0, -5.0))
    mean = 3.0 * fourth / third
    return mean, 12.0 * fifth / third - mean**2


def _far_below(x: Floats) -> tuple[Floats, Floats]:
    third, fourth, fifth = (_series(k, -x) for k in (2, 3, 4))
    mean = -3.0 / x * fourth / third
    return mean, 12.0 / x**2 * fifth / third - mean**2


def _far_below_within(x: Floats, distance: Floats) -> Floats:
    """Share of r^2 N(r; x, 1) within a distance: of exp(x r) times exp(-r^2 / 2) in powers."""
    inside, term = gammainc(3.0, -x * distance), np.ones_like(x)
    for j in range(1, _SERIES_TERMS):
        term = -term * (2 * j + 1) * (2 * j + 2) / (2.0 * j * x**2)
        inside = inside + term * gammainc(3.0 + 2.0 * j, -x * distance)
    return np.asarray(inside / _series(2, -x))


def _series(k: int, z: Floats) -> Floats:
    """The asymptotic series of D_{-k-1}(z) z^{k+1} exp(z^2 / 4)."""
    total, term = np.ones_like(z), np.ones_like(z)
    for j in range(1, _SERIES_TERMS):
        term = -term * (k + 2 * j - 1) * (k + 2 * j) / (2.0 * j * z**2)
        total = total + term
    return total


def _far_above(x: Floats) -> tuple[Floats, Floats]:
    return x * (x**2 + 3.0) / (x**2 + 1.0), (x**4 + 3.0) / (x**2 + 1.0) ** 2


def second_moment(near: Floats, far: Floats, mu: Floats, sigma: Floats) -> Floats:
    """Integral of r^2 N(r; mu, sigma) from near to far."""
    low, high = (near - mu) / sigma, (far - mu) / sigma
    # The difference of two tails is taken on the side where they are small.
    swap = low > 0.0
    between = np.where(swap, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
    with np.errstate(invalid="ignore"):
        edge = np.where(np.isinf(far), 0.0, (mu + far) * np.exp(-0.5 * high**2))
    edges = (mu + near) * np.exp(-0.5 * low**2) - edge
    return np.asarray((mu**2 + sigma**2) * between + sigma * edges / np.sqrt(2.0 * np.pi))
