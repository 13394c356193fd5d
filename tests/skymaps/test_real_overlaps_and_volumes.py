"""Overlaps of real maps against dense sums, their credible volumes against numerical integrals."""

import base64
from itertools import combinations_with_replacement

import astropy_healpix
import healpy
import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss

from skymaps.fits import read_sky_map
from skymaps.healpix import FULL_SKY_SR, Positions
from skymaps.overlap import overlap
from skymaps.volume import match_volume
from tests.skymaps.real_maps import columns_of, embedded, map_files, plain

pytestmark = pytest.mark.real_data

DENSE_ORDER = 9
LARGE_BYTES = 64 * 2**20
N_COARSE, N_WITH_DISTANCE = 11, 15

PANELS, NODES = 16, 16
"""Of a Gauss-Legendre quadrature along each line of sight."""


def dense(data, order):
    """Density [1/sr], of sum 1, at every pixel of an order; None where the map is finer."""
    header, named = columns_of(data)
    column = next(c for c in ("PROBDENSITY", "PROB", "PROBABILITY") if c in named)
    values = named[column].astype(float)
    if "UNIQ" in named:
        level, ipix = astropy_healpix.uniq_to_level_ipix(named["UNIQ"].astype(np.int64))
        if level.max() > order:
            return None
        by_place = np.argsort(ipix << 2 * (29 - level))
        flat = np.repeat(values[by_place], 4 ** (order - level[by_place]))
    else:
        level = healpy.nside2order(header["NSIDE"])
        if level > order:
            return None
        nested = healpy.reorder(values, r2n=True) if header["ORDERING"] == "RING" else values
        flat = np.repeat(nested, 4 ** (order - level))
    assert len(flat) == 12 * 4**order
    return flat / (flat.sum() * FULL_SKY_SR / len(flat))


def dense_overlap(a, b):
    return FULL_SKY_SR * (a @ b) * FULL_SKY_SR / len(a)


@pytest.mark.slow
def test_the_overlap_of_every_two_maps_of_moderate_order_is_the_dense_sum(real_data):
    maps = []
    for path in map_files(real_data):
        data = plain(path)
        flat = dense(data, DENSE_ORDER) if len(data) <= LARGE_BYTES else None
        if flat is not None:
            maps.append((read_sky_map(data), flat))
    assert len(maps) == N_COARSE
    for (a, flat_a), (b, flat_b) in combinations_with_replacement(maps, 2):
        assert overlap(a, b) == pytest.approx(dense_overlap(flat_a, flat_b), rel=1e-9)


@pytest.mark.slow
def test_the_overlap_of_gw170817_and_its_burst_is_the_dense_sum(real_data):
    folder = real_data / "notices"
    gw = (folder / "gw/GW170817/MS181101ab_labelled_GW170817.multiorder.fits").read_bytes()
    burst = (folder / "fermi/GRB170817A/GRB170817A_gbuts_healpix.multiorder.fits").read_bytes()
    told = overlap(read_sky_map(gw), read_sky_map(burst))
    assert told == pytest.approx(dense_overlap(dense(gw, 11), dense(burst, 11)), rel=1e-9)


@pytest.fixture(scope="module")
def maps_with_distance(real_data):
    """Maps of moderate size whose cells have a distance, of files and of notices."""
    files = [plain(path) for path in map_files(real_data)]
    files += [base64.b64decode(text) for _, text in embedded(real_data) if len(text) > 100]
    found = [data for data in files if len(data) <= LARGE_BYTES and b"DISTNORM" in data[:50_000]]
    return [read_sky_map(data) for data in found]


def gauss(r_mpc, mu, sigma):
    return np.exp(-0.5 * ((r_mpc - mu) / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)


def border(is_denser, inner, outer):
    """Where a falling density stops to be denser, by bisection between two sides."""
    inner, outer = inner.copy(), outer.copy()
    for _ in range(100):
        middle = 0.5 * (inner + outer)
        inside = is_denser(middle)
        inner, outer = np.where(inside, middle, inner), np.where(inside, outer, middle)
    return inner


def by_quadrature(sky_map, threshold):
    """Probability and volume of what is denser, summed along every line of sight."""
    known = (sky_map.dist_norm > 0.0) & (sky_map.probdensity_per_sr > 0.0)
    mu, sigma = sky_map.dist_mu_mpc[known], sky_map.dist_sigma_mpc[known]
    height = sky_map.probdensity_per_sr[known] * sky_map.dist_norm[known]
    peak = np.maximum(mu, 0.0)
    some = height * gauss(peak, mu, sigma) > threshold
    mu, sigma, height, peak = mu[some], sigma[some], height[some], peak[some]
    area = astropy_healpix.nside_to_pixel_area(2 ** sky_map.order[known][some]).value

    def is_denser(r_mpc):
        return height * gauss(r_mpc, mu, sigma) > threshold

    near = np.where(is_denser(0.0 * peak), 0.0, border(is_denser, peak, 0.0 * peak))
    far = border(is_denser, peak, peak + 60.0 * sigma)
    nodes, weights = leggauss(NODES)
    level = volume = 0.0
    for panel in range(PANELS):
        start = near + (far - near) * panel / PANELS
        half = 0.5 * (far - near) / PANELS
        for node, weight in zip(nodes, weights, strict=True):
            r_mpc = start + half * (1.0 + node)
            shell = area * weight * half * r_mpc**2
            level += float((shell * height * gauss(r_mpc, mu, sigma)).sum())
            volume += float(shell.sum())
    return level, volume


def test_a_credible_volume_of_every_map_with_distances_is_its_integral(maps_with_distance):
    rng = np.random.default_rng(1)
    seen = 0
    for sky_map in maps_with_distance:
        share = np.where(sky_map.dist_norm > 0.0, sky_map.cell_probability, 0.0)
        row = int(rng.choice(sky_map.n_rows, p=share / share.sum()))
        mu, sigma = sky_map.dist_mu_mpc[row], sky_map.dist_sigma_mpc[row]
        distance = max(1.0, float(rng.normal(mu, sigma)))
        lo = sky_map.lo[[row]]
        told = match_volume(sky_map, Positions(lo * 0.0, lo * 0.0, lo), [distance])
        threshold = sky_map.probdensity_per_sr[row] * sky_map.dist_norm[row]
        threshold *= gauss(distance, mu, sigma)
        assert told.probdensity_per_mpc3[0] == pytest.approx(threshold, rel=1e-12)
        level, volume = by_quadrature(sky_map, threshold)
        assert 0.0 < level < 1.0
        assert told.credible_level[0] == pytest.approx(level, abs=1e-6)
        assert told.searched_volume_mpc3[0] == pytest.approx(volume, rel=1e-6)
        seen += 1
    assert seen == N_WITH_DISTANCE


def test_cells_of_real_maps_without_a_distance_are_outside_of_every_volume(maps_with_distance):
    seen = 0
    for sky_map in maps_with_distance:
        rows = np.flatnonzero(sky_map.dist_norm == 0.0)[:50]
        lo = sky_map.lo[rows]
        places = Positions(lo * 0.0, lo * 0.0, lo)
        assert np.isinf(sky_map.dist_mu_mpc[rows]).all()
        told = match_volume(sky_map, places, np.full(len(rows), 100.0))
        assert not told.probdensity_per_mpc3.any()
        assert (told.credible_level == 1.0).all()
        assert np.isinf(told.searched_volume_mpc3).all()
        seen += len(rows) > 0
    assert seen > 5
