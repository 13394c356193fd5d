"""The real sky maps: what is published of them, and ligo.skymap as second opinion."""

import base64
import csv
import warnings

import healpy
import numpy as np
import pytest
from astropy.table import Table

from skymaps.errors import SkyMapError
from skymaps.fits import ARCHIVE_LIMITS, read_sky_map
from skymaps.healpix import Positions, ranges_of_uniq
from skymaps.wire import localization_of_bytes
from tests.skymaps.real_maps import columns_of, embedded, map_files, plain

with warnings.catch_warnings():  # of its own dependencies, at import
    warnings.simplefilter("ignore")
    from ligo.skymap.bayestar import derasterize
    from ligo.skymap.postprocess import find_greedy_credible_levels

pytestmark = pytest.mark.real_data

AT2017GFO = Positions.of(197.450375, -23.3815)
N_FILES, N_LARGE, N_EMBEDDED = 18, 4, 13
LARGE_BYTES = 64 * 2**20

SAME = 1e-12
"""What a density may be off by, of itself, and a credible level."""


def truth_of(data):
    """Order-29 start, value, density (sum 1), area and greedy level of each row, by ligo.skymap."""
    header, named = columns_of(data)
    column = next(c for c in ("PROBDENSITY", "PROB", "PROBABILITY") if c in named)
    values = named[column].astype(float)
    if "UNIQ" in named:
        lo, hi = ranges_of_uniq(named["UNIQ"].astype(np.int64))
        area = (hi - lo) * np.pi / 3 / 4.0**29
    else:
        nside = header["NSIDE"]
        if header["ORDERING"] == "RING":
            values = healpy.reorder(values, r2n=True)
        span = 4 ** (29 - healpy.nside2order(nside))
        lo = np.arange(len(values)) * span
        area = np.full(len(values), healpy.nside2pixarea(nside))
    return with_levels(lo, values, area)


def with_levels(lo, values, area):
    # Divided by the own sum last, which is that of the same numbers in the same order; ranked as
    # published, for after a division two densities may share their last digit.
    level = find_greedy_credible_levels(values * area, ranking=values)
    return lo, values, values / (values * area).sum(), area, level / level.max()


def assert_agrees(made, truth):
    """The same densities and levels; where cells are tied, by a sum in long doubles."""
    lo, values, density, area, level = truth
    told = made.match(Positions(lo * 0.0, lo * 0.0, lo))
    some = np.flatnonzero(values > 0)
    some = some[np.argsort(-values[some])]
    assert not told.probdensity_per_sr[values == 0].any()
    assert np.abs(told.probdensity_per_sr[some] / density[some] - 1.0).max() < SAME
    # Ties come in any order; the highest level of a tie is the same in every order.
    first = np.append(True, np.diff(values[some]) < 0)
    last = np.append(first[1:], True)
    if level is not None:
        untied = some[first & last]
        assert len(untied) > 20
        assert np.abs(told.credible_level[untied] - level[untied]).max() < SAME
    enclosed = np.cumsum((density * area)[some].astype(np.longdouble))
    highest = np.maximum.reduceat(told.credible_level[some], np.flatnonzero(first))
    assert np.abs(highest - enclosed[last] / enclosed[-1]).max() < SAME


@pytest.fixture(scope="module")
def gw170817(real_data):
    """The flat NSIDE 1024 map of the Hanford and Livingston data, 403 MB when inflated."""
    return (real_data / "notices/gw/GW170817/GW170817_G298107_HL_bayestar.fits.gz").read_bytes()


def test_at2017gfo_lies_at_its_known_level_of_the_flat_map_of_gw170817(gw170817):
    made = read_sky_map(gw170817, ARCHIVE_LIMITS)
    assert made.match(AT2017GFO).credible_level[0] == pytest.approx(0.491, abs=0.001)
    assert made.area_deg2(0.9) == pytest.approx(187, abs=0.6)
    # What comes back is the multi-order map that was made flat, distances included.
    assert made.n_rows == 19_200
    assert made.has_distance


def test_the_flat_map_of_gw170817_is_too_long_for_a_live_notice(gw170817):
    with pytest.raises(SkyMapError, match="at most 67108864 bytes"):
        read_sky_map(gw170817)


@pytest.mark.parametrize(
    ("name", "level", "area_90_deg2"),
    [
        ("fermi/GRB170817A/GRB170817A_gbuts_healpix_524666471.429.fit", 0.581, 1096),
        ("fermi/GRB170817A/GRB170817A_gbuts_healpix.multiorder.fits", 0.581, 1096),
        ("gw/GW170817/MS181101ab_labelled_GW170817.multiorder.fits", 0.556, 31),
    ],
)
def test_at2017gfo_lies_at_its_known_level(real_data, name, level, area_90_deg2):
    made = read_sky_map((real_data / "notices" / name).read_bytes())
    assert made.match(AT2017GFO).credible_level[0] == pytest.approx(level, abs=0.001)
    assert made.area_deg2(0.9) == pytest.approx(area_90_deg2, abs=0.6)


def test_the_maps_are_all_that_the_manifest_names(real_data):
    with (real_data / "notices" / "MANIFEST.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if "FITS" in row["format"]]
    named = sorted(real_data / "notices" / row["path"] for row in rows)
    assert named == map_files(real_data)
    assert len(named) == N_FILES


@pytest.mark.slow
def test_every_map_of_moderate_size_agrees_with_ligo_skymap(real_data):
    seen = 0
    for path in map_files(real_data):
        data = plain(path)
        if len(data) > LARGE_BYTES:
            continue
        made = read_sky_map(path.read_bytes())
        assert_agrees(made, truth_of(data))
        assert localization_of_bytes(made.to_bytes()) == made
        seen += 1
    assert seen == N_FILES - N_LARGE


def test_every_map_inside_a_notice_agrees_with_ligo_skymap(real_data):
    seen, none = 0, []
    for name, text in embedded(real_data):
        try:
            data = base64.b64decode(text)
        except ValueError:
            none.append(name)
            continue
        assert_agrees(read_sky_map(data), truth_of(data))
        seen += 1
    assert seen == N_EMBEDDED
    assert none == ["Localization.example.json"]  # 20 letters in place of a file


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_large_flat_map_agrees_with_ligo_skymap(real_data):
    seen = 0
    for path in map_files(real_data):
        data = plain(path)
        if len(data) > LARGE_BYTES:
            made = read_sky_map(path.read_bytes(), ARCHIVE_LIMITS)
            lo, values, density, area, _ = truth_of(data)
            # The plain sum of millions of pixels is itself off by 1e-12, and nearly all are tied;
            # so the levels are those of the cells that ligo.skymap makes of them.
            assert_agrees(made, (lo, values, density, area, None))
            cells = derasterize(Table({"PROB": values}))
            lo, hi = ranges_of_uniq(np.asarray(cells["UNIQ"]))
            area = (hi - lo) * np.pi / 3 / 4.0**29
            assert_agrees(made, with_levels(lo, np.asarray(cells["PROBDENSITY"]), area))
            seen += 1
    assert seen == N_LARGE


def test_a_stub_and_a_pointer_in_place_of_a_map_are_refused_by_rule():
    for data in (b"stuff", b"hhhh...", b"version https://git-lfs.github.com/spec/v1"):
        with pytest.raises(SkyMapError, match="the data are a FITS file"):
            read_sky_map(data)
