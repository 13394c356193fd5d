"""Pages and streams of coincidences, against every revision that was published."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.audience import OPERATOR, PUBLIC_READER
from correlator.filters import filter_of_text, predicate_of
from storage import schema
from storage.coincidences import CoincidenceState
from storage.errors import SearchError
from storage.search import MAX_LIMIT, Region
from storage.search import coincidences as subject
from tests.builders import (
    T0_UNIX_S,
    a_coincidence,
    a_summary,
)
from tests.storage.contents import emptied
from tests.storage.search.questions import (
    ON_SHARED_STORES,
    READERS,
    all_of,
    audience_of_number,
    regions,
    set_audiences,
    the_places,
)

EVENTS = [f"gbm:{nth}" for nth in range(4)]
CASES = "grb", "gw"


def the_coincidences(event_key, case, round_):
    """What is published of an event in a case at a time: it changes, comes and goes."""
    for number, (ra, dec) in enumerate(the_places()[75:100]):
        if (number + round_) % 3 == 0 or (number % 4 and round_ == 2):
            continue
        yield a_coincidence(
            case=case,
            rank=number + 1,
            event_key=event_key,
            object_key=f"ztf:ZTF{number:03d}",
            object_version=1 + round_ // 2,
            log_lr=float(number),
            object=a_summary(ra_deg=(ra + 0.01 * round_) % 360.0, dec_deg=dec),
        )


@pytest.fixture(scope="module")
def published(reused_store):
    store = emptied(reused_store)
    clock = count()
    for round_ in range(3):
        for event_key in EVENTS:
            found = [c for case in CASES for c in the_coincidences(event_key, case, round_)]
            at = T0_UNIX_S + next(clock) // 2
            store.coincidences.publish(event_key, found, at, "it moved away")
    set_audiences(
        store, schema.coincidences, lambda row: audience_of_number(EVENTS.index(row["event_key"]))
    )
    return store, list(every_revision(store))


def every_revision(store):
    """Each revision with whether it is current and where it was last seen."""
    with store.engine.connect() as connection:
        ids = connection.execute(schema.coincidences.select()).scalars().all()
    for coincidence_id in sorted(set(ids)):
        for case in CASES:
            history = store.coincidences.history(coincidence_id, case)
            place = None
            for nth, revision in enumerate(history):
                if revision.body is not None:
                    place = revision.body.pair.object
                yield revision, nth == len(history) - 1, place


FILTERS = [
    None,
    filter_of_text("log_lr > 7 and rank < 20"),
    filter_of_text("not (log_lr > 7) or within(0.3, 0.0, 0.7)"),
]


@ON_SHARED_STORES
@given(
    regions,
    st.sampled_from(READERS),
    st.none() | st.sampled_from(EVENTS),
    st.none() | st.sampled_from(CASES),
    st.sampled_from([None, *CoincidenceState]),
    st.sampled_from([None, True, False]),
    st.sampled_from(FILTERS),
    st.none() | st.integers(-1, 7).map(lambda s: T0_UNIX_S + s),
    st.sampled_from([20, 1000]),
    st.booleans(),
)
def test_pages_of_coincidences_have_what_is_there_once(
    published,
    region,
    reader,
    event_key,
    case,
    state,
    is_current,
    tree,
    since,
    limit,
    newest,
):
    question = {
        "event_key": event_key, "case": case, "state": state, "is_current": is_current,
        "tree": tree, "since_unix_s": since,
    }  # fmt: skip
    store, revisions = published
    search = store.search

    def page_after(after):
        return search.coincidences(reader, region, after, limit, newest, **question)

    found = all_of(page_after)
    passes = None if tree is None else predicate_of(tree)
    expected = [
        revision
        for revision, is_latest, place in revisions
        if event_key in (None, revision.event_key)
        and case in (None, revision.case)
        and state in (None, revision.state)
        and is_current in (None, is_latest)
        and (passes is None or (revision.body is not None and passes(revision.body)))
        and (since is None or revision.published_unix_s >= since)
        and (region is None or region.contains(place.ra_deg, place.dec_deg)[0])
        and reader.may_read(audience_of_number(EVENTS.index(revision.event_key)))
    ]

    def by_time(revision):
        r = revision
        return r.published_unix_s, r.coincidence_id, r.case, r.revision

    assert sorted(found, key=by_time) == sorted(expected, key=by_time)
    if region is None:
        assert found == sorted(expected, key=by_time, reverse=newest)
    streamed = search.stream_coincidences(reader, region, **question)
    assert sorted([r for batch in streamed for r in batch], key=by_time) == sorted(
        expected, key=by_time
    )


def test_a_retraction_is_found_where_the_object_was(published):
    store, revisions = published
    gone = [(revision, place) for revision, _, place in revisions if revision.body is None]
    assert gone
    for revision, place in gone[::9]:
        near = Region.cone(place.ra_deg, place.dec_deg, 1e-3)
        found = store.search.coincidences(OPERATOR, near, state=CoincidenceState.RETRACTED)
        assert revision.coincidence_id in {r.coincidence_id for r in found.rows}


@pytest.mark.parametrize(
    "asked",
    [
        {"event_key": "a\0b"},
        {"object_key": "\udfff"},
        {"case": 7},
        {"after": (float("nan"), "a", "b", 1)},
        {"after": ("now", "a", "b", 1)},
        {"after": (1.0, "a", "b", 2**31)},
        {"after": (1.0, "a", "b", -(2**31))},
        {"after": (1, "a", "b", 2**31), "region": Region.whole_sky()},
        {"event_since_unix_s": float("nan")},
    ],
)
def test_what_cannot_be_asked_of_coincidences_is_refused(reused_store, asked):
    with pytest.raises(SearchError):
        reused_store.search.coincidences(OPERATOR, **asked)


def test_a_place_of_a_target_beyond_the_column_is_refused(reused_store):
    with pytest.raises(SearchError, match="after"):
        reused_store.search.targets(OPERATOR, after=("a", 2**31, "b"))
    assert reused_store.search.targets(OPERATOR, after=("a", 2**31 - 1, "b")).rows == []


def test_names_that_look_like_sql_are_names(store):
    said = "'; DROP TABLE objects; --"
    assert store.search.coincidences(OPERATOR, event_key=said, case=said).rows == []
    assert store.search.object(PUBLIC_READER, said) is None
    assert store.search.objects(OPERATOR).rows == []


@pytest.mark.parametrize("newest", [False, True])
def test_a_filter_looks_at_so_many_rows_a_page_whatever_it_lets_pass(
    published, monkeypatch, newest
):
    store, revisions = published
    monkeypatch.setattr(subject, "WINDOW_ROWS", 7)
    monkeypatch.setattr(subject, "MAX_EXAMINED", 21)
    n = len(revisions)

    def pages(text, limit):
        after = None
        while True:
            tree = filter_of_text(text)
            page = store.search.coincidences(
                OPERATOR, after=after, limit=limit, newest_first=newest, tree=tree
            )
            yield page.rows
            if page.after is None:
                return
            after = page.after

    nothing = list(pages("log_lr > 1e9", 1000))
    assert not any(nothing)
    assert len(nothing) in (n // 21, n // 21 + 1)
    some = [row for rows in pages("log_lr > 7", 5) for row in rows]
    whole = store.search.coincidences(OPERATOR, limit=MAX_LIMIT, newest_first=newest).rows
    assert some == [r for r in whole if r.body is not None and r.body.pair.log_lr > 7.0]


@pytest.mark.parametrize(
    "asked",
    [
        {"tree": filter_of_text("log_lr > 1e9")},
        {"event_since_unix_s": 1e18},
        {"object_key": "ztf:none"},
    ],
)
def test_a_page_of_a_region_looks_at_so_many_rows_whatever_passes(published, monkeypatch, asked):
    store, revisions = published
    monkeypatch.setattr("storage.search.walks.MAX_EXAMINED", 50)
    sky = Region.cone(0.0, 0.0, 180.0)
    after, n_pages = None, 0
    while True:
        page = store.search.coincidences(OPERATOR, sky, after, 1000, **asked)
        assert not page.rows
        n_pages += 1
        if page.after is None:
            break
        after = page.after
    assert n_pages in (len(revisions) // 50, len(revisions) // 50 + 1)


def test_a_filter_in_a_region_goes_on_over_short_pages(published, monkeypatch):
    store, revisions = published
    monkeypatch.setattr("storage.search.walks.MAX_EXAMINED", 50)
    sky, tree = Region.cone(0.0, 0.0, 180.0), filter_of_text("log_lr > 20")

    def page_after(after):
        return store.search.coincidences(OPERATOR, sky, after, 5, tree=tree)

    found = all_of(page_after)
    expected = [r for r, *_ in revisions if r.body is not None and r.body.pair.log_lr > 20.0]
    assert expected
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
