"""The law of the whole: any order, repeats, splits, crashes and workers leave one final state."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.policy import DAY_S
from correlator.wire import to_json
from storage.store import Store
from streams.audiences import headers_of_audience
from tests.builders import an_alert
from tests.ingest_vo.notice_factory import T0_UNIX_S, gbm, svom
from tests.streams.workers import (
    Cluster,
    Crash,
    Plan,
    assert_subscribers_have_what_would_be_sent,
    assert_told_what_is_public,
    state_of,
    subscribe,
)

pytestmark = pytest.mark.usefixtures("no_pause")

PLACE = (120.5, -30.2)


def alert(n, name, day, dec_deg=PLACE[1], audience=()):
    when = T0_UNIX_S + day * DAY_S
    made = an_alert(str(n), name, PLACE[0], dec_deg, when, history=(), audience=audience)
    return "optical.alerts", name, to_json(made)


def notice(name, packet, audience=()):
    return "notices.raw", name, packet, headers_of_audience(audience)


CITES = {"ivo://org.svom/fsc#sb26051102_eclairs-wakeup": "retraction"}
PACKETS = [
    notice("flt", gbm("Flt_Pos", 111, place=(121.0, -30.0, 12.0))),
    alert(1, "ZTF26stays", 0.2),
    alert(2, "ZTF26leaves", 0.2, dec_deg=-2.0),
    notice("wakeup", svom("eclairs-wakeup", 202, place=(*PLACE, 0.3))),
    alert(3, "ZTF26stays", 0.6),
    notice("fin", gbm("Fin_Pos", 115, place=(*PLACE, 1.0), params={"Human_generated": "true"})),
    alert(4, "ZTF26leaves", 0.6, dec_deg=-2.0),
    notice("gone", svom("retraction", 219, place=(*PLACE, 0.3), cites=CITES)),
    alert(5, "ZTF26stays", 40.0),  # long after the events have closed
    alert(6, "ZTF26rival", 0.3, dec_deg=-30.5),
    alert(7, "ZTF26rival", 0.7, dec_deg=-30.5),
    ("optical.alerts", "nonsense", b'{"not": "an alert"}'),
]

PRIVATE = [
    *PACKETS,
    alert(8, "ZTF26rival", 0.8, dec_deg=-30.5, audience=("partners",)),
    alert(4, "ZTF26leaves", 0.6, dec_deg=-2.0, audience=("partners",)),
    notice("wakeup by them", svom("eclairs-wakeup", 202, place=(*PLACE, 0.3)), ("svom",)),
]


async def undisturbed(packets=PACKETS):
    with Store.open("sqlite:///:memory:") as store:
        cluster = Cluster(store)
        await cluster.assign()
        for packet in packets:
            cluster.produce(*packet)
            await cluster.finish()
        return state_of(store)


@pytest.fixture(scope="module")
def implied():
    return asyncio.run(undisturbed())


def test_the_undisturbed_end_is_the_one_that_the_packets_imply(implied):
    assert len(implied["events"]) == 2
    assert len(implied["objects"]) == 3
    assert len(implied["pairs"]) == 2
    assert all(b'"object_version":2' in p for p in implied["pairs"]), "the late alert is no news"
    assert implied["targets"] == [
        ("grb-afterglow/ztf:ZTF26rival", 1),
        ("grb-afterglow/ztf:ZTF26stays", 2),
    ]


async def disturbed(order, plan, n_workers, seed):
    """Deliver in some order, with a choice of what happens next after each packet."""
    chance = random.Random(seed)
    with Store.open("sqlite:///:memory:") as store:
        subscribe(store)
        cluster = Cluster(store, plan, n_workers)
        todo = list(order)
        left = 600
        while todo or left:
            left -= 1
            worker = None
            try:
                if any(w is None for w in cluster.workers) or chance.random() < 0.05:
                    await cluster.assign(chance.randrange(n_workers))
                if todo and (left <= 0 or chance.random() < 0.4):
                    cluster.produce(*todo.pop(0))
                worker = chance.choice(cluster.workers)
                act = chance.random()
                if act < 0.6:
                    slot = chance.choice([s for s in cluster.slots if s[0] != "dead_letter"])
                    commit = chance.random() < 0.8
                    await worker.work(slot, chance.randrange(1, 4), commit=commit)
                elif act < 0.8:
                    await worker.follow(chance.randrange(1, 3))
                elif act < 0.9:
                    await worker.rank()
                elif act < 0.95:
                    cluster.workers[cluster.workers.index(worker)] = None
            except Crash:
                dead = cluster.workers if worker is None else [worker]
                cluster.workers = [None if w in dead else w for w in cluster.workers]
            if not todo and left <= 0:
                break
        await settled(cluster)
        assert_told_what_is_public(cluster, store)
        assert_subscribers_have_what_would_be_sent(cluster)
        return state_of(store)


async def settled(cluster):
    """Whatever is left is done; crashes that are still planned happen on the way."""
    while True:
        try:
            await cluster.assign()
            await cluster.finish()
            return
        except Crash:
            cluster.workers = [None] * len(cluster.workers)


def disturbances_of(packets):
    return given(
        st.permutations(packets),
        st.lists(st.sampled_from(packets), max_size=6),
        st.integers(0, len(packets)),
        st.integers(1, 3),
        st.sets(st.integers(0, 150), max_size=6),
        st.sets(st.integers(0, 150), max_size=4),
        st.booleans(),
        st.integers(0, 2**32),
    )


disturbances = disturbances_of(PACKETS)


def holds(implied, order, repeats, where, n_workers, crashes, outages, before, seed):
    delivered = [*order[:where], *repeats, *order[where:]]
    plan = Plan(crashes, outages, before)
    assert asyncio.run(disturbed(delivered, plan, n_workers, seed)) == implied


@settings(max_examples=6, deadline=None)
@disturbances
def test_any_order_with_repeats_workers_and_crashes_leaves_one_state(
    implied, order, repeats, where, n_workers, crashes, outages, before, seed
):
    holds(implied, order, repeats, where, n_workers, crashes, outages, before, seed)


@pytest.fixture(scope="module")
def implied_of_private():
    return asyncio.run(undisturbed(PRIVATE))


def test_what_is_private_is_what_was_made_of_something_private(implied_of_private):
    assert [b"partners" in o for o in implied_of_private["objects"]] == [True, True, False]
    assert [b'"svom"' in e for e in implied_of_private["events"]] == [False, True]
    private = [(b"ZTF26rival" in p, b"partners" in p) for p in implied_of_private["pairs"]]
    assert sorted(private) == [(False, False), (True, True)]


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@disturbances_of(PRIVATE)
def test_any_order_leaves_one_state_of_audiences(
    implied_of_private, order, repeats, where, n_workers, crashes, outages, before, seed
):
    holds(implied_of_private, order, repeats, where, n_workers, crashes, outages, before, seed)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@disturbances
def test_many_more_disturbances_leave_one_state(
    implied, order, repeats, where, n_workers, crashes, outages, before, seed
):
    holds(implied, order, repeats, where, n_workers, crashes, outages, before, seed)


async def test_a_worker_that_lost_its_partitions_and_goes_on_changes_nothing(implied):
    with Store.open("sqlite:///:memory:") as store:
        cluster = Cluster(store, n_workers=2)
        await cluster.assign()
        for packet in PACKETS[:4]:
            cluster.produce(*packet)
            await cluster.finish()
        zombies = list(cluster.workers)
        cluster.workers = [None, None]
        await cluster.assign(shift=1)
        for packet in PACKETS[4:]:
            cluster.produce(*packet)
        for zombie in zombies:
            for slot in list(zombie.owned):
                await zombie.work(slot, 2)
            await zombie.rank()
        await cluster.finish()
        for zombie in zombies:
            for slot in list(zombie.owned):
                await zombie.work(slot, 1000)
            await zombie.follow(1000)
            await zombie.rank()
        await cluster.finish()
        assert_told_what_is_public(cluster, store)
        assert state_of(store) == implied
