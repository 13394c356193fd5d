"""When an event is ranked again: at once, soon, and then at its pace."""

from __future__ import annotations

import pytest

from correlator.policy import Policy
from storage.store import Store
from streams.ranker import Ranker
from tests.builders import a_pair_record

KEY = a_pair_record().event_key
INTERVAL_S = 0.5


@pytest.fixture
def ranker():
    with Store.open("sqlite://") as store:
        made = Ranker(store, Policy(), "worker", 1)
        made.own([0], 0.0)
        yield made


def ranked_at(ranker, until_s, took_s):
    """Moments at which an event that changes all the time is ranked."""
    moments, now_s = [], 0.0
    while now_s < until_s:
        ranker.apply([a_pair_record()])
        if ranker.due(now_s, INTERVAL_S):
            ranker.rank_changed(0.0)
            ranker.ranked(KEY, now_s, took_s)
            moments.append(now_s)
            now_s += took_s
        now_s = round(now_s + 0.005, 3)
    return moments


def test_an_event_is_ranked_at_once_then_soon_then_at_its_pace(ranker):
    assert ranked_at(ranker, 2.0, 0.0) == pytest.approx(
        [0.0, 0.125, 0.375, 0.75, 1.25, 1.75], abs=0.02
    )


def test_a_large_event_settles_at_a_quarter_of_the_time(ranker):
    moments = ranked_at(ranker, 60.0, 0.5)
    assert moments[:3] == pytest.approx([0.0, 0.505, 1.5], abs=0.05)
    assert moments[-1] - moments[-2] == pytest.approx(2.0, abs=0.05)


def test_an_event_that_was_quiet_begins_anew(ranker):
    ranked_at(ranker, 2.0, 0.0)
    ranker.apply([a_pair_record()])
    assert ranker.due(5.0, INTERVAL_S) == [KEY]
    ranker.ranked(KEY, 5.0, 0.0)
    assert ranker.due(5.1, INTERVAL_S) == []
    assert ranker.due(5.13, INTERVAL_S) == [KEY]


def test_what_has_not_changed_is_not_due(ranker):
    assert ranker.due(100.0, INTERVAL_S) == []
