"""The law of the join: whichever order, the pairs are those that all the data imply."""

from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.coincidence import PairEvidence, correlate
from correlator.event import apply_notice, event_of
from correlator.object import apply_alert
from correlator.policy import DAY_S, Policy
from correlator.ranking import rank_event
from streams.joiner import Joiner
from streams.ranker import Ranker
from streams.tables import AlertWindow, EventBook
from tests.builders import DEC_DEG, RA_DEG, T0_UNIX_S, a_circle, a_notice, an_alert

POLICY = Policy()

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
        if packet in NOTICES:
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


def joined(packets, batch=1):
    """The pairs that the tables and the owner of the ranking hold at the end."""
    book = EventBook()
    joiner = Joiner(AlertWindow(), book, POLICY)
    ranker = Ranker(book, POLICY)
    events, waiting = {}, []
    for packet in packets:
        if packet in NOTICES:
            event = apply_notice(events.get(packet.event_key), packet)
            events[packet.event_key] = event
            ranker.apply(joiner.set_event(event))
            continue
        waiting.append(packet)
        if len(waiting) >= batch:
            ranker.apply(joiner.add_alerts(waiting)[1])
            waiting = []
    ranker.apply(joiner.add_alerts(waiting)[1])
    return ranker, book


@settings(max_examples=150)
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
    ranker, book = joined(delivered, batch)
    held = [p for event in book.events() for p in ranker.pairs(event.event_key)]
    assert sorted(held, key=lambda p: p.coincidence_id) == implied(PACKETS)


def test_the_night_of_this_law_has_pairs_and_misses():
    pairs = implied(PACKETS)
    keys = {(p.event_key, p.object_key) for p in pairs}
    assert ("fermi-gbm:781692805", "ztf:ZTF25near") in keys
    assert not any(p.event_key == "fermi-gbm:2" for p in pairs)
    assert ("fermi-gbm:781692805", "ztf:ZTF25far") not in keys


@given(st.permutations(PACKETS))
@settings(max_examples=30)
def test_the_ranking_at_one_moment_is_the_same_for_every_order(order):
    ranker, book = joined(order)
    as_of = T0_UNIX_S + 3 * DAY_S
    rankings = {r.event_key: r for r in ranker.rank_all(as_of)}
    for event in book.events():
        pairs = [p for p in implied(PACKETS) if p.event_key == event.event_key]
        if pairs:
            assert rankings[event.event_key] == rank_event(event, pairs, POLICY, as_of)


def test_out_of_date_records_change_nothing():
    ranker, book = joined(PACKETS)
    (event,) = [e for e in book.events() if e.event_id == "781692805"]
    held = ranker.pairs(event.event_key)
    early = Joiner(AlertWindow(), EventBook(), POLICY)
    early.set_event(event_of(NOTICES[:1]))
    stale = early.add_alerts(ALERTS[:1])[1]
    assert ranker.apply(stale) == []
    assert ranker.pairs(event.event_key) == held
