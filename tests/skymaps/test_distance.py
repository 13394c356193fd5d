"""Conditional distances against numerical integration, and ligo.skymap where it is exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ligo.skymap.distance import conditional_cdf, parameters_to_moments
from scipy.integrate import quad

from skymaps.distance import conditional_distance, probability_within
from skymaps.skymap import NO_DISTANCE, DistanceMatch


def at(x, sigma=30.0, norm=1.0):
    return DistanceMatch(np.array([x * sigma]), np.array([sigma]), np.array([norm]))


def integral(k, x, to=np.inf):
    """Of r^k N(r; x, 1) from 0, times a constant that keeps it in the floats."""
    lift = 0.5 * x * x if x < 0 else 0.0
    near = max(0.0, x - 14.0)
    far = min(to, x + 14.0 if x > -3 else 80.0 / -x)
    middle = min(max(x, 3.0 / max(1.0, -x)), far)
    steps = {"epsabs": 0.0, "epsrel": 1e-12, "limit": 500}
    parts = [(near, middle), (middle, far)]
    return sum(
        quad(lambda r: r**k * np.exp(-0.5 * (r - x) ** 2 + lift), *part, **steps)[0]
        for part in parts
    )


@given(st.floats(-200.0, 200.0), st.floats(1e-3, 1e4))
@settings(deadline=None, max_examples=60)
def test_mean_and_deviation_are_those_of_the_distribution(x, sigma):
    found = conditional_distance(at(x, sigma))
    second, third, fourth = (integral(k, x) for k in (2, 3, 4))
    mean = third / second
    assert found.mean_mpc[0] == pytest.approx(sigma * mean, rel=1e-7)
    std = np.sqrt(max(fourth / second - mean**2, 0.0))
    if abs(x) < 30.0:  # beyond, the difference of the integrals has no digits left
        assert found.std_mpc[0] == pytest.approx(sigma * std, rel=1e-5)


@given(st.floats(-3.0, 30.0))
@settings(deadline=None, max_examples=60)
def test_moments_are_ligo_skymaps(x):
    mean, std, norm = parameters_to_moments(x * 30.0, 30.0)
    found = conditional_distance(at(x, norm=norm))
    assert found.mean_mpc[0] == pytest.approx(mean, rel=1e-9)
    assert found.std_mpc[0] == pytest.approx(std, rel=1e-9)
    near = probability_within(at(x, norm=norm), mean)
    assert near[0] == pytest.approx(conditional_cdf(mean, x * 30.0, 30.0, norm), abs=1e-9)


@given(st.floats(-60.0, 60.0), st.floats(0.05, 3.0))
@settings(deadline=None, max_examples=60)
def test_the_probability_within_a_distance_is_that_of_the_distribution(x, times):
    match = at(x)
    distance = times * conditional_distance(match).mean_mpc[0]
    wanted = integral(2, x, distance / 30.0) / integral(2, x)
    assert probability_within(match, distance)[0] == pytest.approx(wanted, abs=1e-7)


def test_a_place_without_a_distance_has_no_moments():
    none = DistanceMatch(*(np.array([value]) for value in NO_DISTANCE))
    assert np.isnan(conditional_distance(none).mean_mpc).all()
    assert np.isnan(conditional_distance(none).std_mpc).all()
    assert np.isnan(probability_within(none, 100.0)).all()


def test_at_no_distance_there_is_nothing_and_far_out_everything():
    match = DistanceMatch(np.array([100.0, -900.0]), np.array([30.0, 30.0]), np.ones(2))
    assert probability_within(match, 0.0).tolist() == [0.0, 0.0]
    assert probability_within(match, -5.0).tolist() == [0.0, 0.0]
    assert probability_within(match, [1e6, 1e6]) == pytest.approx([1.0, 1.0])
