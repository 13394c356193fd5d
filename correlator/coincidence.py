"""One object against one event: the pair's evidence, the same from both sides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from correlator.alert import Detection
from correlator.audience import union
from correlator.event import Event, EventState
from correlator.light import rate
from correlator.nature import of_the_sky
from correlator.object import OpticalObject
from correlator.pair import ObjectSummary, PairEvidence, coincidence_id
from correlator.policy import DelayWindow, EventClass, Policy
from correlator.scored import scored
from correlator.window import Onset, mean_kernel_per_s, onset_of, overlaps
from skymaps.healpix import FULL_SKY_SR, Positions, separation_deg
from skymaps.localization import Localization
from skymaps.shapes import Circle


class Miss(StrEnum):
    """Why an object and an event are no pair."""

    NOT_LIVE = "the event is retracted or a test"
    NO_CLASS = "the event has no optical counterpart to look for"
    NOT_A_BURST = "the mission calls the event something else than a burst"
    NO_TIME = "the event has no time"
    NO_LOCALIZATION = "the event has no localization"
    NOTHING_SINCE = "nothing positive was detected since the event"
    OUTSIDE_WINDOW = "the onset lies outside the window"
    OUTSIDE_REGION = "the position lies outside the widest region"
    AFTER_CLOSING = "every alert of the object came after the event had closed"


def admission(event: Event, policy: Policy) -> Miss | None:
    """Why an event does not reach the join at all; None when it does."""
    if event.is_retracted:
        return Miss.NOT_LIVE
    if event.state is EventState.TEST and not policy.include_tests:
        return Miss.NOT_LIVE
    sky = of_the_sky(event.verdicts)
    if event.is_burst is False if sky is None else sky.nature in policy.kept_out:
        return Miss.NOT_A_BURST
    if event.event_class is None:
        return Miss.NO_CLASS
    if event.event_unix_s is None:
        return Miss.NO_TIME
    return Miss.NO_LOCALIZATION if event.localization is None else None


def correlate(obj: OpticalObject, event: Event, policy: Policy) -> PairEvidence | Miss:
    """Evidence that an object is the counterpart of an event, or why the two are no pair."""
    return correlate_many([obj], event, policy)[0]


def correlate_many(
    objects: Sequence[OpticalObject], event: Event, policy: Policy
) -> list[PairEvidence | Miss]:
    """What :func:`correlate` says of each object and one event, to the last bit."""
    results = compare_many(objects, event, policy)
    found = [(r, o) for r, o in zip(results, objects, strict=True) if isinstance(r, PairEvidence)]
    pairs = iter(scored(found, policy))
    return [next(pairs) if isinstance(r, PairEvidence) else r for r in results]


def compare_many(
    objects: Sequence[OpticalObject], event: Event, policy: Policy
) -> list[PairEvidence | Miss]:
    """The same without scores: those of many events are given at once by :func:`scored`."""
    if (miss := admission(event, policy)) is not None:
        return [miss] * len(objects)
    results: list[PairEvidence | Miss] = []
    timed: list[_Timed] = []
    t0, t0_end, localization, kind = _known(event)
    window = policy.windows[kind]
    for place, obj in enumerate(objects):
        positive = obj.positive
        onset = onset_of(obj, positive, t0, policy)
        if onset is None:
            results.append(Miss.NOTHING_SINCE)
            continue
        results.append(Miss.OUTSIDE_WINDOW)
        if overlaps(onset, t0, t0_end, window):
            timed.append(_Timed(place, obj, positive, onset))
    if timed:
        common = _Common(event, kind, t0, t0_end, localization.sha256, window, policy)
        for one, spot in zip(timed, _spots(localization, timed, policy), strict=True):
            results[one.place] = Miss.OUTSIDE_REGION if spot is None else common.result(one, spot)
    return results


class _Timed(NamedTuple):
    """An object that shone at the right time, and its place among those that were asked for."""

    place: int
    obj: OpticalObject
    positive: tuple[Detection, ...]
    onset: Onset


class _Spot(NamedTuple):
    """What a localization says of a position inside its widest region."""

    probdensity_per_sr: float
    credible_level: float
    cell_probability: float
    separation_deg: float | None


@dataclass(frozen=True, slots=True)
class _Common:
    """What the pairs of one event have in common."""

    event: Event
    event_class: EventClass
    t0_unix_s: float
    t0_end_unix_s: float
    localization_sha256: str
    window: DelayWindow
    policy: Policy

    def result(self, timed: _Timed, spot: _Spot) -> PairEvidence | Miss:
        """The evidence, if the kernel lets the onset be."""
        event, t0, obj, onset = self.event, self.t0_unix_s, timed.obj, timed.onset
        kernel = mean_kernel_per_s(onset, t0, self.t0_end_unix_s, self.window)
        if kernel <= 0.0:
            return Miss.OUTSIDE_WINDOW
        object_key = obj.object_key
        s_sky = math.log(spot.probdensity_per_sr * FULL_SKY_SR)
        s_time = math.log(self.window.length_s * kernel)
        was_active = onset.prior_activity_days is not None
        s_prior = self.policy.prior_activity_log_lr[self.event_class] if was_active else 0.0
        return PairEvidence(
            coincidence_id=coincidence_id(event.event_key, object_key),
            event_key=event.event_key,
            event_class=self.event_class,
            object_key=object_key,
            event_version=event.version,
            object_version=obj.version,
            event_unix_s=t0,
            localization_sha256=self.localization_sha256,
            delta_t_s=onset.latest_unix_s - t0,
            onset_earliest_s=onset.earliest_unix_s - t0,
            onset_latest_s=onset.latest_unix_s - t0,
            onset_is_assumed=onset.is_assumed,
            prior_activity_days=onset.prior_activity_days,
            credible_level=spot.credible_level,
            cell_probability=spot.cell_probability,
            probdensity_per_sr=spot.probdensity_per_sr,
            separation_deg=spot.separation_deg,
            s_sky=s_sky,
            s_time=s_time,
            s_prior_activity=s_prior,
            log_lr=s_sky + s_time + s_prior + (event.log_overlap or 0.0),
            object=_summary(obj, timed.positive, onset),
            s_joint=event.log_overlap,
            audience=union((event.audience, obj.audience)),
        )


def _spots(localization: Localization, timed: list[_Timed], policy: Policy) -> list[_Spot | None]:
    """What a localization says of each object's position; None outside the widest region."""
    places = Positions.of([t.obj.ra_deg for t in timed], [t.obj.dec_deg for t in timed])
    match = localization.match(places)
    inside = match.inside(policy.widest_level) & (match.probdensity_per_sr > 0.0)
    columns = match.probdensity_per_sr, match.credible_level, match.cell_probability
    separations = _separations_deg(localization, places)
    rows = zip(*(column.tolist() for column in columns), separations, strict=True)
    return [
        _Spot(*row) if is_in else None for row, is_in in zip(rows, inside.tolist(), strict=True)
    ]


def _known(event: Event) -> tuple[float, float, Localization, EventClass]:
    """What an admitted event is known to have."""
    t0, localization, kind = event.event_unix_s, event.localization, event.event_class
    if t0 is None or localization is None or kind is None:
        raise ValueError(f"event {event.event_key} was not admitted")
    end = event.event_end_unix_s
    return t0, t0 if end is None else end, localization, kind


def _separations_deg(localization: Localization, places: Positions) -> list[float | None]:
    if not isinstance(localization, Circle):
        return [None] * len(places)
    centre = localization.ra_deg, localization.dec_deg
    return list(separation_deg(places.ra_deg, places.dec_deg, *centre).tolist())


def _summary(obj: OpticalObject, positive: tuple[Detection, ...], onset: Onset) -> ObjectSummary:
    since = [d for d in positive if d.time_unix_s >= onset.latest_unix_s]
    last = since[-1]
    return ObjectSummary(
        ra_deg=obj.ra_deg,
        dec_deg=obj.dec_deg,
        n_detections=len(since),
        span_s=last.time_unix_s - since[0].time_unix_s,
        last_mag_ab=last.mag_ab,
        last_band=last.band,
        last_unix_s=last.time_unix_s,
        rate=rate(since),
        real_bogus=obj.real_bogus,
        surroundings=obj.surroundings,
        tags=obj.tags,
    )
