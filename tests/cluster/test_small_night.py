"""A small load night in one process against what its packets imply, and the harness's own words."""

from __future__ import annotations

import random

import pytest

from correlator.policy import Policy
from correlator.service.archive import Delivery
from correlator.service.load_night import LoadNight
from correlator.simulation.load import LoadConfig, write_load
from tests.cluster.conftest import Night, answer_in_memory
from tests.cluster.contents import compared
from tests.cluster.disasters import DisasterPlan
from tests.cluster.feed import chunks
from tests.cluster.implied import implied_by, joint_of


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small") / "night"
    write_load(LoadConfig(seed=3, n_alerts=1_000, n_notices=40), folder)
    found = LoadNight(folder)
    return Night("small", found, len(found), found.archive(), found.as_of_unix_s)


@pytest.fixture(scope="module")
def answer(night, tmp_path_factory):
    return answer_in_memory(night, tmp_path_factory.mktemp("small") / "memory")


def test_the_answer_is_what_the_packets_imply(night, answer):
    assert len(answer.files["pairs"].splitlines()) > 30
    pairs, joint = implied_by(night.deliveries, Policy())
    assert pairs == answer.files["pairs"]
    assert joint_of(answer.files) == {joint_id: said for joint_id, said in joint.items() if said}


@pytest.mark.slow
@pytest.mark.parametrize("shuffle_seed", range(1, 7))
def test_any_order_of_delivery_leaves_the_same_answer(night, answer, tmp_path, shuffle_seed):
    shuffled = answer_in_memory(night, tmp_path / "memory", shuffle_seed)
    differing = [c for c in compared(answer.content, shuffled.content) if not c.is_same]
    assert not differing, "; ".join(map(str, differing))
    assert shuffled.files == answer.files


def test_a_comparison_tells_the_lost_from_the_extra_and_the_different():
    (found,) = compared(
        {"alerts": {"1": "a", "2": "b", "3": "c"}}, {"alerts": {"2": "b", "3": "x", "4": "d"}}
    )
    assert (found.lost, found.extra, found.different) == (("1",), ("4",), ("3",))
    assert not found.is_same
    assert str(found) == "alerts: 3, 1 lost (first: 1), 1 extra (first: 4), 1 different (first: 3)"


def test_a_plan_has_each_disaster_as_often_as_asked_for_and_is_seeded():
    plan = DisasterPlan(1, n_kills=20, n_broker_restarts=2, n_pauses=2, store_away_s=30.0)
    steps = plan.steps(random.Random(1))
    counts = {step: steps.count(step) for step in ("kill", "broker", "pause", "store")}
    assert counts == {"kill": 20, "broker": 2, "pause": 2, "store": 1}
    assert (steps[0], steps[-1]) == ("kill", "kill")
    assert steps == plan.steps(random.Random(1)) != plan.steps(random.Random(2))


@pytest.mark.parametrize(("n", "sizes"), [(0, []), (4, [3, 1]), (6, [3, 3])])
def test_chunks_hold_everything_in_order(n, sizes):
    deliveries = [Delivery(float(i), "optical.alerts", str(i), b"") for i in range(n)]
    found = list(chunks(deliveries, 3))
    assert [len(part) for part in found] == sizes
    assert [d for part in found for d in part] == deliveries
