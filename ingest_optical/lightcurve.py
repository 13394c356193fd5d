"""The measurements of a packet in order, each once, and no more than a stated number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import lt

from correlator.alert import Detection, ForcedMeasurement, Limit

MAX_POINTS = 128
"""Default length of a history and of a list of limits. A Rubin deep field brings up to 1,172
earlier sources a packet, of which the join needs the beginning and the recent past."""

N_FIRST_KEPT = 16
"""Points kept from the beginning of a history that is too long."""

FORCED_N_SIGMA = 3.0
"""Least of a forced measurement that says more than a limit does, in its errors (SCIENCE 3)."""

MAX_FORCED = 16
"""Most forced measurements of a slim alert, the newest: some 2 kB."""

FORCED_WINDOW_S = 31 * 86_400.0
"""How long before its alert a forced measurement is of use to the join: the archival veto looks
31 d back (SCIENCE 2)."""


def ordered_history(detections: Iterable[Detection], own_id: str) -> tuple[Detection, ...]:
    """Detections by time, each source once (its latest row), without the alert's own."""
    found = list(detections)
    ids = {d.source_id for d in found}
    if _is_in_order(found) and len(ids) == len(found) and own_id not in ids:
        return tuple(found)
    unique = {d.source_id: d for d in sorted(found, key=_order) if d.source_id != own_id}
    return tuple(sorted(unique.values(), key=_order))


def _is_in_order(
    points: Sequence[Detection] | Sequence[Limit] | Sequence[ForcedMeasurement],
) -> bool:
    """Whether each is later than the one before it, as in most packets."""
    times_unix_s = [point.time_unix_s for point in points]
    return all(map(lt, times_unix_s, times_unix_s[1:]))


def _order(detection: Detection) -> tuple[float, str, float, float, str]:
    error = -math.inf if detection.flux_err_njy is None else detection.flux_err_njy
    return (
        detection.time_unix_s,
        detection.source_id,
        detection.flux_njy,
        error,
        detection.band,
    )


def ordered_limits(limits: Iterable[Limit]) -> tuple[Limit, ...]:
    """Limits by time, each once."""
    found = list(limits)
    if _is_in_order(found):
        return tuple(found)
    return tuple(sorted(set(found), key=lambda x: (x.time_unix_s, x.band, x.mag_ab, x.n_sigma)))


def ordered_forced(forced: Iterable[ForcedMeasurement]) -> tuple[ForcedMeasurement, ...]:
    """Forced photometry by time, each id once, its greatest content."""
    found = list(forced)
    if _is_in_order(found) and len({f.forced_id for f in found}) == len(found):
        return tuple(found)
    unique = {f.forced_id: f for f in sorted(found, key=_forced_order)}
    return tuple(sorted(unique.values(), key=_forced_order))


def _forced_order(forced: ForcedMeasurement) -> tuple[float, str, float, float, str]:
    return (
        forced.time_unix_s,
        forced.forced_id,
        forced.flux_njy,
        forced.flux_err_njy,
        forced.band,
    )


def trimmed_forced(
    forced: Sequence[ForcedMeasurement], own_unix_s: float, max_points: int | None
) -> tuple[ForcedMeasurement, ...]:
    """The newest of a list by time: at most :data:`MAX_FORCED`, of the last month; None for all."""
    if max_points is None:
        return tuple(forced)
    recent = [f for f in forced if f.time_unix_s > own_unix_s - FORCED_WINDOW_S]
    return tuple(recent[-min(MAX_FORCED, max_points) :]) if max_points else ()


def first_positive_unix_s(detections: Iterable[Detection]) -> float | None:
    """Time of the earliest detection that is brighter than the template.

    A fading star is detected too, with a negative flux; it is no onset of a transient.
    """
    return min((d.time_unix_s for d in detections if d.is_positive), default=None)


def trimmed_history(history: Sequence[Detection], max_points: int | None) -> tuple[Detection, ...]:
    """At most ``max_points`` of a history: its beginning, its first positive one, the latest.

    So neither the first detection of either sign nor the recent light curve is lost.
    """
    if max_points is None or len(history) <= max_points:
        return tuple(history)
    kept = set(range(min(N_FIRST_KEPT, max_points // 2)))
    positive = next((i for i, d in enumerate(history) if d.is_positive), None)
    if positive is not None:
        kept.add(positive)
    return tuple(history[i] for i in _filled_from_the_end(len(history), kept, max_points))


def trimmed_limits(
    limits: Sequence[Limit], onset_unix_s: float | None, max_points: int | None
) -> tuple[Limit, ...]:
    """At most ``max_points`` limits: the first, the last before the onset, the latest."""
    if max_points is None or len(limits) <= max_points:
        return tuple(limits)
    kept = {0}
    if onset_unix_s is not None:
        before = [i for i, limit in enumerate(limits) if limit.time_unix_s < onset_unix_s]
        kept |= set(before[-1:])
    return tuple(limits[i] for i in _filled_from_the_end(len(limits), kept, max_points))


def _filled_from_the_end(n: int, kept: set[int], max_points: int) -> list[int]:
    latest = (i for i in reversed(range(n)) if i not in kept)
    room = max(max_points - len(kept), 0)
    return sorted(kept | {i for i, _ in zip(latest, range(room), strict=False)})
