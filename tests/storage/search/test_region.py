"""Regions of the sky, against what geometry says of each place by itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skymaps.errors import SkyMapError
from skymaps.healpix import END_29, Positions, index_29_of
from skymaps.moc import moc_of_ranges
from skymaps.runs import SkyRuns
from storage.search import Region
from storage.search.region import MAX_RANGES
from tests.builders import a_circle

CLEAR_DEG = 1e-7
"""How near an edge [deg] two ways to say where a place lies may differ."""

right_ascensions = st.sampled_from([0.0, 1e-9, 45.0, 359.999, 360.0]) | st.floats(0.0, 360.0)
declinations = st.sampled_from([-90.0, -89.999, 0.0, 41.8, 90.0]) | st.floats(-90.0, 90.0)
places = st.tuples(right_ascensions, declinations)
radii = st.sampled_from([0.0, 1e-4, 1.0, 90.0, 180.0]) | st.floats(0.0, 180.0)
steps = st.floats(-1.0, 1.0)


def haversine_deg(ra, dec, ra0, dec0) -> float:
    ra, dec, ra0, dec0 = map(math.radians, (ra, dec, ra0, dec0))
    half = math.sin((dec - dec0) / 2) ** 2
    half += math.cos(dec) * math.cos(dec0) * math.sin((ra - ra0) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(half))))


def near(place, scale_deg, step) -> tuple[float, float]:
    """A place some way from another, wherever that ends."""
    dec = max(-90.0, min(90.0, place[1] + scale_deg * step[1]))
    across = scale_deg * step[0] / max(math.cos(math.radians(dec)), 1e-3)
    return (place[0] + across) % 360.0, dec


def is_in_ranges(region: Region, ra: float, dec: float) -> bool:
    index_29 = int(index_29_of(ra, dec)[0])
    return any(lo <= index_29 < hi for lo, hi in region.ranges.tolist())


def check_ranges(region: Region) -> None:
    ranges = region.ranges
    assert ranges.shape == (len(ranges), 2)
    assert ranges.dtype == np.int64
    assert len(ranges) <= MAX_RANGES
    assert (ranges[:, 0] < ranges[:, 1]).all()
    assert (ranges[1:, 0] > ranges[:-1, 1]).all()
    if len(ranges):
        assert ranges[0, 0] >= 0
        assert ranges[-1, 1] <= END_29


@settings(max_examples=80, deadline=None)
@given(places, radii, places, st.tuples(steps, steps))
def test_a_cone_holds_what_is_within_its_radius(centre, radius_deg, anywhere, step):
    cone = Region.cone(*centre, radius_deg)
    check_ranges(cone)
    for place in (anywhere, near(centre, 2.0 * radius_deg, step), centre):
        off_deg = haversine_deg(*place, *centre)
        inside = bool(cone.contains(*place)[0])
        # The haversine itself loses digits on the far side.
        slack = CLEAR_DEG if off_deg < 179.0 else 1e-5
        if abs(off_deg - radius_deg) > slack:
            assert inside == (off_deg < radius_deg)
        if inside:
            assert is_in_ranges(cone, *place)


boxes = st.tuples(right_ascensions, right_ascensions, declinations, declinations)


@settings(max_examples=80, deadline=None)
@given(boxes, places, st.tuples(steps, steps))
def test_a_box_holds_what_is_between_its_edges(edges, anywhere, step):
    west, east, low, high = edges[0], edges[1], min(edges[2:]), max(edges[2:])
    box = Region.box(west, east, low, high)
    check_ranges(box)
    corner = near((west, high), max(high - low, 1e-3), step)
    for ra, dec in (anywhere, corner, (west, low), (east, high)):
        inside = bool(box.contains(ra, dec)[0])
        turn = ra % 360.0
        if east - west >= 360.0:
            in_ra = True
        elif west % 360.0 <= east % 360.0:
            in_ra = west % 360.0 <= turn <= east % 360.0
        else:
            in_ra = turn >= west % 360.0 or turn <= east % 360.0
        is_clear = all(
            min((turn - edge) % 360.0, (edge - turn) % 360.0) > CLEAR_DEG for edge in (west, east)
        )
        if is_clear or east - west >= 360.0:
            assert inside == (low <= dec <= high and (in_ra or abs(dec) == 90.0))
        if inside:
            assert is_in_ranges(box, ra, dec)


def test_the_edges_and_corners_of_a_box_belong_to_it():
    box = Region.box(350.0, 10.0, -5.0, 5.0)
    ra = [350.0, 0.0, 360.0, 10.0, 10.000001, 349.99999, 180.0]
    assert box.contains(ra, [5.0] * 7).tolist() == [True] * 4 + [False] * 3
    assert box.contains([0.0, 0.0], [-5.0, -5.000001]).tolist() == [True, False]
    assert Region.box(0.0, 360.0, 80.0, 90.0).contains([123.0], [90.0]).all()
    assert Region.box(10.0, 20.0, 80.0, 90.0).contains([123.0], [90.0]).all()


@pytest.mark.parametrize("form", ["ascii", "json", "fits"])
def test_a_moc_holds_the_places_of_its_cells(form):
    exact = Region.cone(359.0, 80.0, 7.0).ranges
    region = Region.moc(moc_of_ranges(exact, form))
    rng = np.random.default_rng(5)
    ra, dec = rng.uniform(0.0, 360.0, 5000), rng.uniform(60.0, 90.0, 5000)
    runs = SkyRuns()
    runs.add(index_29_of(ra, dec), np.zeros(5000), np.arange(5000), np.zeros(5000))
    expected = sorted(runs.find(exact, -1.0, 1.0).tolist())
    assert np.flatnonzero(region.contains(ra, dec)).tolist() == expected
    assert expected
    assert region.ranges.tolist() == exact.tolist()


def test_a_moc_of_more_ranges_than_a_region_has_is_looked_up_in_coarser_ones():
    every_second = " ".join(str(i) for i in range(0, 12 * 4**6, 2))
    region = Region.moc(f"6/{every_second}")
    check_ranges(region)
    rng = np.random.default_rng(6)
    ra, dec = rng.uniform(0.0, 360.0, 2000), np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, 2000)))
    cell = index_29_of(ra, dec) >> 46
    assert region.contains(ra, dec).tolist() == (cell % 2 == 0).tolist()


def test_a_moc_without_cells_holds_nothing():
    region = Region.moc("")
    check_ranges(region)
    assert not region.contains([1.0, 2.0], [3.0, 4.0]).any()


@settings(max_examples=30, deadline=None)
@given(places, st.floats(0.01, 60.0), st.floats(0.0, 1.0), st.tuples(steps, steps))
def test_a_credible_region_holds_what_the_join_takes(centre, radius_deg, level, step):
    circle = a_circle(*centre, radius_deg)
    region = Region.credible(circle, level)
    check_ranges(region)
    for place in (centre, near(centre, 2.0 * radius_deg, step)):
        inside = bool(circle.match(Positions.of(*place)).inside(level)[0])
        assert bool(region.contains(*place)[0]) == inside
        if inside:
            assert is_in_ranges(region, *place)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Region.cone(0.0, 90.1, 1.0),
        lambda: Region.cone(0.0, 0.0, -1.0),
        lambda: Region.cone(0.0, 0.0, 180.1),
        lambda: Region.cone(float("nan"), 0.0, 1.0),
        lambda: Region.cone(float("inf"), 0.0, 1.0),
        lambda: Region.cone(True, 0.0, 1.0),
        lambda: Region.cone("0; DROP TABLE objects", 0.0, 1.0),
        lambda: Region.box(0.0, 1.0, 2.0, 1.0),
        lambda: Region.box(0.0, 1.0, -91.0, 1.0),
        lambda: Region.box(0.0, float("nan"), 0.0, 1.0),
        lambda: Region.moc("30/1"),
        lambda: Region.moc("0/12"),
        lambda: Region.moc("1/5-"),
        lambda: Region.moc('{"3": [1, -2]}'),
        lambda: Region.moc("{" * 5000),
        lambda: Region.moc("3/\ud800"),
        lambda: Region.moc("0/1 " * 2_000_000),
        lambda: Region.credible(a_circle(), 1.1),
        lambda: Region.credible(a_circle(), float("nan")),
    ],
)
def test_a_region_that_is_none_is_refused(make):
    with pytest.raises(SkyMapError):
        make()


@pytest.mark.parametrize(
    "edges",
    [(10.0, 10.0, -90.0, 90.0), (0.0, 360.0, 5.0, 5.0), (200.0, 160.0, -1e-4, 1e-4)],
)
def test_a_sliver_of_a_box_has_few_ranges(edges):
    check_ranges(Region.box(*edges))
