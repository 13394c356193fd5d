import pytest
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from ingest_optical.timescales import unix_s_of_jd_utc, unix_s_of_mjd_tai

# 1990 to 2027; astropy calls later years dubious.
MJD = st.floats(47_893.0, 61_400.0)


@given(MJD)
def test_a_tai_date_is_the_utc_that_astropy_says(mjd_tai):
    # Astropy's unix is the count of UTC days, like ours; on a leap-second day it stretches them.
    expected = Time(mjd_tai, format="mjd", scale="tai").unix
    assert unix_s_of_mjd_tai(mjd_tai) == pytest.approx(expected, abs=1.01)


@pytest.mark.parametrize(
    ("mjd_tai", "tai_minus_utc_s"),
    [
        (51_544.0, 32.0),  # 2000-01-01
        (57_454.0, 36.0),  # 2016-03-07, the night of the Rubin simulation packets
        (57_754.0 + 37.1 / 86_400.0, 37.0),  # 2017-01-01, once the leap second has passed
        (57_754.0 + 35.0 / 86_400.0, 36.0),  # the second before the leap second
        (61_090.18, 37.0),
    ],
)
def test_tai_runs_ahead_by_the_leap_seconds_of_its_date(mjd_tai, tai_minus_utc_s):
    naive_unix_s = (mjd_tai - 40_587.0) * 86_400.0
    assert naive_unix_s - unix_s_of_mjd_tai(mjd_tai) == pytest.approx(tai_minus_utc_s, abs=1e-5)


@given(st.floats(2_447_893.5, 2_461_400.5))
def test_a_julian_date_is_the_utc_that_astropy_says(jd_utc):
    expected = Time(jd_utc, format="jd", scale="utc").unix
    # Both floats of a Julian date resolve 40 us; a leap-second day stretches by up to 1 s.
    assert unix_s_of_jd_utc(jd_utc) == pytest.approx(expected, abs=1.01)


def test_a_julian_date_outside_leap_second_days_agrees_to_its_resolution():
    expected = Time("2024-01-15T13:49:10", scale="utc")
    assert unix_s_of_jd_utc(expected.jd) == pytest.approx(expected.unix, abs=4e-5)


@pytest.mark.parametrize("convert", [unix_s_of_jd_utc, unix_s_of_mjd_tai])
@pytest.mark.parametrize("date", [0.0, -999.0, 1e300, float("nan")])
def test_an_impossible_date_is_refused(convert, date):
    with pytest.raises(ValueError, match="1990"):
        convert(date)
