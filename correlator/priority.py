"""Priority of a candidate: likelihood ratio, worth, urgency and visibility, with reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass

from correlator.pair import PairEvidence
from correlator.policy import DAY_S, EventClass, Policy, ScienceCase

_NEUTRON_STAR_CLASSES = frozenset({"BNS", "NSBH"})


@dataclass(frozen=True, slots=True)
class PriorityTerm:
    """One factor of the priority: its name, its natural logarithm, and why it is so."""

    name: str
    ln_factor: float
    reason: str


@dataclass(frozen=True, slots=True)
class Priority:
    """Sum of the terms' logarithms: the order in which to point a telescope.

    It is comparable within a list, not a probability: ``p_assoc`` needs the background rate,
    which is not measured yet (docs/adr/0004).
    """

    value: float
    terms: tuple[PriorityTerm, ...]


@dataclass(frozen=True, slots=True)
class Visibility:
    """How well a site sees a position tonight; made by :mod:`correlator.visibility`."""

    site: str
    hours_up: float
    best_altitude_deg: float
    moon_separation_deg: float


def priority(
    pair: PairEvidence,
    classification: tuple[tuple[str, float | None], ...],
    case: ScienceCase,
    policy: Policy,
    as_of_unix_s: float,
    visibility: Visibility | None = None,
) -> Priority:
    """Priority of a pair in a science case's list at a moment [s since the Unix epoch]."""
    terms = (
        PriorityTerm("evidence", pair.log_lr, _evidence_reason(pair)),
        _value_term(pair, classification, policy),
        _fade_term(pair, policy),
        _age_term(pair, case, as_of_unix_s),
        _visibility_term(visibility, policy),
    )
    return Priority(math.fsum(t.ln_factor for t in terms), terms)


def aged(
    published: Priority, pair: PairEvidence, case: ScienceCase, as_of_unix_s: float
) -> Priority:
    """A pair's priority as of another moment [s since the Unix epoch].

    Events are ranked at different moments, and a list compares priorities of one: in the order of
    a list as of the last moment nobody sees when each event was ranked.
    """
    age = _age_term(pair, case, as_of_unix_s)
    terms = tuple(age if term.name == age.name else term for term in published.terms)
    return Priority(math.fsum(t.ln_factor for t in terms), terms)


def with_sight(published: Priority, visibility: Visibility | None, policy: Policy) -> Priority:
    """A pair's priority with the night of a site."""
    sight = _visibility_term(visibility, policy)
    terms = tuple(sight if term.name == sight.name else term for term in published.terms)
    return Priority(math.fsum(t.ln_factor for t in terms), terms)


def _evidence_reason(pair: PairEvidence) -> str:
    said = (
        f"credible level {pair.credible_level:.3f}, "
        f"first seen {pair.delta_t_s / DAY_S:+.2f} d from the event"
    )
    if pair.s_joint is not None:
        said += f", of events that agree on the place by {pair.s_joint:+.1f}"
    if pair.prior_activity_days is not None:
        said += f", active {pair.prior_activity_days:.1f} d before it"
    return said


def _value_term(
    pair: PairEvidence, classification: tuple[tuple[str, float | None], ...], policy: Policy
) -> PriorityTerm:
    factor, reason = policy.values[pair.event_class], f"a {pair.event_class} event"
    star = sum(p or 0.0 for name, p in classification if name in _NEUTRON_STAR_CLASSES)
    is_merger = pair.event_class in {EventClass.GW_CBC, EventClass.GW_SUBTHRESHOLD}
    if is_merger and star > policy.neutron_star_probability:
        factor *= policy.neutron_star_value
        reason += f" with a neutron star (probability {star:.2f})"
    return PriorityTerm("value", math.log(factor), reason)


def _fade_term(pair: PairEvidence, policy: Policy) -> PriorityTerm:
    rate = pair.object.rate
    if rate is None:
        return PriorityTerm("fade", 0.0, "no rate yet: too few points apart in one band")
    said = f"{rate.mag_per_day:+.2f} ± {rate.error_mag_per_day:.2f} mag/d in {rate.band}"
    if rate.mag_per_day <= policy.fade_significance * rate.error_mag_per_day:
        return PriorityTerm("fade", 0.0, f"not fading significantly: {said}")
    factor = min(1.0 + rate.mag_per_day / policy.fade_scale_mag_per_day, policy.max_fade_urgency)
    return PriorityTerm("fade", math.log(factor), f"fading {said}")


def _age_term(pair: PairEvidence, case: ScienceCase, as_of_unix_s: float) -> PriorityTerm:
    age_s = max(0.0, as_of_unix_s - pair.event_unix_s)
    return PriorityTerm(
        "age",
        -age_s / case.fading_scale_s,
        f"{age_s / DAY_S:.2f} d since the event, e-folding {case.fading_scale_s / DAY_S:g} d",
    )


def _visibility_term(visibility: Visibility | None, policy: Policy) -> PriorityTerm:
    if visibility is None:
        return PriorityTerm("visibility", 0.0, "no site asked for")
    said = (
        f"{visibility.hours_up:.1f} h up tonight from {visibility.site}, "
        f"best altitude {visibility.best_altitude_deg:.0f} deg, "
        f"Moon {visibility.moon_separation_deg:.0f} deg away"
    )
    hours = min(max(visibility.hours_up, policy.least_night_h), policy.full_night_h)
    return PriorityTerm("visibility", math.log(hours / policy.full_night_h), said)
