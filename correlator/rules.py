"""What keeps a pair from being published, by the rules of a science case."""

from __future__ import annotations

from correlator.crossmatch import placement
from correlator.pair import PairEvidence
from correlator.policy import Policy, ScienceCase


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
        "star_in_a_catalogue": placement(obj.tags).is_extragalactic is False,
        "prior_activity": pair.prior_activity_days is not None and not case.allow_prior_activity,
        "too_few_detections": obj.n_detections < case.min_detections,
        "detections_too_close_in_time": obj.span_s < case.min_span_s,
        "evidence_too_low": pair.log_lr < case.min_log_lr,
    }
    return tuple(name for name, broken in rules.items() if broken)


def is_let_through(pair: PairEvidence, policy: Policy) -> bool:
    """Whether some science case of the pair's class has nothing against it."""
    cases = (case for case in policy.cases if pair.event_class in case.classes)
    return any(not rejections(pair, case, policy) for case in cases)
