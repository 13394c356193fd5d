"""Covers: ranges that hold every position that the full test accepts."""

import healpy
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skymaps.errors import SkyMapError
from skymaps.healpix import (
    BASE_CELL_SR,
    DEG2_PER_SR,
    END_29,
    Positions,
    cells_of_ranges,
    coarsen,
    merged_ranges,
    separation_deg,
)
from skymaps.shapes import Circle, SystematicComponent
from skymaps.skymap import SkyMap
from tests.skymaps.sky_factory import random_map

seeds = st.integers(0, 2**32 - 1)
levels = st.sampled_from([0.0, 1e-12, 0.5, 0.9, 0.99, 1.0 - 1e-12, 1.0]) | st.floats(0.0, 1.0)
radii = st.sampled_from([1e-9, 1e-4, 90.0, 180.0]) | st.floats(-9.0, 2.2).map(lambda x: 10.0**x)
mixtures = st.sampled_from(
    [
        (),
        (SystematicComponent(0.804, 3.72), SystematicComponent(0.196, 13.7)),
        (SystematicComponent(0.5, 0.0), SystematicComponent(0.5, 180.0)),
    ]
)
places = st.tuples(
    st.sampled_from([0.0, 45.0, 90.0, 359.9999999, 360.0]) | st.floats(0.0, 360.0),
    st.sampled_from([-90.0, -41.8103148958, 0.0, 41.8103148958, 89.9999999, 90.0])
    | st.floats(-90.0, 90.0),
)
ranges = st.lists(st.integers(0, 500), min_size=2, max_size=40, unique=True).map(
    lambda ends: np.sort(ends[: len(ends) // 2 * 2]).astype(np.int64).reshape(-1, 2)
)


def holds(cover, index_29):
    """Whether each index lies in one of the ranges, one by one."""
    cover = np.concatenate([[[-1, -1]], cover])
    row = np.searchsorted(cover[:, 0], index_29, side="right") - 1
    return index_29 < cover[row, 1]


def assert_in_order(cover):
    assert cover.dtype == np.int64
    flat = cover.ravel()
    assert (cover[:, 0] < cover[:, 1]).all()
    assert (np.diff(flat) >= 0).all()
    assert not len(flat) or (flat[0] >= 0 and flat[-1] <= END_29)


def around(ra_deg, dec_deg, radius_deg, seed, n=200):
    """Positions all over the sky, and most of them near the rim of a circle."""
    rng = np.random.default_rng(seed)
    angle = np.radians(radius_deg) * (
        1.0 + rng.choice([1e-15, 1e-9, 1e-3, 0.5], n) * rng.normal(size=n)
    )
    turn = rng.uniform(0.0, 2.0 * np.pi, n)
    z = np.radians(dec_deg)
    sin_dec = np.sin(z) * np.cos(angle) + np.cos(z) * np.sin(angle) * np.cos(turn)
    east = np.sin(angle) * np.sin(turn)
    north = np.cos(z) * np.cos(angle) - np.sin(z) * np.sin(angle) * np.cos(turn)
    ra = (ra_deg + np.degrees(np.arctan2(east, north))) % 360.0
    dec = np.degrees(np.arcsin(np.clip(sin_dec, -1.0, 1.0)))
    ra[::5], dec[::5] = rng.uniform(0, 360, len(ra[::5])), rng.uniform(-90, 90, len(ra[::5]))
    ra[0], dec[0] = ra_deg, dec_deg
    return Positions.of(ra, dec)


@settings(deadline=None)
@given(places, radii, st.floats(0.1, 0.99), mixtures, levels, seeds)
@example((0.0, 90.0), 1e-9, 0.9, (), 0.99, 1)
@example((360.0, -90.0), 20.0, 0.9, (), 0.99, 2)
def test_a_circles_cover_holds_all_that_is_inside(place, radius, held, mixture, level, seed):
    circle = Circle(*place, radius, held, False, mixture, "test")
    cover = circle.cover(level)
    assert_in_order(cover)
    positions = around(*place, circle.radius_at(level), seed)
    inside = circle.match(positions).inside(level)
    assert holds(cover, positions.index_29)[inside].all()


@settings(deadline=None)
@given(seeds, st.sampled_from([1.0, 0.6, 0.05]), st.booleans(), levels)
def test_a_maps_cover_holds_all_that_is_inside(seed, keep, ties, level):
    uniq, density, _ = random_map(seed, keep=keep, ties=ties)
    sky_map = SkyMap.from_uniq(uniq, density)
    cover = sky_map.cover(level)
    assert_in_order(cover)
    rng = np.random.default_rng(seed)
    index = np.concatenate([sky_map.lo, sky_map.hi - 1, rng.integers(0, END_29, 200)])
    positions = Positions.of(*healpy.pix2ang(2**29, index, nest=True, lonlat=True))
    inside = sky_map.match(positions).inside(level)
    assert holds(cover, positions.index_29)[inside].all()


@pytest.mark.parametrize("radius_deg", [0.01, 1.0, 10.0, 40.0])
def test_a_circles_cover_is_hardly_larger_than_the_circle(radius_deg):
    circle = Circle(83.0, -5.0, radius_deg, 0.9, True, (), "test")
    cover = circle.cover(0.99)
    cells_29 = int((cover[:, 1] - cover[:, 0]).sum())
    area_deg2 = cells_29 * (BASE_CELL_SR / 4.0**29) * DEG2_PER_SR
    assert circle.area_deg2(0.99) <= area_deg2 <= 1.08 * circle.area_deg2(0.99)
    assert len(cover) <= 400


@pytest.mark.parametrize("level", [-0.1, -1e-12, 1.1, float("nan")])
def test_a_cover_of_no_level_is_refused(level):
    uniq, density, _ = random_map(1)
    for shape in (Circle(0.0, 0.0, 1.0, 0.9, True), SkyMap.from_uniq(uniq, density)):
        with pytest.raises(SkyMapError, match="level"):
            shape.cover(level)


@given(ranges, st.integers(25, 29))
def test_cells_of_ranges_are_those_of_their_members(some, order):
    members = {i for lo, hi in some.tolist() for i in range(lo, hi)}
    expected = sorted(set(coarsen(sorted(members), order).tolist()))
    assert cells_of_ranges(some, order).tolist() == expected


@given(ranges, st.integers(1, 25))
def test_merged_ranges_hold_the_ranges_and_as_little_more_as_can_be(some, most):
    merged = merged_ranges(some, most)
    assert_in_order(merged)
    assert len(merged) == min(most, len(some))
    assert all(holds(merged, np.arange(lo, hi)).all() for lo, hi in some.tolist())
    gaps = sorted((some[1:, 0] - some[:-1, 1]).tolist())
    closed = sum(gaps[: max(0, len(some) - most)])
    assert np.diff(merged).sum() == np.diff(some).sum() + closed


@settings(deadline=None)
@given(places, radii, st.floats(0.1, 0.99), mixtures, seeds, st.integers(1, 70))
def test_what_a_circle_says_of_a_position_depends_on_no_other(
    place, radius, held, mixture, seed, n
):
    circle = Circle(*place, radius, held, False, mixture, "test")
    many = around(*place, min(radius, 170.0), seed, n)
    together = circle.match(many)
    angle = separation_deg(many.ra_deg, many.dec_deg, *place)
    for i in range(n):
        alone = circle.match(Positions.of(many.ra_deg[i], many.dec_deg[i]))
        assert alone.credible_level[0] == together.credible_level[i]
        assert alone.probdensity_per_sr[0] == together.probdensity_per_sr[i]
        assert separation_deg(many.ra_deg[i], many.dec_deg[i], *place)[0] == angle[i]
