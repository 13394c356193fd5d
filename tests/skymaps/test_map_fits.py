"""FITS sky maps: every layout, against brute force."""

import gzip
import io

import healpy
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from skymaps.fits import read_cells, read_sky_map
from skymaps.healpix import DEG2_PER_SR, Positions
from skymaps.skymap import SkyMap
from tests.skymaps.sky_factory import (
    N_PIXELS,
    ORDER,
    fits_bytes,
    flat_file,
    multi_order_bytes,
    random_distance,
    random_map,
    rasterised,
    unsigned_file,
)

seeds = st.integers(0, 2**32 - 1)
PIXEL_SR = 4 * np.pi / N_PIXELS
MIB = 2**20


def pixel_centres(order):
    return Positions.of(*healpy.pix2ang(2**order, np.arange(12 * 4**order), nest=True, lonlat=True))


CENTRES = pixel_centres(ORDER)


@settings(max_examples=30, deadline=None)
@given(
    seeds,
    st.fixed_dictionaries(
        {
            "ring": st.booleans(),
            "explicit": st.booleans(),
            "vector": st.booleans(),
            "single": st.booleans(),
            "compress": st.booleans(),
        }
    ),
    st.sampled_from([0.2, 1.0]),
)
def test_a_flat_map_of_any_layout_has_the_density_of_each_pixel(seed, layout, keep):
    uniq, density, order = random_map(seed, max_order=ORDER, keep=keep)
    flat = rasterised(uniq, density, order, ORDER)
    probability = flat * PIXEL_SR
    if layout["single"]:
        probability = probability.astype(np.float32)
    if layout["explicit"]:
        layout = {**layout, "vector": False}
    made = read_sky_map(flat_file(probability, **layout))
    exact = probability.astype(np.float64)
    told = made.match(CENTRES).probdensity_per_sr
    assert told == pytest.approx(exact / exact.sum() / PIXEL_SR, rel=1e-12)
    assert made.sum_before_normalising == pytest.approx(exact.sum(), rel=1e-12)
    # No more cells than the tiling that was rasterised has: equal siblings were merged.
    assert made.n_rows <= len(uniq)


@settings(deadline=None)
@given(seeds, st.booleans())
def test_merging_a_flat_map_loses_nothing(seed, ring):
    uniq, density, order = random_map(seed, max_order=ORDER)
    flat = rasterised(uniq, density, order, ORDER)
    made = read_sky_map(flat_file(flat, ring=ring, column="PROBDENSITY"))
    truth = SkyMap.from_uniq(uniq, density)
    rows = np.searchsorted(made.lo, CENTRES.index_29, side="right") - 1
    assert made.published_density_per_sr[rows].tolist() == flat.tolist()
    assert made == truth


@settings(deadline=None)
@given(seeds, st.booleans(), st.booleans())
def test_a_multi_order_file_is_the_map_of_its_rows(seed, compress, with_distance):
    uniq, density, _ = random_map(seed)
    layers = random_distance(seed, len(uniq)) if with_distance else ()
    made = read_sky_map(multi_order_bytes(uniq, density, layers, compress))
    assert made == SkyMap.from_uniq(uniq, density, *layers)
    assert made.n_rows == len(uniq)


def test_distances_of_a_flat_map_keep_apart_what_they_tell_apart():
    n = 12 * 4
    mu = np.full(n, 100.0)
    mu[5] = 101.0
    columns = [("PROB", np.full(n, 1 / n)), ("DISTMU", mu)]
    columns += [("DISTSIGMA", np.full(n, 9.0)), ("DISTNORM", np.full(n, 1e-4))]
    data = fits_bytes([(c, "D", "", a) for c, a in columns], {"ORDERING": "NESTED", "NSIDE": 2})
    made = read_sky_map(data)
    assert made.n_rows == 11 + 4  # the children of base cell 1 stay
    assert made.distance_at(pixel_centres(1)).mu_mpc.tolist() == mu.tolist()


def test_a_large_flat_map_is_merged_across_the_pieces_it_is_read_in():
    n = 12 * 4**9  # twelve pieces, each a base cell, in RING twelve that are none
    values = np.full(n, 1.0 / n)
    for ordering in ("NESTED", "RING"):
        data = fits_bytes([("PROB", "D", "", values)], {"ORDERING": ordering, "NSIDE": 512})
        made = read_sky_map(data)
        assert (made.n_rows, made.lo[0], made.hi[-1]) == (12, 0, 12 * 4**29)


def test_a_map_that_healpy_wrote_is_read(tmp_path):
    values = np.random.default_rng(3).random(N_PIXELS)
    values[100:900] = healpy.UNSEEN
    file = tmp_path / "partial.fits.gz"
    healpy.write_map(file, values, nest=False, partial=True, column_names=["PROB"], dtype="f8")
    made = read_sky_map(file.read_bytes())
    truth = healpy.reorder(values, r2n=True)
    seen = truth > 0
    told = made.match(CENTRES).probdensity_per_sr
    assert told[seen] == pytest.approx(truth[seen] / truth[seen].sum() / PIXEL_SR)
    assert (told[~seen] == 0).all()


def test_pixels_that_a_flat_map_marks_as_unseen_are_not_covered():
    values = np.ones(N_PIXELS, dtype=np.float32)
    values[7] = healpy.UNSEEN
    match = read_sky_map(flat_file(values, single=True)).match(CENTRES)
    assert match.probdensity_per_sr[7] == 0.0
    assert match.credible_level[7] == 1.0


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("sr-1", 1.0),
        ("1/sr", 1.0),
        ("deg-2", DEG2_PER_SR),
        ("deg^-2", DEG2_PER_SR),
        ("deg**(-2)", DEG2_PER_SR),
        ("1 / deg**2", DEG2_PER_SR),
        ("1/deg2", DEG2_PER_SR),
    ],
)
def test_a_density_may_be_per_square_degree(unit, factor):
    uniq, density, _ = random_map(1)
    columns = [("UNIQ", "K", "", uniq), ("PROBDENSITY", "D", unit, density / factor)]
    made = read_sky_map(fits_bytes(columns, {"ORDERING": "NUNIQ"}))
    assert made.sum_before_normalising == pytest.approx(1.0)
    assert made.published_density_per_sr == pytest.approx(
        SkyMap.from_uniq(uniq, density).published_density_per_sr
    )


@pytest.mark.parametrize("unit", ["", "pix-1", "1/pixel"])
def test_a_multi_order_map_may_hold_probabilities(unit):
    uniq, density, order = random_map(2)
    probability = density * np.pi / 3 / 4.0**order
    columns = [("UNIQ", "K", "", uniq), ("PROBABILITY", "D", unit, probability)]
    made = read_sky_map(fits_bytes(columns, {"ORDERING": "NUNIQ"}))
    truth = SkyMap.from_uniq(uniq, density)
    assert made.probdensity_per_sr == pytest.approx(truth.probdensity_per_sr)


@settings(deadline=None, max_examples=30)
@given(seeds, st.permutations(["UNIQ", "PROBDENSITY", "K", "E", "I"]), st.booleans(), st.booleans())
def test_cells_come_as_the_file_has_them_wherever_their_columns_are(seed, names, narrow, compress):
    uniq, density, order = random_map(seed)
    others = [name for name in names if narrow or len(name) > 1 or name == "K"]
    arrays = {"UNIQ": ("K", uniq), "PROBDENSITY": ("D", density)}
    columns = [(n, *arrays.get(n, (n, np.arange(len(uniq)) % 100))) for n in others]
    data = fits_bytes([(n, f, "", a) for n, f, a in columns], {"ORDERING": "NUNIQ"}, compress)
    cells = read_cells(data)
    assert cells.uniq.tolist() == uniq.tolist()
    assert cells.order.tolist() == order.tolist()
    assert cells.published_density_per_sr.tolist() == density.tolist()
    assert cells.distance is None
    assert len(cells) == len(uniq)
    assert cells.total == pytest.approx(1.0)
    assert cells.ranked() == SkyMap.from_uniq(uniq, density)


def test_a_multi_order_map_longer_than_a_piece_is_read_whole():
    n = 12 * 4**8  # three pieces
    uniq = np.arange(4**9, 4**9 + n)[::-1]
    density = np.random.default_rng(1).random(n)
    density /= density.sum() * 4.0 * np.pi / n
    cells = read_cells(multi_order_bytes(uniq, density))
    assert np.array_equal(cells.uniq, uniq)
    assert np.array_equal(cells.published_density_per_sr, density)


def test_unsigned_indices_are_read():
    uniq, density, _ = random_map(3)
    data = unsigned_file(uniq, density)
    assert b"9223372036854775808" in data
    assert read_sky_map(data) == SkyMap.from_uniq(uniq, density)


def test_a_table_after_other_parts_of_the_file_is_found():
    image = fits.PrimaryHDU(np.zeros((30, 50), dtype=np.int16))
    other = fits.BinTableHDU.from_columns([fits.Column("TIME", "D", array=[1.0])])
    with fits.open(io.BytesIO(multi_order_bytes(*random_map(4)[:2]))) as parts:
        file = io.BytesIO()
        fits.HDUList([image, other, parts[1].copy()]).writeto(file)
    assert read_sky_map(file.getvalue()) == SkyMap.from_uniq(*random_map(4)[:2])


def test_the_header_identity_is_not_trusted():
    uniq, density, _ = random_map(5)
    columns = [("UNIQ", "K", "", uniq), ("PROBDENSITY", "D", "sr-1", density)]
    one, other = (
        read_sky_map(fits_bytes(columns, {"ORDERING": "NUNIQ", "OBJECT": name}))
        for name in ("MS181101ab", "GW170817")
    )
    assert one.sha256 == other.sha256


def test_a_gzip_file_of_several_members_is_one_file():
    whole = multi_order_bytes(*random_map(6)[:2])
    data = b"".join(gzip.compress(whole[a : a + 3000]) for a in range(0, len(whole), 3000))
    assert read_sky_map(data) == read_sky_map(whole)
