"""Closing and expiry: by the stream's own time, exact, in any order, after any restart."""

import itertools
import json
import math

import pytest

from correlator.coincidence import Miss
from correlator.policy import DAY_S
from correlator.wire import to_json
from storage.coincidences import CoincidenceState
from streams import joiner
from streams.topics import partition_of
from tests.builders import T0_UNIX_S, a_circle, a_notice, a_pair_record, a_withdrawal, an_alert
from tests.streams.workers import Cluster

pytestmark = pytest.mark.usefixtures("no_pause")

CASE = "grb-afterglow"
EVENT_KEY = "fermi-gbm:781692805"
FAR = {"dec_deg": -80.0}
IN_2090_UNIX_S = 3.8e9


async def a_cluster(store, n_workers=1, day=100.0):
    """Workers whose clock stands some days after the event."""
    cluster = Cluster(store, n_workers=n_workers)
    cluster.now_unix_s = T0_UNIX_S + day * DAY_S
    await cluster.assign()
    return cluster


def told(cluster):
    """What the topics say of the coincidences and the targets: their states."""
    topics = ("coincidences.state", f"targets.{CASE}")
    values = [v for topic in topics for v in cluster.last_of_keys(topic).values()]
    return [json.loads(value)["state"] for value in values]


def published(store):
    found = store.coincidences.current(include_gone=True)
    return [(str(r.state), r.reason) for r in found]


# -- pairs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("alert_first", [True, False])
async def test_a_time_that_moves_before_the_first_alert_withdraws_the_pair(store, alert_first):
    cluster = await a_cluster(store)
    early = a_notice("ivo://tests/gbm#1")
    moved = a_notice(
        "ivo://tests/gbm#2",
        event_unix_s=T0_UNIX_S - 20 * DAY_S,
        notice_unix_s=T0_UNIX_S + 120.0,
    )
    if alert_first:
        cluster.tell_event(early)
        cluster.tell_alert(an_alert())
        await cluster.finish()
        assert len(store.pairs.all_live()) == len(store.coincidences.current()) == 1
    cluster.tell_event(early, moved)
    if not alert_first:
        cluster.tell_alert(an_alert())
    await cluster.finish()
    assert store.pairs.all_live() == []
    assert store.coincidences.current() == []
    assert store.targets.list(CASE) == ()


async def test_the_withdrawal_after_a_closing_says_why(store):
    cluster = await a_cluster(store)
    first = a_notice("ivo://tests/gbm#1")
    moved = a_notice(
        "ivo://tests/gbm#2", event_unix_s=T0_UNIX_S - 20 * DAY_S, notice_unix_s=T0_UNIX_S + 120.0
    )
    cluster.tell_event(first)
    cluster.tell_alert(an_alert())
    await cluster.finish()
    cluster.tell_event(first, moved)
    (worker,) = cluster.workers
    steps = worker.agents.joiner.activate(EVENT_KEY)
    (withdrawal,) = itertools.chain.from_iterable(steps)
    assert withdrawal.evidence is None
    assert withdrawal.withdrawn_reason == Miss.AFTER_CLOSING
    assert withdrawal.event_version == 2


async def test_an_event_that_is_looked_back_for_stays_in_memory_until_that_is_done(
    store, monkeypatch
):
    monkeypatch.setattr(joiner, "CHUNK_OBJECTS", 1)
    monkeypatch.setattr(joiner, "MAX_CLOSED_EVENTS", 2)
    monkeypatch.setattr(joiner, "MAX_CLOSED_WHEN_LATE", 2)
    cluster = await a_cluster(store)
    first = a_notice("ivo://tests/gbm#1")
    elsewhere = a_circle(dec_deg=-20.0)
    moved = a_notice("ivo://tests/gbm#2", notice_unix_s=T0_UNIX_S + 100.0, localization=elsewhere)
    cluster.tell_event(first)
    for name in ("ZTF25a", "ZTF25b", "ZTF25c"):
        cluster.tell_alert(an_alert(name, name))
    for n in range(4):
        later = {"event_id": f"{n}", "event_unix_s": T0_UNIX_S + DAY_S}
        cluster.tell_event(a_notice(f"ivo://tests/o#{n}", **later, localization=elsewhere))
    await cluster.finish()
    assert len(store.pairs.all_live()) == 3
    join = cluster.workers[0].agents.joiner
    assert len(join.book) == 5
    steps = join.activate(cluster.tell_event(first, moved))
    assert len(next(steps)) == 1
    of_the_day = an_alert("day", "ZTF25day", **FAR, time_unix_s=T0_UNIX_S + 60 * DAY_S)
    join.add_alerts([(of_the_day, to_json(of_the_day))])
    assert len(join.book) < 5, "the others had to go"
    assert [len(chunk) for chunk in steps] == [1, 1, 0]
    assert store.pairs.all_live() == []
    monkeypatch.setattr(joiner, "MAX_CLOSED_WHEN_LATE", 0)
    again = an_alert("night", "ZTF25day", **FAR, time_unix_s=T0_UNIX_S + 61 * DAY_S)
    join.add_alerts([(again, to_json(again))])
    assert join.book.get(EVENT_KEY) is None, "once it is done, it goes like any other"


# -- expiry ---------------------------------------------------------------------------------------


def the_event(cluster):
    cluster.tell_event(a_notice())


def its_alert(cluster):
    cluster.tell_alert(an_alert())


def a_later_alert(cluster):
    """One of another place, long after the event has closed."""
    time_unix_s = T0_UNIX_S + 60 * DAY_S
    cluster.tell_alert(an_alert("far", "ZTF25far", **FAR, time_unix_s=time_unix_s))


EXPIRED = [("expired", "the event is closed")]


@pytest.mark.parametrize("alert_first", [True, False])
async def test_a_coincidence_expires_once_the_stream_has_passed_the_closing(store, alert_first):
    cluster = await a_cluster(store)
    steps = [the_event, its_alert]
    for step in reversed(steps) if alert_first else steps:
        step(cluster)
        await cluster.finish()
    assert [state for state, _ in published(store)] == ["active"]
    assert told(cluster) == ["active", "active"]
    a_later_alert(cluster)
    await cluster.finish()
    assert published(store) == EXPIRED
    assert store.targets.list(CASE) == ()
    assert told(cluster) == ["expired", "retired"]


@pytest.mark.parametrize("makes_a_coincidence", [True, False])
async def test_the_pairs_of_a_closed_event_leave_memory(store, makes_a_coincidence):
    cluster = await a_cluster(store)
    the_event(cluster)
    history = {} if makes_a_coincidence else {"history": ()}
    cluster.tell_alert(an_alert(**history))
    await cluster.finish()
    ranker = cluster.workers[0].agents.ranker
    assert len(published(store)) == makes_a_coincidence
    assert ranker.n_pairs_held == 1
    a_later_alert(cluster)
    await cluster.finish()
    assert ranker.n_pairs_held == 0
    assert len(store.pairs.all_live()) == 1


async def test_a_coincidence_expires_in_the_hands_of_one_who_came_after_it_was_published(store):
    cluster = await a_cluster(store)
    the_event(cluster)
    its_alert(cluster)
    await cluster.finish()
    cluster.workers = [None]
    await cluster.assign()
    await cluster.finish()
    assert [state for state, _ in published(store)] == ["active"]
    a_later_alert(cluster)
    await cluster.finish()
    assert published(store) == EXPIRED


async def test_what_closed_while_nobody_ranked_expires_after_a_restart_into_a_quiet_stream(store):
    cluster = await a_cluster(store)
    the_event(cluster)
    its_alert(cluster)
    await cluster.finish()
    a_later_alert(cluster)
    (worker,) = cluster.workers
    for slot in list(worker.owned):
        await worker.work(slot, 10)
    assert [state for state, _ in published(store)] == ["active"]
    cluster.workers = [None]
    await cluster.assign()
    await cluster.finish()
    assert published(store) == EXPIRED
    assert told(cluster) == ["expired", "retired"]


async def test_what_has_expired_stays_so_after_a_restart_into_a_quiet_stream(store):
    cluster = await a_cluster(store)
    for step in (the_event, its_alert, a_later_alert):
        step(cluster)
        await cluster.finish()
    (before,) = store.coincidences.current(include_gone=True)
    cluster.workers = [None]
    await cluster.assign()
    cluster.workers[0].agents.ranker.apply([a_withdrawal(event_version=0)])
    await cluster.finish()
    assert store.coincidences.current(include_gone=True) == [before]


async def test_the_order_of_delivery_does_not_decide_what_has_expired(store):
    cluster = await a_cluster(store)
    for step in (a_later_alert, the_event, its_alert):
        step(cluster)
        await cluster.finish()
    assert len(store.pairs.all_live()) == 1
    assert store.coincidences.current() == []
    assert store.targets.list(CASE) == ()


# -- dates in the future --------------------------------------------------------------------------


def a_drill_of_2090(cluster):
    notice = {"event_id": "drill", "is_test": True, "event_unix_s": IN_2090_UNIX_S}
    cluster.tell_event(a_notice("ivo://tests/drill#1", **notice))


def an_event_of_2090(cluster):
    notice = {"event_id": "wrong", "event_unix_s": IN_2090_UNIX_S}
    cluster.tell_event(a_notice("ivo://tests/wrong#1", **notice))


def an_alert_of_2090(cluster):
    cluster.tell_alert(an_alert("wrong", "ZTF25wrong", **FAR, time_unix_s=IN_2090_UNIX_S))


OF_2090 = pytest.mark.parametrize("of_2090", [a_drill_of_2090, an_event_of_2090, an_alert_of_2090])


@OF_2090
@pytest.mark.parametrize("is_first", [True, False])
async def test_a_date_in_the_future_expires_nothing(store, of_2090, is_first):
    cluster = await a_cluster(store, day=1.0)
    steps = [the_event, its_alert]
    for step in [of_2090, *steps] if is_first else [*steps, of_2090]:
        step(cluster)
        await cluster.finish()
    assert [state for state, _ in published(store)] == ["active"]
    assert len(store.targets.list(CASE)) == 1


@OF_2090
async def test_whoever_takes_over_after_a_date_in_the_future_still_ranks_what_is_open(
    store, of_2090
):
    cluster = await a_cluster(store, day=1.0)
    of_2090(cluster)
    await cluster.finish()
    the_event(cluster)
    its_alert(cluster)
    (worker,) = cluster.workers
    for slot in sorted(worker.owned):
        await worker.follow(10)
        await worker.work(slot, 10)
    for slot in worker.owned:
        await worker.work(slot, 10)
    assert len(store.pairs.all_live()) == 1
    assert published(store) == []
    cluster.workers = [None]
    await cluster.assign()
    await cluster.finish()
    assert [state for state, _ in published(store)] == ["active"]


async def test_a_drill_does_not_let_the_time_of_the_stream_go_on(store):
    cluster = await a_cluster(store, day=100.0)
    for step in (the_event, its_alert, a_drill_of_2090):
        step(cluster)
        await cluster.finish()
    cluster.workers = [None]
    await cluster.assign()
    await cluster.finish()
    assert [state for state, _ in published(store)] == ["active"]


async def test_a_date_in_the_future_sends_no_open_event_out_of_memory(store, monkeypatch):
    monkeypatch.setattr(joiner, "MAX_CLOSED_EVENTS", 2)
    monkeypatch.setattr(joiner, "MAX_CLOSED_WHEN_LATE", 2)
    cluster = await a_cluster(store, day=1.0)
    for n in range(6):
        cluster.tell_event(a_notice(f"ivo://tests/o#{n}", event_id=f"{n}"))
    await cluster.finish()
    an_alert_of_2090(cluster)
    await cluster.finish()
    assert len(cluster.workers[0].agents.joiner.book) == 6


# -- no date at all -------------------------------------------------------------------------------


async def test_nothing_is_ranked_before_there_is_any_date(store):
    cluster = await a_cluster(store)
    (worker,) = cluster.workers
    cluster.tell_event(a_notice())
    store.pairs.put_many([a_pair_record()])
    cluster.produce("pairs", EVENT_KEY, to_json(a_withdrawal(event_version=0)))
    for slot in list(worker.owned):
        await worker.work(slot, 10)
    await worker.rank()
    assert published(store) == []
    assert worker.agents.ranker.n_changed == 1, "it waits for the first date"
    await cluster.finish()
    (revision,) = store.coincidences.current()
    assert math.isfinite(revision.published_unix_s)
    assert revision.state == CoincidenceState.ACTIVE


async def test_no_list_is_made_before_there_is_any_date(store):
    cluster = await a_cluster(store, n_workers=2)
    the_event(cluster)
    its_alert(cluster)
    one = cluster.owner_of(("pairs", partition_of(EVENT_KEY.encode(), 2)))
    (other,) = (w for w in cluster.workers if w is not one)
    await _publish_without_a_list(cluster, one)
    await other.agents.refresh_lists()
    assert store.targets.as_of_unix_s(CASE) is None
    await cluster.finish()
    assert store.targets.as_of_unix_s(CASE) == T0_UNIX_S + 0.2 * DAY_S


async def _publish_without_a_list(cluster, ranking):
    """All but the lists; who does not rank has heard of nothing."""
    (alerts,) = (s for s in cluster.slots if s[0] == "optical.alerts" and cluster.log.end(s))
    await ranking.own({*ranking.owned, alerts})
    await ranking.follow(10)
    for slot in [alerts, *(s for s in ranking.owned if s[0] == "pairs")]:
        await ranking.work(slot, 10)
    await ranking.agents.rank_due(0.0)
    assert len(cluster.store.coincidences.current()) == 1


async def test_an_alert_of_long_ago_brings_in_what_it_may_be_of_and_not_all_since(
    store, monkeypatch
):
    monkeypatch.setattr(joiner, "MAX_ENTERED_AT_ONCE", 3)
    cluster = await a_cluster(store, day=300.0)
    cluster.tell_event(a_notice())
    later = [
        a_notice(
            f"ivo://tests/{n}", event_id=f"{n}", event_unix_s=T0_UNIX_S + (100 + 20 * n) * DAY_S
        )
        for n in range(6)
    ]
    for notice in later:
        cluster.tell_event(notice)
    await cluster.finish()
    cluster.tell_alert(an_alert("1", time_unix_s=T0_UNIX_S + 290 * DAY_S, **FAR))
    await cluster.finish()
    (worker,) = cluster.workers
    book = worker.agents.joiner.book
    for event in book.events():  # as if they had left it one by one in the months between
        if event.event_unix_s < T0_UNIX_S + 250 * DAY_S:
            book.remove(event.event_key)
    cluster.tell_alert(an_alert("2", "ZTF25bbbbbbb"))
    cluster.tell_alert(an_alert("3", "ZTF25ccccccc", time_unix_s=T0_UNIX_S + 290 * DAY_S, **FAR))
    await cluster.finish()
    assert [p.event_key for p in store.pairs.all_live()] == [EVENT_KEY]
    assert len(book) == 1
