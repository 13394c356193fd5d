"""Who owns what, while that changes: nothing is dropped, and what is out of date is not stored."""

import asyncio
import shutil
import threading
import uuid
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaError
from faust.types import TP
from sqlalchemy.exc import OperationalError

from correlator.alert import Limit
from correlator.policy import DAY_S
from correlator.wire import to_json
from storage.errors import NotOwnerError
from storage.share import Share
from streams import joiner
from streams.app import create_app
from streams.ownership import Ownership
from streams.records import GivenUpError, Record, handle_batch
from streams.settings import StreamSettings
from streams.topics import OPTICAL_ALERTS, PAIRS, partition_of
from streams.window import AlertWindow
from tests.builders import DEC_DEG, T0_UNIX_S, a_notice, an_alert
from tests.streams.workers import NOUNS, NOW, POLICY, Cluster

pytestmark = pytest.mark.usefixtures("no_pause")

N_PARTITIONS = 4
ALL = range(N_PARTITIONS)
NAMES = [f"ZTF25o{n}" for n in range(12)]


def live(store):
    """The pairs that hold: the object, the versions of event and object that they are of."""
    return [(p.object_key, p.event_version, p.object_version) for p in store.pairs.all_live()]


def place_of(name):
    return partition_of(name.encode(), N_PARTITIONS)


def slot_of(name):
    return OPTICAL_ALERTS.name, place_of(name)


# -- an app that is told of rebalances, over a store that takes its time --------------------------


class SlowOwners:
    """The owners of a store; whoever takes an ownership waits while the gate is closed."""

    def __init__(self, real):
        self._real = real
        self.gate = threading.Event()
        self.gate.set()
        self.waits = threading.Event()
        self.n_taken = 0
        self.error = None

    def take_many(self, names, holder):
        self.waits.set()
        if not self.gate.wait(10.0):
            raise TimeoutError("the test never opened the gate")
        error, self.error = self.error, None
        if error is not None:
            raise error
        fences = self._real.take_many(names, holder)
        self.n_taken += 1
        return fences

    def close(self):
        self.waits.clear()
        self.gate.clear()


class Rebalanced:
    """The agents of an app that hears of rebalances, and of nothing else."""

    def __init__(self, app, agents, owners):
        self._app, self.agents, self.owners = app, agents, owners

    async def lose(self, partitions):
        await self._app.on_partitions_revoked.send(_slots(partitions))

    def is_called_together(self):
        """The group wants to deal anew, and Faust waits for what is begun."""
        self._app.on_leaving()

    async def gain(self, partitions):
        await self._app.on_partitions_assigned.send(_slots(partitions))

    async def is_taking_over(self):
        assert await asyncio.to_thread(self.owners.waits.wait, 5.0)

    async def until(self, holds):
        async with asyncio.timeout(60.0):
            while not holds():
                await asyncio.sleep(0.005)

    async def is_owner(self):
        await self.until(lambda: self.agents.is_owner)

    async def handle(self, names):
        """Alerts as the partitions hand them on; returns when they could be acknowledged."""
        for name in names:
            value = to_json(an_alert(name, name))
            record = Record(value, name.encode(), *slot_of(name), offset=0)
            async with asyncio.timeout(60.0):
                await handle_batch([record], self.agents.join_alerts, self.agents.bury)


def _slots(partitions):
    alerts = {TP(OPTICAL_ALERTS.name, p) for p in partitions}
    return alerts | {TP(PAIRS.name, p) for p in partitions if p < 2}


@asynccontextmanager
async def rebalanced(store):
    owners = SlowOwners(store.owners)
    nouns = {noun: getattr(store, noun) for noun in (*NOUNS, "dead_letters")}
    settings = StreamSettings(
        broker_url=f"memory://{uuid.uuid4().hex}", alert_partitions=N_PARTITIONS, pair_partitions=2
    )
    slow = SimpleNamespace(**(nouns | {"owners": owners}))
    pipeline = create_app(settings, slow, POLICY, lambda: NOW)

    async def send(outgoing):
        list(outgoing)

    pipeline.agents.send = send
    yield Rebalanced(pipeline.app, pipeline.agents, owners)
    owners.gate.set()
    shutil.rmtree(str(pipeline.app.conf.datadir), ignore_errors=True)


AWAY = OperationalError("INSERT", {}, Exception("away"))


@pytest.mark.parametrize("error", [None, AWAY], ids=["slow", "away"])
async def test_two_rebalances_in_a_row_leave_the_share_of_the_second(store, error):
    async with rebalanced(store) as worker:
        worker.owners.close()
        await worker.gain([0])
        await worker.is_taking_over()
        await worker.lose([0])
        await worker.gain(ALL)
        await asyncio.sleep(0.05)
        worker.owners.error = error
        worker.owners.gate.set()
        await worker.is_owner()
        await asyncio.sleep(0.05)
        await worker.handle(NAMES)
        assert {place_of(name) for name in NAMES} == set(ALL), "every partition is tried"
        assert {o.object_id for o in store.alerts.objects()} == set(NAMES)


async def test_owning_again_ends_with_the_rebalance_that_began_meanwhile(store):
    event = Cluster(store).tell_event(a_notice())
    mine = [name for name in NAMES if place_of(name) == 0]
    async with rebalanced(store) as worker:
        await worker.gain([0])
        await worker.is_owner()
        await worker.agents.notice_event(event.encode())
        await worker.agents.look_back_waiting()
        store.owners.take_many([f"objects/0/{N_PARTITIONS}"], "another")
        worker.owners.close()
        handling = asyncio.create_task(worker.handle(mine[:1]))
        await worker.is_taking_over()
        await worker.lose([0])
        before = worker.owners.n_taken
        worker.owners.gate.set()
        await worker.until(lambda: worker.owners.n_taken == before + 2)
        await asyncio.sleep(0.1)
        assert not worker.agents.is_owner, "in a rebalance nobody owns anything"
        assert not handling.done(), "and nothing is acknowledged"
        await worker.gain(ALL)
        await handling
        await worker.handle(NAMES)
        assert {o.object_id for o in store.alerts.objects()} == set(NAMES)
        assert len(live(store)) == len(NAMES)


@pytest.mark.parametrize("is_behind", [True, False], ids=["paused", "by chance"])
async def test_who_was_silent_too_long_leaves_it_to_the_others(store, is_behind):
    """Two that both take over whatever they are refused would hold each other up for ever."""
    async with rebalanced(store) as worker:
        await worker.gain(ALL)
        await worker.is_owner()
        asked = []

        async def is_member():
            asked.append(True)
            return not is_behind

        worker.agents.ownership.is_member = is_member
        before = worker.owners.n_taken
        store.owners.take_many([f"objects/{p}/{N_PARTITIONS}" for p in ALL], "another")
        await worker.agents.notice_event(Cluster(store).tell_event(a_notice()).encode())
        handling = asyncio.create_task(worker.handle(NAMES[:1]))
        if not is_behind:
            await handling
            assert worker.owners.n_taken > before
            return
        await worker.until(lambda: len(asked) > 1)
        assert worker.owners.n_taken == before
        assert not handling.done(), "nothing is acknowledged"
        worker.is_called_together()
        with pytest.raises(GivenUpError):
            await handling
        await worker.lose(ALL)
        await worker.gain(ALL)
        await worker.handle(NAMES)
        assert {o.object_id for o in store.alerts.objects()} == set(NAMES)


class Epochs:
    """Two names in a store that others may take; what one worker has of them."""

    def __init__(self):
        self.stored = {"objects": 0, "events": 0}
        self.mine = dict(self.stored)
        self.errors = []
        self.taken = []

    def take(self, name):
        if self.errors and self.errors[0][0] == name:
            raise self.errors.pop(0)[1]
        self.stored[name] += 1
        self.mine[name] = self.stored[name]
        self.taken.append(name)

    async def take_over(self, _assigned):
        self.take("objects")
        self.take("events")

    def lost(self, name):
        """Another takes a name; what we are told of it."""
        self.stored[name] += 1
        return NotOwnerError(name, self.mine[name], self.stored[name])


@pytest.fixture
async def owned():
    epochs = Epochs()
    ownership = Ownership(epochs.take_over, epochs.mine.__getitem__)
    await ownership.own(Share.everything(), [0])
    return ownership, epochs


async def test_a_group_that_does_not_say_is_asked_again(owned):
    ownership, epochs = owned
    answers = [KafkaError("an unforeseen code"), False, True]

    async def is_member():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    ownership.is_member = is_member
    await ownership.own_again(epochs.lost("objects"))
    assert ownership.is_owner
    assert epochs.mine == epochs.stored
    assert not answers


async def test_a_takeover_that_waits_for_the_store_ends_when_the_group_calls(owned):
    ownership, epochs = owned
    lost = epochs.lost("objects")
    epochs.errors = [("objects", AWAY)] * 1_000_000
    waiting = asyncio.create_task(ownership.own_again(lost))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    ownership.leave()
    await waiting
    epochs.errors.clear()
    await asyncio.sleep(0.05)
    assert not ownership.is_owner
    assert epochs.mine["objects"] < epochs.stored["objects"]


async def test_half_a_takeover_is_done_again_whole(owned):
    ownership, epochs = owned
    lost, _ = epochs.lost("objects"), epochs.lost("events")
    epochs.errors = [("events", AWAY)]
    epochs.taken.clear()
    await ownership.own_again(lost)
    assert ownership.is_owner
    assert epochs.mine == epochs.stored
    assert epochs.taken == ["objects", "objects", "events"]


async def test_what_is_refused_of_a_share_that_went_does_not_cost_the_new_one_a_takeover(owned):
    ownership, epochs = owned
    epochs.mine["objects"] = 0
    epochs.taken.clear()
    await ownership.own_again(NotOwnerError("objects", 1, 2))
    assert epochs.taken == []
    assert ownership.is_owner


async def test_records_that_wait_for_the_store_do_not_hold_the_group_up(store):
    async with rebalanced(store) as worker:
        worker.owners.close()
        await worker.gain(ALL)
        await worker.is_taking_over()
        handling = asyncio.create_task(worker.handle(NAMES[:1]))
        await asyncio.sleep(0.05)
        assert not handling.done()
        worker.is_called_together()
        with pytest.raises(GivenUpError):
            await handling
        worker.owners.gate.set()


async def test_what_is_begun_ends_although_the_group_has_called(store):
    async with rebalanced(store) as worker:
        await worker.gain(ALL)
        await worker.is_owner()
        worker.is_called_together()
        await worker.handle(NAMES)
        assert {o.object_id for o in store.alerts.objects()} == set(NAMES)


async def test_two_that_were_refused_together_both_go_on(store):
    async with rebalanced(store) as worker:
        await worker.gain(ALL)
        await worker.is_owner()
        await worker.agents.notice_event(Cluster(store).tell_event(a_notice()).encode())
        await worker.agents.look_back_waiting()
        names = [f"objects/{p}/{N_PARTITIONS}" for p in ALL]
        store.owners.take_many(names, "another")
        await asyncio.gather(*(worker.handle([name]) for name in NAMES))
        assert len(live(store)) == len(NAMES)


# -- what is in memory after a change of owners ---------------------------------------------------


async def test_a_partition_that_comes_back_brings_no_object_as_it_was_when_it_left(store):
    cluster = Cluster(store, n_workers=2)
    await cluster.assign()
    cluster.tell_alert(an_alert("1", "ZTF25o"))
    await cluster.finish()
    first = cluster.owner_of(slot_of("ZTF25o"))
    await cluster.assign(shift=1)
    assert cluster.owner_of(slot_of("ZTF25o")) is not first
    cluster.tell_alert(an_alert("2", "ZTF25o", time_unix_s=T0_UNIX_S + 0.5 * DAY_S))
    await cluster.finish()
    await cluster.assign()
    assert cluster.owner_of(slot_of("ZTF25o")) is first
    cluster.tell_event(a_notice())
    await cluster.finish()
    assert live(store) == [("ztf:ZTF25o", 1, 2)]


def test_an_object_that_was_read_before_the_cache_was_emptied_stays_out_of_it(store):
    first, second = (
        an_alert(str(n), "ZTF25o", time_unix_s=T0_UNIX_S + n * DAY_S, history=()) for n in (1, 2)
    )
    other = AlertWindow(store.alerts)

    class Interrupted:
        """The store of alerts; a rebalance and another worker come right after a write."""

        def __getattr__(self, name):
            return getattr(store.alerts, name)

        def put_batch(self, *batch):
            stored = store.alerts.put_batch(*batch)
            window.forget()
            other.fold([(second, to_json(second))])
            return stored

    window = AlertWindow(Interrupted())
    window.fold([(first, to_json(first))])
    assert window.get_many(["ztf:ZTF25o"])["ztf:ZTF25o"].version == 2


async def test_a_zombie_that_is_refused_and_tries_again_stores_nothing_of_what_it_knew(store):
    cluster = Cluster(store, n_workers=2)
    cluster.now_unix_s = T0_UNIX_S + 5 * DAY_S
    await cluster.assign()
    # By its first alert the object may be of the event; by the limit in its second it is younger.
    old = an_alert("1", "ZTF25o", time_unix_s=T0_UNIX_S + 3.5 * DAY_S, history=(), limits=())
    limits = (Limit(T0_UNIX_S + 3.3 * DAY_S, "r", 22.0),)
    new = an_alert("2", "ZTF25o", time_unix_s=T0_UNIX_S + 3.6 * DAY_S, history=(), limits=limits)
    cluster.tell_alert(old)
    await cluster.finish()
    zombie = cluster.owner_of(slot_of("ZTF25o"))
    cluster.workers[cluster.workers.index(zombie)] = None
    await cluster.assign(shift=1)
    cluster.tell_alert(new)
    await cluster.finish()
    event_key = cluster.tell_event(a_notice())
    await cluster.finish()
    assert live(store) == []
    await zombie.follow(10)
    held = store.owners.holder(f"objects/{place_of('ZTF25o')}/{N_PARTITIONS}")
    await cluster.finish()
    assert held is not None
    assert live(store) == []
    assert store.pairs.live(event_key) == []
    # Whoever owns it by the group's rules takes it back and goes on.
    cluster.tell_alert(an_alert("3", "ZTF25p"))
    cluster.tell_alert(an_alert("4", "ZTF25q"))
    await cluster.finish()
    assert {key for key, _, _ in live(store)} == {"ztf:ZTF25p", "ztf:ZTF25q"}


async def test_a_look_back_that_goes_on_across_a_rebalance_is_refused_by_its_old_epochs(
    store, monkeypatch
):
    monkeypatch.setattr(joiner, "CHUNK_OBJECTS", 1)
    stays = next(name for name in NAMES if place_of(name) == 0)
    moves = next(name for name in NAMES if place_of(name) == 2)
    cluster = Cluster(store, n_workers=2)
    await cluster.assign()
    one, other = cluster.owner_of(slot_of(stays)), cluster.owner_of(("optical.alerts", 1))
    assert one is cluster.owner_of(slot_of(moves)) is not other
    cluster.tell_alert(an_alert("1", stays))
    cluster.tell_alert(an_alert("2", moves, dec_deg=DEC_DEG + 0.5))
    await cluster.finish()
    steps = one.agents.joiner.activate(cluster.tell_event(a_notice()))
    assert [pair.object_key for pair in next(steps)] == [f"ztf:{stays}"]
    # One partition goes to the other worker, where the object leaves the region.
    await one.own([slot for slot in one.owned if slot != slot_of(moves)])
    await other.own([*other.owned, slot_of(moves)])
    with pytest.raises(NotOwnerError):
        list(steps)
    assert [key for key, _, _ in live(store)] == [f"ztf:{stays}"]
    assert store.lookbacks.undone(other.agents.joiner.share), "the event is not marked as done"
    await cluster.assign(shift=1)
    await cluster.finish()
    assert {key for key, _, _ in live(store)} == {f"ztf:{stays}", f"ztf:{moves}"}


@pytest.mark.parametrize("n_workers", [1, 2])
async def test_a_worker_that_has_heard_of_no_date_has_nothing_left_to_do(store, n_workers):
    cluster = Cluster(store, n_workers=n_workers)
    await cluster.assign()
    for worker in cluster.workers:
        await worker.rank()
        assert worker.agents.is_owner
        assert worker.agents.pending == 0


async def test_who_takes_a_partition_over_meets_the_events_that_others_searched_for(store):
    """An event is searched for in a partition once; whoever owns it next must know the event.

    The first owner has looked back; the second has not yet, as it waits for another look back, and
    stores an alert; the third hears of nothing to look back for.
    """
    cluster = Cluster(store, n_workers=3)
    await cluster.assign()
    # Each has seen an alert, so that each has brought its book up to the store's state once.
    for name in NAMES:
        cluster.tell_alert(an_alert(f"1{name}", name, time_unix_s=T0_UNIX_S + DAY_S, dec_deg=-80.0))
    await cluster.finish()
    cluster.tell_event(a_notice())
    for shift in (0, 1):
        await cluster.assign(shift)
        for worker in cluster.workers[:2]:
            await worker.follow(10)
    late = [an_alert(f"2{name}", f"{name}b", time_unix_s=T0_UNIX_S + DAY_S) for name in NAMES]
    for alert in late:
        cluster.tell_alert(alert)
    for slot in cluster.slots:
        if slot[0] == OPTICAL_ALERTS.name:
            await cluster.owner_of(slot).work(slot, 100)
    await cluster.assign(shift=2)
    await cluster.finish()
    assert {key for key, _, _ in live(store)} == {f"ztf:{name}b" for name in NAMES}


async def test_a_late_owner_cannot_call_a_look_back_done(store):
    cluster = Cluster(store, n_workers=2)
    await cluster.assign()
    key = cluster.tell_event(a_notice())
    looking = cluster.workers[0].agents.joiner.activate(key)
    assert next(looking) == []
    await cluster.assign(shift=1)
    with pytest.raises(NotOwnerError):
        next(looking)


async def test_alerts_that_make_no_pair_are_refused_too_when_the_partition_is_anothers(store):
    """What did not match was compared with a book that may be out of date by then."""
    cluster = Cluster(store)
    await cluster.assign()
    late = cluster.workers[0].agents.joiner
    names = [f"objects/{p}/{N_PARTITIONS}" for p in ALL]
    store.owners.take_many(names, "another")
    alert = an_alert()
    with pytest.raises(NotOwnerError):
        late.add_alerts([(alert, to_json(alert))])
