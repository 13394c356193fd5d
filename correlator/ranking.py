"""The ranking of an event: its pairs in order, and which of them its science cases publish."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from correlator.audience import PUBLIC, Audience
from correlator.event import Event
from correlator.notice import Messenger
from correlator.pair import PairEvidence
from correlator.policy import Policy, ScienceCase
from correlator.priority import Priority, Visibility, priority
from correlator.rules import rejections
from correlator.window import closes_unix_s

NOT_MEASURED = "the background rate of the stream is not measured yet"
"""Why ``p_assoc`` and ``far_per_year`` are null: nothing is invented to fill them."""


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What its notices say of the event itself, as of the ranking. ``None`` is "not said".

    Attributes
    ----------
    far_hz
        False-alarm rate of the event [Hz].
    significance, significance_kind
        As the mission gives it, and what it is: ``snr``, ``image_snr`` ...
    classification
        Classes and their probabilities.
    """

    mission: str
    messenger: Messenger
    far_hz: float | None
    significance: float | None
    significance_kind: str | None
    is_significant: bool | None
    classification: tuple[tuple[str, float | None], ...]

    @classmethod
    def of(cls, event: Event) -> EventFacts:
        """The facts of an event."""
        return cls(
            event.mission,
            event.messenger,
            event.far_hz,
            event.significance,
            event.significance_kind,
            event.is_significant,
            event.classification,
        )


@dataclass(frozen=True, slots=True)
class Coincidence:
    """A pair that passed its science case's rule: what is published.

    Attributes
    ----------
    rank
        Place among the published pairs of the event, 1 the most likely.
    rival_count
        Candidates of the event, published or not.
    event
        The event itself; None in the records of releases that did not say.
    """

    pair: PairEvidence
    case: str
    rank: int
    rival_count: int
    priority: Priority
    event: EventFacts | None = None

    @property
    def audience(self) -> Audience:
        """Who may read it: whoever may read its pair."""
        return self.pair.audience


@dataclass(frozen=True, slots=True)
class RankedCandidate:
    """A candidate of an event with its place and what keeps it from being published."""

    coincidence_id: str
    object_key: str
    rank: int
    log_lr: float
    rejections: tuple[str, ...]
    audience: Audience = PUBLIC


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
            pair.audience,
        )
        for place, pair in enumerate(ordered, start=1)
    )
    return Ranking(event.event_key, as_of_unix_s, candidates, coincidences)


def _published(
    event: Event,
    ordered: list[PairEvidence],
    case: ScienceCase,
    policy: Policy,
    as_of_unix_s: float,
    visibilities: Mapping[str, Visibility],
) -> list[Coincidence]:
    passed = [p for p in ordered if not rejections(p, case, policy)]
    facts = EventFacts.of(event)
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
            event=facts,
        )
        for place, pair in enumerate(passed, start=1)
    ]
