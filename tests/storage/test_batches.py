"""Alerts and objects of several writers: an object is the fold of all its stored alerts."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from correlator.object import apply_alert
from correlator.wire import to_json
from storage.schema import alerts as alerts_table
from storage.schema import objects as objects_table
from storage.store import Store
from tests.builders import T0_UNIX_S, an_alert, an_object
from tests.storage.contents import contents, emptied
from tests.storage.writers import Writer, greatest, objects_of, put_alerts

OBJECTS = ("ZTF25aaaaaaa", "ZTF25aaaaaab")

one_content = st.builds(
    lambda number, object_id: an_alert(
        f"{number}", object_id, time_unix_s=T0_UNIX_S + number, mag_ab=17.0 + number / 4
    ),
    number=st.integers(1, 8),
    object_id=st.sampled_from(OBJECTS),
)
any_content = st.builds(
    an_alert,
    alert_id=st.sampled_from("1234"),
    object_id=st.sampled_from(OBJECTS),
    mag_ab=st.sampled_from([18.0, 19.0, 20.0]),
    audience=st.sampled_from([(), (), ("ep",), ("lsst",), ("ep", "lsst")]),
)
TURNS = ("first", "second", "first restarts", "second restarts")


def turns(alerts):
    """Batches of two writers in one order, with restarts in between."""
    batches = st.lists(alerts, min_size=1, max_size=4)
    return st.lists(st.tuples(st.sampled_from(TURNS), batches), min_size=1, max_size=8)


laws = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("alerts", [one_content, any_content], ids=["one", "any"])
@laws
@given(data=st.data())
def test_two_writers_who_know_old_objects_leave_the_fold_of_all_alerts(reused_store, alerts, data):
    store = emptied(reused_store)
    writers = {"first": Writer(store), "second": Writer(store)}
    delivered = []
    for turn, batch in data.draw(turns(alerts)):
        who, _, restarts = turn.partition(" ")
        if restarts:
            writers[who].cache.clear()
        delivered += batch
        expected = objects_of(delivered)
        for obj in writers[who].put(batch):
            assert obj == expected[obj.object_key]
    assert store.alerts.get_objects(expected) == expected
    stored = [to_json(a) for key in OBJECTS for a in store.alerts.of_object("ztf", key)]
    assert sorted(stored) == sorted(map(to_json, greatest(delivered)))


@laws
@given(st.lists(any_content, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_rows_are_the_same_in_any_order_in_any_batches(reused_store, alerts, rng):
    put_alerts(emptied(reused_store), *alerts)
    at_once = contents(reused_store)
    again = [*alerts, *alerts[:3]]
    rng.shuffle(again)
    writer = Writer(emptied(reused_store))
    while again:
        size = rng.randint(1, 3)
        writer.put(again[:size])
        again = again[size:]
    assert contents(reused_store) == at_once


def test_writers_at_once_leave_the_fold_of_all_alerts(shared_store, file_url):
    alerts = [
        an_alert(f"{i}", f"ZTF{i % 7}", time_unix_s=T0_UNIX_S + i, mag_ab=17.0 + i % 5)
        for i in range(140)
    ]
    repeated = [an_alert(f"{i}", f"ZTF{i % 7}", mag_ab=21.0) for i in range(0, 140, 20)]

    def work(seed: int) -> None:
        writer, mine = Writer(shared_store), [*alerts[seed::3], *alerts[seed::2], *repeated]
        random.Random(seed).shuffle(mine)
        for start in range(0, len(mine), 9):
            writer.put(mine[start : start + 9])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    sent = [a for seed in range(4) for a in (*alerts[seed::3], *alerts[seed::2], *repeated)]
    expected = objects_of(sent)
    assert shared_store.alerts.get_objects(expected) == expected
    assert list(shared_store.alerts.objects()) == [expected[key] for key in sorted(expected)]


def test_an_alert_that_comes_by_two_streams_is_for_those_who_may_read_both(store):
    some = [an_alert("1"), an_alert("2"), an_alert("1", audience=("ep",))]
    for order in itertools.permutations(some):
        emptied(store)
        for alert in order:
            put_alerts(store, alert)
        (obj,) = store.alerts.objects()
        assert (obj.alert_ids, obj.audience, obj.version) == (("1", "2"), ("ep",), 3)
        assert [a.audience for a in store.alerts.of_object("ztf", "ZTF25aaaaaaa")] == [("ep",), ()]
        with store.engine.connect() as connection:
            for table in (alerts_table, objects_table):
                said = connection.execute(select(table.c.audience, table.c.body)).all()
                assert all((text == "ep") == ("audience" in body) for text, body in said)


def test_a_writer_who_never_saw_the_private_alert_makes_nothing_public(store):
    slow, fast = Writer(store), Writer(store)
    slow.put([an_alert("1")])
    fast.put([an_alert("1", audience=("ep",))])
    (obj,) = slow.put([an_alert("2")])
    assert obj.audience == ("ep",)
    assert list(store.alerts.objects()) == [obj]


def test_a_writer_that_was_overtaken_gets_the_object_as_it_stands(store):
    slow, fast = Writer(store), Writer(store)
    slow.put([an_alert("1")])
    fast.put([an_alert("2")])
    # As many alerts as are stored, but others; and more alerts than the stored object has.
    (obj,) = slow.put([an_alert("3")])
    assert obj.alert_ids == ("1", "2", "3")
    (obj,) = fast.put([an_alert("4"), an_alert("5")])
    assert obj.alert_ids == ("1", "2", "3", "4", "5")
    assert store.alerts.get_object(obj.object_key) == obj


def test_an_older_object_cannot_come_back_with_an_old_batch(store):
    put_alerts(store, an_alert("1"))
    alerts = [an_alert("2"), an_alert("3")]
    whole = put_alerts(store, *alerts)
    old = [apply_alert(None, alerts[0])]
    assert store.alerts.put_batch([(alerts[0], to_json(alerts[0]))], old) == whole
    assert list(store.alerts.objects()) == whole


def test_an_alert_id_of_two_objects_is_two_alerts(store):
    put_alerts(store, an_alert("1", "ZTF25a"), an_alert("1", "ZTF25b"))
    assert [o.version for o in store.alerts.objects()] == [1, 1]
    assert store.counts()["alerts"] == 2


def test_objects_come_back_in_the_order_given(store):
    alerts = [an_alert(f"{i}", f"ZTF{i}") for i in (3, 1, 2)]
    objects = [apply_alert(None, a) for a in alerts]
    put_alerts(store, an_alert("0", "ZTF1"))
    stored = store.alerts.put_batch([(a, to_json(a)) for a in alerts], objects)
    assert [o.object_id for o in stored] == ["ZTF3", "ZTF1", "ZTF2"]
    assert [o.version for o in stored] == [1, 2, 1]


def test_an_object_whose_alert_was_stored_without_it_is_made_whole_by_the_next(store):
    # As a crash of an earlier release left it, which stored the two in two transactions.
    put_alerts(store, an_alert("1"))
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM objects")
    (obj,) = put_alerts(store, an_alert("2"))
    assert obj.alert_ids == ("1", "2")


def test_an_alert_without_its_object_and_an_object_without_alerts_are_refused(store):
    alert = an_alert("1")
    with pytest.raises(ValueError, match="ztf:ZTF25aaaaaaa"):
        store.alerts.put_batch([(alert, to_json(alert))], [])
    with pytest.raises(ValueError, match="stored alerts"):
        store.alerts.put_batch([], [an_object()])
    assert store.counts()["alerts"] == store.counts()["objects"] == 0


def test_objects_are_looked_up_by_thousands_present_and_absent(store):
    n = 1201
    put_alerts(store, *(an_alert(f"{i}", f"ZTF{i:05d}") for i in range(n)))
    keys = [f"ztf:ZTF{i:05d}" for i in range(2 * n)]
    found = store.alerts.get_objects(keys)
    assert sorted(found) == keys[:n]
    assert all(obj.object_key == key for key, obj in found.items())
    assert store.alerts.get_objects([]) == {}


def test_an_object_of_the_past_is_the_fold_of_the_alerts_until_then(store):
    alerts = [an_alert(f"{i}", time_unix_s=T0_UNIX_S + i) for i in range(4)]
    put_alerts(store, *alerts)

    def until(unix_s: float):
        return store.alerts.object_until("ztf", "ZTF25aaaaaaa", unix_s)

    assert until(T0_UNIX_S - 0.5) is None
    assert until(T0_UNIX_S) == an_object(alerts[0])
    assert until(T0_UNIX_S + 2.5) == an_object(*alerts[:3])
    assert until(T0_UNIX_S + 3) == store.alerts.get_object("ztf:ZTF25aaaaaaa")
    assert store.alerts.object_until("lsst", "ZTF25aaaaaaa", T0_UNIX_S) is None


def test_the_latest_alert_is_known(store: Store):
    assert store.alerts.latest_unix_s() is None
    put_alerts(store, *(an_alert(f"{i}", f"ZTF{i}", time_unix_s=T0_UNIX_S + i) for i in range(3)))
    assert store.alerts.latest_unix_s() == T0_UNIX_S + 2
