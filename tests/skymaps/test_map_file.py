"""Maps written anew: the same sky, and the same bytes for the same cells."""

import gzip

import numpy as np
import pytest

from skymaps.fits import ARCHIVE_LIMITS, read_cells, read_sky_map
from skymaps.map_file import fits_of_cells
from tests.skymaps.real_maps import map_files


def check_written_anew(content, path):
    cells = read_cells(content, ARCHIVE_LIMITS)
    known = cells.ranked()
    written = fits_of_cells(cells)
    again = read_sky_map(written)
    assert fits_of_cells(read_cells(written)) == written, path
    assert (again.lo == known.lo).all(), path
    assert (again.hi == known.hi).all(), path
    np.testing.assert_allclose(again.probdensity_per_sr, known.probdensity_per_sr, rtol=1e-12)
    assert again.has_distance == known.has_distance
    if known.has_distance:
        np.testing.assert_array_equal(again.dist_mu_mpc, known.dist_mu_mpc)
        np.testing.assert_array_equal(again.dist_norm, known.dist_norm)
    half = read_sky_map(fits_of_cells(cells, is_double=False))
    assert half.area_deg2(0.9) == pytest.approx(known.area_deg2(0.9), rel=1e-3), path
    np.testing.assert_allclose(
        half.probdensity_per_sr, known.probdensity_per_sr, rtol=2e-7, atol=1e-30
    )


@pytest.mark.real_data
def test_real_maps_written_anew_are_the_same_maps(real_data):
    for path in map_files(real_data):
        if len(content := path.read_bytes()) < 400_000:
            check_written_anew(content, path)


@pytest.mark.slow
@pytest.mark.real_data
def test_every_real_map_written_anew_is_the_same_map(real_data):
    for path in map_files(real_data):
        check_written_anew(path.read_bytes(), path)


@pytest.mark.real_data
def test_a_unit_that_is_unknown_is_divided_out(real_data):
    path = real_data / "notices/fermi/skymaps/raven_fermi_test_skymap.fits.gz"
    assert read_cells(gzip.decompress(path.read_bytes())).total > 900.0
    assert read_cells(fits_of_cells(read_cells(path.read_bytes()))).total == pytest.approx(1.0)
