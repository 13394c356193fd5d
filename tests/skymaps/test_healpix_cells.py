"""UNIQ indices and order-29 ranges, against astropy-healpix."""

import math
from importlib.util import find_spec

import astropy_healpix
import numpy as np
import pytest
from astropy import units
from hypothesis import given, settings
from hypothesis import strategies as st

from skymaps.healpix import (
    DEG2_PER_SR,
    MAX_ORDER,
    Positions,
    cell_area_sr,
    components,
    index_29_of,
    orders_of_ranges,
    orders_of_uniq,
    ranges_of_uniq,
    uniq_of_ranges,
)
from skymaps.place import index_29_at, vector_at

cells = st.integers(0, MAX_ORDER).flatmap(
    lambda order: st.tuples(st.just(order), st.integers(0, 12 * 4**order - 1))
)


@settings(deadline=None)
@given(st.lists(cells, min_size=1, max_size=20))
def test_uniq_indices_become_the_ranges_of_their_cells_and_back(pairs):
    order, ipix = (np.array(x, dtype=np.int64) for x in zip(*pairs, strict=True))
    uniq = astropy_healpix.level_ipix_to_uniq(order, ipix)
    lo, hi = ranges_of_uniq(uniq)
    assert lo.tolist() == [p * 4 ** (29 - o) for o, p in pairs]
    assert hi.tolist() == [(p + 1) * 4 ** (29 - o) for o, p in pairs]
    assert orders_of_ranges(lo, hi).tolist() == order.tolist()
    assert uniq_of_ranges(lo, hi).tolist() == uniq.tolist()


@pytest.mark.parametrize("order", range(MAX_ORDER + 1))
def test_the_first_and_the_last_cell_of_every_order_are_told_apart(order):
    first, last = 4 ** (order + 1), 16 * 4**order - 1
    lo, hi = ranges_of_uniq([first, last])
    assert (lo[0], hi[1]) == (0, 12 * 4**29)
    assert uniq_of_ranges(lo, hi).tolist() == [first, last]


@pytest.mark.parametrize("order", range(30))
def test_the_first_and_the_last_cell_of_an_order_are_of_it(order):
    first, last = 4 ** (order + 1), 4 ** (order + 2) - 1
    edges = np.array([first, first + 1, last - 1, last])
    assert orders_of_uniq(edges).tolist() == [order] * 4
    assert orders_of_uniq(np.append(edges, 4**31 - 1)).tolist() == [order] * 4 + [29]


@pytest.mark.parametrize("uniq", [-1, 0, 3, 4**31, 2**63 - 1])
def test_what_is_no_uniq_index_is_refused(uniq):
    with pytest.raises(ValueError, match="UNIQ must lie in"):
        ranges_of_uniq([uniq])


@pytest.mark.parametrize(
    ("lo", "hi"),
    [(0, 0), (0, 2), (1, 5), (4, 0), (-4, 0), (12 * 4**29, 12 * 4**29 + 1), (0, 12 * 4**29)],
)
def test_a_range_that_is_not_one_cell_is_refused(lo, hi):
    with pytest.raises(ValueError, match="must be one cell"):
        orders_of_ranges(np.array([lo]), np.array([hi]))


@pytest.mark.parametrize("order", [0, 7, 29])
def test_cells_share_the_sky_equally(order):
    nside = astropy_healpix.level_to_nside(order)
    area = astropy_healpix.nside_to_pixel_area(nside).to_value("deg2")
    assert cell_area_sr(order) * DEG2_PER_SR == pytest.approx(area, rel=1e-14)


def test_a_position_lies_in_the_range_of_its_cell():
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 200), np.degrees(np.arcsin(rng.uniform(-1, 1, 200)))
    index = Positions.of(ra, dec).index_29
    for order in (0, 5, 17):
        healpix = astropy_healpix.HEALPix(2**order, order="nested")
        uniq = astropy_healpix.level_ipix_to_uniq(
            order, healpix.lonlat_to_healpix(ra * units.deg, dec * units.deg)
        )
        lo, hi = ranges_of_uniq(uniq)
        assert ((lo <= index) & (index < hi)).all()


@given(
    st.floats(-360.0, 720.0)
    | st.sampled_from([-1e-300, 0.0, 45.0, 90.0, 359.99999999999994, 360.0]),
    st.floats(-90.0, 90.0)
    | st.sampled_from([-90.0, 0.0, 41.8103148957786, 81.89, 89.42, 89.43, 89.999999, 90.0]),
)
def test_one_place_has_the_index_that_it_has_among_others(ra_deg, dec_deg):
    among = index_29_of([10.0, ra_deg, 20.0], [5.0, dec_deg, -5.0])
    assert index_29_at(ra_deg, dec_deg) == among[1]
    if find_spec("numba"):
        assert index_29_of(ra_deg, dec_deg, compiled=True)[0] == among[1]


def test_ten_thousand_places_have_the_indices_that_they_have_together():
    rng = np.random.default_rng(5)
    ra, dec = rng.uniform(0.0, 360.0, 10_000), np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, 10_000)))
    dec[::10] = np.copysign(90.0 - 10.0 ** rng.uniform(-9.0, 1.0, 1_000), dec[::10])
    alone = [index_29_at(*place) for place in zip(ra.tolist(), dec.tolist(), strict=True)]
    assert alone == index_29_of(ra, dec).tolist()
    if find_spec("numba"):
        assert alone == index_29_of(ra, dec, compiled=True).tolist()


@given(st.floats(0.0, 360.0), st.floats(-90.0, 90.0))
def test_one_place_has_the_unit_vector_that_it_has_among_others(ra_deg, dec_deg):
    among = components([10.0, ra_deg, 20.0] * 7, [5.0, dec_deg, -5.0] * 7)
    assert vector_at(ra_deg, dec_deg) == tuple(axis[1] for axis in among)


@pytest.mark.parametrize("place", [(math.nan, 0.0), (0.0, math.inf), (0.0, 90.001)])
def test_a_place_that_is_none_has_no_index(place):
    with pytest.raises(ValueError, match=r"finite|dec must lie"):
        index_29_at(*place)
    with pytest.raises(ValueError, match=r"finite|dec must lie"):
        index_29_of(*place)
