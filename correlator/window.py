"""The optical onset as an interval, and what it says of an event's time."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from operator import attrgetter

from correlator.alert import Detection
from correlator.event import Event
from correlator.object import OpticalObject
from correlator.policy import DAY_S, DelayWindow, Policy

_POINT_S = 1.0
"""Intervals shorter than this are treated as an instant: the second antiderivative of the kernel
would lose its digits, and no exposure is shorter."""

_TIME = attrgetter("time_unix_s")


@dataclass(frozen=True, slots=True)
class Onset:
    """When an object began to shine, as far as the exposures tell.

    Attributes
    ----------
    earliest_unix_s
        Last record before the first detection: a limit at least as deep, or prior activity.
    latest_unix_s
        The first detection, by the packets or by the survey's own count [s since the Unix epoch].
    is_assumed
        Whether no record bounds the onset from below and a length was assumed.
    prior_activity_days
        How long before T0 the object was already seen; None when it was not.
    """

    earliest_unix_s: float
    latest_unix_s: float
    is_assumed: bool
    prior_activity_days: float | None


def onset_after(obj: OpticalObject, t0_unix_s: float, policy: Policy) -> Onset | None:
    """Onset of an object, given that it is the counterpart of an event at ``t0_unix_s``.

    Only detections brighter than the template count: a counterpart adds light. Those before T0
    are prior activity; given that they are unrelated, the onset lies after the last of them.
    None when nothing was detected since T0.
    """
    return onset_of(obj, obj.positive, t0_unix_s, policy)


def onset_of(
    obj: OpticalObject, positive: tuple[Detection, ...], t0_unix_s: float, policy: Policy
) -> Onset | None:
    """Onset of an object whose positive detections are at hand already."""
    not_before = t0_unix_s - policy.prior_tolerance_s
    if not positive or positive[-1].time_unix_s < not_before:
        return None
    at = bisect_left(positive, not_before, key=_TIME)
    first = positive[at]
    # They are in order of time, so these are the first and the last of those before.
    prior = [positive[0].time_unix_s, positive[at - 1].time_unix_s] if at else []
    # Within the tolerance before T0 it counts as seen at T0.
    latest = max(first.time_unix_s, t0_unix_s)
    # The survey's own count starts at its first detection of 3 sigma, of either sign; a packet's
    # history need not reach back to it.
    if obj.survey_first_unix_s is not None:
        if obj.survey_first_unix_s < not_before:
            prior.append(obj.survey_first_unix_s)
        else:
            latest = max(min(latest, obj.survey_first_unix_s), t0_unix_s)
    assumed = latest - policy.assumed_onset_s
    limit = _last_limit_before(obj, latest, first.mag_ab)
    # Activity long ago bounds the onset no better than nothing does.
    earliest = max([*prior, assumed if limit is None else limit])
    return Onset(
        earliest_unix_s=earliest,
        latest_unix_s=latest,
        is_assumed=earliest == assumed,
        prior_activity_days=(t0_unix_s - min(prior)) / DAY_S if prior else None,
    )


def closes_unix_s(event: Event, policy: Policy) -> float | None:
    """When an event closes: alerts taken later never change its pairs [s since the Unix epoch].

    None for an event without a time or a class, which has no pairs.
    """
    t0, t0_end, kind = event.event_unix_s, event.event_end_unix_s, event.event_class
    if t0 is None or kind is None:
        return None
    length_s = 0.0 if t0_end is None else min(t0_end - t0, policy.longest_event_s)
    return t0 + length_s + policy.windows[kind].end_s + policy.follow_s


def overlaps(onset: Onset, t0_unix_s: float, t0_end_unix_s: float, window: DelayWindow) -> bool:
    """Whether some onset and some T0 of their intervals lie the window apart."""
    longest = onset.latest_unix_s - t0_unix_s
    shortest = onset.earliest_unix_s - t0_end_unix_s
    return longest >= window.start_s and shortest < window.end_s


def mean_kernel_per_s(
    onset: Onset, t0_unix_s: float, t0_end_unix_s: float, window: DelayWindow
) -> float:
    """The delay kernel averaged over the onset interval and T0's own [1/s].

    With K' = k and G' = K, the mean over both intervals is a second difference of G divided by
    the two lengths; over one interval a first difference of K (SCIENCE 4, S_time).
    """
    a, b = onset.earliest_unix_s - t0_end_unix_s, onset.latest_unix_s - t0_unix_s
    width, t0_width = onset.latest_unix_s - onset.earliest_unix_s, t0_end_unix_s - t0_unix_s
    if t0_width < _POINT_S and width < _POINT_S:
        return _kernel_per_s(b, window)
    if t0_width < _POINT_S:
        return (_cumulative(b, window) - _cumulative(b - width, window)) / width
    if width < _POINT_S:
        return (_cumulative(b, window) - _cumulative(b - t0_width, window)) / t0_width
    second = (
        _cumulative_s(b, window)
        - _cumulative_s(b - width, window)
        - _cumulative_s(b - t0_width, window)
        + _cumulative_s(a, window)
    )
    return max(0.0, second) / (width * t0_width)


def _last_limit_before(
    obj: OpticalObject, time_unix_s: float, mag_ab: float | None
) -> float | None:
    """Time of the last limit before a detection that would have shown it."""
    for limit in reversed(obj.limits):
        if limit.time_unix_s < time_unix_s and (mag_ab is None or limit.mag_ab >= mag_ab):
            return limit.time_unix_s
    return None


def _kernel_per_s(delay_s: float, window: DelayWindow) -> float:
    if not window.start_s <= delay_s < window.end_s:
        return 0.0
    if window.scale_s is None:
        return 1.0 / window.length_s
    x = (delay_s - window.start_s) / window.scale_s
    return math.exp(-x) / (window.scale_s * _norm(window))


def _cumulative(delay_s: float, window: DelayWindow) -> float:
    """Integral of the kernel up to a delay: 0 before the window, 1 after it."""
    t = min(max(delay_s - window.start_s, 0.0), window.length_s)
    if window.scale_s is None:
        return t / window.length_s
    return -math.expm1(-t / window.scale_s) / _norm(window)


def _cumulative_s(delay_s: float, window: DelayWindow) -> float:
    """Integral of the cumulative kernel up to a delay [s]."""
    t = min(max(delay_s - window.start_s, 0.0), window.length_s)
    beyond = max(0.0, delay_s - window.end_s)
    if window.scale_s is None:
        return t * t / (2.0 * window.length_s) + beyond
    scale = window.scale_s
    return (t + scale * math.expm1(-t / scale)) / _norm(window) + beyond


def _norm(window: DelayWindow) -> float:
    assert window.scale_s is not None  # noqa: S101 - callers have asked
    return -math.expm1(-window.length_s / window.scale_s)
