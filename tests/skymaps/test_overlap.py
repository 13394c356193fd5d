"""The overlap of two maps against a dense sum, their product against that of the densities."""

import os
from dataclasses import astuple
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skymaps.errors import SkyMapError
from skymaps.fits import read_sky_map
from skymaps.healpix import FULL_SKY_SR, Positions
from skymaps.overlap import combined, overlap
from skymaps.skymap import SkyMap
from tests.skymaps.sky_factory import random_distance, random_map, rasterised

seeds = st.integers(0, 2**32 - 1)
shares = st.sampled_from([1.0, 0.6, 0.1])

DENSE_ORDER = 5
HAS_NUMBA = find_spec("numba") is not None or "CI" in os.environ


def dense(uniq, density, order):
    """Density [1/sr] of a map of sum 1 at every pixel of one order, by brute force."""
    flat = rasterised(uniq, density, order, DENSE_ORDER)
    return flat / (flat.sum() * FULL_SKY_SR / len(flat))


@settings(deadline=None)
@given(seeds, seeds, shares, shares)
def test_the_overlap_is_the_dense_sum(seed_a, seed_b, keep_a, keep_b):
    maps = random_map(seed_a, keep=keep_a), random_map(seed_b, keep=keep_b)
    a, b = (SkyMap.from_uniq(*some[:2]) for some in maps)
    pa, pb = (dense(*some) for some in maps)
    expected = FULL_SKY_SR * (pa * pb).sum() * FULL_SKY_SR / len(pa)
    assert overlap(a, b) == pytest.approx(expected, rel=1e-12)
    assert overlap(b, a) == overlap(a, b)
    if HAS_NUMBA:
        assert overlap(a, b, compiled=True) == overlap(a, b)


@settings(deadline=None)
@given(seeds, seeds, shares)
def test_a_product_is_the_product_of_the_densities(seed_a, seed_b, keep):
    maps = random_map(seed_a, keep=keep), random_map(seed_b)
    a, b = (SkyMap.from_uniq(*some[:2]) for some in maps)
    expected = dense(*maps[0]) * dense(*maps[1])
    expected /= expected.sum() * FULL_SKY_SR / len(expected)
    both = combined(a, b)
    index_29 = np.arange(len(expected)) * 4 ** (29 - DENSE_ORDER)
    told = both.match(Positions(index_29 * 0.0, index_29 * 0.0, index_29)).probdensity_per_sr
    np.testing.assert_allclose(told, expected, rtol=1e-12, atol=0.0)
    assert combined(b, a) == both


def test_a_map_that_knows_nothing_changes_nothing():
    whole = SkyMap.from_uniq(np.arange(4, 16), np.ones(12))
    uniq, density, _ = random_map(5)
    some = SkyMap.from_uniq(uniq, density)
    assert overlap(some, whole) == pytest.approx(1.0, rel=1e-12)
    assert combined(some, whole).probdensity_per_sr == pytest.approx(some.probdensity_per_sr)


def test_maps_that_exclude_each_other_have_no_overlap_and_no_product():
    north, south = SkyMap.from_uniq([4], [1.0]), SkyMap.from_uniq([15], [1.0])
    assert overlap(north, south) == 0.0
    with pytest.raises(SkyMapError, match="share some probability"):
        combined(north, south)


def test_a_product_has_the_distance_of_the_map_that_has_one():
    uniq, density, _ = random_map(7)
    far = SkyMap.from_uniq(uniq, density, *random_distance(7, len(uniq)))
    near = SkyMap.from_uniq(*random_map(8)[:2])
    both = combined(near, far)
    index_29 = both.lo
    places = Positions(index_29 * 0.0, index_29 * 0.0, index_29)
    for told, expected in zip(
        (both.dist_mu_mpc, both.dist_sigma_mpc, both.dist_norm),
        astuple(far.distance_at(places)),
        strict=True,
    ):
        assert np.array_equal(told, expected)
    with pytest.raises(SkyMapError, match="at most one has a distance"):
        combined(far, far)


@pytest.mark.real_data
def test_the_maps_of_gw170817_and_its_burst_agree(real_data):
    folder = real_data / "notices"
    gw = read_sky_map(
        (folder / "gw/GW170817/MS181101ab_labelled_GW170817.multiorder.fits").read_bytes()
    )
    names = (
        "GRB170817A_gbuts_healpix.multiorder.fits",
        "GRB170817A_gbuts_healpix_524666471.429.fit",
    )
    found = [
        overlap(gw, read_sky_map((folder / "fermi/GRB170817A" / name).read_bytes()))
        for name in names
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-5)  # the same map, multi-order and flat
    assert found[0] > 10.0
