"""Workers killed and paused, broker restarted, store away: the answer is as if nothing had been."""

from __future__ import annotations

import math
import os

import pytest

from correlator.client import Connection, Listener
from correlator.client.begin import EARLIEST
from storage.store import Store
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import IS_FULL
from tests.cluster.contents import compared, content_of
from tests.cluster.disasters import N_WORKERS, DisasterPlan, Disasters
from tests.cluster.feed import chunks
from tests.streams.workers import subscribe, would_be_sent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7_200 if IS_FULL else 1_200)]

SEED = int(os.environ.get("CORRELATOR_CRASH_SEED", "1"))

PLAN = (
    DisasterPlan(SEED, n_kills=20, n_broker_restarts=2, n_pauses=2, store_away_s=30.0)
    if IS_FULL
    else DisasterPlan(SEED, n_kills=5, n_broker_restarts=1, n_pauses=1, store_away_s=5.0)
)
WANTED = {"all": "rank is null or rank is not null", "first": "rank = 1"}
"""Subscriptions; the first of a ranking changes, so that some are taken back."""

N_PARTS = 2 * (PLAN.n_kills + PLAN.n_broker_restarts + PLAN.n_pauses + 1)
"""Parts in which the night is produced: one before each disaster, and some that keep work up."""

DONE_WITHIN_S = 3_600.0 if IS_FULL else 600.0


def test_disasters_change_nothing(
    load_night, load_answer, own_kafka_server, own_postgres_server, tmp_path
):
    store_url = own_postgres_server.url
    with Store.open(store_url) as store:
        subscribe(store, WANTED)
    parts = chunks(load_night.deliveries, math.ceil(load_night.n_deliveries / N_PARTS))
    with Cluster(own_kafka_server.bootstrap, store_url, tmp_path / "cluster") as cluster:
        cluster.start(N_WORKERS)
        cluster.wait_until_ready()
        disasters = Disasters(cluster, own_kafka_server, own_postgres_server, PLAN)
        disasters.run(parts)
        cluster.wait_until_done(DONE_WITHIN_S)
        assert disasters.n_kills == PLAN.n_kills
        assert disasters.n_hits == PLAN.n_kills, "a worker was killed that had nothing to do"
        assert len(cluster.alive) == N_WORKERS
        comparisons = compared(load_answer.content, content_of(store_url))
        print(*comparisons, sep="\n")
        assert all(c.is_same for c in comparisons), "\n".join(map(str, comparisons))
        assert cluster.results(load_night.as_of_unix_s) == load_answer.files
    with Store.open(store_url) as store:
        for name, said in WANTED.items():
            wanted = would_be_sent(store, said)
            sent = sent_by(own_kafka_server.bootstrap, name)
            print(f"{name}: {len(sent)} sent, {sum(not each for each in sent.values())} taken back")
            assert sent == wanted, name
            assert any(wanted.values()), name


def sent_by(servers, name):
    """What a subscriber was sent, each revision however often: whether it passes, by key."""
    with Listener(Connection(servers), [f"coincidence.user.{name}"], EARLIEST) as listener:
        notices = []
        while not listener.is_at_first_end:
            notices += listener.take()
    assert not listener.refused
    said = {}
    for notice in notices:
        assert said.setdefault((notice.key, notice.revision), notice.passes) == notice.passes
    return said
