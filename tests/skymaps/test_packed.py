"""The packed form: what comes back is within the rounding that is stated, what is broken is not."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skymaps.errors import SkyMapError
from skymaps.fits import read_sky_map
from skymaps.healpix import Positions
from skymaps.packed import ROUNDING, map_of_packed, packed_of_map
from skymaps.skymap import SkyMap
from tests.skymaps.sky_factory import random_distance, random_map

seeds = st.integers(0, 2**32 - 1)
UNIQ, DENSITY, _ = random_map(6, max_order=3)
SOME = SkyMap.from_uniq(UNIQ, DENSITY)
GOOD = packed_of_map(SOME)


def assert_levels_agree(told, sky_map):
    """Every level lies between those of the densities that are twice the rounding off."""
    density, probability = sky_map.probdensity_per_sr, sky_map.cell_probability
    rows = np.argsort(-density)
    enclosed = np.concatenate([[0.0], np.cumsum(probability[rows])])
    falling = -density[rows]
    twice = (1.0 + ROUNDING) ** 2 * (1.0 + 1e-9)
    denser = enclosed[np.searchsorted(falling, -density * twice, side="left")]
    no_rarer = enclosed[np.searchsorted(falling, -density / twice, side="right")]
    assert (told.credible_level >= denser / twice - 1e-12).all()
    assert (told.credible_level <= no_rarer * twice + 1e-12).all()


@settings(deadline=None)
@given(seeds, st.sampled_from([1.0, 0.6, 0.05]), st.booleans())
def test_a_map_comes_back_within_the_stated_rounding(seed, keep, ties):
    uniq, density, _ = random_map(seed, keep=keep, ties=ties)
    sky_map = SkyMap.from_uniq(uniq, density)
    told = map_of_packed(packed_of_map(sky_map))
    assert told.lo.tolist() == sky_map.lo.tolist()
    assert told.hi.tolist() == sky_map.hi.tolist()
    true = sky_map.published_density_per_sr
    off = np.abs(told.published_density_per_sr - true)
    assert (off <= true * ROUNDING * (1.0 + 1e-9)).all()
    assert ((told.published_density_per_sr == 0.0) == (true == 0.0)).all()
    assert_levels_agree(told, sky_map)
    assert not told.has_distance


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from([1.0, 1e-300, 1e300]))
def test_distances_come_back_within_four_bytes_or_as_they_are(seed, factor):
    uniq, density, _ = random_map(seed)
    mu, sigma, norm = random_distance(seed, len(uniq))
    sky_map = SkyMap.from_uniq(uniq, density, mu, sigma, norm * factor)
    told = map_of_packed(packed_of_map(sky_map))
    for name in ("dist_mu_mpc", "dist_sigma_mpc", "dist_norm"):
        np.testing.assert_allclose(getattr(told, name), getattr(sky_map, name), rtol=1e-7, atol=0.0)
    if factor != 1.0:
        assert told.dist_norm.tolist() == sky_map.dist_norm.tolist()
    assert not map_of_packed(packed_of_map(sky_map, with_distance=False)).has_distance


def test_extreme_densities_come_back():
    density = [5e-324, 1e-300, 0.0, 1.0, 1e8]
    sky_map = SkyMap.from_uniq(np.arange(4, 9), density)
    told = map_of_packed(packed_of_map(sky_map)).published_density_per_sr
    assert told == pytest.approx(density, rel=ROUNDING)
    assert told[2] == 0.0


def signed(data):
    """The bytes with a right checksum."""
    return data + struct.pack("<I", zlib.crc32(data))


def header(n, flags=0, version=1, steps=1024, magic=b"SKYP"):
    return struct.pack("<4sBBHI", magic, version, flags, steps, n)


def body(order, *rest):
    return zlib.compress(bytes(order) + b"".join(rest))


ZERO = bytes(4 * 12)


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "begins with SKYP"),
        (b"SKYM" + GOOD[4:], "begins with SKYP"),
        (GOOD[:-1], "checksum"),
        (GOOD + b"\0", "checksum"),
        (signed(header(12, version=2) + body([0] * 12, ZERO)), "has version 1"),
        (signed(header(12, flags=4) + body([0] * 12, ZERO)), "unknown flags"),
        (signed(header(12, flags=32) + body([0] * 12, ZERO)), "unknown flags"),
        (signed(header(12, steps=0) + body([0] * 12, ZERO)), "one step an octave"),
        (signed(header(0) + body([])), "has 1 to"),
        (signed(header(2_000_001) + body([0] * 12, ZERO)), "has 1 to"),
        (signed(header(2_000_000) + body([0] * 12, ZERO)), "as many cells as it says"),
        (signed(header(11) + body([0] * 12, ZERO)), "as many cells as it says"),
        (signed(header(13) + body([0] * 12, ZERO)), "as many cells as it says"),
        (signed(header(12) + body([0] * 12, ZERO) + b"more"), "as many cells as it says"),
        (signed(header(12) + b"not deflated at all"), "can be inflated"),
        (signed(header(12) + body([0] * 12, ZERO)[:-2]), "as many cells as it says"),
        (signed(header(12) + body([30] + [0] * 11, ZERO)), "an order lies in"),
        (signed(header(13) + body([0] * 13, bytes(4 * 13))), "fit on the sky|one cell"),
        (signed(header(12) + body([0] * 12, b"\x7f" * 48)), "density is finite"),
        (signed(header(1) + body([0], struct.pack("<i", -(2**24)))), "sums to a probability"),
    ],
)
def test_a_malformed_packed_map_is_refused_by_the_rule_it_breaks(data, rule):
    with pytest.raises(SkyMapError, match=rule):
        map_of_packed(data)


@settings(deadline=None)
@given(st.data())
def test_a_flipped_bit_is_refused(data):
    changed = bytearray(GOOD)
    bit = data.draw(st.integers(0, 8 * len(changed) - 1))
    changed[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(SkyMapError):
        map_of_packed(bytes(changed))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_cells_are_refused_or_sound(noise):
    n = max(len(noise) // 5, 1)
    try:
        made = map_of_packed(signed(header(n) + zlib.compress(noise)))
    except SkyMapError:
        return
    assert made.credible_level.max() == 1.0


@pytest.mark.real_data
def test_real_maps_are_a_twelfth_of_their_files_and_less(real_data):
    files = sorted(real_data.glob("notices/gw/**/*.multiorder.fits"))
    assert len(files) >= 5
    for path in files:
        data = path.read_bytes()
        sky_map = read_sky_map(data)
        packed = packed_of_map(sky_map, with_distance=False)
        assert 12 * len(packed) < len(data)
        told = map_of_packed(packed_of_map(sky_map))
        places = Positions(sky_map.lo * 0.0, sky_map.lo * 0.0, sky_map.lo)
        assert_levels_agree(told.match(places), sky_map)
        assert told.dist_mu_mpc == pytest.approx(sky_map.dist_mu_mpc, rel=1e-7)
