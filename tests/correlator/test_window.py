"""The onset interval and the delay kernel."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.alert import Detection, Limit
from correlator.object import object_of
from correlator.policy import DAY_S, DelayWindow, Policy
from correlator.window import Onset, mean_kernel_per_s, onset_after, overlaps
from tests.builders import an_alert

T0 = 1_700_000_000.0
POLICY = Policy()
FLAT = DelayWindow(0.0, 3 * DAY_S, None, "test")
FALLING = DelayWindow(0.0, 3 * DAY_S, DAY_S, "test")


def an_onset(earliest_s: float, latest_s: float) -> Onset:
    return Onset(T0 + earliest_s, T0 + latest_s, False, None)


def detection(source_id: str, after_t0_s: float, flux_njy: float = 10_000.0) -> Detection:
    return Detection(source_id, T0 + after_t0_s, "g", flux_njy, 100.0)


def a_bare_alert(**changes):
    """An alert without a past, unless the test gives one."""
    return an_alert(**({"history": (), "limits": ()} | changes))


def kernel(delay_s: np.ndarray, window: DelayWindow) -> np.ndarray:
    """The kernel restated from its definition."""
    inside = (delay_s >= window.start_s) & (delay_s < window.end_s)
    if window.scale_s is None:
        return inside / (window.end_s - window.start_s)
    raw = np.exp(-(delay_s - window.start_s) / window.scale_s)
    norm = window.scale_s * (1 - math.exp(-(window.end_s - window.start_s) / window.scale_s))
    return np.where(inside, raw / norm, 0.0)


@pytest.mark.parametrize("window", [FLAT, FALLING])
@given(
    earliest_d=st.floats(-4.0, 4.0),
    width_d=st.floats(0.01, 3.0),
    t0_width_s=st.sampled_from([0.0, 600.0, 7200.0]),
)
def test_the_mean_kernel_is_the_mean_over_both_intervals(window, earliest_d, width_d, t0_width_s):
    onset = an_onset(earliest_d * DAY_S, (earliest_d + width_d) * DAY_S)
    mean = mean_kernel_per_s(onset, T0, T0 + t0_width_s, window)
    n, m = 2000, 200
    onsets = onset.earliest_unix_s + (np.arange(n) + 0.5) / n * width_d * DAY_S
    t0s = T0 + (np.arange(m) + 0.5) / m * t0_width_s
    dense = np.mean([kernel(onsets - t0, window).mean() for t0 in t0s])
    # The window's edges fall inside one step of each sum: at most a step of the highest value.
    step = kernel(np.zeros(1), window)[0] * (2 / n + 2 / m)
    assert mean == pytest.approx(dense, abs=step + 1e-12)


@pytest.mark.parametrize("window", [FLAT, FALLING])
def test_the_kernel_integrates_to_one(window):
    whole = an_onset(-DAY_S, 5 * DAY_S)
    assert mean_kernel_per_s(whole, T0, T0, window) * 6 * DAY_S == pytest.approx(1.0)


@given(st.floats(-10, 10), st.floats(0, 5), st.floats(0, 2))
def test_pairs_overlap_exactly_when_some_delay_lies_in_the_window(earliest_d, width_d, t0_width_d):
    onset = an_onset(earliest_d * DAY_S, (earliest_d + width_d) * DAY_S)
    t0_end = T0 + t0_width_d * DAY_S
    longest = onset.latest_unix_s - T0
    shortest = onset.earliest_unix_s - t0_end
    some = longest >= FLAT.start_s and shortest < FLAT.end_s
    assert overlaps(onset, T0, t0_end, FLAT) == some


def test_an_onset_lies_between_the_last_deep_limit_and_the_first_detection():
    alert = a_bare_alert(
        detection=detection("2", 7200.0),
        history=(detection("1", 3600.0),),
        # 10,000 nJy is magnitude 21.4: the limit of 22 would have shown it, that of 19 would not.
        limits=(Limit(T0 - DAY_S, "r", 22.0), Limit(T0 - 60.0, "g", 19.0)),
    )
    onset = onset_after(object_of(alert), T0, POLICY)
    assert onset is not None
    assert (onset.earliest_unix_s, onset.latest_unix_s) == (T0 - DAY_S, T0 + 3600.0)
    assert not onset.is_assumed
    assert onset.prior_activity_days is None


def test_without_a_limit_the_onset_is_assumed_and_says_so():
    onset = onset_after(object_of(a_bare_alert(detection=detection("1", 3600.0))), T0, POLICY)
    assert onset is not None
    assert onset.is_assumed
    assert onset.latest_unix_s - onset.earliest_unix_s == POLICY.assumed_onset_s


@pytest.mark.parametrize(
    ("earlier", "survey_first", "prior_days"),
    [
        (detection("1", -10 * DAY_S), None, 10.0),
        (detection("1", -30.0), None, None),  # inside the tolerance of half an exposure
        (detection("1", -10 * DAY_S, -10_000.0), None, None),  # a dip adds no light
        (detection("1", 60.0), T0 - 20 * DAY_S, 20.0),  # the survey counted earlier
    ],
)
def test_light_before_the_event_is_prior_activity(earlier, survey_first, prior_days):
    alert = a_bare_alert(
        detection=detection("2", 7200.0), history=(earlier,), survey_first_unix_s=survey_first
    )
    onset = onset_after(object_of(alert), T0, POLICY)
    assert onset is not None
    assert onset.prior_activity_days == (None if prior_days is None else pytest.approx(prior_days))


@pytest.mark.parametrize("before_s", [-20.0, 0.0])
def test_a_detection_within_the_tolerance_counts_as_seen_at_the_event(before_s):
    alert = a_bare_alert(detection=detection("2", DAY_S), history=(detection("1", before_s),))
    onset = onset_after(object_of(alert), T0, POLICY)
    assert onset is not None
    assert onset.latest_unix_s == T0
    assert onset.prior_activity_days is None
    assert overlaps(onset, T0, T0, FLAT)
    assert mean_kernel_per_s(onset, T0, T0, FALLING) >= 0.0


def test_activity_long_ago_bounds_the_onset_no_better_than_nothing():
    old = a_bare_alert(detection=detection("1", DAY_S), survey_first_unix_s=T0 - 3000 * DAY_S)
    none = a_bare_alert(detection=detection("1", DAY_S))
    a, b = (onset_after(object_of(alert), T0, POLICY) for alert in (old, none))
    assert a is not None
    assert b is not None
    assert (a.earliest_unix_s, a.latest_unix_s) == (b.earliest_unix_s, b.latest_unix_s)
    assert a.prior_activity_days == pytest.approx(3000.0)


def test_the_surveys_own_count_can_see_further_back_than_a_packet():
    alert = a_bare_alert(detection=detection("1", DAY_S), survey_first_unix_s=T0 + 2260.0)
    onset = onset_after(object_of(alert), T0, POLICY)
    assert onset is not None
    assert onset.latest_unix_s == T0 + 2260.0
    assert onset.prior_activity_days is None


@pytest.mark.parametrize("flux_njy", [-5000.0, 5000.0])
def test_nothing_positive_since_the_event_is_no_onset(flux_njy):
    after = 3600.0 if flux_njy < 0 else -3600.0
    alert = a_bare_alert(detection=detection("1", after, flux_njy))
    assert onset_after(object_of(alert), T0, POLICY) is None
