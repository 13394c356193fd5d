"""Target lists: ranks, changes and the reasons of those that left."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from correlator.policy import DAY_S, Policy
from correlator.priority import priority
from correlator.ranking import Coincidence
from correlator.target import TargetState, target_list
from storage.targets import LEFT_THE_LIST
from tests.builders import T0_UNIX_S, a_coincidence, a_pair, a_target
from tests.storage.contents import emptied

CASE = "grb-afterglow"


def test_a_list_is_read_by_rank_as_it_was_written(store):
    second, first = a_target(2, object_key="ztf:a"), a_target(1, object_key="ztf:b")
    assert store.targets.replace_list(CASE, (second, first), 10.0) == [first, second]
    assert store.targets.list(CASE) == (first, second)
    assert store.targets.list("kilonova") == ()
    assert store.targets.get(first.target_id) == first
    assert store.targets.get("grb-afterglow/ztf:unknown") is None


def test_only_a_new_place_or_content_is_a_change_but_the_priority_is_kept_fresh(store):
    stays, moves = a_target(1, object_key="ztf:a"), a_target(2, object_key="ztf:b")
    store.targets.replace_list(CASE, (stays, moves), 10.0)
    aged = a_target(1, object_key="ztf:a", priority=1.0)
    moved = a_target(3, object_key="ztf:b")
    assert store.targets.replace_list(CASE, (aged, moved), 20.0) == [moved]
    assert store.targets.list(CASE) == (aged, moved)


@pytest.mark.parametrize(
    ("why", "expected"),
    [
        ({"grb-afterglow/ztf:a": "its event is retracted"}, "its event is retracted"),
        ({"grb-afterglow/ztf:other": "unused"}, LEFT_THE_LIST),
        ("the season is over", "the season is over"),
    ],
)
def test_what_left_is_retired_with_its_reason_and_can_come_back(store, why, expected):
    target = a_target(1, object_key="ztf:a")
    store.targets.replace_list(CASE, (target,), 10.0)
    (retired,) = store.targets.replace_list(CASE, (), 20.0, why)
    assert (retired.state, retired.rank, retired.retired_reason) == (
        TargetState.RETIRED,
        None,
        expected,
    )
    assert store.targets.replace_list(CASE, (), 30.0, "again") == []
    assert store.targets.list(CASE) == ()
    assert store.targets.list(CASE, include_retired=True) == (retired,)
    assert store.targets.replace_list(CASE, (target,), 40.0) == [target]
    assert store.targets.list(CASE, include_retired=True) == (target,)


def test_lists_do_not_touch_each_other(store):
    kilonova = a_target(case="kilonova", event_key="lvk:S1")
    store.targets.replace_list("kilonova", (kilonova,), 10.0)
    store.targets.replace_list(CASE, (), 20.0)
    assert store.targets.list("kilonova") == (kilonova,)
    with pytest.raises(ValueError, match="kilonova"):
        store.targets.replace_list(CASE, (kilonova,), 30.0)


def test_a_list_is_made_anew_from_what_is_published_of_all_events(store):
    (case,) = (c for c in Policy().cases if c.name == CASE)
    assert store.targets.refresh(case, 1.0) == []
    better = a_coincidence(object_key="ztf:a", event_key="grb:1", priority=9.0)
    worse = a_coincidence(object_key="ztf:b", event_key="grb:2", priority=1.0)
    store.coincidences.publish("grb:2", [worse], 10.0, "gone")
    store.coincidences.publish("grb:1", [better, replace(better, case="kilonova")], 10.0, "gone")
    changed = store.targets.refresh(case, 11.0)
    assert [(t.object_key, t.rank) for t in changed] == [("ztf:a", 1), ("ztf:b", 2)]
    assert tuple(changed) == store.targets.list(CASE) == target_list(case, [worse, better])
    assert store.targets.as_of_unix_s(CASE) == 11.0
    assert store.targets.refresh(case, 12.0) == []
    store.coincidences.publish("grb:1", [], 20.0, "gone")
    changed = store.targets.refresh(case, 21.0)
    assert [(t.object_key, t.rank) for t in changed] == [("ztf:b", 1), ("ztf:a", None)]


moments = st.floats(0.0, 20.0).map(lambda days: T0_UNIX_S + days * DAY_S)
events = st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(0.0, 9.0), moments), max_size=5)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(of_events=events, days=st.floats(20.0, 30.0))
def test_a_list_has_the_order_of_one_moment_whenever_each_event_was_ranked(
    reused_store, of_events, days
):
    store, policy, now = emptied(reused_store), Policy(), T0_UNIX_S + days * DAY_S
    (case,) = (c for c in policy.cases if c.name == CASE)

    def ranked(pair, at_unix_s):
        at = priority(pair, (), case, policy, at_unix_s)
        return Coincidence(pair, CASE, 1, 1, at)

    pairs = [
        a_pair(f"grb:{n}", f"ztf:{n % 2}", log_lr=log_lr, event_unix_s=T0_UNIX_S + age * DAY_S)
        for n, (age, log_lr, _) in enumerate(of_events)
    ]
    for pair, (_, _, at_unix_s) in zip(pairs, of_events, strict=True):
        store.coincidences.publish(pair.event_key, [ranked(pair, at_unix_s)], at_unix_s, "gone")
    store.targets.refresh(case, now)
    assert store.targets.list(CASE) == target_list(case, [ranked(p, now) for p in pairs])


lists = st.lists(st.sampled_from("abcd"), unique=True).map(
    lambda keys: tuple(a_target(r, object_key=f"ztf:{k}") for r, k in enumerate(keys, start=1))
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(lists, min_size=1, max_size=5))
def test_the_changes_alone_rebuild_the_list(reused_store, steps):
    stored = emptied(reused_store).targets
    reader: dict[str, object] = {}
    for moment, targets in enumerate(steps):
        for changed in stored.replace_list(CASE, targets, moment):
            reader[changed.target_id] = changed
        active = [t for t in reader.values() if t.state is TargetState.ACTIVE]
        assert tuple(sorted(active, key=lambda t: t.rank)) == targets == stored.list(CASE)
    assert set(reader.values()) == set(stored.list(CASE, include_retired=True))


def test_what_stands_otherwise_than_it_was_told_is_found(store):
    told = [a_target(n, object_key=f"ztf:{n}") for n in (1, 2, 3)]
    store.targets.replace_list(CASE, told, 10.0)
    assert store.targets.other_than(told) == []
    aged = a_target(1, object_key="ztf:1", priority=1.0)
    moved = a_target(2, object_key="ztf:3")
    _, retired = store.targets.replace_list(CASE, (aged, moved), 20.0)
    found = {t.target_id: t for t in store.targets.other_than(told)}
    assert found == {t.target_id: t for t in (moved, retired)}
    assert store.targets.other_than([]) == []
