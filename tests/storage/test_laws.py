"""Any order, any duplicates, any batches: the same final state."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from correlator.audience import union
from correlator.event import event_of
from correlator.wire import PairRecord, record_of_event
from storage.store import Store
from tests.builders import (
    a_circle,
    a_notice,
    a_pair_record,
    a_withdrawal,
)
from tests.storage.contents import delivered, emptied, in_batches

laws = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

OBJECTS = ("ZTF25aaaaaaa", "ZTF25aaaaaab", "ZTF25aaaaaac")


@laws
@given(delivered(st.sets(st.integers(1, 6), min_size=1).map(sorted)))
def test_notices_and_the_event_of_them_are_the_same_in_any_order(reused_store, case):
    numbers, batches = case
    store = emptied(reused_store)
    notices = {
        n: a_notice(
            f"ivo://tests/{n // 2}",
            localization=a_circle(ra_deg=n // 2),
            audience=((), ("ep",), ("svom",))[n % 3],
        )
        for n in numbers
    }
    arrived = []
    for received_unix_s, number in enumerate(n for batch in batches for n in batch):
        arrived.append(notices[number])
        packet = f"packet {number // 2}".encode()
        store.notices.put(notices[number], packet, f"file {number // 2}", received_unix_s)
        event = event_of(arrived)
        store.localizations.put(event.localization)
        store.events.put(record_of_event(event))
    expected = event_of(notices.values())
    assert store.events.all() == [record_of_event(expected)]
    assert store.localizations.get(expected.localization.sha256) == expected.localization
    audiences = {
        n: union(notices[m].audience for m in numbers if m // 2 == n)
        for n in {number // 2 for number in numbers}
    }
    assert store.notices.packets_of_event(expected.event_key) == [
        (f"file {n}", f"packet {n}".encode(), audiences[n]) for n in sorted(audiences)
    ]


def the_record(object_key: str, versions: tuple[int, int]) -> PairRecord:
    """The record of two versions: a pair's evidence is a function of them."""
    build = a_withdrawal if sum(versions) % 3 == 0 else a_pair_record
    event_version, object_version = versions
    return build(
        object_key=object_key,
        event_version=event_version,
        object_version=object_version,
        log_lr=event_version + object_version / 10,
    )


two_versions = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def records_with_a_last_comparison(draw):
    """Records of each object that include one of the highest versions of both sides."""
    records = []
    for key in draw(st.sets(st.sampled_from(OBJECTS), min_size=1)):
        versions = draw(st.sets(two_versions, min_size=1))
        top = max(e for e, _ in versions), max(o for _, o in versions)
        records += [the_record(key, v) for v in versions | {top}]
    return records


@laws
@given(delivered(records_with_a_last_comparison()))
def test_a_pair_is_what_the_last_versions_of_both_sides_say_whenever_they_came(reused_store, case):
    records, batches = case
    store = emptied(reused_store)
    for batch in batches:
        store.pairs.put_many(batch)
    expected = {
        key: max(
            (r for r in records if r.object_key == key),
            key=lambda r: (r.event_version, r.object_version),
        )
        for key in {r.object_key for r in records}
    }
    assert {k: store.pairs.get(r.coincidence_id) for k, r in expected.items()} == expected
    live = [r.evidence for _, r in sorted(expected.items()) if r.evidence is not None]
    assert store.pairs.live(records[0].event_key) == live
    assert store.pairs.all_live() == live


@laws
@given(
    st.lists(st.tuples(st.sampled_from(OBJECTS), two_versions), min_size=1, max_size=20),
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
)
def test_a_batch_of_pairs_is_as_good_as_one_after_the_other(reused_store, keyed, sizes):
    store = emptied(reused_store)
    records = [the_record(*k) for k in keyed]
    for batch in in_batches(records, sizes):
        store.pairs.put_many(batch)
    known: dict[str, PairRecord] = {}
    for record in records:
        old = known.get(record.object_key, record)
        if (record.event_version, record.object_version) >= (old.event_version, old.object_version):
            known[record.object_key] = record
    assert {k: store.pairs.get(r.coincidence_id) for k, r in known.items()} == known


@laws
@given(
    delivered(
        st.lists(
            st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from("12")),
            min_size=1,
            max_size=8,
        )
    )
)
def test_a_dead_letter_is_one_for_each_source_packet_and_reason(reused_store, case):
    letters, batches = case
    store: Store = emptied(reused_store)
    for source, packet, reason in (letter for batch in batches for letter in batch):
        store.dead_letters.put(source, "name", packet.encode(), reason, 0.0)
    stored = store.dead_letters.list()
    found = {(x.source, store.dead_letters.packet(x.dead_letter_id), x.reason) for x in stored}
    assert found == {(source, packet.encode(), reason) for source, packet, reason in letters}
    assert len(stored) == len(found)
