"""FITS sky maps: every malformed file refused, by its rule and within bounded memory."""

import gzip
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skymaps.errors import SkyMapError
from skymaps.fits import MapLimits, read_sky_map
from tests.skymaps.sky_factory import (
    N_PIXELS,
    ORDER,
    fits_bytes,
    flat_file,
    multi_order_bytes,
    random_map,
    unsigned_file,
)

MIB = 2**20
UNIQ, DENSITY, _ = random_map(6, max_order=3)
GOOD = multi_order_bytes(UNIQ, DENSITY)
FLAT = flat_file(np.full(N_PIXELS, 1 / N_PIXELS))


def card(key, value):
    return f"{key:8}= {value:>20}".ljust(80).encode()


def with_card(data, key, value):
    """The file with one card of it rewritten."""
    at = data.index(f"{key:8}=".encode(), 2880)
    return data[:at] + card(key, value) + data[at + 80 :]


def multi(**change):
    """Multi-order file with changed columns: name to (format, unit, array), None to leave out."""
    columns = {"UNIQ": ("K", "", UNIQ), "PROBDENSITY": ("D", "sr-1", DENSITY), **change}
    made = [(name, *rest) for name, rest in columns.items() if rest is not None]
    return fits_bytes(made, {"ORDERING": "NUNIQ"})


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "are a FITS file"),
        (b"hhhh", "are a FITS file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "are a FITS file"),
        (b"<!DOCTYPE html>", "are a FITS file"),
        (b"\x1f\x8b", "not cut short"),
        (b"\x1f\x8b" + b"\x00" * 99, "can be inflated"),
        (gzip.compress(b"hello", mtime=0), "are a FITS file"),
        (gzip.compress(GOOD, mtime=0)[:-4], "not cut short"),
        (gzip.compress(GOOD, mtime=0)[:-8] + b"\x00" * 8, "can be inflated"),
        (GOOD[:2880], "a sky map has a column of"),
        (GOOD[:2880] + b"x" * 2880, "a sky map has a column of"),
        (b"SIMPLE  =".ljust(2880) * 500, "ends within 400 blocks"),
        (with_card(GOOD, "ORDERING", "'RING'"), "has ORDERING NUNIQ"),
        (with_card(GOOD, "COORDSYS", "'G'"), "COORDSYS"),
        (with_card(GOOD, "PIXTYPE", "'OTHER'"), "PIXTYPE"),
        (with_card(GOOD, "NAXIS2", "1000000000"), "not cut short|at most"),
        (with_card(GOOD, "NAXIS2", "-5"), "NAXIS2 is a whole number"),
        (with_card(GOOD, "NAXIS2", "1E9"), "NAXIS2 is a whole number"),
        (with_card(GOOD, "NAXIS2", "0"), "has 1 to"),
        (with_card(GOOD, "NAXIS1", "17"), "fill NAXIS1"),
        (with_card(GOOD, "NAXIS", "9999"), "NAXIS is at most"),
        (with_card(GOOD, "BITPIX", "7"), "BITPIX"),
        (with_card(GOOD, "TFIELDS", "1"), "fill NAXIS1"),
        (with_card(GOOD, "TFIELDS", "3"), "TFORM3"),
        (with_card(GOOD, "TFIELDS", "99999"), "TFIELDS"),
        (with_card(GOOD, "TFORM1", "'Z'"), "TFORM1"),
        (with_card(GOOD, "TFORM1", "'D'"), "one cell, a whole number"),
        (with_card(GOOD, "TFORM1", "'1PJ'"), "one cell, a whole number"),
        (with_card(GOOD, "TFORM2", "'K'"), "holds floats"),
        (with_card(GOOD, "TUNIT2", "'mag'"), "TUNIT of a density"),
        (with_card(GOOD, "TUNIT2", "'deg-2'"), "sums to 0.5 to 2"),
        (with_card(GOOD, "TUNIT2", "'pix-1'"), "sums to 0.5 to 2"),
        (multi(PROBDENSITY=None), "a sky map has a column of"),
        (multi(DISTMU=("D", "", DENSITY)), "all three distance columns or none"),
        (multi(UNIQ=("K", "", np.full(len(UNIQ), 4))), "do not overlap"),
        (multi(UNIQ=("K", "", UNIQ - 99)), "UNIQ must lie in"),
        (multi(PROBDENSITY=("D", "sr-1", -DENSITY)), "not negative"),
        (multi(PROBDENSITY=("D", "sr-1", DENSITY * np.nan)), "not negative"),
        (multi(PROBDENSITY=("D", "sr-1", DENSITY * 0)), "sums to"),
        (with_card(FLAT, "ORDERING", "'NUNIQ'"), "NESTED or RING"),
        (with_card(FLAT, "ORDERING", "''"), "NESTED or RING"),
        (with_card(FLAT, "NSIDE", "15"), "power of 2"),
        (with_card(FLAT, "NSIDE", "32"), "has 12288 pixels"),
        (with_card(FLAT, "NAXIS2", "3000"), "has 3072 pixels"),
        (with_card(FLAT, "INDXSCHM", "'EXPLICIT'"), "INDXSCHM"),
        (flat_file(np.full(N_PIXELS, -1.0)), "not negative"),
        (flat_file(np.full(N_PIXELS, np.nan)), "not negative"),
        (flat_file(np.full(N_PIXELS, 1e308)), "not negative|sums to"),
        (flat_file(np.zeros(N_PIXELS)), "at least one cell"),
    ],
)
def test_a_malformed_file_is_refused_by_the_rule_it_breaks(data, rule):
    with pytest.raises(SkyMapError, match=rule):
        read_sky_map(data)


@pytest.mark.parametrize(
    ("pixel", "rule"),
    [([0, 0], "do not overlap"), ([0, 1, 1, 2, 3], "do not overlap"), ([-1], "PIXEL lies"),
     ([N_PIXELS], "PIXEL lies")],
)  # fmt: skip
def test_pixels_of_an_explicit_map_are_distinct_and_on_the_sky(pixel, rule):
    columns = [("PIXEL", "J", "", pixel), ("PROB", "D", "", np.ones(len(pixel)))]
    with pytest.raises(SkyMapError, match=rule):
        read_sky_map(fits_bytes(columns, {"ORDERING": "NESTED", "NSIDE": 2**ORDER}))


def test_an_explicit_map_without_nside_is_refused():
    columns = [("PIXEL", "J", "", [1]), ("PROB", "D", "", [1.0])]
    with pytest.raises(SkyMapError, match="NSIDE"):
        read_sky_map(fits_bytes(columns, {"ORDERING": "NESTED"}))


def test_scaled_columns_are_refused():
    data = unsigned_file(UNIQ, DENSITY)
    with pytest.raises(SkyMapError, match="no TZERO, TSCAL"):
        read_sky_map(with_card(data, "TZERO1", "5"))


@settings(deadline=None)
@given(st.data(), st.booleans())
def test_a_file_cut_short_is_refused(data, compress):
    whole = gzip.compress(GOOD, mtime=0) if compress else GOOD
    end = len(whole) if compress else GOOD.rindex(b"END".ljust(80)) + 2880
    cut = data.draw(st.integers(0, min(end, len(whole)) - 1))
    with pytest.raises(SkyMapError):
        read_sky_map(whole[:cut])


@settings(deadline=None)
@given(st.data(), st.sampled_from([GOOD, FLAT, gzip.compress(GOOD, mtime=0)]))
def test_a_flipped_bit_is_refused_or_gives_a_sound_map(data, whole):
    flipped = bytearray(whole)
    bit = data.draw(st.integers(0, 8 * min(len(flipped), 12_000) - 1))
    flipped[bit // 8] ^= 1 << (bit % 8)
    try:
        made = read_sky_map(bytes(flipped))
    except SkyMapError:
        return
    assert np.isfinite(made.probdensity_per_sr).all()
    assert made.credible_level.max() == 1.0
    assert made.cell_probability.sum() == pytest.approx(1.0)


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", GOOD[:2880], GOOD[:5760], b"\x1f\x8b\x08"]))
def test_arbitrary_bytes_are_refused(noise, start):
    with pytest.raises(SkyMapError):
        read_sky_map(start + noise)


def peak_of(data, limits=MapLimits()):  # noqa: B008 - frozen
    """Most memory that refusing a file took [bytes], and the rule that it broke."""
    tracemalloc.start()
    try:
        with pytest.raises(SkyMapError) as refusal:
            read_sky_map(data, limits)
        return tracemalloc.get_traced_memory()[1], refusal.value.rule
    finally:
        tracemalloc.stop()


def head_of(file, n_rows):
    """Headers of a file that declares ``n_rows``, without any row."""
    end = file.index(b"END".ljust(80), 2880)
    return with_card(file, "NAXIS2", str(n_rows))[: -(-end // 2880) * 2880]


@pytest.mark.parametrize("n_rows", [10**6, 10**9, 10**17])
@pytest.mark.parametrize("squeeze", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_rows_that_are_declared_only_cost_nothing(n_rows, squeeze):
    data = squeeze(head_of(GOOD, n_rows))
    peak, rule = peak_of(data, MapLimits(max_bytes=2 * 10**18, max_rows=2 * 10**18))
    assert "not cut short" in rule
    assert peak < MIB


def test_a_gzip_bomb_is_refused_without_the_room_for_it():
    table = head_of(GOOD, 40 * MIB // 16)
    for head in (table, b"SIMPLE  =".ljust(2880), GOOD[:2880]):
        bomb = gzip.compress(head + bytes(80 * MIB), 9)
        assert len(bomb) < MIB
        peak, _ = peak_of(bomb, MapLimits(max_bytes=32 * MIB))
        assert peak < 8 * MIB


def test_what_follows_the_table_counts_against_the_bound():
    bomb = gzip.compress(GOOD + bytes(80 * MIB), 9)
    peak, rule = peak_of(bomb, MapLimits(max_bytes=32 * MIB))
    assert "at most" in rule
    assert peak < 40 * MIB


def test_a_flat_map_that_does_not_shrink_is_refused_at_the_bound_of_rows():
    values = np.random.default_rng(1).random(N_PIXELS)
    limits = MapLimits(max_rows=N_PIXELS - 1)
    for ring in (False, True):
        _, rule = peak_of(flat_file(values, ring=ring), limits)
        assert "at most 3071 cells" in rule
    assert read_sky_map(flat_file(values), MapLimits(max_rows=N_PIXELS)).n_rows == N_PIXELS


def test_a_multi_order_map_of_too_many_rows_is_refused():
    _, rule = peak_of(GOOD, MapLimits(max_rows=len(UNIQ) - 1))
    assert "has 1 to" in rule


@pytest.mark.parametrize("single", [True, False])
def test_a_signalling_nan_is_refused_as_quietly_as_any(single):
    """Its product with anything raises the flag of an invalid operation, a warning of NumPy's."""
    values = np.full(N_PIXELS, 1.0 / N_PIXELS)
    said = flat_file(values, single=single)
    sound = np.array(values[0], dtype=">f4" if single else ">f8").tobytes()
    at = said.index(sound)
    nan = b"\x7f\xa0\x00\x01" if single else b"\x7f\xf4" + bytes(5) + b"\x01"
    with pytest.raises(SkyMapError, match="finite and not negative"):
        read_sky_map(said[:at] + nan + said[at + len(nan) :])
