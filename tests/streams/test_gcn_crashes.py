"""`correlator ingest gcn` is killed ten times while every real packet comes in."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import Counter

import pytest
from sqlalchemy import select

from correlator.errors import MalformedNoticeError
from ingest_vo.reader import MAX_PACKET_BYTES, to_notice
from storage.schema import dead_letters, notices
from storage.store import Store
from streams.gcn_settings import GCN_HEARTBEAT
from streams.topics import NOTICES_RAW
from tests.cluster.cluster import Cluster
from tests.streams.gcn_cluster import (
    Gcn,
    beating,
    edge,
    records,
    slot_and_offset,
    spooled,
    wait_until,
)
from tests.streams.gcn_packets import UNLISTED, broken_packets, real_packets

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KILLS = 10


@pytest.mark.real_data
def test_ten_kills_lose_no_real_packet_and_store_each_once(real_data, own_kafka_server, tmp_path):
    """Each real packet on its topic at GCN, an edge that is killed ten times while they come in."""
    rng = random.Random(20261128)
    packets = real_packets(real_data) + broken_packets()
    assert len(packets) > 600
    rng.shuffle(packets)
    gcn = Gcn(own_kafka_server.bootstrap)
    gcn.make(*{sent.topic for sent in packets}, GCN_HEARTBEAT, "gcn.circulars")
    gcn.send("gcn.circulars", b"prose")
    gcn.flush()
    gcn.ends.clear()
    gcn.sent.clear()
    store_url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    topics = ("recommended", r"^gcn\..*", UNLISTED)
    begin = [packets[len(packets) * n // (KILLS + 1) :] for n in range(KILLS + 1)]
    parts = [
        some[: len(some) - len(rest)] for some, rest in zip(begin, [*begin[1:], []], strict=True)
    ]
    on_the_way = between = 0
    with Cluster(gcn.servers, store_url, tmp_path / "cluster") as cluster, beating(gcn):
        cluster.start(1)
        for part in parts[:-1]:
            with edge(gcn, gcn.servers, tmp_path, topics=topics) as running:
                running.wait_until_said("source_assigned")
                after_s = rng.uniform(0.2, 1.4)
                feeder = threading.Thread(target=feed, args=(gcn, part, 1.0))
                feeder.start()
                time.sleep(after_s)
                running.kill()
                feeder.join()
            done, put = gcn.committed(), spooled(tmp_path)
            on_the_way += bool(put) or any(gcn.ends[slot] > done[slot] for slot in gcn.ends)
            seen = [slot_and_offset(name) for name in {*put, *dict(records(gcn.servers))}]
            between += any(offset >= done.get(slot, 0) for slot, offset in seen)
        with edge(gcn, gcn.servers, tmp_path, topics=topics) as running:
            feed(gcn, parts[-1], 0.0)
            gcn.wait_until_read()
            wait_until(lambda: not spooled(tmp_path), 60.0, running.said)
            cluster.wait_until_done(120.0)
            assert gcn.lag() == 0
            running.stop()
        assert spooled(tmp_path) == []
        cluster.terminate(*cluster.alive)
    assert on_the_way >= KILLS // 2
    assert between > 0  # a kill between put and commit: what was on the disk was read again
    assert len(gcn.sent) == len(packets)
    repeated = Counter(key for key, _ in records(gcn.servers))
    assert max(repeated.values()) > 1
    assert_store_is_exact(store_url, gcn.sent)


def feed(gcn, part, within_s):
    for sent in part:
        gcn.send(sent.topic, sent.packet)
        time.sleep(within_s / len(part))
    gcn.flush()


def assert_store_is_exact(store_url, sent):
    """Every notice is stored once, every refused packet is a dead letter once, and no other is."""
    expected, refused = set(), []
    for name, packet in sent.items():
        try:
            notice = to_notice(packet, name)
            expected.add((notice.notice_id, notice.content_sha256))
        except MalformedNoticeError as error:
            refused.append((name, error.rule, hashlib.sha256(packet).hexdigest(), str(error)))
    with Store.open(store_url, migrate=False) as store, store.engine.connect() as connection:
        c = notices.c
        stored = list(connection.execute(select(c.notice_id, c.content_sha256)))
        d = dead_letters.c
        letters = connection.execute(
            select(d.record_key, d.rule, d.packet_sha256, d.reason, d.source)
        ).all()
    assert sorted(map(tuple, stored)) == sorted(expected)
    assert len(expected) > 480
    assert {letter.source for letter in letters} == {NOTICES_RAW.name}
    assert sorted(tuple(letter[:4]) for letter in letters) == sorted(refused)
    rules = Counter(rule for _, rule, _, _ in refused)
    assert rules[f"a packet must have at most {MAX_PACKET_BYTES} B"] == 1
    assert rules["a packet must not be empty"] == 2
