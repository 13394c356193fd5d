"""The law of the join: whichever order, the pairs are those that all the data imply."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.coincidence import correlate
from correlator.event import event_of
from correlator.notice import Notice
from correlator.object import apply_alert
from correlator.pair import PairEvidence
from correlator.policy import DAY_S, Policy
from correlator.ranking import rank_event
from correlator.wire import event_of_record, record_of_event, to_json
from storage.share import Share
from storage.store import Store
from streams.joiner import LATENESS_S, MAX_CLOSED_EVENTS, Joiner
from streams.ranker import Ranker
from tests.builders import DEC_DEG, RA_DEG, T0_UNIX_S, a_circle, a_notice, an_alert

POLICY = Policy()
NEVER = 4e9

ALERTS = [
    an_alert(f"{name}{n}", f"ZTF25{name}", RA_DEG, DEC_DEG + offset, T0_UNIX_S + day * DAY_S)
    for name, offset in (("near", 0.1), ("edge", 2.0), ("far", 8.0))
    for n, day in enumerate((-2.0, 0.2, 1.2))
]
NOTICES = [
    a_notice("flt", localization=a_circle(radius_deg=9.0), localization_rank=10),
    a_notice("fin", localization=a_circle(radius_deg=2.0), localization_rank=30),
    a_notice("other", event_id="2", localization=a_circle(dec_deg=DEC_DEG + 8.0)),
    a_notice("other-gone", event_id="2", is_retraction=True, instrument=None, localization=None),
    a_notice("later", event_id="3", event_unix_s=T0_UNIX_S + DAY_S),
]
PACKETS = [*ALERTS, *NOTICES]


def implied(packets):
    """The truth, restated: every final object against every final event."""
    objects, events = {}, {}
    for packet in packets:
        if isinstance(packet, Notice):
            events.setdefault(packet.event_key, []).append(packet)
        else:
            objects[packet.object_id] = apply_alert(objects.get(packet.object_id), packet)
    results = [
        correlate(obj, event_of(notices), POLICY)
        for obj in objects.values()
        for notices in events.values()
    ]
    found = [r for r in results if isinstance(r, PairEvidence)]
    return sorted(found, key=lambda p: p.coincidence_id)


class Desk:
    """A store of events and a joiner over it, as a worker has them."""

    def __init__(self, store):
        self.store = store
        self.joiner = Joiner(store, POLICY, "test", lambda: NEVER)
        self.ranker = Ranker(store, POLICY, "test", 1)
        self.joiner.own(Share.everything())
        self.ranker.own([0], T0_UNIX_S)
        self._notices = {}

    def take(self, notice):
        known = self._notices.setdefault(notice.event_key, [])
        known.append(notice)
        event = event_of(known)
        self.store.localizations.put(notice.localization) if notice.localization else None
        self.store.events.put(record_of_event(event))
        for records in self.joiner.activate(event.event_key):
            self.ranker.apply(records)

    def add(self, alerts):
        self.ranker.apply(self.joiner.add_alerts([(a, to_json(a)) for a in alerts]))


def joined(packets, store, batch=1):
    """The store after some packets, and the owner of the ranking."""
    desk, waiting = Desk(store), []
    for packet in packets:
        if isinstance(packet, Notice):
            desk.take(packet)
            continue
        waiting.append(packet)
        if len(waiting) >= batch:
            desk.add(waiting)
            waiting = []
    if waiting:
        desk.add(waiting)
    return desk


@settings(max_examples=40, deadline=None)
@given(
    st.permutations(PACKETS),
    st.lists(st.sampled_from(PACKETS), max_size=6),
    st.integers(0, len(PACKETS)),
    st.integers(1, 4),
)
def test_any_order_with_repeats_leaves_the_pairs_that_all_the_data_imply(
    order, repeats, where, batch
):
    delivered = [*order[:where], *repeats, *order[where:]]
    with Store.open("sqlite:///:memory:") as store:
        joined(delivered, store, batch)
        held = store.pairs.all_live()
    assert sorted(held, key=lambda p: p.coincidence_id) == implied(PACKETS)


def test_the_night_of_this_law_has_pairs_and_misses():
    pairs = implied(PACKETS)
    keys = {(p.event_key, p.object_key) for p in pairs}
    assert ("fermi-gbm:781692805", "ztf:ZTF25near") in keys
    assert not any(p.event_key == "fermi-gbm:2" for p in pairs)
    assert ("fermi-gbm:781692805", "ztf:ZTF25far") not in keys


@pytest.mark.slow
@given(st.permutations(PACKETS))
@settings(max_examples=15, deadline=None)
def test_the_ranking_at_one_moment_is_the_same_for_every_order(order):
    as_of = T0_UNIX_S + 3 * DAY_S
    with Store.open("sqlite:///:memory:") as store:
        desk = joined(order, store)
        rankings = {r.event_key: r for r in desk.ranker.rank_all(as_of)}
        events = {r.event_key: event_of_record(r, None) for r in store.events.all()}
    for event_key, event in events.items():
        pairs = [p for p in implied(PACKETS) if p.event_key == event_key]
        if pairs:
            assert rankings[event_key] == rank_event(event, pairs, POLICY, as_of)


def test_out_of_date_records_change_nothing():
    with Store.open("sqlite:///:memory:") as store, Store.open("sqlite:///:memory:") as other:
        desk = joined(PACKETS, store)
        before = desk.ranker.rank_all(T0_UNIX_S + 3 * DAY_S)
        early = Desk(other)
        early.take(NOTICES[0])
        stale = early.joiner.add_alerts([(ALERTS[0], to_json(ALERTS[0]))])
        stale += early.joiner.add_alerts([(ALERTS[1], to_json(ALERTS[1]))])
        assert stale
        assert desk.ranker.apply(stale) == []
        assert desk.ranker.rank_all(T0_UNIX_S + 3 * DAY_S) == before


def test_events_leave_the_memory_once_they_have_closed_and_come_back_for_a_late_alert():
    with Store.open("sqlite:///:memory:") as store:
        desk = Desk(store)
        n = 3 * MAX_CLOSED_EVENTS
        for k in range(n):
            t0 = T0_UNIX_S + k * DAY_S
            desk.take(a_notice(f"n{k}", event_id=f"{k}", event_unix_s=t0))
            desk.add([an_alert(f"a{k}", f"ZTF26o{k}", RA_DEG, DEC_DEG, t0 + 0.2 * DAY_S)])
        open_days = POLICY.longest_open_s / DAY_S + LATENESS_S / DAY_S
        assert len(desk.joiner.book) <= MAX_CLOSED_EVENTS + open_days
        assert desk.joiner.book.get("fermi-gbm:0") is None
        late = an_alert("late", "ZTF26late", RA_DEG, DEC_DEG, T0_UNIX_S + 0.3 * DAY_S, history=())
        desk.add([late])
        events = {p.event_key for p in store.pairs.all_live() if p.object_key == "ztf:ZTF26late"}
        assert "fermi-gbm:0" in events


def test_an_alert_after_the_closing_changes_nothing_whichever_comes_first():
    fin = a_notice("fin", localization=a_circle(radius_deg=2.0))
    early = [
        an_alert(f"e{k}", "ZTF26o", RA_DEG, DEC_DEG, T0_UNIX_S + k * DAY_S, history=())
        for k in (1, 2)
    ]
    late = an_alert("late", "ZTF26o", RA_DEG + 0.1, DEC_DEG, T0_UNIX_S + 40 * DAY_S, history=())
    found = set()
    for order in itertools.permutations([fin, *early, late]):
        with Store.open("sqlite:///:memory:") as store:
            joined(order, store)
            (pair,) = store.pairs.all_live()
            assert pair.object_version == 2
            found.add(repr(pair))
    assert len(found) == 1
