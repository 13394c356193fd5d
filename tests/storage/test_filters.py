"""SQL selects what the Python predicate lets pass, on each database, to the last bit."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from correlator.filters import filter_of_text, predicate_of, read_filter
from correlator.filters.fields import unit_vector
from correlator.filters.json_form import filter_of_object
from correlator.filters.preset import presets
from correlator.filters.tree import MAX_CONDITIONS, MAX_DEPTH, Compared, Comparison, Cone, Filter
from storage.coincidences import Gone
from storage.filters import passes
from storage.schema import coincidences
from storage.store import Store
from tests.builders import a_coincidence, a_summary
from tests.correlator.filters.random_filters import Pool, random_coincidence, random_filter
from tests.storage.contents import emptied

SOME = [random_coincidence(Random(n), n) for n in range(60)]
POOL = Pool(SOME)
LAW = settings(max_examples=150, deadline=None)


def published(store: Store, some, published_unix_s=10.0) -> None:
    by_event: dict[str, list] = {}
    for coincidence in some:
        by_event.setdefault(coincidence.pair.event_key, []).append(coincidence)
    for event_key, of_event in by_event.items():
        store.coincidences.publish(event_key, of_event, published_unix_s, "unused")


def by_sql(store: Store, tree: Filter) -> list[tuple[str, str]]:
    c = coincidences.c
    found = select(c.coincidence_id, c.case_name).where(passes(tree))
    with store.engine.connect() as connection:
        return sorted((row[0], row[1]) for row in connection.execute(found))


def by_python(some, tree: Filter) -> list[tuple[str, str]]:
    let_pass = predicate_of(tree)
    return sorted((c.pair.coincidence_id, c.case) for c in some if let_pass(c))


@pytest.fixture(scope="module")
def filled(reused_store):
    published(emptied(reused_store), SOME)
    return reused_store


@LAW
@given(st.randoms(use_true_random=False))
def test_sql_selects_what_the_predicate_lets_pass(filled, rng):
    tree = random_filter(rng, POOL)
    assert by_sql(filled, tree) == by_python(SOME, tree)


def test_whole_columns_are_compared_with_numbers_that_are_not(filled):
    for text in ("rank > 2.5", "rank = 2.5", "rank between 1.5 and 2.5", "rank in (2, 2.5)",
                 "rival_count < 2147483647.5", "rank < 1e300"):  # fmt: skip
        tree = filter_of_text(text)
        assert by_sql(filled, tree) == by_python(SOME, tree), text


def test_an_edge_of_a_cone_is_the_same_edge(filled):
    # Radii that are a distance to the last bit: any other rounding would decide otherwise.
    rng = Random(5)
    for _ in range(60):
        obj = rng.choice(SOME).pair.object
        ra, dec = rng.uniform(0.0, 360.0), rng.uniform(-80.0, 80.0)
        there, here = unit_vector(obj.ra_deg, obj.dec_deg), unit_vector(ra, dec)
        radius = math.degrees(2.0 * math.asin(min(1.0, math.dist(there, here) / 2.0)))
        tree = Cone(ra, dec, radius)
        assert by_sql(filled, tree) == by_python(SOME, tree)


@pytest.mark.parametrize("said", ["x' OR '1'='1", "'; DELETE FROM coincidences; --", "%(x)s", ":x",
                                  "?", "\\", "%", "\\'"])  # fmt: skip
def test_what_a_filter_compares_with_is_no_sql(filled, said):
    tree = Compared("case", Comparison.EQUAL, said)
    assert by_sql(filled, tree) == []
    unequal = Compared("case", Comparison.UNEQUAL, said)
    assert len(by_sql(filled, unequal)) == len(SOME)


def nested(depth):
    tree = {"field": "rank", "op": "=", "value": 1}
    for level in range(depth):
        other = {"field": "log_lr", "op": "is null"}
        tree = ({"and": [other, tree]}, {"or": [other, tree]}, {"not": tree})[level % 3]
    return filter_of_object(tree)


@pytest.mark.parametrize(
    "tree",
    [
        nested(MAX_DEPTH),
        filter_of_text("not " * MAX_DEPTH + "rank = 1"),
        filter_of_text(" or ".join(["within(10, 20, 30)"] * MAX_CONDITIONS)),
        filter_of_text(" and ".join(["rank != 7 or is_joint"] * (MAX_CONDITIONS // 2))),
        filter_of_text(f"rank not in ({','.join(map(str, range(10, 1010)))})"),
        filter_of_text(f"log_lr between -{5e-324!r} and {5e-324!r} or within(0, 1e-300, 1e-300)"),
    ],
    ids=["deepest", "nots", "cones", "clauses", "values", "least numbers"],
)
def test_the_largest_filters_run(filled, tree):
    assert by_sql(filled, tree) == by_python(SOME, tree)


def sent(store, text, *period):
    found = store.coincidences.sent(filter_of_text(text), *period)
    assert store.coincidences.count_sent(filter_of_text(text), *period) == len(found)
    return [(s.revision.published_unix_s, s.revision.revision, s.passes) for s in found]


def test_what_would_have_been_sent_is_what_passed_then_and_once_what_no_longer_does(store):
    key = a_coincidence().pair.event_key
    bright, faint = (a_summary(last_mag_ab=m) for m in (18.0, 21.0))
    for when, obj in ((10.0, bright), (20.0, faint), (30.0, bright), (40.0, None)):
        found = [] if obj is None else [a_coincidence(object=obj)]
        store.coincidences.publish(key, found, when, Gone("the event is retracted"))
    text = "last_mag_ab < 20"
    assert sent(store, text) == [
        (10.0, 1, True), (20.0, 2, False), (30.0, 3, True), (40.0, 4, False)
    ]  # fmt: skip
    assert sent(store, text, 20.0, 40.0) == [(20.0, 2, False), (30.0, 3, True)]
    assert sent(store, "last_mag_ab > 20") == [(20.0, 2, True), (30.0, 3, False)]
    assert sent(store, "prior_activity_days is null", 35.0) == [(40.0, 4, False)]
    assert sent(store, "last_mag_ab > 30") == []
    (last,) = store.coincidences.sent(filter_of_text(text), 40.0)
    assert (last.revision.state, last.revision.reason) == ("retracted", "the event is retracted")
    (first,) = store.coincidences.sent(filter_of_text(text), limit=1)
    assert first.revision.revision == 1


def test_what_would_have_been_sent_is_what_the_predicate_says_of_each_history(store):
    """The same rule in Python: a revision that passes, or that follows one that does."""
    rng = Random(7)
    for at in range(5):
        some = [random_coincidence(Random(rng.randint(0, 3)), n) for n in rng.sample(range(9), 5)]
        for event_key in ("svom:0", "svom:1", "svom:2"):
            found = [c for c in some if c.pair.event_key == event_key]
            store.coincidences.publish(event_key, found, float(at), "it left")
    history = store.coincidences.current(include_gone=True)
    ids = sorted({r.coincidence_id for r in history})
    revisions = [r for i in ids for r in store.coincidences.history(i)]
    assert len(revisions) > len(history) > 0
    assert {r.body is None for r in revisions} == {True, False}
    by_key = {(r.coincidence_id, r.case, r.revision): r for r in revisions}
    pool = Pool([r.body for r in revisions if r.body is not None])
    for _ in range(60):
        tree = random_filter(rng, pool)
        let_pass = predicate_of(tree)
        passed = {key: r.body is not None and let_pass(r.body) for key, r in by_key.items()}
        wanted = {
            (i, case, n, is_let)
            for (i, case, n), is_let in passed.items()
            if 1.0 <= by_key[i, case, n].published_unix_s < 4.0
            and (is_let or passed.get((i, case, n - 1), False))
        }
        found = store.coincidences.sent(tree, 1.0, 4.0)
        assert wanted == {
            (s.revision.coincidence_id, s.revision.case, s.revision.revision, s.passes)
            for s in found
        }
        assert [s.revision.published_unix_s for s in found] == sorted(
            s.revision.published_unix_s for s in found
        )


def test_a_revision_that_is_gone_passes_nothing(store):
    coincidence = a_coincidence()
    store.coincidences.publish(coincidence.pair.event_key, [coincidence], 1.0, "unused")
    store.coincidences.publish(coincidence.pair.event_key, [], 2.0, "it left")
    for text in ("case = 'grb-afterglow'", "log_lr is null", "not rank = 1"):
        passed = sum(len(by_sql(store, read_filter(t))) for t in (text, f"not ({text})"))
        assert passed == 1, text


def test_presets_run(filled):
    for preset in presets().values():
        assert by_sql(filled, preset.filter) == by_python(SOME, preset.filter)
