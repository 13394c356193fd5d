"""Credible volumes against numerical integration, and against ligo.skymap on its own grid."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq

from skymaps.errors import SkyMapError
from skymaps.healpix import Positions, cell_area_sr
from skymaps.skymap import SkyMap
from skymaps.volume import match_volume
from tests.skymaps.sky_factory import random_map

seeds = st.integers(0, 2**32 - 1)


def gauss(r_mpc, mu, sigma):
    return np.exp(-0.5 * ((r_mpc - mu) / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)


def integral(function, near, far):
    """By adaptive quadrature, in pieces that no peak escapes."""
    borders = np.linspace(near, far, 21)
    return sum(quad(function, a, b, epsabs=1e-13)[0] for a, b in pairwise(borders))


def norm_of(mu, sigma):
    """What makes r^2 N(r; mu, sigma) integrate to 1."""
    far = max(mu, 0.0) + 12.0 * sigma
    return 1.0 / integral(lambda r: r**2 * gauss(r, mu, sigma), 0.0, far)


def a_map(seed, n_unknown=0):
    """A map of a few cells, some of them without a distance."""
    rng = np.random.default_rng(seed)
    uniq, density, _ = random_map(seed, max_order=1)
    mu, sigma = rng.uniform(-50.0, 300.0, len(uniq)), rng.uniform(5.0, 80.0, len(uniq))
    norm = np.array([norm_of(*one) for one in zip(mu, sigma, strict=True)])
    mu[:n_unknown], sigma[:n_unknown], norm[:n_unknown] = np.inf, 1.0, 0.0
    return SkyMap.from_uniq(uniq, density, mu, sigma, norm), rng


def density_of(sky_map, row, r_mpc):
    """Density per volume [1/Mpc3] of a row along its line of sight."""
    mu, sigma, norm = (
        float(layer[row])
        for layer in (sky_map.dist_mu_mpc, sky_map.dist_sigma_mpc, sky_map.dist_norm)
    )
    if norm == 0.0:
        return 0.0
    return float(sky_map.probdensity_per_sr[row]) * norm * gauss(r_mpc, mu, sigma)


def by_quadrature(sky_map, threshold):
    """Probability and volume of what is denser, cell by cell, between borders that are searched."""
    level = volume = 0.0
    for row in range(sky_map.n_rows):

        def above(r_mpc, row=row):
            return density_of(sky_map, row, r_mpc) - threshold

        peak = max(float(sky_map.dist_mu_mpc[row]), 0.0)
        if above(peak if np.isfinite(peak) else 0.0) <= 0.0:
            continue
        near = 0.0 if above(0.0) > 0.0 else brentq(above, 0.0, peak, xtol=1e-12, rtol=1e-15)
        far = brentq(above, peak, peak + 60.0 * float(sky_map.dist_sigma_mpc[row]), xtol=1e-12)
        area = float(cell_area_sr(sky_map.order[row]))
        level += area * integral(lambda r, f=above: r**2 * (f(r) + threshold), near, far)
        volume += area * integral(lambda r: r**2, near, far)
    return level, volume


def at(sky_map, row):
    lo = sky_map.lo[[row]]
    return Positions(lo * 0.0, lo * 0.0, lo)


@settings(deadline=None, max_examples=25)
@given(seeds, st.integers(0, 2))
def test_a_credible_volume_is_its_integral(seed, n_unknown):
    sky_map, rng = a_map(seed, n_unknown)
    row = int(rng.choice(np.flatnonzero(sky_map.dist_norm > 0.0)))
    distance = float(rng.uniform(1.0, 400.0))
    told = match_volume(sky_map, at(sky_map, row), distance)
    threshold = density_of(sky_map, row, distance)
    assume(threshold > 1e-200)  # below that the quadrature's own numbers are 0
    assert told.probdensity_per_mpc3[0] == pytest.approx(threshold, rel=1e-12)
    level, volume = by_quadrature(sky_map, threshold)
    assert told.credible_level[0] == pytest.approx(level, abs=1e-9)
    assert told.searched_volume_mpc3[0] == pytest.approx(volume, rel=1e-6)


def test_far_out_the_level_is_that_of_everything_with_a_distance():
    sky_map, _ = a_map(7, n_unknown=1)
    row = int(np.flatnonzero(sky_map.dist_norm > 0.0)[0])
    told = match_volume(sky_map, at(sky_map, row), [1e5])
    with_distance = sky_map.cell_probability[sky_map.dist_norm > 0.0].sum()
    assert told.probdensity_per_mpc3[0] == 0.0
    assert told.credible_level[0] == pytest.approx(with_distance, abs=1e-9)
    assert np.isfinite(told.searched_volume_mpc3[0])


def test_where_there_is_no_distance_the_level_is_1():
    sky_map, _ = a_map(3, n_unknown=2)
    unknown = int(np.flatnonzero(sky_map.dist_norm == 0.0)[0])
    told = match_volume(sky_map, at(sky_map, unknown), [100.0])
    assert (told.probdensity_per_mpc3[0], told.credible_level[0]) == (0.0, 1.0)
    assert told.searched_volume_mpc3[0] == np.inf


def test_a_level_on_a_sphere_is_the_probability_of_a_shell():
    """All sky at one distance: the level is the probability within |r - mu|."""
    mu, sigma = 200.0, 10.0
    norm = norm_of(mu, sigma)
    one = np.ones(12)
    sky_map = SkyMap.from_uniq(np.arange(4, 16), one, mu * one, sigma * one, norm * one)
    told = match_volume(sky_map, at(sky_map, 0), [mu + 5.0])
    expected = integral(lambda r: norm * r**2 * gauss(r, mu, sigma), mu - 5.0, mu + 5.0)
    assert told.credible_level[0] == pytest.approx(expected, abs=1e-12)
    shell = 4.0 / 3.0 * np.pi * (205.0**3 - 195.0**3)
    assert told.searched_volume_mpc3[0] == pytest.approx(shell, rel=1e-12)


@pytest.mark.parametrize("distance", [0.0, -1.0, np.nan, np.inf])
def test_a_distance_that_is_none_is_refused(distance):
    sky_map, _ = a_map(1)
    with pytest.raises(SkyMapError, match="a distance is positive"):
        match_volume(sky_map, at(sky_map, 0), [distance])


def test_a_map_without_distances_has_no_volumes():
    flat = SkyMap.from_uniq([4], [1.0])
    with pytest.raises(SkyMapError, match="need a map with distance layers"):
        match_volume(flat, at(flat, 0), [100.0])
    with pytest.raises(ValueError, match="one distance a position"):
        match_volume(a_map(1)[0], at(flat, 0), [1.0, 2.0])


@pytest.mark.slow
def test_ligo_skymap_finds_the_same_on_its_grid():
    from astropy import units
    from astropy.coordinates import SkyCoord
    from astropy.table import Table

    with warnings.catch_warnings():  # of its own dependencies, at import
        warnings.simplefilter("ignore")
        from ligo.skymap.postprocess import crossmatch

    rng = np.random.default_rng(2)
    uniq, density, _ = random_map(2, max_order=2)
    mu, sigma = rng.uniform(80.0, 200.0, len(uniq)), rng.uniform(10.0, 40.0, len(uniq))
    norm = np.array([norm_of(*one) for one in zip(mu, sigma, strict=True)])
    names = {"UNIQ": uniq, "PROBDENSITY": density / units.sr, "DISTMU": mu * units.Mpc}
    names |= {"DISTSIGMA": sigma * units.Mpc, "DISTNORM": norm / units.Mpc**2}
    ra, dec = rng.uniform(0, 360, 5), np.degrees(np.arcsin(rng.uniform(-1, 1, 5)))
    distance = rng.uniform(60.0, 200.0, 5)
    places = SkyCoord(ra * units.deg, dec * units.deg, distance * units.Mpc)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        truth = crossmatch(Table(names), places)
    told = match_volume(
        SkyMap.from_uniq(uniq, density, mu, sigma, norm), Positions.of(ra, dec), distance
    )
    # It counts whole voxels of its own grid: a hundredth is what it is off (sky join notes, A).
    assert told.credible_level == pytest.approx(truth.searched_prob_vol, abs=0.012)
    assert told.searched_volume_mpc3 == pytest.approx(truth.searched_vol, rel=0.03)
