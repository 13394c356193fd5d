"""What the stored packets imply: rankings, coincidences, lists and joint events, as files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from correlator.audience import Reader
from correlator.joint import JointEvent, joint_events
from correlator.policy import Policy
from correlator.priority import Visibility
from correlator.ranking import Ranking, rank_event
from correlator.service.rows import (
    coincidence_row,
    event_row,
    joint_row,
    pair_row,
    ranking_row,
    target_row,
)
from correlator.target import Target, target_list
from correlator.visibility import Site, visibilities
from correlator.wire import event_of_record
from storage.store import Store
from streams.joint import chains, located_events, pairs_of


@dataclass(frozen=True, slots=True)
class Results:
    """Rankings of all events at one moment, and what follows from them and from the events."""

    as_of_unix_s: float
    rankings: tuple[Ranking, ...]
    targets: dict[str, tuple[Target, ...]]
    joint_events: tuple[JointEvent, ...]


def results_of(
    store: Store,
    policy: Policy,
    as_of_unix_s: float,
    seen: dict[str, Visibility] | None = None,
) -> Results:
    """What a store implies at a moment; a function of its events and pairs alone."""
    rankings = []
    for event_key in store.pairs.keys_with_pairs():
        record = store.events.get(event_key)
        if record is not None:
            event, pairs = event_of_record(record, None), store.pairs.live(event_key)
            rankings.append(rank_event(event, pairs, policy, as_of_unix_s, seen))
    joint = stored_joint_events(store, policy)
    for each in joint:
        rankings.append(rank_event(*pairs_of(store, policy, each), policy, as_of_unix_s, seen))
    return _results(rankings, joint, policy, as_of_unix_s)


def results_of_rankings(
    rankings: Iterable[Ranking], store: Store, policy: Policy, as_of_unix_s: float
) -> Results:
    """The rankings of one moment with the lists that follow from them, and the joint events."""
    return _results(rankings, stored_joint_events(store, policy), policy, as_of_unix_s)


def _results(
    rankings: Iterable[Ranking], joint: Iterable[JointEvent], policy: Policy, as_of_unix_s: float
) -> Results:
    # An event whose pairs were all withdrawn is left out: that it ever had any is history, and
    # depends on the order of delivery.
    held = tuple(r for r in rankings if r.candidates)
    found = [c for ranking in held for c in ranking.coincidences]
    lists = {case.name: target_list(case, found) for case in policy.cases}
    return Results(as_of_unix_s, held, lists, tuple(joint))


def results_for(results: Results, reader: Reader) -> Results:
    """What of some results is for a reader; ranks are among all candidates all the same."""
    if reader.reads_all:
        return results
    may_read = reader.may_read
    rankings = (
        replace(
            r,
            candidates=tuple(c for c in r.candidates if may_read(c.audience)),
            coincidences=tuple(c for c in r.coincidences if may_read(c.audience)),
        )
        for r in results.rankings
    )
    return Results(
        results.as_of_unix_s,
        tuple(r for r in rankings if r.candidates),
        {
            case: tuple(t for t in targets if may_read(t.audience))
            for case, targets in results.targets.items()
        },
        tuple(joint for joint in results.joint_events if may_read(joint.audience)),
    )


def stored_joint_events(store: Store, policy: Policy) -> list[JointEvent]:
    """The joint events that the stored events imply, by id."""
    near = [
        record
        for chain in chains(store.events.all(), policy.joint)
        if len(chain) > 1  # most have no neighbour in time, and their maps need no reading
        for record in chain
    ]
    return joint_events(located_events(store, policy, near), policy)


def visibilities_of(store: Store, site: Site, as_of_unix_s: float) -> dict[str, Visibility]:
    """Tonight's visibility of every paired object from a site."""
    places = {p.object_key: p.object for p in store.pairs.all_live()}
    if not places:
        return {}
    ra, dec = [o.ra_deg for o in places.values()], [o.dec_deg for o in places.values()]
    return dict(zip(places, visibilities(ra, dec, site, as_of_unix_s), strict=True))


def write_results(results: Results, store: Store, out: Path, reader: Reader) -> None:
    """Write what a store implies, and a reader may read, as JSON lines sorted by id."""
    out.mkdir(parents=True, exist_ok=True)
    results = results_for(results, reader)
    events = sorted(store.events.all(reader), key=lambda e: e.event_key)
    pairs = sorted(store.pairs.all_live(reader), key=lambda p: p.coincidence_id)
    coincidences = [c for r in results.rankings for c in r.coincidences]
    coincidences.sort(key=lambda c: (c.pair.coincidence_id, c.case))
    targets = [t for case in sorted(results.targets) for t in results.targets[case]]
    _write(out / "events.jsonl", map(event_row, events))
    _write(out / "pairs.jsonl", map(pair_row, pairs))
    _write(out / "rankings.jsonl", map(ranking_row, results.rankings))
    _write(out / "coincidences.jsonl", map(coincidence_row, coincidences))
    _write(out / "targets.jsonl", map(target_row, targets))
    _write(out / "joint_events.jsonl", map(joint_row, results.joint_events))


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("wb") as file:
        for row in rows:
            file.write(orjson.dumps(row, option=orjson.OPT_SORT_KEYS) + b"\n")
