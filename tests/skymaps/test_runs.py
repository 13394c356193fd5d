"""Rows in memory against every row looked at, and however they came."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymaps.healpix import END_29, MAX_ORDER, ranges_of_cap
from skymaps.runs import BYTES_A_ROW, BYTES_AN_INTERVAL, SkyRuns

DAY_S = 86_400.0
T0_UNIX_S = 1_700_000_000.0
WHOLE_SKY = np.array([[0, END_29]], dtype=np.int64)

seeds = st.integers(0, 2**32 - 1)
sizes = st.sampled_from([0, 1, 2, 7, 300])


def some_rows(rng, n):
    """Places in few cells, so that rows meet; moments of several days, some to the second."""
    cell = rng.integers(0, 12 * 4**3, n)
    place = (cell << 2 * (MAX_ORDER - 3)) + rng.integers(0, 4, n)
    last = T0_UNIX_S + np.round(rng.uniform(-3.0, 3.0, n) * DAY_S)
    first = last - rng.choice([0.0, 600.0, 5 * DAY_S], n)
    return place, last, first, rng.permutation(n) % max(1, n - 2)


def some_ranges(rng, n_ends):
    """Sorted, disjoint ranges; those that touch too."""
    cells = np.sort(rng.integers(0, 12 * 4**3 + 1, 2 * (n_ends // 2)))
    ends = np.minimum(cells << 2 * (MAX_ORDER - 3), END_29)
    return ends.reshape(-1, 2) + rng.integers(0, 2)


def by_brute_force(rows, ranges, since, until):
    place, last, first, ids = rows
    inside = ((ranges[:, 0] <= place[:, None]) & (place[:, None] < ranges[:, 1])).any(axis=1)
    return np.sort(ids[inside & (last >= since) & (first <= until)]).tolist()


def batches_of(rng, n, n_batches):
    """Rows of each batch, in any order."""
    return np.array_split(rng.permutation(n), n_batches)


def filled(rows, batches, **bound):
    """Runs of the batches; those whose rows are all of one moment come without a first one."""
    runs = SkyRuns(**bound)
    place, last, first, ids = rows
    for some in batches:
        are_of_moments = (first[some] == last[some]).all()
        runs.add(place[some], last[some], ids[some], None if are_of_moments else first[some])
    return runs


@given(seeds, sizes, st.sampled_from([0, 2, 9, 700]), st.integers(1, 40), st.floats(0.0, 1.0))
def test_what_is_found_is_what_a_look_at_each_row_finds(seed, n, n_ends, n_batches, moments):
    rng = np.random.default_rng(seed)
    place, last, first, ids = some_rows(rng, n)
    batches = batches_of(rng, n, n_batches)
    for some in batches:
        if rng.random() < moments:
            first[some] = last[some]
    rows = (place, last, first, ids)
    runs = filled(rows, batches)
    assert len(runs) == n
    ranges = some_ranges(rng, n_ends)
    for since, until in [
        (-np.inf, np.inf),
        *T0_UNIX_S + np.sort(rng.uniform(-4, 4, (3, 2)) * DAY_S),
    ]:
        found = runs.find(ranges, since, until)
        assert found.dtype == np.int64
        assert found.tolist() == by_brute_force(rows, ranges, since, until)


@given(seeds, st.integers(1, 30))
def test_a_time_holds_its_two_ends(seed, n_batches):
    rng = np.random.default_rng(seed)
    rows = some_rows(rng, 60)
    runs = filled(rows, batches_of(rng, 60, n_batches))
    _, last, first, _ = rows
    since, until = rng.choice(last), rng.choice(first)
    assert runs.find(WHOLE_SKY, since, until).tolist() == by_brute_force(
        rows, WHOLE_SKY, since, until
    )


@given(seeds, sizes, st.integers(1, 40), st.integers(1, 200), st.booleans())
def test_a_bound_lets_the_oldest_go_and_says_so(seed, n, n_batches, max_rows, moments):
    rng = np.random.default_rng(seed)
    place, last, first, ids = some_rows(rng, n)
    rows = (place, last, last if moments else first, ids)
    runs = SkyRuns(max_rows)
    for some in batches_of(rng, n, n_batches):
        runs.add(place[some], last[some], ids[some], None if moments else first[some])
        assert len(runs) <= max_rows
        assert runs.n_bytes == len(runs) * (BYTES_A_ROW if moments else BYTES_AN_INTERVAL)
    since = runs.complete_since_unix_s
    assert np.isfinite(since) == (n > max_rows)
    assert len(runs) == (last >= since).sum()
    assert runs.find(WHOLE_SKY, since, np.inf).tolist() == by_brute_force(
        rows, WHOLE_SKY, since, np.inf
    )
    if n > max_rows:
        with pytest.raises(ValueError, match="rows are complete since"):
            runs.find(WHOLE_SKY, np.nextafter(since, -np.inf), np.inf)


@given(seeds, st.floats(-4.0, 4.0))
def test_what_was_forgotten_stays_so_and_nothing_else_goes(seed, days):
    rng = np.random.default_rng(seed)
    rows = some_rows(rng, 100)
    runs = filled(rows, batches_of(rng, 100, 10))
    since = T0_UNIX_S + days * DAY_S
    runs.forget_before(since)
    runs.forget_before(since - 1.0)
    place, last, first, ids = rows
    runs.add(place, last, ids, first)
    expected = by_brute_force(rows, WHOLE_SKY, since, np.inf)
    assert runs.find(WHOLE_SKY, since, np.inf).tolist() == sorted(2 * expected)
    assert len(runs) == 2 * len(expected)


@given(seeds, st.sampled_from([1, 5, 40]))
def test_a_days_runs_are_few_however_many_batches_come(seed, longest):
    rng = np.random.default_rng(seed)
    runs, n = SkyRuns(), 0
    for size in rng.integers(1, longest + 1, 200).tolist():
        runs.add(rng.integers(0, END_29, size), np.full(size, T0_UNIX_S), n + np.arange(size))
        n += size
    assert 1 <= len(runs._runs()) <= np.log2(n) + 1
    assert runs.find(WHOLE_SKY, 0.0, np.inf).tolist() == list(range(n))


def test_a_visit_and_a_map_of_many_ranges():
    ranges = ranges_of_cap(30.0, 10.0, 20.0, 9)
    runs = SkyRuns()
    visit = np.arange(ranges[40, 0], ranges[40, 0] + 5)
    runs.add(visit, np.full(5, T0_UNIX_S), np.arange(5))
    runs.add([END_29 - 1], [T0_UNIX_S], [99])
    assert runs.find(ranges, T0_UNIX_S, T0_UNIX_S).tolist() == [0, 1, 2, 3, 4]


def test_nothing_is_found_where_there_is_nothing():
    runs = SkyRuns()
    assert runs.find(WHOLE_SKY, 0.0, np.inf).tolist() == []
    runs.add([], [], [])
    assert len(runs) == 0
    runs.add([5], [T0_UNIX_S], [7])
    assert runs.find(np.empty((0, 2)), 0.0, np.inf).tolist() == []


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        (([1, 2], [0.0], [1]), "one value a row"),
        (([[1]], [[0.0]], [[1]]), "one value a row"),
        (([-1], [0.0], [1]), "an index must lie in"),
        (([END_29], [0.0], [1]), "an index must lie in"),
        (([1], [np.nan], [1]), "times must be finite"),
        (([1], [np.inf], [1]), "times must be finite"),
        (([1], [0.0], [1], [1.0]), "must not be after the last"),
    ],
)
def test_rows_that_are_none_are_refused(columns, rule):
    runs = SkyRuns()
    with pytest.raises(ValueError, match=rule):
        runs.add(*columns)
    assert len(runs) == 0


@pytest.mark.parametrize("ranges", [[[5, 3]], [[0, 4], [3, 8]], [[8, 9], [0, 1]]])
def test_ranges_out_of_order_are_refused(ranges):
    with pytest.raises(ValueError, match="sorted and disjoint"):
        SkyRuns().find(np.array(ranges), 0.0, 1.0)


def test_a_bound_of_nothing_is_refused():
    with pytest.raises(ValueError, match="max_rows"):
        SkyRuns(0)
