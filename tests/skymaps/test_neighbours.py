"""Neighbours are those that brute force and astropy find, everywhere on the sky."""

import healpy
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skymaps.healpix import MAX_ORDER, Positions, separation_deg
from skymaps.neighbours import CELL_REACH_RAD, MAX_RADIUS_ARCSEC, Points

AWKWARD = [
    (0.0, 0.0),  # where right ascension begins again
    (180.0, 90.0),
    (77.0, -90.0),
    (45.0, 41.8103148957786),  # where three cells meet
    (315.0, -41.8103148957786),
    (90.0, 41.8103148957786),
    (0.0, 89.9999),
    (45.0, 0.0),
]


def brute(points, positions, radius_arcsec):
    found = []
    for row in range(len(positions)):
        place = positions.ra_deg[row], positions.dec_deg[row]
        off = separation_deg(points.ra_deg, points.dec_deg, *place) * 3600.0
        found += [(row, int(i)) for i in np.flatnonzero(off <= radius_arcsec)]
    return set(found)


def near_place(rng, ra, dec, spread_deg, n):
    """Points about a place, at distances from a thousandth of the spread on."""
    angle = rng.uniform(0.0, 2.0 * np.pi, n)
    off = SkyCoord(ra * u.deg, dec * u.deg).directional_offset_by(
        angle * u.rad, spread_deg * 10.0 ** rng.uniform(-3.0, 0.0, n) * u.deg
    )
    return np.asarray(off.ra.deg), np.asarray(off.dec.deg)


@settings(max_examples=60, deadline=None)
@given(
    place=st.one_of(
        st.sampled_from(AWKWARD),
        st.tuples(st.floats(0.0, 360.0), st.floats(-90.0, 90.0)),
    ),
    log_radius=st.floats(-2.0, 5.1),
    seed=st.integers(0, 2**32 - 1),
)
@example(place=(0.0, 90.0), log_radius=5.1, seed=0)
@example(place=(45.0, 41.8103148957786), log_radius=0.0, seed=1)
def test_the_pairs_are_those_of_brute_force(place, log_radius, seed):
    rng, radius_arcsec = np.random.default_rng(seed), 10.0**log_radius
    spread_deg = min(4.0 * radius_arcsec / 3600.0, 90.0)
    points, _ = Points.of(*near_place(rng, *place, spread_deg, 300))
    positions = Positions.of(*near_place(rng, *place, spread_deg, 40))
    found = points.near(positions, radius_arcsec)
    # A pair at the very radius may round either way: leave out what is within 1e-9 of it.
    sure = brute(points, positions, radius_arcsec * (1.0 - 1e-9))
    may_be = brute(points, positions, radius_arcsec * (1.0 + 1e-9))
    pairs = set(zip(found.row.tolist(), found.point.tolist(), strict=True))
    assert sure <= pairs <= may_be
    assert len(pairs) == len(found)


@pytest.mark.parametrize("radius_arcsec", [0.5, 30.0, 3_000.0, 100_000.0])
@pytest.mark.parametrize("n_points", [40, 4_000])
def test_sparse_and_dense_points_give_the_pairs_of_brute_force(radius_arcsec, n_points):
    rng = np.random.default_rng(7)
    ra, z = rng.uniform(0.0, 360.0, n_points), rng.uniform(-1.0, 1.0, n_points)
    points, _ = Points.of(ra, np.degrees(np.arcsin(z)))
    positions = Positions.of(points.ra_deg[:25] + radius_arcsec / 7200.0, points.dec_deg[:25])
    found = points.near(positions, radius_arcsec)
    pairs = set(zip(found.row.tolist(), found.point.tolist(), strict=True))
    assert pairs == brute(points, positions, radius_arcsec)


def test_the_nearest_are_those_of_astropy():
    rng = np.random.default_rng(3)
    n = 20_000
    ra, dec = rng.uniform(0.0, 360.0, n), np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, n)))
    points, given_number = Points.of(ra, dec)
    at = rng.integers(0, n, 500)
    positions = Positions.of(ra[at] + rng.normal(0.0, 1e-3, 500), np.clip(dec[at], -89.99, 89.99))
    catalogue = SkyCoord(ra * u.deg, dec * u.deg)
    which, off, _ = SkyCoord(
        positions.ra_deg * u.deg, positions.dec_deg * u.deg
    ).match_to_catalog_sky(catalogue)
    radius_arcsec = 600.0
    found = points.near(positions, radius_arcsec).nearest()
    inside = np.flatnonzero(off.arcsec <= radius_arcsec)
    assert len(inside) > 400
    assert found.row.tolist() == inside.tolist()
    assert given_number[found.point].tolist() == which[inside].tolist()
    assert found.separation_arcsec == pytest.approx(off.arcsec[inside], abs=1e-8)


def test_neighbours_come_from_the_nearest_on_and_equals_by_number():
    points, _ = Points.of([10.0, 10.0, 10.001, 10.0], [0.0, 0.0, 0.0, 0.002])
    found = points.near(Positions.of([10.0], [0.0]), 10.0)
    assert found.separation_arcsec == pytest.approx([0.0, 0.0, 3.6, 7.2])
    assert found.point[0] < found.point[1]
    assert len(found.nearest()) == 1


def test_a_radius_holds_its_edge_and_zero_holds_the_place_itself():
    points, _ = Points.of([10.0, 20.0], [0.0, 0.0])
    assert len(points.near(Positions.of([10.0], [0.0]), 0.0)) == 1
    assert len(points.near(Positions.of([11.0], [0.0]), 3600.0 * (1.0 + 1e-12))) == 1


@pytest.mark.parametrize("radius_arcsec", [-1.0, MAX_RADIUS_ARCSEC * 1.01, float("nan")])
def test_a_radius_that_nine_cells_cannot_hold_is_refused(radius_arcsec):
    points, _ = Points.of([10.0], [0.0])
    with pytest.raises(ValueError, match="a radius must lie in"):
        points.near(Positions.of([10.0], [0.0]), radius_arcsec)


def test_nothing_and_nobody_have_no_neighbours():
    none, _ = Points.of([], [])
    assert len(none.near(Positions.of([10.0], [0.0]), 1.0)) == 0
    points, _ = Points.of([10.0], [0.0])
    assert len(points.near(Positions.of([], []), 1.0)) == 0


def test_no_cell_is_narrower_than_is_said():
    """Steps across cells all over the sky: the coordinate of a face grows as fast as promised."""
    rng, step_rad = np.random.default_rng(5), 1e-7
    n = 20_000
    ra, z = rng.uniform(0.0, 360.0, n), rng.uniform(-1.0, 1.0, n)
    ra[:2000] = 90.0 * rng.integers(0, 4, 2000) + 10.0 ** rng.uniform(-4, 0, 2000)
    z[:2000] = 1.0 - 10.0 ** rng.uniform(-6, -0.5, 2000)  # along the edges of the caps' faces
    dec = np.degrees(np.arcsin(z))
    here = SkyCoord(ra * u.deg, dec * u.deg)
    there = here.directional_offset_by(rng.uniform(0, 360, n) * u.deg, step_rad * u.rad)
    nside = 2**MAX_ORDER
    index = [
        healpy.ang2pix(nside, p.ra.deg, p.dec.deg, nest=True, lonlat=True) for p in (here, there)
    ]
    xyf = [healpy.pix2xyf(nside, i, nest=True) for i in index]
    same = xyf[0][2] == xyf[1][2]
    moved = np.abs(xyf[1][0] - xyf[0][0])[same] / nside
    assert same.sum() > 0.99 * n
    assert moved.max() <= step_rad / CELL_REACH_RAD * (1.0 + 0.05)
    assert moved.max() > 0.97 * step_rad / CELL_REACH_RAD  # and it is no idle bound
