"""The real sky maps: what is published of them, and ligo.skymap as second opinion."""

import gzip
import io
import warnings

import healpy
import numpy as np
import pytest
from astropy.io import fits

from skymaps.errors import SkyMapError
from skymaps.fits import ARCHIVE_LIMITS, read_sky_map
from skymaps.healpix import Positions, ranges_of_uniq
from skymaps.wire import localization_of_bytes

with warnings.catch_warnings():  # of its own dependencies, at import
    warnings.simplefilter("ignore")
    from ligo.skymap.postprocess import find_greedy_credible_levels

pytestmark = pytest.mark.real_data

AT2017GFO = Positions.of(197.450375, -23.3815)
N_FILES = 18
LARGE_BYTES = 64 * 2**20


def map_files(folder):
    return sorted(path for path in folder.glob("notices/**/*.fit*") if path.is_file())


def plain(path):
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def columns_of(data):
    """Header and columns by astropy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers of others
        with fits.open(io.BytesIO(data)) as parts:
            table = parts[1]
            named = {c.name: np.asarray(table.data[c.name]).ravel() for c in table.columns}
            return dict(table.header), named


def truth_of(data):
    """Order-29 start, value, density (sum 1) and greedy level of each row, by ligo.skymap."""
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
        lo, area = np.arange(len(values)) * span, healpy.nside2pixarea(nside)
    density = values / (values * area).sum()
    # Ranked as published: after a division two densities may share their last digit.
    return lo, values, density, find_greedy_credible_levels(density * area, ranking=values)


def assert_agrees(made, data):
    lo, values, density, level = truth_of(data)
    told = made.match(Positions(lo * 0.0, lo * 0.0, lo))
    assert np.abs(told.probdensity_per_sr - density).max() < 1e-8 * density.max()
    assert (told.probdensity_per_sr[density > 0] / density[density > 0]).max() < 1 + 1e-8
    # Ties come in any order; the highest level of a tie is the same in every order.
    some = np.flatnonzero(values > 0)
    rows = some[np.argsort(values[some])]
    ties = np.flatnonzero(np.append(True, np.diff(values[rows]) > 0))
    assert len(ties) > 20
    highest = [np.maximum.reduceat(x[rows], ties) for x in (told.credible_level, level)]
    assert np.abs(highest[0] - highest[1]).max() < 1e-8


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


def test_every_map_of_moderate_size_agrees_with_ligo_skymap(real_data):
    seen = 0
    for path in map_files(real_data):
        data = plain(path)
        if len(data) > LARGE_BYTES:
            continue
        made = read_sky_map(path.read_bytes())
        assert_agrees(made, data)
        assert localization_of_bytes(made.to_bytes()) == made
        seen += 1
    assert seen == N_FILES - 4


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_large_flat_map_agrees_with_ligo_skymap(real_data):
    seen = 0
    for path in map_files(real_data):
        data = plain(path)
        if len(data) > LARGE_BYTES:
            assert_agrees(read_sky_map(path.read_bytes(), ARCHIVE_LIMITS), data)
            seen += 1
    assert seen == 4


def test_a_stub_and_a_pointer_in_place_of_a_map_are_refused_by_rule():
    for data in (b"stuff", b"hhhh...", b"version https://git-lfs.github.com/spec/v1"):
        with pytest.raises(SkyMapError, match="the data are a FITS file"):
            read_sky_map(data)
