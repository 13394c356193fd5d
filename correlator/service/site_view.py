"""A stored target list as a site sees it in the coming night."""

from __future__ import annotations

from dataclasses import replace

from correlator.policy import Policy
from correlator.priority import aged, with_sight
from correlator.target import Target
from correlator.visibility import Site, visibilities
from storage.store import Store


def seen_from(store: Store, targets: tuple[Target, ...], site: Site | None) -> tuple[Target, ...]:
    """The list re-ranked with the site's visibility at the time it was made.

    Without a site the list stays as it is stored.
    """
    as_of = store.targets.as_of_unix_s(targets[0].case) if targets else None
    if site is None or as_of is None:
        return targets
    policy = Policy()
    cases = {case.name: case for case in policy.cases}
    places = [t.coincidence.pair.object for t in targets]
    seen = visibilities([p.ra_deg for p in places], [p.dec_deg for p in places], site, as_of)
    weighed = []
    for target, sight in zip(targets, seen, strict=True):
        of_list = target.coincidence
        weight = aged(of_list.priority, of_list.pair, cases[target.case], as_of)
        weight = with_sight(weight, sight, policy)
        weighed.append(replace(target, coincidence=replace(target.coincidence, priority=weight)))
    weighed.sort(key=lambda t: (-t.coincidence.priority.value, t.target_id))
    return tuple(replace(t, rank=place) for place, t in enumerate(weighed, start=1))
