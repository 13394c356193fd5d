"""Revisions of published coincidences."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from correlator.policy import Policy
from correlator.ranking import rank_event
from correlator.wire import of_json, to_json
from storage.coincidences import CoincidenceRevision, CoincidenceState, Gone
from tests.builders import T0_UNIX_S, a_coincidence, a_pair, an_event
from tests.storage.contents import emptied

EVENT = "fermi-gbm:781692805"


def states(revisions: list[CoincidenceRevision]) -> list[tuple[int, str]]:
    return [(r.revision, str(r.state)) for r in revisions]


def test_a_changed_coincidence_gets_a_revision_and_supersedes_the_one_before(store):
    first, second = a_coincidence(log_lr=5.0), a_coincidence(log_lr=6.0, object_version=2)
    (made,) = store.coincidences.publish(EVENT, [first], 10.0, "unused")
    assert made == CoincidenceRevision(
        first.pair.coincidence_id,
        1,
        CoincidenceState.ACTIVE,
        "grb-afterglow",
        EVENT,
        first.pair.object_key,
        10.0,
        None,
        first,
    )
    (made,) = store.coincidences.publish(EVENT, [second], 20.0, "unused")
    assert (made.revision, made.state, made.body) == (2, CoincidenceState.ACTIVE, second)
    history = store.coincidences.history(made.coincidence_id)
    assert states(history) == [(1, "superseded"), (2, "active")]
    assert history[0].body == first
    assert store.coincidences.current(EVENT) == [made]


@pytest.mark.parametrize(
    "changed",
    [
        {"priority": 1.0},
        {"rival_count": 99},
    ],
)
def test_priority_and_unpublished_rivals_alone_make_no_revision(store, changed):
    store.coincidences.publish(EVENT, [a_coincidence()], 10.0, "unused")
    assert store.coincidences.publish(EVENT, [a_coincidence(**changed)], 20.0, "unused") == []


@pytest.mark.parametrize(
    "changed",
    [{"rank": 2}, {"log_lr": 8.1}, {"event_version": 2}, {"object_version": 2}],
)
def test_rank_evidence_and_versions_make_a_revision(store, changed):
    store.coincidences.publish(EVENT, [a_coincidence()], 10.0, "unused")
    (made,) = store.coincidences.publish(EVENT, [a_coincidence(**changed)], 20.0, "unused")
    assert made.revision == 2


def test_a_ranking_made_later_publishes_nothing_new(store):
    event, policy = an_event(), Policy()
    for as_of_unix_s, expected in ((T0_UNIX_S + 1e5, 1), (T0_UNIX_S + 2e5, 0)):
        ranking = rank_event(event, [a_pair()], policy, as_of_unix_s)
        made = store.coincidences.publish(
            event.event_key, ranking.coincidences, as_of_unix_s, "unused"
        )
        assert len(made) == expected


def test_what_left_is_retracted_with_its_reason_and_can_come_back(store):
    coincidence = a_coincidence()
    key = coincidence.pair.coincidence_id
    store.coincidences.publish(EVENT, [coincidence], 10.0, "unused")
    (gone,) = store.coincidences.publish(EVENT, [], 20.0, "the event is retracted")
    assert (gone.revision, gone.state, gone.reason, gone.body) == (
        2,
        CoincidenceState.RETRACTED,
        "the event is retracted",
        None,
    )
    assert store.coincidences.publish(EVENT, [], 30.0, "again") == []
    assert store.coincidences.current(EVENT) == []
    assert store.coincidences.current(EVENT, include_gone=True) == [gone]
    (back,) = store.coincidences.publish(EVENT, [coincidence], 40.0, "unused")
    history = store.coincidences.history(key)
    assert states(history) == [(1, "superseded"), (2, "retracted"), (3, "active")]
    assert history[1].reason == "the event is retracted"
    assert history[2] == back


def test_the_reason_can_be_asked_for_each_and_can_be_that_it_expired(store):
    old, young = a_coincidence(object_key="ztf:old"), a_coincidence(object_key="ztf:young", rank=2)
    store.coincidences.publish(EVENT, [old, young], 10.0, "unused")

    def why(last: CoincidenceRevision) -> str | Gone:
        assert last.body in {old, young}
        if last.object_key == "ztf:old":
            return Gone("older than its window", CoincidenceState.EXPIRED)
        return "moved out"

    made = store.coincidences.publish(EVENT, [], 20.0, why)
    assert {(r.object_key, str(r.state), r.reason) for r in made} == {
        ("ztf:old", "expired", "older than its window"),
        ("ztf:young", "retracted", "moved out"),
    }


def test_the_revision_before_each_is_found_of_many_at_once(store):
    cases = ("grb-afterglow", "kilonova")
    found = [a_coincidence(case=case, object_key=f"ztf:{n}") for n in range(300) for case in cases]
    store.coincidences.publish(EVENT, found, 10.0, "unused")
    changed = [replace(c, rank=2) for c in found[:2]]
    made = store.coincidences.publish(EVENT, [*changed, *found[2:]], 20.0, "unused")
    assert len(made) == 2
    gone = store.coincidences.publish(EVENT, [], 30.0, "the event is retracted")
    before = store.coincidences.before([*gone, replace(gone[0], coincidence_id="unknown")])
    assert len(before) == len(gone) == 600
    assert all(before[r.coincidence_id, r.case].revision == r.revision - 1 for r in gone)
    bodies = {before[c.pair.coincidence_id, c.case].body for c in found}
    assert bodies == {*changed, *found[2:]}
    assert store.coincidences.before([]) == {}


def test_events_and_science_cases_do_not_touch_each_other(store):
    other = a_coincidence(event_key="lvk:S1", case="kilonova")
    both = [a_coincidence(), a_coincidence(case="second-opinion")]
    store.coincidences.publish(EVENT, both, 10.0, "unused")
    store.coincidences.publish("lvk:S1", [other], 10.0, "unused")
    store.coincidences.publish(EVENT, both[:1], 20.0, "out of the second list")
    assert [r.case for r in store.coincidences.current()] == ["grb-afterglow", "kilonova"]
    assert [r.event_key for r in store.coincidences.current(case="kilonova")] == ["lvk:S1"]
    assert store.coincidences.published_keys() == [EVENT, "lvk:S1"]
    object_key = both[0].pair.object_key
    assert len(store.coincidences.current(object_key=object_key)) == 2
    key = both[0].pair.coincidence_id
    assert states(store.coincidences.history(key, "second-opinion")) == [
        (1, "superseded"),
        (2, "retracted"),
    ]


def test_coincidences_of_another_event_are_refused(store):
    with pytest.raises(ValueError, match="lvk:S1"):
        store.coincidences.publish(EVENT, [a_coincidence(event_key="lvk:S1")], 10.0, "unused")


def test_a_revision_survives_its_wire_form(store):
    for made in (
        *store.coincidences.publish(EVENT, [a_coincidence()], 10.0, "unused"),
        *store.coincidences.publish(EVENT, [], 20.0, "gone"),
    ):
        assert of_json(CoincidenceRevision, to_json(made)) == made


published = st.dictionaries(
    st.sampled_from(["ztf:a", "ztf:b", "ztf:c"]), st.integers(1, 3), max_size=3
).map(
    lambda versions: [
        a_coincidence(rank=place, object_key=key, object_version=version)
        for place, (key, version) in enumerate(sorted(versions.items()), start=1)
    ]
)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(published, st.booleans()), min_size=1, max_size=6))
def test_any_sequence_of_publications_leaves_a_history_that_counts_its_changes(reused_store, steps):
    stored = emptied(reused_store).coincidences
    shown: dict[str, list[object]] = {}
    for moment, (coincidences, is_repeated) in enumerate(steps):
        stored.publish(EVENT, coincidences, moment, "gone")
        if is_repeated:
            aged = [replace(c, rival_count=50) for c in coincidences]
            assert stored.publish(EVENT, aged, moment, "gone") == []
        now = {c.pair.object_key: c for c in coincidences}
        for key in now.keys() | shown.keys():
            line = shown.setdefault(key, [])
            if not line or line[-1] != now.get(key):
                line.append(now.get(key))
    assert [r.body for r in stored.current(EVENT)] == steps[-1][0]
    for key, line in shown.items():
        (last,) = stored.current(object_key=key, include_gone=True)
        history = stored.history(last.coincidence_id)
        assert [r.body for r in history] == line
        assert [r.revision for r in history] == list(range(1, len(line) + 1))
        assert history[-1] == last
        for old, _ in pairwise(history):
            assert old.state is (
                CoincidenceState.SUPERSEDED if old.body else CoincidenceState.RETRACTED
            )
