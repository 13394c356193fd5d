"""The law under crashes: whatever write fails or kills the process, the same state in the end."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.store import Store
from tests.streams.test_law_of_workers import PACKETS, undisturbed
from tests.streams.workers import (
    Cluster,
    Crash,
    Plan,
    assert_subscribers_have_what_would_be_sent,
    state_of,
    subscribe,
)

pytestmark = pytest.mark.usefixtures("no_pause")

PARTS = [pytest.param(n, marks=() if n % 5 == 0 else pytest.mark.slow) for n in range(20)]
"""Twentieths of all writes: four of them quickly, the others in the long suites."""


async def rank(cluster):
    # The worker of this moment: the one before may have died.
    await cluster.workers[0].rank()


async def left_behind(plan, rank_every=3):
    """The final state of the store after every packet, with a new worker after each crash."""
    with Store.open("sqlite:///:memory:") as store:
        subscribe(store)
        cluster = Cluster(store, plan)
        crashes = 0

        async def surviving(act):
            nonlocal crashes
            while True:
                try:
                    if cluster.workers[0] is None:
                        await cluster.assign()
                    await act()
                    return
                except Crash:
                    crashes += 1
                    cluster.workers = [None]

        await surviving(cluster.assign)
        for n, packet in enumerate(PACKETS, start=1):
            cluster.produce(*packet)
            if n % rank_every == 0:
                await surviving(lambda: rank(cluster))
            await surviving(cluster.finish)
        assert_subscribers_have_what_would_be_sent(cluster)
        return crashes, plan.n, state_of(store)


@pytest.fixture(scope="module")
def implied():
    return asyncio.run(undisturbed())


@pytest.fixture(scope="module")
def n_writes(implied):
    crashes, n, state = asyncio.run(left_behind(Plan()))
    assert crashes == 0
    assert state == implied
    return n


@pytest.mark.parametrize("before", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("part", PARTS)
def test_a_crash_at_any_write_changes_nothing(implied, n_writes, part, before):
    for n in range(part, n_writes, 20):
        crashes, _, state = asyncio.run(left_behind(Plan(crashes=[n], before=before)))
        assert crashes == 1
        assert state == implied


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("part", PARTS)
def test_an_outage_at_any_write_changes_nothing(implied, n_writes, part, before):
    for n in range(part, n_writes, 40):
        _, _, state = asyncio.run(left_behind(Plan(outages=[n], before=before)))
        assert state == implied


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    crashes=st.sets(st.integers(0, 200), max_size=6),
    outages=st.sets(st.integers(0, 200), max_size=6),
    before=st.booleans(),
    rank_every=st.integers(1, 6),
)
def test_many_crashes_and_outages_change_nothing(implied, crashes, outages, before, rank_every):
    plan = Plan(crashes, outages, before)
    assert asyncio.run(left_behind(plan, rank_every))[2] == implied
