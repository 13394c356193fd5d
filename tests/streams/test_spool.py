"""The spool keeps what it was given, in order, until it is told that it is safe elsewhere."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_vo.reader import MAX_PACKET_BYTES
from streams import edge_outbox
from streams.edge_outbox import Outbox
from streams.spool import Arrival, Spool
from streams.spool_drain import SpoolDrain
from streams.topics import DEAD_LETTER, NOTICES_RAW
from tests.streams.edge_fakes import FakeProducer, Fault

NOW_UNIX_S = 1_705_320_000.0


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / "deep" / "spool.sqlite")
    yield spool
    spool.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("spools")


def arrivals(n, size=10):
    return [Arrival(f"topic/0@{i}", b"%d" % i * size, NOW_UNIX_S + i) for i in range(n)]


def test_what_is_put_is_read_in_order_and_stays(spool):
    spool.put(arrivals(3))
    spool.put(arrivals(2))
    first = spool.after(0, 100, 10**6)
    assert [each for _, each in first] == arrivals(3) + arrivals(2)
    assert spool.after(0, 100, 10**6) == first
    assert len(spool) == 5


def test_a_number_is_never_given_twice(spool):
    spool.put(arrivals(2))
    last = spool.after(0, 10, 10**6)[-1][0]
    spool.remove([number for number, _ in spool.after(0, 10, 10**6)])
    spool.put(arrivals(1))
    assert spool.after(last, 10, 10**6)[0][0] > last


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 6), st.integers(0, 100))
def test_reading_on_gives_everything_once_within_the_bounds(folder, packets, most, most_bytes):
    spool = Spool(Path(tempfile.mkdtemp(dir=folder)) / "spool")
    spool.put(Arrival("n", packet, NOW_UNIX_S) for packet in packets)
    read, last = [], 0
    while part := spool.after(last, most, most_bytes):
        assert len(part) <= most
        assert len(part) == 1 or sum(len(each.packet) for _, each in part) <= most_bytes
        read += [each.packet for _, each in part]
        last = part[-1][0]
    spool.close()
    assert read == packets


def test_another_process_sees_it_and_a_kill_loses_nothing(tmp_path):
    path = tmp_path / "spool.sqlite"
    child = subprocess.Popen(
        [sys.executable, "-c", (
            "import sys; from pathlib import Path; from streams.spool import *\n"
            f"spool = Spool(Path({str(path)!r}))\n"
            "for i in range(10**6):\n"
            "    spool.put([Arrival(str(i), b'x', 0.0)])\n"
            "    print(i, flush=True)\n"
        )],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    said = [int(child.stdout.readline()) for _ in range(20)]
    child.send_signal(signal.SIGKILL)
    said += [int(line) for line in child.stdout.read().split() if line]
    child.wait()
    child.stdout.close()
    spool = Spool(path)
    names = [each.name for _, each in spool.after(0, 10**7, 10**9)]
    spool.close()
    assert names[: len(said)] == [str(i) for i in said]


def test_the_disk_that_it_takes_is_that_of_what_is_in_it(spool):
    empty = spool.used_bytes
    spool.put(arrivals(3, size=200_000))
    assert 600_000 <= spool.used_bytes - empty < 700_000
    spool.remove([number for number, _ in spool.after(0, 10, 10**9)])
    assert spool.used_bytes <= empty + 50_000


def test_a_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "spool").write_bytes(os.urandom(5000))
    with pytest.raises(sqlite3.DatabaseError):
        Spool(tmp_path / "spool")


def drain_of(spool, answer=lambda _: None):
    made = []

    def client(config):
        made.append(FakeProducer(config, answer=answer))
        return made[-1]

    drain = SpoolDrain(spool, Outbox("127.0.0.1:1", client))
    return drain, made[0]


def test_a_packet_leaves_the_spool_when_the_broker_has_it(spool):
    spool.put(arrivals(3))
    drain, producer = drain_of(spool)
    assert drain.pump()
    assert drain.drained(1.0)
    assert (len(spool), drain.n_sent) == (0, 3)
    assert [each.topic for each in producer.sent] == [NOTICES_RAW.name] * 3
    assert [each.value for each in producer.sent] == [each.packet for each in arrivals(3)]


def test_what_is_not_acknowledged_stays_and_is_sent_by_the_next_process(spool):
    spool.put(arrivals(3))
    drain, producer = drain_of(spool, answer=lambda _: ...)
    for _ in range(3):
        drain.pump()
    assert len(producer.sent) == 3  # once, however often it is looked at
    assert (len(spool), drain.n_waiting) == (3, 3)
    again, producer = drain_of(spool)
    again.pump()
    assert again.drained(1.0)
    assert (len(spool), len(producer.sent)) == (0, 3)


def test_an_outage_of_the_broker_costs_time_only(spool, monkeypatch):
    monkeypatch.setattr(edge_outbox, "_RETRY_AFTER_S", 0.0)
    answers = iter([Fault(1), Fault(1), Fault(1)] + [None] * 100)
    drain, _ = drain_of(spool, answer=lambda _: next(answers))
    spool.put(arrivals(3))
    drain.pump()
    spool.put(arrivals(2))
    drain.pump()
    assert drain.drained(5.0)
    assert len(spool) == 0


@pytest.mark.parametrize("size", [0, MAX_PACKET_BYTES + 1])
def test_what_no_notice_can_be_is_a_dead_letter_at_once(spool, size):
    spool.put([Arrival("topic/0@0", bytes(size), NOW_UNIX_S), *arrivals(1)])
    drain, producer = drain_of(spool)
    drain.pump()
    assert drain.drained(1.0)
    assert [(r.topic, len(r.value)) for r in producer.sent] == [
        (DEAD_LETTER.name, size),
        (NOTICES_RAW.name, 10),
    ]
    assert producer.sent[0].said["name"] == "topic/0@0"
    assert len(spool) == 0
