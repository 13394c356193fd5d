"""A target: an object in a science case's list, with its place and the reasons for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from correlator.audience import Audience
from correlator.policy import ScienceCase
from correlator.ranking import Coincidence


class TargetState(StrEnum):
    """Whether a target is in its list."""

    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Target:
    """One object in one list; an object that fits several events stands once, for its best one.

    Attributes
    ----------
    target_id
        ``case/object_key``.
    rank
        Place in the list, 1 first; None once retired.
    retired_reason
        Why it left the list.
    """

    target_id: str
    case: str
    object_key: str
    state: TargetState
    rank: int | None
    coincidence: Coincidence
    retired_reason: str | None = None

    @property
    def audience(self) -> Audience:
        """Who may read it: whoever may read its coincidence."""
        return self.coincidence.audience


def target_list(case: ScienceCase, coincidences: Iterable[Coincidence]) -> tuple[Target, ...]:
    """The list of a science case from the coincidences of all events, best first."""
    best: dict[str, Coincidence] = {}
    for coincidence in coincidences:
        if coincidence.case != case.name:
            continue
        known = best.get(coincidence.pair.object_key)
        if known is None or _order(coincidence) < _order(known):
            best[coincidence.pair.object_key] = coincidence
    ordered = sorted(best.values(), key=_order)[: case.max_targets]
    return tuple(
        Target(
            target_id=f"{case.name}/{c.pair.object_key}",
            case=case.name,
            object_key=c.pair.object_key,
            state=TargetState.ACTIVE,
            rank=place,
            coincidence=c,
        )
        for place, c in enumerate(ordered, start=1)
    )


def _order(coincidence: Coincidence) -> tuple[float, str, str]:
    pair = coincidence.pair
    return -coincidence.priority.value, pair.object_key, pair.event_key
