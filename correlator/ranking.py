"""The ranking of an event: its pairs in order, and which of them its science cases publish."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from correlator.coincidence import PairEvidence
from correlator.event import Event
from correlator.policy import Policy, ScienceCase
from correlator.priority import Priority, Visibility, priority
from correlator.window import closes_unix_s

NOT_MEASURED = "the background rate of the stream is not measured yet"
"""Why ``p_assoc`` and ``far_per_year`` are null: nothing is invented to fill them."""


@dataclass(frozen=True, slots=True)
class Coincidence:
    """A pair that passed its science case's rule: what is published.

    Attributes
    ----------
    rank
        Place among the published pairs of the event, 1 the most likely.
    rival_count
        Candidates of the event, published or not.
    """

    pair: PairEvidence
    case: str
    rank: int
    rival_count: int
    priority: Priority


@dataclass(frozen=True, slots=True)
class RankedCandidate:
    """A candidate of an event with its place and what keeps it from being published."""

    coincidence_id: str
    object_key: str
    rank: int
    log_lr: float
    rejections: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """All candidates of an event in order, and its coincidences."""

    event_key: str
    as_of_unix_s: float
    candidates: tuple[RankedCandidate, ...]
    coincidences: tuple[Coincidence, ...]


def rank_event(
    event: Event,
    pairs: Iterable[PairEvidence],
    policy: Policy,
    as_of_unix_s: float,
    visibilities: Mapping[str, Visibility] | None = None,
) -> Ranking:
    """Ranking of an event at a moment; a function of its pairs, whatever their order.

    An event that has closed by then keeps its candidates and has no coincidences any more.
    """
    ordered = sorted(pairs, key=lambda p: (-p.log_lr, p.object_key))
    seen = visibilities or {}
    closes = closes_unix_s(event, policy)
    is_open = closes is None or as_of_unix_s <= closes
    cases = [c for c in policy.cases if is_open and event.event_class in c.classes]
    coincidences = tuple(
        coincidence
        for case in cases
        for coincidence in _published(event, ordered, case, policy, as_of_unix_s, seen)
    )
    candidates = tuple(
        RankedCandidate(
            pair.coincidence_id,
            pair.object_key,
            place,
            pair.log_lr,
            tuple(r for case in cases for r in rejections(pair, case, policy)),
        )
        for place, pair in enumerate(ordered, start=1)
    )
    return Ranking(event.event_key, as_of_unix_s, candidates, coincidences)


def rejections(pair: PairEvidence, case: ScienceCase, policy: Policy) -> tuple[str, ...]:
    """Reasons why a candidate is no coincidence of a science case; empty means published."""
    obj, near = pair.object, pair.object.surroundings
    star_sep, score = near.star_sep_arcsec, near.star_score
    rules = {
        "known_solar_system_object": near.is_solar_system_object(policy.solar_system_sep_arcsec),
        "star_at_the_place": star_sep is not None
        and star_sep <= policy.star_sep_arcsec
        and score is not None
        and score >= policy.star_score,
        "prior_activity": pair.prior_activity_days is not None and not case.allow_prior_activity,
        "too_few_detections": obj.n_detections < case.min_detections,
        "detections_too_close_in_time": obj.span_s < case.min_span_s,
        "evidence_too_low": pair.log_lr < case.min_log_lr,
    }
    return tuple(name for name, broken in rules.items() if broken)


def _published(
    event: Event,
    ordered: list[PairEvidence],
    case: ScienceCase,
    policy: Policy,
    as_of_unix_s: float,
    visibilities: Mapping[str, Visibility],
) -> list[Coincidence]:
    passed = [p for p in ordered if not rejections(p, case, policy)]
    return [
        Coincidence(
            pair=pair,
            case=case.name,
            rank=place,
            rival_count=len(ordered),
            priority=priority(
                pair,
                event.classification,
                case,
                policy,
                as_of_unix_s,
                visibilities.get(pair.object_key),
            ),
        )
        for place, pair in enumerate(passed, start=1)
    ]
