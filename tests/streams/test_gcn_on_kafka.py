"""`correlator ingest gcn` as a process on real Kafka: moved back in time, cut off, unheard."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter

import pytest
from confluent_kafka.admin import AdminClient

from correlator.service.commands.check import heartbeats_found
from streams.edge_outbox import Outbox
from streams.gcn_beginning import Beginning
from streams.gcn_edge import GcnEdge, GcnEdgeSettings
from streams.gcn_settings import GCN_HEARTBEAT, GcnSettings
from streams.gcn_source import GcnSource
from streams.heartbeat import latest_heartbeats
from streams.spool import Spool
from tests.streams.gcn_cluster import (
    Gcn,
    beating,
    edge,
    records,
    spooled,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# -- replays ---------------------------------------------------------------------------------------

MUTE = {"CORRELATOR_GCN_SILENT_S": "0"}
"""For a broker without a heartbeat."""

HOUR_S = 3600.0
FIRST_UNIX_S = 1_777_593_600.0  # 2026-05-01


@pytest.fixture
def gcn(kafka_server):
    made = Gcn(kafka_server.bootstrap)
    made.topic = f"gcn.notices.t{uuid.uuid4().hex}"
    made.make(made.topic)
    return made


def times_read(gcn, servers=None):
    """How often each of the packets came to our topic, by the number that it says."""
    mine = [value for key, value in records(servers or gcn.servers) if key.startswith(gcn.topic)]
    return Counter(int(value) for value in mine)


def run_until_read(gcn, folder, *words):
    with edge(gcn, gcn.servers, folder, *words, topics=(gcn.topic,), **MUTE) as running:
        running.wait_until_said("source_assigned")
        gcn.wait_until_read()
        wait_until(lambda: not spooled(folder), 30.0, running.said)
        running.stop()


def test_a_replay_from_a_time_moves_the_group_there_and_is_over_when_it_is(gcn, tmp_path):
    for hour in range(10):
        gcn.send(gcn.topic, b"%d" % hour, FIRST_UNIX_S + HOUR_S * hour)
    gcn.flush()
    run_until_read(gcn, tmp_path)
    assert times_read(gcn) == dict.fromkeys(range(10), 1)
    run_until_read(gcn, tmp_path)
    assert times_read(gcn) == dict.fromkeys(range(10), 1)
    run_until_read(gcn, tmp_path, "--from", "2026-05-01T06:30:00Z")
    again = {hour: 2 if hour > 6 else 1 for hour in range(10)}
    assert times_read(gcn) == again
    run_until_read(gcn, tmp_path)
    assert times_read(gcn) == again


def test_a_replay_from_after_the_last_record_has_only_what_comes(gcn, tmp_path):
    gcn.send(gcn.topic, b"0", FIRST_UNIX_S)
    gcn.flush()
    run_until_read(gcn, tmp_path, "--from", "2026-05-01T00:00:01Z")
    gcn.send(gcn.topic, b"1", FIRST_UNIX_S + HOUR_S)
    gcn.flush()
    run_until_read(gcn, tmp_path)
    assert times_read(gcn) == {1: 1}


def test_a_killed_replay_is_gone_on_with_by_whoever_comes_next(gcn, tmp_path):
    """It is the group that was moved back, not the process."""
    n, begin, slot = 3000, 1000, (gcn.topic, 0)
    for second in range(n):
        gcn.send(gcn.topic, b"%d" % second, FIRST_UNIX_S + second)
    gcn.flush()
    run_until_read(gcn, tmp_path)
    assert gcn.committed()[slot] == n
    words = ("--from", "2026-05-01T00:16:40Z")  # second 1000
    with edge(gcn, gcn.servers, tmp_path, *words, topics=(gcn.topic,), **MUTE) as running:
        wait_until(lambda: gcn.committed()[slot] < n, 60.0, running.said)
        running.kill()
    assert gcn.committed()[slot] >= begin
    run_until_read(gcn, tmp_path)
    times = times_read(gcn)
    assert {second: times[second] for second in range(begin)} == dict.fromkeys(range(begin), 1)
    assert min(times[second] for second in range(begin, n)) > 1


def test_a_new_group_that_begins_at_the_end_misses_nothing_from_then_on(gcn, tmp_path):
    """Though it had read nothing yet when it was killed, and a topic came into being meanwhile."""
    gcn.send(gcn.topic, b"0")
    gcn.flush()
    later = f"{gcn.topic}.later"
    words = ("--from", "latest")
    topics = (gcn.topic, later)
    with edge(gcn, gcn.servers, tmp_path, *words, topics=topics, **MUTE) as running:
        running.wait_until_said("source_assigned")
        gcn.wait_until_read()
        running.kill()
    gcn.send(gcn.topic, b"1")
    gcn.make(later)
    gcn.send(later, b"2")
    gcn.flush()
    with edge(gcn, gcn.servers, tmp_path, *words, topics=topics, **MUTE) as running:
        gcn.wait_until_read()
        wait_until(lambda: not spooled(tmp_path), 30.0, running.said)
        running.stop()
    assert times_read(gcn) == {1: 1, 2: 1}


# -- outages ---------------------------------------------------------------------------------------


def test_while_our_broker_is_away_notices_wait_on_the_disk(gcn, own_kafka_server, tmp_path):
    ours = own_kafka_server.bootstrap
    with edge(gcn, ours, tmp_path, topics=(gcn.topic,), **MUTE) as running:
        running.wait_until_said("source_assigned")
        gcn.send(gcn.topic, b"0")
        gcn.flush()
        wait_until(lambda: own_kafka_server.is_running and times_read(gcn, ours) == {0: 1}, 60.0)
        own_kafka_server.kill()
        for n in range(1, 20):
            gcn.send(gcn.topic, b"%d" % n)
        gcn.flush()
        gcn.wait_until_read()
        assert len(spooled(tmp_path)) >= 19
        running.kill()
    with edge(gcn, ours, tmp_path, topics=(gcn.topic,), **MUTE) as running:
        running.wait_until_said("broker_away")
        gcn.send(gcn.topic, b"20")
        gcn.flush()
        gcn.wait_until_read()
        own_kafka_server.start()
        wait_until(lambda: not spooled(tmp_path), 90.0, running.said)
        running.stop()
    assert set(times_read(gcn, ours)) == set(range(21))


def test_a_full_spool_pauses_the_reading_and_is_told_of(gcn, own_kafka_server, tmp_path):
    ours = own_kafka_server.bootstrap
    few = MUTE | {"CORRELATOR_GCN_SPOOL_BYTES": str(2**20)}
    with edge(gcn, ours, tmp_path, topics=(gcn.topic,), **few) as running:
        running.wait_until_said("source_assigned")
        own_kafka_server.stop()
        for n in range(400):
            gcn.send(gcn.topic, b"%07d" % n + b" " * 200_000)
        gcn.flush()
        running.wait_until_said("spool_full")
        n_spooled = len(spooled(tmp_path))
        assert gcn.lag() > 0
        time.sleep(2.0)
        assert len(spooled(tmp_path)) <= n_spooled + 50
        own_kafka_server.start()
        gcn.wait_until_read()
        wait_until(lambda: not spooled(tmp_path), 60.0, running.said)
        running.stop()
    assert set(times_read(gcn, ours)) == set(range(400))


# -- the heartbeat ---------------------------------------------------------------------------------


def test_a_silent_heartbeat_is_told_of_and_the_new_client_reads_on(kafka_server, gcn, tmp_path):
    settings = GcnSettings(gcn.group, (gcn.topic,), mirror=gcn.servers)
    beginning, spool = Beginning("earliest"), Spool(tmp_path / "spool")
    if GCN_HEARTBEAT not in AdminClient({"bootstrap.servers": gcn.servers}).list_topics().topics:
        gcn.make(GCN_HEARTBEAT)
    name = f"edge-gcn-{uuid.uuid4().hex}"
    running = GcnEdge(
        GcnEdgeSettings(name, silent_after_s=1.0, renew_after_s=8.0),
        lambda finish: GcnSource(settings, beginning, finish),
        spool,
        Outbox(gcn.servers),
    )
    over = threading.Event()
    thread = threading.Thread(target=running.run, args=(over.is_set,))
    thread.start()
    try:
        wait_until(lambda: running.stats.n_renewals > 0, 60.0)
        complaints = {n: b.complaint for n, b in latest_heartbeats(gcn.servers, 30.0).items()}
        assert complaints[name].startswith("GCN is silent for")
        found = heartbeats_found({name: 0.1}, {name: complaints[name]})
        assert (found.is_ok, found.is_warning) == (True, True)
        with beating(gcn):
            gcn.send(gcn.topic, b"7")
            gcn.flush()
            gcn.wait_until_read()
            wait_until(lambda: times_read(gcn) == {7: 1}, 30.0)
            wait_until(lambda: latest_heartbeats(gcn.servers, 5.0)[name].complaint is None, 30.0)
    finally:
        over.set()
        thread.join(60.0)
        spool.close()
    assert running.stats.by_topic == {gcn.topic: 1}
    assert running.stats.n_heartbeats > 0
