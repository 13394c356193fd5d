"""What is old goes, whole objects only, and nothing that was published."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import func, select, update

from correlator.object import apply_alert
from correlator.policy import DAY_S
from correlator.wire import record_of_event
from storage import batches
from storage.rows import insert_rows
from storage.schema import alerts, events, objects, pairs
from storage.store import Store
from storage.upkeep import retention
from storage.upkeep.retention import Cut, Kind, Removed, Retention
from storage.upkeep.vacuum import size_bytes, vacuum
from tests.builders import (
    T0_UNIX_S,
    a_coincidence,
    a_notice,
    a_pair_record,
    a_target,
    an_alert,
    an_event,
)
from tests.storage.conftest import POSTGRES_URL
from tests.storage.contents import contents, emptied
from tests.storage.writers import Writer, objects_of, put_alerts

CUT_UNIX_S = T0_UNIX_S + 30 * DAY_S
CUT = Cut(CUT_UNIX_S, CUT_UNIX_S)
OLD, YOUNG = T0_UNIX_S + DAY_S, CUT_UNIX_S + DAY_S


@pytest.fixture
def store(reused_store):
    return emptied(reused_store)


def run(store, cut=CUT, *kinds, is_dry=False, rests=None):
    made = Retention(store._database, cut, is_dry, (rests if rests is not None else []).append)
    return made.run(kinds or retention.USUAL_KINDS)


def put_event(store, event_id, unix_s):
    notice = a_notice(event_id, event_id=event_id, event_unix_s=unix_s)
    event = record_of_event(an_event(notice))
    store.events.put(event)
    store.notices.put(notice, b"packet", "a file", 1.0)
    return event.event_key


def put_pair(store, object_id, event_key):
    key = f"ztf:{object_id}"
    pair = replace(a_pair_record(), coincidence_id=f"{event_key}~{key}", event_key=event_key,
                   object_key=key)  # fmt: skip
    store.pairs.put_many([pair])


def keys(store, table, column):
    with store.engine.connect() as connection:
        return set(connection.execute(select(table.c[column])).scalars())


@pytest.fixture
def filled(store):
    """Objects that are named for why they stay or go."""
    old_event, young_event = put_event(store, "1", T0_UNIX_S), put_event(store, "2", CUT_UNIX_S)
    put_alerts(
        store,
        an_alert("1", "alone", time_unix_s=OLD),
        an_alert("2", "alone", time_unix_s=OLD + 1),
        an_alert("1", "young", time_unix_s=YOUNG),
        an_alert("1", "woken", time_unix_s=OLD),
        an_alert("2", "woken", time_unix_s=YOUNG),
        an_alert("1", "at-the-cut", time_unix_s=CUT_UNIX_S),
        *(an_alert("1", name, time_unix_s=OLD) for name in
          ("in-old-pair", "in-young-pair", "in-both", "published", "gone-again", "target")),
    )  # fmt: skip
    for name in ("in-old-pair", "in-both", "published", "gone-again", "target", "young"):
        put_pair(store, name, old_event)
    for name in ("in-young-pair", "in-both"):
        put_pair(store, name, young_event)
    put_pair(store, "published", young_event)
    published = a_coincidence(event_key=old_event, object_key="ztf:published")
    gone = a_coincidence(event_key=young_event, object_key="ztf:gone-again")
    store.coincidences.publish(old_event, [published], OLD, "gone")
    store.coincidences.publish(young_event, [gone], OLD, "gone")
    store.coincidences.publish(young_event, [], OLD + 1, "gone")
    target = a_target(event_key=old_event, object_key="ztf:target")
    store.targets.replace_list("grb-afterglow", [target], OLD)
    store.dead_letters.put("tests", "old", b"1", "a reason", OLD)
    store.dead_letters.put("tests", "young", b"2", "a reason", YOUNG)
    return store


def test_what_is_old_and_was_never_published_goes_with_everything_of_it(filled):
    before = contents(filled)
    removed = run(filled)
    left = contents(filled)
    assert all(set(left[name]) <= set(rows) for name, rows in before.items())  # and none is changed
    assert removed.counts() == {"pairs": 3, "objects": 2, "alerts": 3, "dead_letters": 0}
    assert keys(filled, objects, "object_id") == {
        "young", "woken", "at-the-cut", "in-young-pair", "in-both", "published", "gone-again",
        "target",
    }  # fmt: skip
    assert keys(filled, alerts, "object_id") == keys(filled, objects, "object_id")
    assert keys(filled, pairs, "coincidence_id") == {
        "fermi-gbm:1~ztf:published", "fermi-gbm:1~ztf:gone-again", "fermi-gbm:1~ztf:target",
        "fermi-gbm:2~ztf:in-young-pair", "fermi-gbm:2~ztf:in-both", "fermi-gbm:2~ztf:published",
    }  # fmt: skip
    counts = filled.counts()
    assert (counts["notices"], counts["events"], counts["coincidences"]) == (2, 2, 3)
    assert (counts["targets"], counts["dead_letters"]) == (1, 2)


def test_a_dry_run_counts_the_same_and_removes_nothing(filled):
    before = contents(filled)
    dry = run(filled, is_dry=True)
    assert contents(filled) == before
    assert dry == run(filled)


def test_a_second_run_finds_nothing(filled):
    run(filled)
    left = contents(filled)
    assert run(filled) == Removed()
    assert contents(filled) == left


def test_objects_alone_leave_every_pair_and_its_object(filled):
    dry = run(filled, CUT, Kind.OBJECTS, is_dry=True)
    removed = run(filled, CUT, Kind.OBJECTS)
    assert removed == dry == Removed(objects=1, alerts=2)
    assert "in-old-pair" in keys(filled, objects, "object_id")


def test_dead_letters_go_only_if_they_are_asked_for(filled):
    assert run(filled, CUT, Kind.DEAD_LETTERS, is_dry=True) == Removed(dead_letters=1)
    assert run(filled, CUT, Kind.DEAD_LETTERS) == Removed(dead_letters=1)
    assert [letter.packet_name for letter in filled.dead_letters.list()] == ["young"]


def test_small_batches_lead_to_the_same_with_a_rest_after_each(filled, monkeypatch):
    for name in ("PAIRS_AT_ONCE", "OBJECTS_AT_ONCE", "LETTERS_AT_ONCE"):
        monkeypatch.setattr(retention, name, 1)
    monkeypatch.setattr(retention, "KEYS_AT_ONCE", 2)
    rests = []
    removed = run(filled, CUT, *Kind, rests=rests)
    assert removed == Removed(pairs=3, objects=2, alerts=3, dead_letters=1)
    # A transaction for each pair and letter, and one for each old object that is looked at.
    assert len(rests) == 3 + 1 + 7


def test_objects_at_one_place_are_all_looked_at(store, monkeypatch):
    monkeypatch.setattr(retention, "KEYS_AT_ONCE", 3)
    monkeypatch.setattr(retention, "OBJECTS_AT_ONCE", 2)
    put_alerts(store, *(an_alert("1", f"o{n:02}", time_unix_s=OLD) for n in range(10)))
    assert run(store).objects == 10
    assert store.counts()["alerts"] == store.counts()["objects"] == 0


def test_what_a_joint_coincidence_names_stays_with_the_pairs_of_its_members(store):
    """The coincidence is of the joint event, its evidence a pair of a member under another id."""
    member = put_event(store, "1", T0_UNIX_S)
    put_alerts(store, *(an_alert("1", name, time_unix_s=OLD) for name in ("joint", "other")))
    for name in ("joint", "other"):
        put_pair(store, name, member)
    key = "joint:fermi-gbm:1"
    found = a_coincidence(event_key=key, object_key="ztf:joint")
    store.coincidences.publish(key, [found], OLD, "gone")
    assert run(store) == Removed(pairs=1, objects=1, alerts=1)
    assert keys(store, pairs, "object_key") == keys(store, objects, "object_key") == {"ztf:joint"}


def test_an_event_without_a_time_keeps_its_pairs(store):
    event_key = put_event(store, "1", T0_UNIX_S)
    put_pair(store, "a", event_key)
    with store.engine.begin() as connection:
        connection.execute(update(events).values(event_unix_s=None))
    put_pair(store, "b", "nobody:knows")
    assert run(store) == Removed()


@pytest.mark.parametrize("is_known", [False, True], ids=["anew", "from memory"])
def test_an_object_that_went_comes_back_as_what_is_stored_of_it(store, is_known):
    first, second = (an_alert(str(n), "back", time_unix_s=OLD + n) for n in (1, 2))
    writer = Writer(store)
    writer.put([first, second])
    assert run(store) == Removed(objects=1, alerts=2)
    later = an_alert("3", "back", time_unix_s=YOUNG)
    if not is_known:
        writer = Writer(store)
    (stored,) = writer.put([later])
    assert stored == apply_alert(None, later) == store.alerts.get_object("ztf:back")
    (stored,) = writer.put([second])  # and one that comes again
    assert stored == objects_of([later, second])["ztf:back"]


def test_objects_are_what_their_alerts_say_while_they_go_and_are_written(shared_store):
    """Writers and removal at once: in the end no object has lost a single alert."""
    names = [f"o{n:02}" for n in range(30)]
    sent = {name: [an_alert(str(n), name, time_unix_s=OLD + n) for n in range(4)] for name in names}

    def write(nth: int) -> None:
        for turn in range(4):
            writer = Writer(shared_store)
            for name in names:
                writer.put([sent[name][(nth + turn) % 4]])

    def remove() -> int:
        return sum(run(shared_store).objects for _ in range(12))

    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(write, 0), pool.submit(write, 1)]
        n_removed = pool.submit(remove).result()
        for job in jobs:
            job.result()
    assert n_removed > 0
    with shared_store.engine.connect() as connection:
        counted = select(alerts.c.object_id, func.count()).group_by(alerts.c.object_id)
        n_alerts = dict(map(tuple, connection.execute(counted)))
        versions = select(objects.c.object_id, objects.c.version)
        stored = dict(map(tuple, connection.execute(versions)))
    assert stored == n_alerts
    for obj in shared_store.alerts.objects():
        assert (
            obj == objects_of(shared_store.alerts.of_object("ztf", obj.object_id))[obj.object_key]
        )


@pytest.mark.parametrize(
    "reused_store",
    [POSTGRES_URL] if POSTGRES_URL else [],
    indirect=True,
    ids=lambda _: "postgresql",
)
def test_an_alert_that_goes_while_it_comes_again_is_stored_again(store, monkeypatch):
    """It was found stored, so it was not inserted; then its object went with all its alerts."""
    known = an_alert("1", "again", time_unix_s=OLD)
    writer = Writer(store)
    writer.put([known, an_alert("2", "again", time_unix_s=OLD + 1)])
    removed = []

    def insert_later(connection, table, *rest):
        if table is objects and not removed:
            removed.append(run(store))
        return insert_rows(connection, table, *rest)

    monkeypatch.setattr(batches, "insert_rows", insert_later)
    (stored,) = writer.put([known])
    assert removed == [Removed(objects=1, alerts=2)]
    assert stored == apply_alert(None, known) == store.alerts.get_object("ztf:again")
    assert store.alerts.of_object("ztf", "again") == [known]


def test_vacuum_gives_the_room_back(file_url):
    with Store.open(file_url) as store:
        for n in range(40):
            store.dead_letters.put("tests", f"{n}", bytes([n]) * 50_000, "a reason", OLD)
        before = size_bytes(store.engine)
        run(store, CUT, Kind.DEAD_LETTERS)
        assert size_bytes(store.engine) == before
        vacuum(store.engine)
        assert size_bytes(store.engine) < before - 1_900_000
        assert store.counts()["dead_letters"] == 0


def test_vacuum_of_every_database_keeps_what_is_stored(filled):
    before = contents(filled)
    vacuum(filled.engine)
    vacuum(filled.engine, whole=True)
    assert contents(filled) == before
