"""Features: what they are called and how a model gets them."""

import numpy as np
import pytest

from correlator.features import FEATURES, Features, as_matrix


def test_every_feature_is_unknown_until_somebody_says_it():
    assert {getattr(Features(), name) for name in FEATURES} == {None}


def test_a_unit_in_a_name_is_the_unit_of_the_feature():
    suffixes = {
        "_mag_per_day": "mag/d",
        "_njy_per_day": "nJy/d",
        "_arcsec_per_h": "arcsec/h",
        "_mag_ab": "mag AB",
        "_err_mag": "mag",
        "_arcsec": "arcsec",
        "_kpc": "kpc",
        "_deg": "deg",
        "_njy": "nJy",
        "_d": "d",
    }
    for name, meaning in FEATURES.items():
        units = [unit for suffix, unit in suffixes.items() if name.endswith(suffix)]
        if name not in ("u_g_mag", "g_r_mag", "r_i_mag", "i_z_mag", "z_y_mag", "peak_abs_mag"):
            assert meaning.unit == (units[0] if units else ""), name
        assert meaning.text


def test_a_matrix_has_a_row_an_object_and_a_column_a_name():
    known, unknown = Features(age_d=1.5, n_detections=3), Features()
    matrix = as_matrix([known, unknown], ("n_detections", "age_d"))
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix, [[3.0, 1.5], [np.nan, np.nan]])
    assert as_matrix([], ("age_d",)).shape == (0, 1)
    assert as_matrix([known], ()).shape == (1, 0)


def test_a_name_that_is_no_feature_is_refused():
    with pytest.raises(KeyError, match="no feature is called age"):
        as_matrix([Features()], ["age"])
