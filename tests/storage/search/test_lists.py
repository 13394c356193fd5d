"""Pages of events, notices, targets and pairs."""

from __future__ import annotations

import pytest

from correlator.audience import OPERATOR, PUBLIC_READER
from correlator.wire import record_of_event
from storage import schema
from storage.search import Region
from tests.builders import (
    DEC_DEG,
    RA_DEG,
    T0_UNIX_S,
    a_notice,
    a_pair_record,
    a_target,
    a_withdrawal,
    an_event,
)
from tests.storage.search.questions import (
    MEMBER,
    OTHER,
    all_of,
    set_audiences,
)

CASES = "grb", "gw"


def the_events():
    for nth in range(12):
        when = None if nth % 4 == 0 else T0_UNIX_S + nth % 3
        notice = a_notice(f"ivo://tests/gbm#{nth}", event_id=f"{nth}", event_unix_s=when)
        yield notice, record_of_event(an_event(notice))


@pytest.mark.parametrize("limit", [1, 5, 100])
@pytest.mark.parametrize("newest_first", [False, True])
def test_events_come_by_time_and_those_without_one_last(store, limit, newest_first):
    for _, event in the_events():
        store.events.put(event)
    search = store.search
    found = all_of(
        lambda after: search.events(OPERATOR, after=after, limit=limit, newest_first=newest_first)
    )
    timed = [e for _, e in the_events() if e.event_unix_s is not None]
    timeless = [e for _, e in the_events() if e.event_unix_s is None]
    timed.sort(key=lambda e: (e.event_unix_s, e.event_key), reverse=newest_first)
    assert found == timed + sorted(timeless, key=lambda e: e.event_key)
    some = search.events(OPERATOR, T0_UNIX_S + 1, T0_UNIX_S + 2, mission="Fermi")
    assert {e.event_unix_s for e in some.rows} == {T0_UNIX_S + 1}
    set_audiences(store, schema.events, lambda row: ("alpha",) if row["event_id"] < "2" else ())
    assert len(search.events(PUBLIC_READER).rows) == 8
    assert len(search.events(MEMBER).rows) == 12


def test_notices_come_by_the_time_of_their_receipt(store):
    for nth, (notice, _) in enumerate(the_events()):
        store.notices.put(notice, b"packet", f"{nth}", T0_UNIX_S + nth // 2)
    search = store.search
    found = all_of(lambda after: search.notices(OPERATOR, after=after, limit=5))
    assert len(found) == 12
    keys = [(n.received_unix_s, n.notice_id) for n in found]
    assert keys == sorted(keys)
    falling = all_of(
        lambda after: search.notices(OPERATOR, after=after, limit=5, newest_first=True)
    )
    assert falling == found[::-1]
    some = search.notices(OPERATOR, since_unix_s=T0_UNIX_S + 2, until_unix_s=T0_UNIX_S + 3)
    assert [n.received_unix_s for n in some.rows] == [T0_UNIX_S + 2] * 2
    set_audiences(store, schema.notices, lambda row: ("beta",) if row["event_id"] < "2" else ())
    assert len(search.notices(MEMBER).rows) == 8
    assert len(search.notices(OTHER).rows) == 12


def test_targets_come_by_case_and_rank_and_the_retired_last(store):
    for case in CASES:
        targets = [
            a_target(rank, case=case, object_key=f"ztf:ZTF{rank:03d}") for rank in range(1, 8)
        ]
        store.targets.replace_list(case, targets, T0_UNIX_S)
        store.targets.replace_list(case, targets[:5], T0_UNIX_S)
    search = store.search

    def places(reader=OPERATOR, **asked):
        found = all_of(lambda after: search.targets(reader, after=after, limit=3, **asked))
        return [(t.case, t.rank) for t in found]

    active = [(case, rank) for case in CASES for rank in range(1, 6)]
    assert places() == active
    assert places(state=None) == [
        (case, rank) for case in CASES for rank in (1, 2, 3, 4, 5, None, None)
    ]
    assert places(case="gw") == active[5:]
    assert places(case="gw", object_key="ztf:ZTF002") == [("gw", 2)]
    assert places(region=Region.cone(0.0, -80.0, 5.0)) == []
    assert places(region=Region.cone(RA_DEG, DEC_DEG, 5.0)) == active
    set_audiences(store, schema.targets, lambda row: ("alpha",) if row["rank"] == 1 else ())
    assert places(PUBLIC_READER, case="grb") == active[1:5]


def test_pairs_come_by_id_and_the_withdrawn_if_asked(store):
    live = [a_pair_record(object_key=f"ztf:ZTF{n}") for n in range(7)]
    withdrawn = [a_withdrawal(object_key=f"ztf:ZTF{n}") for n in range(7, 10)]
    store.pairs.put_many(live + withdrawn)
    search = store.search

    def found(reader=OPERATOR, **asked):
        return all_of(lambda after: search.pairs(reader, after=after, limit=3, **asked))

    by_id = sorted(live, key=lambda r: r.coincidence_id)
    assert found() == by_id
    assert found(event_key=live[0].event_key) == by_id
    assert found(object_key="ztf:ZTF3") == [live[3]]
    assert {r.coincidence_id for r in found(is_live=None)} == {
        r.coincidence_id for r in live + withdrawn
    }
    set_audiences(store, schema.pairs, lambda row: ("alpha", "beta"))
    assert found(MEMBER) == []
    assert found(OTHER) == by_id
