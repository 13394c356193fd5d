"""The law under crashes: whatever write fails or kills the process, the same state in the end."""

import asyncio
import itertools
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from correlator.policy import DAY_S, Policy
from correlator.service.wiring import resume
from correlator.wire import to_json
from storage.store import Store
from streams import records
from streams.app import _agents, _routes
from streams.records import Record, handle_batch
from tests.builders import an_alert
from tests.ingest_vo.notice_factory import T0_UNIX_S, gbm, svom

NOW = T0_UNIX_S + DAY_S
NOUNS = ("notices", "localizations", "events", "alerts", "pairs", "coincidences", "targets")
WRITES = ("put", "put_many", "put_objects", "publish", "replace_list")


class Crash(BaseException):
    """The process dies here; nothing may catch it."""


class Failing:
    """A noun's store whose n-th write, counted over all nouns, fails before or after it is done."""

    def __init__(self, real, plan):
        self._real, self._plan = real, plan

    def __getattr__(self, name):
        real = getattr(self._real, name)
        if name not in WRITES:
            return real

        def write(*args, **kwargs):
            error = self._plan.next_error()
            if error is not None and self._plan.before:
                raise error
            result = real(*args, **kwargs)
            if error is not None:
                raise error
            return result

        return write


class Plan:
    """Which writes fail, and how."""

    def __init__(self, crashes=(), outages=(), before=True):
        self.crashes, self.outages, self.before = set(crashes), set(outages), before
        self._count = itertools.count()

    def next_error(self):
        n = next(self._count)
        if n in self.crashes:
            return Crash()
        return OperationalError("INSERT", {}, Exception("away")) if n in self.outages else None


class Worker:
    """The agents over a store, without Faust: what they send comes back to them in order."""

    def __init__(self, store, plan):
        failing = SimpleNamespace(
            **{noun: Failing(getattr(store, noun), plan) for noun in NOUNS},
            dead_letters=store.dead_letters,
        )
        self._queue = []
        self.agents = _agents(failing, Policy(), self._send, lambda: NOW)
        self._handlers = {t.name: handle for t, handle in _routes(self.agents).items()}

    async def _send(self, topic, key, value):
        self._queue.append((topic, key, value))

    async def start(self):
        resume(self)
        await self.agents.look_back()
        await self._run()

    async def take(self, topic, key, value):
        self._queue.append((topic, key, value))
        await self._run()

    async def rank(self):
        await records.persisting(self.agents.rank_changed)

    async def rank_all(self):
        await records.persisting(self.agents.rank_all)

    async def _run(self):
        while self._queue:
            topic, key, value = self._queue.pop(0)
            if topic in self._handlers:
                record = Record(value, key.encode(), topic, 0, 0)
                await handle_batch([record], self._handlers[topic], self.agents.bury)


def the_packets():
    """An object that pairs, one that leaves the region again, an event that is taken back."""
    place = (120.5, -30.2)

    def alert(n, name, day, dec_deg=place[1]):
        made = an_alert(str(n), name, place[0], dec_deg, T0_UNIX_S + day * DAY_S, history=())
        return "optical.alerts", name, to_json(made)

    def notice(name, packet):
        return "notices.raw", name, packet

    cites = {"ivo://org.svom/fsc#sb26051102_eclairs-wakeup": "retraction"}
    return [
        notice("flt", gbm("Flt_Pos", 111, place=(121.0, -30.0, 12.0))),
        alert(1, "ZTF26stays", 0.2),
        alert(2, "ZTF26leaves", 0.2, dec_deg=-2.0),
        notice("wakeup", svom("eclairs-wakeup", 202, place=(*place, 0.3))),
        alert(3, "ZTF26stays", 0.6),
        notice("fin", gbm("Fin_Pos", 115, place=(*place, 1.0), params={"Human_generated": "true"})),
        alert(4, "ZTF26leaves", 0.6, dec_deg=-2.0),
        notice("gone", svom("retraction", 219, place=(*place, 0.3), cites=cites)),
    ]


async def left_behind(plan, rank_every=3):
    """The final state of the store after every packet, with a new worker after each crash."""
    with Store.open("sqlite:///:memory:") as store:
        crashes = 0
        worker = Worker(store, plan)
        todo = [("start", None), *(("take", p) for p in the_packets()), ("rank_all", None)]
        for n in range(rank_every, len(todo), rank_every):
            todo.insert(n, ("rank", None))
        while todo:
            step, packet = todo[0]
            try:
                await (worker.take(*packet) if packet else getattr(worker, step)())
                todo.pop(0)
            except Crash:
                crashes += 1
                worker = Worker(store, plan)
                todo.insert(0, ("start", None))
        return crashes, state_of(store)


def state_of(store):
    return {
        "events": sorted(to_json(e) for e in store.events.all()),
        "objects": sorted(to_json(o) for o in store.alerts.objects()),
        "pairs": sorted(to_json(p) for p in store.pairs.all_live()),
        "coincidences": sorted(
            (c.coincidence_id, c.case, to_json(c.body)) for c in store.coincidences.current()
        ),
        "targets": [
            (t.case, t.object_key, t.rank)
            for case in Policy().cases
            for t in store.targets.list(case.name)
        ],
    }


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(records, "_FIRST_PAUSE_S", 0.0)


@pytest.fixture(scope="module")
def undisturbed():
    crashes, state = asyncio.run(left_behind(Plan()))
    assert crashes == 0
    return state


def test_the_undisturbed_end_is_the_one_that_the_packets_imply(undisturbed):
    assert len(undisturbed["events"]) == 2
    assert len(undisturbed["pairs"]) == 1
    assert b"ZTF26stays" in undisturbed["pairs"][0]
    assert [t[:2] for t in undisturbed["targets"]] == [("grb-afterglow", "ztf:ZTF26stays")]


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("n", range(0, 60, 2))
async def test_a_crash_at_any_write_changes_nothing(undisturbed, n, before):
    crashes, state = await left_behind(Plan(crashes=[n], before=before))
    assert crashes == (1 if n < 36 else crashes)
    assert state == undisturbed


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("n", range(1, 60, 2))
async def test_an_outage_at_any_write_changes_nothing(undisturbed, n, before):
    assert (await left_behind(Plan(outages=[n], before=before)))[1] == undisturbed


@settings(max_examples=25, deadline=None)
@given(
    crashes=st.sets(st.integers(0, 120), max_size=6),
    outages=st.sets(st.integers(0, 120), max_size=6),
    before=st.booleans(),
    rank_every=st.integers(1, 6),
)
def test_many_crashes_and_outages_change_nothing(undisturbed, crashes, outages, before, rank_every):
    plan = Plan(crashes, outages, before)
    assert asyncio.run(left_behind(plan, rank_every))[1] == undisturbed
