"""Rates of light curves."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from correlator.alert import Detection, flux_of_mag, mag_of_flux
from correlator.light import rate
from correlator.policy import DAY_S


def point(day: float, mag: float, error: float = 0.1, band: str = "g") -> Detection:
    flux = flux_of_mag(mag)
    return Detection(f"{band}{day}", day * DAY_S, band, flux, flux * error * np.log(10) / 2.5)


@given(
    st.lists(
        st.tuples(st.floats(0, 10), st.floats(15, 21), st.floats(0.02, 0.3)),
        min_size=2,
        max_size=12,
        unique_by=lambda p: round(p[0], 2),
    )
)
def test_the_rate_is_numpys_weighted_line(points):
    days = [day for day, _, _ in points]
    # A shorter baseline has no rate at all, and that is another test's concern.
    assume(max(days) - min(days) > 0.011)
    got = rate([point(*p) for p in points])
    days, mags, errors = map(np.array, zip(*points, strict=True))
    assert got is not None
    design = np.stack([days, np.ones_like(days)], axis=1) / errors[:, None]
    covariance = np.linalg.inv(design.T @ design)
    slope = (covariance @ design.T @ (mags / errors))[0]
    assert got.mag_per_day == pytest.approx(slope, rel=1e-5, abs=1e-5)
    assert got.error_mag_per_day == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-5)


def test_the_best_measured_band_speaks():
    points = [point(0, 18, 0.3, "r"), point(1, 19, 0.3, "r"), point(0, 18), point(1, 18.5)]
    got = rate(points)
    assert got is not None
    assert (got.band, round(got.mag_per_day, 6)) == ("g", 0.5)


@pytest.mark.parametrize("points", [[], [point(0, 18)], [point(0, 18), point(0.001, 19)]])
def test_too_few_points_have_no_rate(points):
    assert rate(points) is None


def test_negative_flux_has_no_magnitude():
    assert Detection("1", 0.0, "g", -5.0, 1.0).mag_ab is None


@given(st.floats(10, 25))
def test_flux_and_magnitude_are_inverse(mag):
    assert mag_of_flux(flux_of_mag(mag)) == pytest.approx(mag)
