"""Circles in cells: their probability, and overlaps by every way against numerical integration."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skymaps.healpix import FULL_SKY_SR, Positions, index_29_of, separation_deg, unit_vectors
from skymaps.overlap import as_map, combined, overlap
from skymaps.shapes import Circle, SystematicComponent
from skymaps.tiles import CELLS_A_DISTANCE, CELLS_A_WIDTH, CORE_WIDTHS, tiles_of

GBM = (SystematicComponent(0.804, 3.72), SystematicComponent(0.196, 13.7))


def circle(ra_deg=30.0, dec_deg=-20.0, radius_deg=3.0, systematics=(), level=0.683):
    return Circle(ra_deg, dec_deg, radius_deg, level, False, systematics, "tests")


circles = st.builds(
    circle,
    st.floats(0.0, 360.0),
    st.floats(-90.0, 90.0),
    st.floats(0.001, 60.0),
    st.sampled_from([(), GBM]),
)


@settings(deadline=None, max_examples=30)
@given(circles)
def test_tiles_hold_the_probability_of_the_circle(made):
    tiles = tiles_of(made)
    assert tiles.sum_before_normalising == pytest.approx(1.0, abs=2e-4)
    assert (np.diff(tiles.lo) > 0).all()
    assert int((tiles.hi - tiles.lo).sum()) == 12 * 4**29
    assert tiles.n_rows < 100_000
    for level in (0.5, 0.9):
        assert tiles.area_deg2(level) == pytest.approx(made.area_deg2(level), rel=0.05)


def on_rings(a, b):
    """4 pi times the integral of a b: Gauss along 1 - cos of the angle from the centre of a."""
    node, weight = np.polynomial.legendre.leggauss(8)
    borders = np.concatenate([[0.0], np.geomspace(1e-9, 2.0, 80)])
    half = 0.5 * np.diff(borders)[:, None]
    h = (0.5 * (borders[1:] + borders[:-1])[:, None] + half * node).ravel()
    w = (half * weight).ravel()
    phi = (np.arange(1440) + 0.5) * np.pi / 720.0
    (up,) = unit_vectors(a.ra_deg, a.dec_deg)
    east = np.cross([0.0, 0.0, 1.0], up)
    east /= np.linalg.norm(east)
    ring = np.outer(np.cos(phi), east) + np.outer(np.sin(phi), np.cross(up, east))
    total = 0.0
    for one_h, one_w in zip(h, w, strict=True):
        places = (1.0 - one_h) * up + np.sqrt(one_h * (2.0 - one_h)) * ring
        ra = np.degrees(np.arctan2(places[:, 1], places[:, 0]))
        dec = np.degrees(np.arcsin(np.clip(places[:, 2], -1.0, 1.0)))
        at = Positions(ra, dec, np.zeros(len(ra), dtype=np.int64))
        product = a.match(at).probdensity_per_sr * b.match(at).probdensity_per_sr
        total += one_w * 2.0 * np.pi * product.mean()
    return FULL_SKY_SR * total


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (circle(), circle()),
        (circle(), circle(33.0, -18.0, 5.0, GBM)),
        (circle(radius_deg=0.05), circle(31.0, -20.0, 4.0, GBM)),
        (circle(radius_deg=40.0), circle(200.0, 60.0, 50.0)),
    ],
)
def test_two_circles_overlap_as_their_integral(a, b):
    assert overlap(a, b) == pytest.approx(on_rings(a, b), rel=1e-6)
    assert overlap(a, b) == overlap(b, a)


@settings(deadline=None, max_examples=30)
@given(circles, circles)
@example(circle(0.0, 0.0, 23.0), circle(42.0, 0.0, 1.0))
@example(circle(0.0, 0.0, 1.0), circle(0.0, 26.0, 1.0, GBM))
def test_a_circle_overlaps_a_map_as_it_does_a_circle(a, b):
    # Where they exclude each other it is next to nothing, and the digits of that are lost.
    closed = overlap(a, b)
    rel = 5e-3 + lost_in_cells(a, b) + lost_in_cells(b, a)
    assert overlap(as_map(a), b) == pytest.approx(closed, rel=rel, abs=1e-3)


def lost_in_cells(wide, narrow):
    """How far the cells of one circle can put its density under a narrow other one: relative.

    Half a cell times the slope of a Gaussian so far out, of the tail where there is one. A circle
    of two cells or more averages over them.
    """
    width, other = (
        np.hypot(c.radius_deg / 1.516, 3.72 / 1.516 if c.systematics else 0.0)
        for c in (wide, narrow)
    )
    centre = np.array([narrow.ra_deg]), np.array([narrow.dec_deg])
    (off,) = separation_deg(*centre, wide.ra_deg, wide.dec_deg)
    cell = max(width / CELLS_A_WIDTH, (off - CORE_WIDTHS * width) / CELLS_A_DISTANCE)
    if other > 2.0 * cell:
        return 0.0
    tail = max(width, 13.7 / 1.516 if wide.systematics else 0.0)
    return 0.5 * cell * off / tail**2


def test_the_least_circle_and_the_widest_have_an_overlap():
    tiny, wide = circle(radius_deg=1e-9), circle(radius_deg=180.0, level=0.999)
    assert overlap(tiny, wide) == pytest.approx(
        FULL_SKY_SR * float(wide.match(Positions.of(30.0, -20.0)).probdensity_per_sr[0]), rel=1e-6
    )
    assert overlap(wide, wide) == pytest.approx(1.0, abs=0.7)
    assert np.isfinite(overlap(tiny, tiny))


def test_a_product_of_circles_peaks_between_them():
    both = combined(circle(30.0), circle(34.0))
    best = both.lo[np.argmax(both.probdensity_per_sr)]
    assert index_29_of(32.0, -20.0)[0] >> 42 == best >> 42


def test_what_is_neither_circle_nor_map_is_refused():
    with pytest.raises(TypeError, match="a circle or a map"):
        as_map(object())
