"""The batch cross-match: every alert against every notice, for analysts; pure.

The alerts are put in runs by place and onset (:mod:`skymaps.runs`), so that a notice is compared
with those near its region and window, and not with all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from correlator.alert import Alert
from correlator.event import EventState, event_of
from correlator.notice import Notice
from skymaps.healpix import Positions, ranges_of_cap, separation_deg
from skymaps.localization import Localization
from skymaps.runs import SkyRuns
from skymaps.shapes import Circle

_COVER_ORDER = 7
"""Order of the cells that cover a published radius, 0.2 deg2 each."""

_ROUNDING_DEG, _ROUNDING_S = 1e-6, 1.0
"""Far above what is rounded when a place or a time is compared, far below what matters here."""


class OnsetRule(StrEnum):
    """Which moment of an alert counts as the onset."""

    ALERT = "alert"
    """The exposure of the alert itself."""
    FIRST_DETECTION = "first-detection"
    """The first detection in the packet that is brighter than the template."""
    HISTORY_START = "history-start"
    """The survey's own count of first detection (ZTF ``jdstarthist``)."""
    FIRST_RECORD = "first-record"
    """The oldest row of the packet's history, non-detections included."""


class Versions(StrEnum):
    """Which notices of an event are matched."""

    ALL = "all"
    BEST = "best"


@dataclass(frozen=True, slots=True)
class JoinOptions:
    """Choices of a batch cross-match; the window is half-open, onset minus T0 [d]."""

    window_days: tuple[float, float] = (0.0, 7.0)
    onset: OnsetRule = OnsetRule.FIRST_DETECTION
    credible: float = 0.9
    radius_scale: float = 1.0
    systematics: bool = True
    versions: Versions = Versions.BEST
    include_tests: bool = False

    def __post_init__(self) -> None:
        if not self.window_days[0] < self.window_days[1]:
            raise ValueError(f"window_days must grow, got {self.window_days}")
        if not 0.0 < self.credible <= 1.0:
            raise ValueError(f"credible must lie in (0, 1], got {self.credible}")
        if not self.radius_scale > 0.0:
            raise ValueError(f"radius_scale must be positive, got {self.radius_scale}")


@dataclass(frozen=True, slots=True)
class JoinedPair:
    """One alert in the region and window of one notice."""

    alert: Alert
    notice: Notice
    event_unix_s: float
    delta_t_s: float
    separation_deg: float | None
    credible_level: float
    probdensity_per_sr: float


def onset_unix_s(alert: Alert, rule: OnsetRule) -> float | None:
    """The moment that counts as the onset of an alert; None where the packet has none."""
    detections = (*alert.history, alert.detection)
    match rule:
        case OnsetRule.ALERT:
            return alert.time_unix_s
        case OnsetRule.FIRST_DETECTION:
            return min((d.time_unix_s for d in detections if d.is_positive), default=None)
        case OnsetRule.HISTORY_START:
            return alert.survey_first_unix_s
        case OnsetRule.FIRST_RECORD:
            limits = [limit.time_unix_s for limit in alert.limits]
            return min([*limits, *(d.time_unix_s for d in detections)])


def join(
    alerts: list[Alert], notices: Iterable[Notice], options: JoinOptions
) -> Iterator[JoinedPair]:
    """Pairs of alerts and located, timed notices of live events, notice by notice."""
    onsets = np.array([_or_nan(onset_unix_s(a, options.onset)) for a in alerts], dtype=np.float64)
    positions = Positions.of([a.ra_deg for a in alerts], [a.dec_deg for a in alerts])
    runs = SkyRuns()
    # An alert without an onset is in no window.
    timed = np.flatnonzero(np.isfinite(onsets))
    runs.add(positions.index_29[timed], onsets[timed], timed)
    for notice, event_unix_s in _matched(notices, options):
        if notice.localization is None:
            continue
        since, until = _wide_window(event_unix_s, options)
        rows = runs.find(_cover(notice.localization, options), since, until)
        near = Positions(positions.ra_deg[rows], positions.dec_deg[rows], positions.index_29[rows])
        some = [alerts[row] for row in rows.tolist()]
        yield from _of_notice(some, onsets[rows], near, notice, event_unix_s, options)


def _cover(localization: Localization, options: JoinOptions) -> NDArray[np.int64]:
    """Ranges that hold every place inside the region."""
    if options.systematics or not isinstance(localization, Circle):
        return localization.cover(options.credible)
    radius_deg = options.radius_scale * localization.radius_deg + _ROUNDING_DEG
    return ranges_of_cap(localization.ra_deg, localization.dec_deg, radius_deg, _COVER_ORDER)


def _wide_window(event_unix_s: float, options: JoinOptions) -> tuple[float, float]:
    """Times that hold every onset in the window, however the difference is rounded."""
    start_s, end_s = (86_400.0 * d for d in options.window_days)
    start, end = event_unix_s + start_s, event_unix_s + end_s
    return start - _ROUNDING_S - 1e-9 * abs(start), end + _ROUNDING_S + 1e-9 * abs(end)


def _matched(notices: Iterable[Notice], options: JoinOptions) -> list[tuple[Notice, float]]:
    """The notices to match, each with its own T0, else that of its event."""
    admitted = {EventState.LIVE} | ({EventState.TEST} if options.include_tests else set())
    by_event: dict[str, list[Notice]] = defaultdict(list)
    for notice in notices:
        by_event[notice.event_key].append(notice)
    matched = []
    for key in sorted(by_event):
        event = event_of(by_event[key])
        if event.state not in admitted or event.is_retracted:
            continue
        for notice in event.notices:
            t0 = event.event_unix_s if notice.event_unix_s is None else notice.event_unix_s
            is_best = notice.localization is event.localization
            if notice.is_retraction or notice.localization is None or t0 is None:
                continue
            if options.versions is Versions.ALL or is_best:
                matched.append((notice, t0))
    return matched


def _of_notice(
    alerts: list[Alert],
    onsets: NDArray[np.float64],
    positions: Positions,
    notice: Notice,
    event_unix_s: float,
    options: JoinOptions,
) -> Iterator[JoinedPair]:
    localization = notice.localization
    if localization is None:
        return
    delta_s = onsets - event_unix_s
    start_s, end_s = (86_400.0 * d for d in options.window_days)
    match = localization.match(positions)
    inside = match.inside(options.credible)
    separation: NDArray[np.float64] | None = None
    if isinstance(localization, Circle):
        centre = localization.ra_deg, localization.dec_deg
        separation = separation_deg(positions.ra_deg, positions.dec_deg, *centre)
        if not options.systematics:
            inside = separation <= options.radius_scale * localization.radius_deg
    for row in np.flatnonzero(inside & (delta_s >= start_s) & (delta_s < end_s)):
        yield JoinedPair(
            alert=alerts[row],
            notice=notice,
            event_unix_s=event_unix_s,
            delta_t_s=float(delta_s[row]),
            separation_deg=None if separation is None else float(separation[row]),
            credible_level=float(match.credible_level[row]),
            probdensity_per_sr=float(match.probdensity_per_sr[row]),
        )


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
