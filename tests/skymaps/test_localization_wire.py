"""The wire form: exact, canonical, and closed to anything else."""

import hashlib
import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skymaps.errors import SkyMapError
from skymaps.shapes import Circle, SystematicComponent
from skymaps.skymap import SkyMap
from skymaps.wire import localization_of_bytes, localization_to_bytes
from tests.skymaps.sky_factory import random_distance, random_map

seeds = st.integers(0, 2**32 - 1)
LAYERS = (
    "lo",
    "hi",
    "published_density_per_sr",
    "probdensity_per_sr",
    "credible_level",
    "cell_probability",
    "dist_mu_mpc",
    "dist_sigma_mpc",
    "dist_norm",
)


@st.composite
def circles(draw):
    share = draw(st.floats(0.1, 0.9))
    parts = (
        SystematicComponent(share, draw(st.floats(0, 180))),
        SystematicComponent(1.0 - share, draw(st.floats(0, 180))),
    )
    included = draw(st.booleans())
    return Circle(
        draw(st.floats(0, 360)),
        draw(st.floats(-90, 90)),
        draw(st.floats(1e-6, 180)),
        draw(st.floats(0.01, 0.99)),
        included,
        () if included or draw(st.booleans()) else parts,
        draw(st.text(max_size=30)),
    )


@st.composite
def maps(draw):
    seed, keep = draw(seeds), draw(st.sampled_from([1.0, 0.5]))
    uniq, density, _ = random_map(seed, max_order=4, keep=keep)
    if draw(st.booleans()):
        density = density.astype(np.float32).astype(np.float64)
    layers = random_distance(seed, len(uniq)) if draw(st.booleans()) else ()
    return SkyMap.from_uniq(uniq, density, *layers)


@settings(deadline=None)
@given(circles())
def test_a_circle_comes_back_exactly(circle):
    data = localization_to_bytes(circle)
    back = localization_of_bytes(data)
    assert back == circle
    assert back.to_bytes() == data
    assert circle.sha256 == back.sha256 == hashlib.sha256(data).hexdigest()


@settings(deadline=None)
@given(maps())
def test_a_map_comes_back_exactly(made):
    data = localization_to_bytes(made)
    back = localization_of_bytes(data)
    for name in LAYERS:
        one, other = getattr(made, name), getattr(back, name)
        assert (one is None and other is None) or one.tobytes() == other.tobytes()
    assert back.sum_before_normalising == made.sum_before_normalising
    assert made.sha256 == back.sha256 == hashlib.sha256(data).hexdigest()


@settings(deadline=None)
@given(maps(), st.data())
def test_no_piece_of_a_map_is_taken_for_a_map(made, data):
    wire = made.to_bytes()
    cut = data.draw(st.integers(0, len(wire) - 1))
    with pytest.raises(SkyMapError):
        localization_of_bytes(wire[:cut])


@settings(deadline=None)
@given(maps(), st.data())
def test_no_flipped_bit_of_a_map_goes_unseen(made, data):
    wire = bytearray(made.to_bytes())
    bit = data.draw(st.integers(0, 8 * len(wire) - 1))
    wire[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(SkyMapError):
        localization_of_bytes(bytes(wire))


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=99), st.binary(max_size=99).map(lambda b: b"SKYM\x01" + b)))
def test_arbitrary_bytes_are_refused(data):
    with pytest.raises(SkyMapError):
        localization_of_bytes(data)


def test_a_map_that_single_precision_holds_is_written_in_it():
    uniq = np.arange(4, 16)
    narrow, wide = SkyMap.from_uniq(uniq, [0.5] * 12), SkyMap.from_uniq(uniq, [0.1] * 12)
    assert len(wide.to_bytes()) - len(narrow.to_bytes()) == 12 * 4


def checked(body):
    return body + struct.pack("<I", zlib.crc32(body))


def header(version=1, flags=0, reserved=0, n=1):
    return struct.pack("<4sBBHI", b"SKYM", version, flags, reserved, n)


CELL = b"\x00" + struct.pack("<d", 0.1)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (header(version=2) + CELL, "has version 1"),
        (header(reserved=1) + CELL, "has version 1"),
        (header(flags=8) + CELL, "no unknown flags"),
        (header(flags=128) + CELL, "no unknown flags"),
        (header(n=4_000_000_000), "at most 2000000 cells"),
        (header(n=2) + CELL, "bytes of cells"),
        (header() + CELL + b"\x00", "bytes of cells"),
        (header(n=0), "at least one cell"),
        (header() + b"\x1e" + CELL[1:], "an order lies in"),
        (header(n=13) + bytes(13) + struct.pack("<d", 0.1) * 13, "one cell"),
        (header(flags=1) + b"\x00" + struct.pack("<qd", -1, 0.1), "fit on the sky"),
        (header(flags=1) + b"\x00" + struct.pack("<qd", 2**62, 0.1), "one cell"),
        (
            header(flags=1, n=2) + bytes(2) + struct.pack("<4q", 2**62, 2**62, 1, 1),
            "fit on the sky",
        ),
        (header(flags=1) + b"\x00" + struct.pack("<qd", 1, 0.1), "one cell"),
        (header(flags=1) + b"\x00" + struct.pack("<qd", 0, 0.1), "is canonical"),
        (header() + b"\x00" + struct.pack("<d", 0.5), "is canonical"),
        (header() + b"\x00" + struct.pack("<d", -0.1), "not negative"),
        (header() + b"\x00" + struct.pack("<d", float("nan")), "not negative"),
    ],
)
def test_a_map_with_a_right_checksum_must_still_be_right(body, rule):
    with pytest.raises(SkyMapError, match=rule):
        localization_of_bytes(checked(body))


def test_the_cell_of_the_cases_is_itself_right():
    assert localization_of_bytes(checked(header() + CELL)) == SkyMap.from_uniq([4], [0.1])


GOOD = json.loads(Circle(10.0, 20.0, 1.5, 0.9, False, (), "test").to_bytes())


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"kind": "square"}, "is a circle"),
        ({"version": 2}, "has version 1"),
        ({"version": None}, "has version 1"),
        ({"systematics": 3}, "pairs of weight and r68"),
        ({"systematics": [[1.0]]}, "pairs of weight and r68"),
        ({"systematics": [[1.0, "2"]]}, "r68_deg is a number"),
        ({"_sha256": "0"}, "no others"),
        ({"colour": "red"}, "no others"),
        ({"ra_deg": "10"}, "ra_deg is a number"),
        ({"ra_deg": 10}, "is canonical"),
        ({"radius_deg": [1.0, 2.0]}, "radius_deg is a number"),
    ],
)
def test_a_circle_in_json_has_its_fields_and_no_others(change, rule):
    data = json.dumps({**GOOD, **change}, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(SkyMapError, match=rule):
        localization_of_bytes(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 16_000, b" " * 20_000, b'{"kind":"circle"}'],
)
def test_json_that_is_no_circle_is_refused(data):
    with pytest.raises(SkyMapError):
        localization_of_bytes(data)


def test_a_circle_lacking_a_field_is_refused():
    data = json.dumps({k: v for k, v in GOOD.items() if k != "level"}).encode()
    with pytest.raises(SkyMapError, match="no others"):
        localization_of_bytes(data)


def test_a_circle_spelt_another_way_is_refused():
    with pytest.raises(SkyMapError, match="canonical"):
        localization_of_bytes(json.dumps(GOOD, indent=1).encode())
