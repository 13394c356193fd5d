"""Credible levels in space: a place and a distance against a map with distance layers.

Along each line of sight p(r) = norm r^2 N(r; mu, sigma) (Singer et al. 2016, ApJL 829, L15), so the
density per volume of a cell, P norm N(r) / Omega, is a Gaussian in r. The region where it exceeds a
threshold t is therefore |r - mu| < sigma sqrt(2 ln(peak / t)) in each cell, and the probability and
the volume inside have a closed form: no grid of voxels, nothing to sort.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skymaps.distance import second_moment
from skymaps.errors import SkyMapError
from skymaps.healpix import Positions, cell_area_sr
from skymaps.skymap import SkyMap

Floats = NDArray[np.float64]

_SQRT_2_PI = float(np.sqrt(2.0 * np.pi))


@dataclass(frozen=True, slots=True)
class VolumeMatch:
    """What a map says of ``n`` places in space; every array has shape ``(n,)``.

    Distances are luminosity distances, and so are the volumes made of: Euclidean, as in
    ligo.skymap without a cosmology.

    Attributes
    ----------
    probdensity_per_mpc3
        Probability density [1/Mpc3]; 0 where the map has no distance.
    credible_level
        Probability of all that is denser: 0 at the peak; 1 where the map has no distance.
    searched_volume_mpc3
        Volume of all that is denser [Mpc3]; infinite where the density is 0.
    """

    probdensity_per_mpc3: Floats
    credible_level: Floats
    searched_volume_mpc3: Floats


def match_volume(sky_map: SkyMap, positions: Positions, distance_mpc: ArrayLike) -> VolumeMatch:
    """Density and credible level of places at distances [Mpc], of shape ``(n,)``.

    The probability of cells without a distance is outside of every region.

    Raises
    ------
    SkyMapError
        The map has no distance layers, or a distance is not positive and finite.
    ValueError
        There is not one distance a position.
    """
    distance = np.atleast_1d(np.asarray(distance_mpc, dtype=np.float64))
    if distance.shape != (len(positions),):
        raise ValueError(f"one distance a position, got {distance.shape} for {len(positions)}")
    wrong = ~((distance > 0.0) & np.isfinite(distance))
    if wrong.any():
        raise SkyMapError("a distance is positive and finite", float(distance[wrong][0]))
    lines, found = _Lines(sky_map), sky_map.distance_at(positions)
    assert found is not None  # noqa: S101 - it has lines
    on_sky = sky_map.match(positions).probdensity_per_sr
    # By its logarithm: forty widths away the density itself is 0 in doubles.
    log_density = np.full(len(distance), -np.inf)
    known = np.flatnonzero((found.norm > 0.0) & (on_sky > 0.0))
    mu, sigma = found.mu_mpc[known], found.sigma_mpc[known]
    log_density[known] = np.log(on_sky[known] * found.norm[known] / (_SQRT_2_PI * sigma))
    log_density[known] -= 0.5 * ((distance[known] - mu) / sigma) ** 2
    level, volume = np.ones(len(distance)), np.full(len(distance), np.inf)
    for i in known:
        level[i], volume[i] = lines.denser_than(float(log_density[i]))
    return VolumeMatch(np.exp(log_density), level, volume)


class _Lines:
    """The lines of sight of a map that have a distance, the highest peak first."""

    def __init__(self, sky_map: SkyMap) -> None:
        mu, sigma, norm = sky_map.dist_mu_mpc, sky_map.dist_sigma_mpc, sky_map.dist_norm
        if mu is None or sigma is None or norm is None:
            raise SkyMapError("credible volumes need a map with distance layers")
        with np.errstate(over="ignore"):
            peak = sky_map.probdensity_per_sr * norm / (_SQRT_2_PI * sigma)
        rows = np.flatnonzero((norm > 0.0) & (peak > 0.0))
        rows = rows[np.argsort(-peak[rows], kind="stable")]
        self._log_peak = np.log(peak[rows])
        self._mu, self._sigma = mu[rows], sigma[rows]
        self._area_sr = cell_area_sr(sky_map.order[rows])
        self._weight = sky_map.cell_probability[rows] * norm[rows]

    def denser_than(self, log_density: float) -> tuple[float, float]:
        """Probability and volume [Mpc3] where the logarithm of the density [1/Mpc3] is higher."""
        # Sorted by falling peak: those that reach the density stand first.
        n = int(np.searchsorted(-self._log_peak, -log_density))
        mu, sigma = self._mu[:n], self._sigma[:n]
        reach = sigma * np.sqrt(2.0 * (self._log_peak[:n] - log_density))
        near, far = np.maximum(mu - reach, 0.0), np.maximum(mu + reach, 0.0)
        inside = self._weight[:n] * second_moment(near, far, mu, sigma)
        volume = self._area_sr[:n] * (far**3 - near**3) / 3.0
        return min(float(np.sum(inside)), 1.0), float(np.sum(volume))
