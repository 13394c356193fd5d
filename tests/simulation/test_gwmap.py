"""Maps are normalised, are read back as written, and their draws are fair."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest

from correlator.simulation.gwmap import Arc, Reach, Ring, fits_bytes, map_of
from skymaps.fits import read_sky_map
from skymaps.healpix import Positions

RING = Ring(150.0, 25.0, 60.0, 40.0, 1.3, (Arc(-8.0, 5.0, 0.6), Arc(8.0, 4.5, 0.4)))
REACH = Reach(150.0, 25.0, 80.0, 0.2, 0.15)
MAP = map_of(RING, REACH)


def test_the_probability_of_the_sky_is_one():
    assert MAP.cell_probability.sum() == pytest.approx(1.0, abs=1e-12)


def test_the_cells_tile_the_sky_in_the_order_and_number_of_bayestar():
    assert len(MAP.order) == 19_200
    assert np.ldexp(1.0, -2 * MAP.order).sum() == pytest.approx(12.0, abs=1e-12)
    assert (np.diff(4 * 4**MAP.order + MAP.ipix) > 0).all()


def test_the_area_is_that_of_two_gaussian_lobes():
    # 2 pi 2.303 (2 x 1.3 x mean length) deg2 for lobes that do not overlap; these do a little.
    lobes = 2.0 * np.pi * np.log(10.0) * 1.3 * (5.0 + 4.5)
    assert 0.75 * lobes < MAP.area_deg2(0.9) < 1.05 * lobes


def test_the_distance_of_each_cell_is_normalised():
    norm = MAP.norm_per_mpc2
    for cell in (0, 5_000, 19_000):
        mu, sigma = MAP.mu_mpc[cell], MAP.sigma_mpc[cell]
        gauss = np.sqrt(2.0 * np.pi) * sigma

        def density(r, mu=mu, sigma=sigma, gauss=gauss):
            return r**2 * np.exp(-0.5 * ((r - mu) / sigma) ** 2) / gauss

        assert norm[cell] * quad(density, 0.0, 400.0, points=[mu])[0] == pytest.approx(1.0)


def test_the_fits_file_is_read_back_as_written():
    read = read_sky_map(fits_bytes(MAP, "S260314ab", "2026-03-14T18:00:00", 61113.75, "H1,L1"))
    assert read.sum_before_normalising == pytest.approx(1.0)
    here = Positions.of(*MAP.centres_deg())
    np.testing.assert_allclose(read.match(here).probdensity_per_sr, MAP.probdensity_per_sr)
    assert read.area_deg2(0.9) == pytest.approx(MAP.area_deg2(0.9))
    distance = read.distance_at(here)
    assert distance is not None
    np.testing.assert_allclose(distance.mu_mpc, MAP.mu_mpc)
    np.testing.assert_allclose(distance.norm, MAP.norm_per_mpc2)


def test_positions_are_drawn_with_uniform_credible_levels():
    rng = np.random.default_rng(3)
    drawn = np.array([MAP.draw(rng) for _ in range(400)])
    read = read_sky_map(fits_bytes(MAP, "S260314ab", "2026-03-14T18:00:00", 61113.75, "H1,L1"))
    match = read.match(Positions.of(drawn[:, 0], drawn[:, 1]))
    level = match.credible_level - rng.random(len(drawn)) * match.cell_probability
    assert kstest(level, "uniform").pvalue > 0.01
    assert np.quantile(drawn[:, 2], 0.5) == pytest.approx(87.0, rel=0.06)
