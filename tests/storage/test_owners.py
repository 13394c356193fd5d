"""Ownership, its fence, and what was searched for by whom."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from time import sleep

import pytest

from correlator.errors import CorrelatorError
from correlator.wire import record_of_event
from storage.errors import NotOwnerError
from storage.owners import Fence, stand_behind_all
from storage.share import Share
from tests.builders import a_coincidence, a_notice, a_pair_record, an_event

EVENT = "fermi-gbm:781692805"
NAME = "pairs/3"


def test_each_takeover_is_one_epoch_more_and_names_do_not_touch_each_other(store):
    assert store.owners.epoch(NAME) is store.owners.holder(NAME) is None
    assert [store.owners.take(NAME, who) for who in "aba"] == [1, 2, 3]
    assert store.owners.take("pairs/4", "c") == 1
    assert (store.owners.epoch(NAME), store.owners.holder(NAME)) == (3, "a")


def test_takeovers_at_once_have_different_epochs(shared_store):
    with ThreadPoolExecutor(8) as pool:
        epochs = list(pool.map(lambda i: shared_store.owners.take(NAME, f"{i}"), range(40)))
    assert sorted(epochs) == list(range(1, 41))
    assert shared_store.owners.epoch(NAME) == 40


def test_only_the_latest_owner_publishes(store):
    first = Fence(NAME, store.owners.take(NAME, "first"))
    assert len(store.coincidences.publish(EVENT, [a_coincidence()], 1.0, "gone", first)) == 1
    second = Fence(NAME, store.owners.take(NAME, "second"))
    with pytest.raises(NotOwnerError, match=r"pairs/3: epoch 1 is over.*epoch 2") as caught:
        store.coincidences.publish(EVENT, [], 2.0, "gone", first)
    assert isinstance(caught.value, CorrelatorError)
    assert (caught.value.epoch, caught.value.stored_epoch) == (1, 2)
    assert len(store.coincidences.current(EVENT)) == 1
    assert len(store.coincidences.publish(EVENT, [], 3.0, "gone", second)) == 1


def test_several_names_are_taken_at_once(store):
    store.owners.take("alerts/2", "before")
    fences = store.owners.take_many(["alerts/2", "alerts/1"], "a")
    assert fences == [Fence("alerts/1", 1), Fence("alerts/2", 2)]
    assert store.owners.take_many([], "a") == []
    assert store.owners.holder("alerts/2") == "a"


def test_pairs_are_stored_by_the_latest_owner_of_every_share_only(store):
    fences = store.owners.take_many(["alerts/1", "alerts/2"], "a")
    store.pairs.put_many([a_pair_record()], fences)
    store.owners.take("alerts/2", "b")
    with pytest.raises(NotOwnerError, match="alerts/2"):
        store.pairs.put_many([a_pair_record(object_version=2)], fences)
    store.pairs.put_many([a_pair_record(object_version=3)], fences[:1])
    assert store.pairs.all_live()[0].object_version == 3
    with pytest.raises(NotOwnerError, match="alerts/9: epoch 1 is over"):
        store.pairs.put_many([a_pair_record()], [Fence("alerts/9", 1)])


def test_a_name_that_nobody_took_has_no_owner(store):
    with pytest.raises(NotOwnerError, match="epoch 0"):
        store.coincidences.publish(EVENT, [], 1.0, "gone", Fence(NAME, 1))


def test_a_takeover_waits_until_the_owner_has_written(shared_store):
    fence, stands = Fence(NAME, shared_store.owners.take(NAME, "slow")), Event()
    order = []

    def write() -> None:
        with shared_store._database.writing() as connection:
            stand_behind_all(connection, [fence])
            stands.set()
            sleep(0.3)
            order.append("written")

    def take() -> None:
        stands.wait()
        shared_store.owners.take(NAME, "fast")
        order.append("taken")

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(write), pool.submit(take)]:
            done.result()
    assert order == ["written", "taken"]


def test_an_event_is_undone_until_every_partition_has_searched_its_version(store):
    event = record_of_event(an_event())
    other = record_of_event(an_event(a_notice(event_id="other")))
    store.events.put(event)
    store.events.put(other)
    left, right, whole = (Share(frozenset(p), 3) for p in ({0}, {1, 2}, {0, 1, 2}))
    assert store.lookbacks.undone(left) == sorted([event.event_key, other.event_key])
    assert store.lookbacks.undone(Share(frozenset(), 3)) == []
    store.lookbacks.mark(other.event_key, 1, whole)
    store.lookbacks.mark(event.event_key, 1, left)
    assert store.lookbacks.undone(left) == []
    assert store.lookbacks.undone(right) == store.lookbacks.undone(whole) == [event.event_key]
    store.lookbacks.mark(event.event_key, 1, right)
    assert store.lookbacks.undone(whole) == []
    # Another number of partitions cuts the objects otherwise.
    assert len(store.lookbacks.undone(Share.everything())) == 2
    store.events.put(replace(event, version=2))
    assert store.lookbacks.undone(right) == [event.event_key]
    store.lookbacks.mark(event.event_key, 2, whole)
    store.lookbacks.mark(event.event_key, 1, whole)  # a late mark takes nothing back
    store.lookbacks.mark(event.event_key, 2, Share(frozenset(), 3))
    assert store.lookbacks.undone(whole) == []
