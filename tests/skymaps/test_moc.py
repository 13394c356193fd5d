"""Regions as MOCs, out and in, judged by mocpy: another hand's code for the same standard."""

import gzip
import io
import tracemalloc

import healpy
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import Latitude, Longitude
from astropy.io import fits
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mocpy import MOC
from scipy.stats import kstest

from skymaps.errors import SkyMapError
from skymaps.healpix import Positions, ranges_of_cells, uniq_of_ranges
from skymaps.moc import (
    FORMS,
    MAX_TEXT_BYTES,
    cells_of,
    moc_of,
    moc_of_ranges,
    ranges_of_moc,
    region_of_moc,
)
from skymaps.shapes import Circle
from skymaps.skymap import SkyMap
from tests.skymaps.sky_factory import random_map

seeds = st.integers(0, 2**32 - 1)
levels = st.floats(0.01, 0.99)
END = 12 * 4**29


def some_map(seed, keep=1.0):
    return SkyMap.from_uniq(*random_map(seed, keep=keep)[:2])


def read_by_mocpy(content, form):
    if form == "fits":
        return MOC.from_fits(io.BytesIO(content))
    return MOC.from_string(content.decode(), form)


def judged(ranges):
    order = int(cells_of(ranges).order.max())
    return MOC.from_depth29_ranges(order, ranges.astype(np.uint64))


@settings(deadline=None)
@given(seeds, levels, st.sampled_from(FORMS), st.sampled_from([1.0, 0.4]))
def test_a_region_is_the_one_that_mocpy_makes_of_the_cells(seed, level, form, keep):
    sky_map = some_map(seed, keep)
    made = read_by_mocpy(moc_of(sky_map, level, form), form)
    expected = MOC.from_valued_healpix_cells(
        uniq_of_ranges(sky_map.lo, sky_map.hi).astype(np.uint64),
        np.array(sky_map.cell_probability),
        int(sky_map.order.max()),
        cumul_to=level,
        strict=False,
    )
    assert np.array_equal(made.to_depth29_ranges, expected.to_depth29_ranges)


@settings(deadline=None)
@given(seeds, levels, st.sampled_from(FORMS))
def test_a_region_holds_the_places_that_the_map_has_inside(seed, level, form):
    rng = np.random.default_rng(seed)
    ra = rng.uniform(0.0, 360.0, 500)
    dec = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, 500)))
    sky_map = some_map(seed)
    made = read_by_mocpy(moc_of(sky_map, level, form), form)
    at = Longitude(ra, u.deg), Latitude(dec, u.deg)
    assert np.array_equal(
        made.contains_lonlat(*at), sky_map.match(Positions.of(ra, dec)).inside(level)
    )


@st.composite
def regions(draw):
    """Ranges with ends at any order, which may touch the ends of the sky."""
    order = draw(st.integers(0, 29))
    ends = draw(st.sets(st.integers(0, 12 * 4**order), min_size=2, max_size=12))
    ends = np.array(sorted(ends)[: len(ends) // 2 * 2], dtype=np.int64).reshape(-1, 2)
    return ends << (2 * (29 - order))


@settings(deadline=None)
@given(regions(), st.sampled_from(FORMS))
@example(np.array([[0, END]]), "ascii")
@example(np.array([[0, 1], [END - 1, END]]), "fits")
def test_what_is_written_is_read_again_by_us_and_by_mocpy(ranges, form):
    content = moc_of_ranges(ranges, form)
    assert np.array_equal(ranges_of_moc(content), ranges)
    assert read_by_mocpy(content, form) == judged(ranges)


@settings(deadline=None)
@given(regions())
def test_the_cells_of_a_region_are_the_fewest(ranges):
    cells = cells_of(ranges)
    uniq = 4 * 4**cells.order + cells.ipix
    assert np.array_equal(np.sort(uniq), np.sort(judged(ranges).uniq_hpx.astype(np.int64)))


@settings(deadline=None)
@given(regions())
def test_what_mocpy_writes_is_read(ranges):
    theirs = judged(ranges)
    for v1_compatible in (True, False):
        file = io.BytesIO()
        theirs.serialize("fits", v1_compatible=v1_compatible).writeto(file)
        assert np.array_equal(ranges_of_moc(file.getvalue()), ranges)
        assert np.array_equal(ranges_of_moc(gzip.compress(file.getvalue())), ranges)
    for form in ("ascii", "json"):
        for fold in (0, 40):
            text = theirs.to_string(form, fold=fold)
            assert np.array_equal(ranges_of_moc(text.encode()), ranges)


def test_a_fits_file_says_what_the_standard_asks():
    header = fits.open(io.BytesIO(moc_of(some_map(3), 0.9)))[1].header
    told = {key: header[key] for key in ("MOCVERS", "MOCDIM", "ORDERING", "COORDSYS", "TTYPE1")}
    assert told == {"MOCVERS": "2.0", "MOCDIM": "SPACE", "ORDERING": "NUNIQ", "COORDSYS": "C",
                    "TTYPE1": "UNIQ"}  # fmt: skip
    assert header["MOCORDER"] == header["MOCORD_S"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"3/1-2 5 4/", "3/1-2 5"),
        (b" 0/0-11 ", "0/0-11"),
        (b"3/1,2,5\n29/0", "3/1-2 5 29/0"),
        (b"3/5 3/5 2/1", "2/1"),
        (b'{"3": [5, 1, 2], "7": []}', "3/1-2 5"),
    ],
)
def test_loose_writing_is_read_as_what_it_means(text, expected):
    assert np.array_equal(ranges_of_moc(text), MOC.from_string(expected).to_depth29_ranges)


def of_table(values, form="1K", name="UNIQ", **header):
    table = fits.BinTableHDU.from_columns([fits.Column(name, form, array=np.array(values))])
    table.header.update(header)
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "at least one cell"),
        (b"3/", "at least one cell"),
        (b"{}", "at least one cell"),
        (b"3", "order/cells"),
        (b"3/1 x", "order/cells"),
        (b"3/-1", "order/cells"),
        (b"0/12", "a cell of order 0 lies in"),
        (b"3/5-2", "a cell of order 3 lies in"),
        (b"29/9999999999999999999", "a cell of order 29 lies in"),
        (b"30/1", "an order lies in"),
        (b"t61/1", "order/cells"),
        (b"\xff\xfe", "FITS, JSON or ASCII"),
        (b"{", "is an object"),
        (b'{"a": [1]}', "a list of cells for each order"),
        (b'{"%s": [1]}' % (b"1" * 5000), "a list of cells for each order"),
        (b'{"3": "x"}', "a list of cells for each order"),
        (b'{"3": [-1]}', "whole numbers of the sky"),
        (b'{"3": [1.0]}', "whole numbers of the sky"),
        (b'{"3": [true]}', "whole numbers of the sky"),
        (b'{"0": [12]}', "a cell of order 0 lies in"),
        (b"SIMPLE  = ", "cut short"),
        (moc_of(some_map(1), 0.5)[:-2880], "cut short"),
        (of_table([5], MOCDIM="TIME"), "MOCDIM"),
        (of_table([5], COORDSYS="G"), "COORDSYS"),
        (of_table([5], ORDERING="NESTED"), "ORDERING"),
        (of_table([3]), "UNIQ must lie in"),
        (of_table([5.0], "1D"), "whole numbers"),
        (of_table([5, 6, 7], name="RANGE", ORDERING="RANGE"), "pairs"),
        (of_table([7, 6], name="RANGE", ORDERING="RANGE"), "the ranges of a MOC"),
        (of_table([0, END + 1], name="RANGE", ORDERING="RANGE"), "the ranges of a MOC"),
    ],
)
def test_what_is_no_moc_is_refused_by_its_rule(content, rule):
    with pytest.raises(SkyMapError, match=rule):
        region_of_moc(content)


@settings(deadline=None)
@given(
    st.one_of(st.binary(max_size=60), st.from_regex(r"[0-9/, {}\[\]\":-]{0,40}").map(str.encode))
)
def test_any_bytes_are_a_moc_or_refused(content):
    try:
        ranges = ranges_of_moc(content)
    except SkyMapError:
        return
    assert (ranges[:, 0] < ranges[:, 1]).all()
    assert (ranges[1:, 0] > ranges[:-1, 1]).all()


@pytest.mark.parametrize(
    "content",
    [b"29/" + b"1 999 " * 40_000, b'{"29":[' + b"999," * 60_000 + b"1]}", b"3/" * 120_000],
    ids=["ascii", "json", "orders"],
)
def test_a_text_takes_no_more_than_a_hundred_times_its_length(content):
    tracemalloc.start()
    try:
        ranges_of_moc(content)
        assert tracemalloc.get_traced_memory()[1] < 100 * len(content)
    finally:
        tracemalloc.stop()
    with pytest.raises(SkyMapError, match="a MOC in text has at most"):
        ranges_of_moc(content + b" " * MAX_TEXT_BYTES)


@settings(deadline=None)
@given(regions(), st.sampled_from([0.5, 0.9, 1.0]))
def test_a_region_from_a_moc_is_even_and_gives_the_moc_back(ranges, level):
    content = moc_of_ranges(ranges, "json")
    if level < 1.0 and judged(ranges).sky_fraction >= level:
        with pytest.raises(SkyMapError, match="covers less of the sky"):
            region_of_moc(content, level)
        return
    made = region_of_moc(content, level)
    told, meant = judged(made.ranges(level)), judged(ranges)
    assert told.difference(meant).empty()
    assert told.sky_fraction == pytest.approx(meant.sky_fraction, rel=1e-8)
    inside = np.isin(made.lo, ranges_of_cells(*cells_of(ranges))[0])
    assert np.ptp(made.published_density_per_sr[inside]) == 0.0
    assert made.cell_probability[inside].sum() == pytest.approx(level, abs=1e-8)
    with pytest.raises(SkyMapError, match="level of a MOC"):
        region_of_moc(b"0/1", 0.0)


def test_levels_of_a_moc_are_uniform():
    """Drawn as its text has it: in the box nine times of ten, else anywhere else."""
    rng = np.random.default_rng(11)
    n = 100_000
    made = region_of_moc(b"3/17 4/100-103", 0.9)
    box = np.array([*range(68, 72), *range(100, 104)])
    rest = np.setdiff1d(np.arange(12 * 4**4), box)
    drawn = np.where(rng.uniform(size=n) < 0.9, rng.choice(box, n), rng.choice(rest, n))
    index_29 = (drawn << 50) + rng.integers(0, 4**25, n)
    found = made.match(Positions.of(*healpy.pix2ang(2**29, index_29, nest=True, lonlat=True)))
    level = found.credible_level - rng.uniform(size=n) * found.cell_probability
    assert kstest(level, "uniform").pvalue > 1e-3


def test_a_circle_has_the_region_of_its_cells():
    circle = Circle(359.9, 89.0, 3.0, 0.9, True)
    made = read_by_mocpy(moc_of(circle, 0.9), "fits")
    area = made.sky_fraction * 4.0 * np.pi * np.degrees(1.0) ** 2
    assert area == pytest.approx(circle.area_deg2(0.9), rel=0.01)
    assert made.contains_lonlat(Longitude([100.0] * u.deg), Latitude([89.9] * u.deg)).all()


def test_an_unknown_form_and_an_impossible_level_are_refused():
    with pytest.raises(SkyMapError, match="written as one of"):
        moc_of(some_map(1), 0.9, "csv")
    with pytest.raises(SkyMapError, match="a credible level lies in"):
        moc_of(some_map(1), 1.5)
