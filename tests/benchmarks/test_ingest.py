"""The packets of the ingest benchmark are what it says of them; its rows are whole."""

from __future__ import annotations

import time

import pytest

from benchmarks.ingest import IngestSetting, _rows
from benchmarks.ingest_loops import AgainConsumer, Reading, Watch, together
from benchmarks.survey_packets import PACKETS
from ingest_optical.decoder import Rejected, admit
from ingest_optical.packets import RawPacket


@pytest.mark.real_data
@pytest.mark.parametrize(("survey", "least", "most"), [("ztf", 66e3, 90e3), ("lsst", 130e3, 140e3)])
def test_packets_are_distinct_of_real_size_and_a_share_passes(real_data, survey, least, most):
    packets = list(PACKETS[survey](real_data, 300, 0.1))
    assert len(set(packets)) == 300
    assert least < sum(map(len, packets)) / 300 < most
    results = [admit(RawPacket("p", survey, data)) for data in packets]
    alerts = [r for r in results if not isinstance(r, Rejected)]
    assert len(alerts) == 30
    ids = [r.alert.alert_id if isinstance(r, Rejected) else r.alert_id for r in results]
    assert len(set(ids)) == 300


def a_reading(n, seconds=2.0):
    return Reading(n, 70_000 * n, n // 10, seconds, 1.0, 0.5)


def test_a_ratio_is_to_the_bare_loops_before_and_after():
    bare = [a_reading(2000), a_reading(4000), a_reading(4000)]
    edges = [a_reading(600), a_reading(1000)]
    rows = list(_rows(IngestSetting(None), bare, edges, [100.0, 200.0]))
    assert rows[0].name == "ingest-ztf-10%-worker"
    assert rows[0].value == 400.0
    assert rows[0].ratio == (600 / 3000 + 1000 / 4000) / 2
    assert rows[0].bar == 0.4
    assert rows[1].peer_value == 3000.0
    assert rows[-1].value == 150.0


def test_readers_that_share_a_topic_are_one():
    both = together([a_reading(1000, 4.0), a_reading(2000, 4.0)])
    assert both.rate == pytest.approx(750.0)
    assert both.n_bytes == 210_000_000
    assert both.cpu_s == 2.0


def test_a_watch_counts_after_the_warming_up(monkeypatch):
    monkeypatch.setattr("benchmarks.ingest_loops.WARM_UP_S", 0.0)
    counts = iter([(0, 0, 0), (5, 50, 1), (9, 90, 2)])
    watch = Watch(0.0, lambda: next(counts))
    assert [watch.is_over() for _ in range(3)] == [False, False, True]
    reading = watch.reading
    assert (reading.n_packets, reading.n_bytes, reading.n_admitted) == (4, 40, 1)


def test_watches_of_one_group_begin_at_the_same_moment():
    counts = iter([(5, 50, 1), (6, 60, 1), (9, 90, 2)])
    early = Watch(0.0, lambda: next(counts), begin_unix_s=time.time() + 3600.0)
    assert [early.is_over() for _ in range(3)] == [False, False, False]
    counts = iter([(5, 50, 1), (9, 90, 2)])
    late = Watch(0.0, lambda: next(counts), begin_unix_s=time.time())
    assert [late.is_over() for _ in range(2)] == [False, True]
    assert late.reading.n_packets == 4


def test_a_consumer_that_begins_again_is_a_consumer():
    consumer = AgainConsumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "log_level": 0})
    assert consumer.consume(1, 0.01) == []
    consumer.close()
