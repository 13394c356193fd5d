"""The edge to GCN, between two fakes: what is spooled, committed, sent, buried and told."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.wire import of_json
from ingest_vo.reader import MAX_PACKET_BYTES
from streams.gcn_settings import GCN_HEARTBEAT
from streams.heartbeat import Heartbeat
from streams.spool import SpoolError
from tests.streams.edge_fakes import Fault
from tests.streams.gcn_fakes import NOW_UNIX_S, TOPIC, Harness, all_logs, heartbeat, notice

A, BEAT = (TOPIC, 0), (GCN_HEARTBEAT, 0)


@pytest.fixture
def a_harness(tmp_path):
    made = []

    def make(*slots, **more):
        made.append(Harness(tmp_path, **more))
        made[-1].assign(*(slots or (A, BEAT)))
        return made[-1]

    yield make
    for harness in made:
        harness.spool.close()


def later(_):
    """An answer that does not come."""
    return ...


def beat_of(harness):
    return of_json(Heartbeat, harness.heartbeats[-1])


# -- the order of safety ---------------------------------------------------------------------------


def test_a_notice_is_on_the_disk_before_gcn_hears_of_it_and_leaves_when_our_broker_has_it(
    a_harness,
):
    harness = a_harness(answer=later)
    steps = []
    put, commit = harness.spool.put, harness.consumer.commit
    harness.spool.put = lambda arrivals: (put(arrivals), steps.append("put"))
    harness.consumer.commit = lambda **said: (commit(**said), steps.append("commit"))
    harness.turn(notice(0), notice(1))
    assert steps == ["put", "commit"]
    assert harness.consumer.group == {A: 2}
    assert len(harness.spool) == 2
    assert harness.sent == {f"{TOPIC}/0@0": b"notice 0", f"{TOPIC}/0@1": b"notice 1"}
    harness.producer.answer = lambda _: None
    harness.turn()
    assert len(harness.spool) == harness.edge.n_waiting == 0
    assert harness.finish()


def test_a_notice_says_when_it_came(a_harness):
    harness = a_harness()
    harness.turn(notice(0), after_s=5.0)
    (record,) = harness.records("notices.raw")
    assert record.said == {"received": f"{NOW_UNIX_S + 5.0:.3f}"}


def test_a_disk_that_takes_nothing_ends_the_edge_and_gcn_hears_nothing(a_harness):
    harness = a_harness()
    harness.turn(notice(0))

    def full(_):
        raise sqlite3.OperationalError("database or disk is full")

    harness.spool.put = full
    harness.consumer.batches.append([notice(1)])
    with pytest.raises(SpoolError, match=r"spool .*: a packet must be on the disk, got .* full"):
        harness.edge.run(lambda: False)
    assert harness.consumer.group == {A: 1}
    assert harness.consumer.calls[-1] == ("close",)


def test_a_disk_that_gives_nothing_back_ends_the_edge_too(a_harness):
    harness = a_harness()

    def broken(*_):
        raise sqlite3.DatabaseError("database disk image is malformed")

    harness.spool.after = broken
    harness.consumer.batches.append([notice(0)])
    with pytest.raises(SpoolError, match="malformed"):
        harness.edge.run(lambda: False)


def test_what_goes_to_another_reader_is_committed_first(a_harness):
    harness = a_harness(commit_interval_s=100.0)
    harness.turn()
    harness.turn(notice(0))
    assert harness.consumer.group == {}
    harness.consumer.on_revoke(harness.consumer, [TopicPartition(*A)])
    assert harness.consumer.commits == [({A: 1}, False)]


def test_a_commit_that_fails_is_part_of_the_next_one(a_harness):
    harness = a_harness()
    harness.consumer.faults = [Fault(16)]
    harness.turn(notice(0))
    assert harness.consumer.group == {}
    harness.turn()
    assert harness.consumer.group == {A: 1}


def test_an_end_that_gcn_does_not_hear_of_says_so(a_harness):
    harness = a_harness(commit_interval_s=100.0)
    harness.turn()
    harness.turn(notice(0))
    harness.consumer.faults = [Fault(16)]
    assert not harness.finish()


def test_what_our_broker_did_not_take_is_sent_by_the_next_process(a_harness, tmp_path):
    harness = a_harness(answer=later)
    harness.turn(notice(0))
    assert harness.finish()
    assert harness.edge.n_waiting == 1
    again = Harness(tmp_path)
    assert again.edge.n_waiting == 1
    again.assign(A)
    again.turn()
    again.turn()
    assert list(again.sent) == [f"{TOPIC}/0@0"]
    assert again.edge.n_waiting == len(again.spool) == 0
    again.spool.close()


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),  # records that come
            st.sampled_from(["", "put", "commit", "send", "remove", "end"]),
            st.booleans(),  # whether our broker answers
        ),
        min_size=1,
        max_size=12,
    )
)
def test_a_crash_between_any_two_steps_loses_no_notice(steps):
    """It dies in the midst of a step; what remains is the disk, GCN's group, our broker."""
    folder = Path(tempfile.mkdtemp(dir=FOLDER.name))
    group, arrived, n = {}, [], 0
    harness = restarted(folder, group)
    for n_new, dies_at, answers in steps:
        n += n_new
        harness.producer.answer = (lambda _: None) if answers else later
        begin = harness.consumer.position
        harness.consumer.position = n
        try:
            if dies_at:
                die(harness, dies_at)
            harness.turn(*(notice(at) for at in range(begin, n)))
        except Died:
            pass
        arrived += acknowledged(harness)
        if dies_at:
            harness.spool.close()
            harness = restarted(folder, harness.consumer.group)
    harness.producer.answer = lambda _: None
    harness.turn(*(notice(at) for at in range(harness.consumer.position, n)))
    while harness.edge.n_waiting:
        harness.turn()
    harness.turn()
    arrived += acknowledged(harness)
    assert {name for name, _ in arrived} == {f"{TOPIC}/0@{at}" for at in range(n)}
    assert harness.consumer.group.get(A, 0) == n
    harness.spool.close()


FOLDER = tempfile.TemporaryDirectory()


class Died(BaseException):
    """As by a power cut: nothing of ours runs after it."""


def restarted(folder, group):
    harness = Harness(folder)
    harness.consumer.group |= group
    harness.assign(A)
    harness.consumer.position = harness.consumer.group.get(A, 0)
    return harness


def die(harness, dies_at):
    def dies(*_, **__):
        raise Died

    owner, name = {
        "put": (harness.spool, "put"),
        "commit": (harness.consumer, "commit"),
        "send": (harness.producer, "produce"),
        "remove": (harness.spool, "remove"),
        "end": (harness.edge, "_look_for_life"),
    }[dies_at]
    setattr(owner, name, dies)


def acknowledged(harness):
    """Names and bytes of what our broker has."""
    waiting = [id(record) for record in harness.producer.waiting]
    has = [r for r in harness.records("notices.raw") if id(r) not in waiting]
    return [(r.key.decode(), r.value) for r in has]


# -- what is no notice -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packet", "rule", "value"),
    [
        (b"", "a packet must not be empty", "b''"),
        (None, "a packet must not be empty", "b''"),
        (
            bytes(MAX_PACKET_BYTES + 1),
            f"a packet must have at most {MAX_PACKET_BYTES} B",
            str(MAX_PACKET_BYTES + 1),
        ),
    ],
    ids=["empty", "none", "too large"],
)
def test_what_no_notice_can_be_is_buried_with_its_bytes_and_holds_nothing_up(
    a_harness, packet, rule, value
):
    harness = a_harness()
    bad = notice(0)
    bad.data = packet
    harness.turn(bad, notice(1))
    harness.turn()
    (letter,) = harness.letters
    name = f"{TOPIC}/0@0"
    assert letter.value == (packet or b"")
    assert letter.said == {
        "source": "notices.raw",  # where it goes when it is replayed
        "name": name,
        "rule": rule,
        "reason": f"{name}: {rule}, got {value}",
        "key": name,
    }
    assert list(harness.sent) == [f"{TOPIC}/0@1"]
    assert harness.consumer.group == {A: 2}
    assert len(harness.spool) == 0


def test_a_packet_of_the_largest_size_is_sent(a_harness):
    harness = a_harness()
    harness.turn(notice(0, bytes(MAX_PACKET_BYTES)))
    assert [len(value) for value in harness.sent.values()] == [MAX_PACKET_BYTES]


def test_a_heartbeat_is_neither_kept_nor_committed(a_harness):
    harness = a_harness()
    harness.turn(heartbeat(0), heartbeat(1))
    assert harness.edge.stats.n_heartbeats == 2
    assert (len(harness.spool), harness.sent, harness.consumer.commits) == (0, {}, [])
    assert beat_of(harness).last_record_unix_s is None


# -- room ------------------------------------------------------------------------------------------


def test_a_full_spool_pauses_the_notices_and_drops_none(a_harness):
    harness = a_harness(answer=later, most_spool_bytes=100_000)
    with all_logs() as logs:
        harness.turn(notice(0, bytes(200_000)), after_s=1.0)
        harness.turn(after_s=1.0)
        harness.turn(heartbeat(), after_s=1.0)
        assert harness.consumer.calls[-1] == ("pause", {A})
        assert "the spool is full, 1 packets wait" in beat_of(harness).complaint
        harness.producer.answer = lambda _: None
        harness.turn(after_s=1.0)
        harness.turn(after_s=1.0)
    assert harness.consumer.calls[-1] == ("resume", {A})
    assert beat_of(harness).complaint is None
    events = [line["event"] for line in logs]
    assert [e for e in events if e.startswith("spool")] == ["spool_full", "spool_has_room"]
    assert len(harness.sent) == 1


# -- silence ---------------------------------------------------------------------------------------


def test_a_silence_is_told_of_once_in_the_log_and_in_every_heartbeat_until_it_is_over(a_harness):
    harness = a_harness()
    with all_logs() as logs:
        for _ in range(3):
            harness.turn(heartbeat(), after_s=50.0)
        assert beat_of(harness).complaint is None
        for _ in range(3):
            harness.turn(after_s=35.0)
        assert beat_of(harness).complaint == "GCN is silent for 105 s"
        harness.turn(heartbeat(), after_s=1.0)
    assert beat_of(harness).complaint is None
    told = [line["event"] for line in logs if line["event"].startswith("gcn_")]
    assert [e for e in told if e != "gcn_stats"] == ["gcn_silent", "gcn_heard_again"]


def test_a_notice_is_a_sign_of_life_too(a_harness):
    harness = a_harness()
    for at in range(4):
        harness.turn(notice(at), after_s=50.0)
    assert beat_of(harness).complaint is None


def test_after_a_longer_silence_the_client_is_made_anew_and_goes_on_where_the_group_stands(
    a_harness,
):
    harness = a_harness(commit_interval_s=1000.0)
    harness.turn()
    harness.turn(notice(0))
    old = harness.consumer
    for _ in range(6):
        harness.turn(after_s=50.0)
    assert len(harness.consumers) == 2
    assert old.calls[-1] == ("close",)
    assert old.commits == []  # it may hang, and what it did is on the disk
    harness.assign(A, BEAT)
    harness.turn(notice(0), heartbeat())
    assert harness.edge._complaint() is None
    for _ in range(6):
        harness.turn(after_s=50.0)
    assert len(harness.consumers) == 3
    assert harness.edge.stats.n_renewals == 2


def test_a_client_without_any_partition_is_silent_and_is_renewed(a_harness):
    harness = a_harness()
    harness.consumer.on_revoke(harness.consumer, [TopicPartition(*slot) for slot in (A, BEAT)])
    for _ in range(12):
        harness.turn(after_s=50.0)
    assert len(harness.consumers) == 3


def test_silence_means_nothing_where_another_reader_or_nobody_has_the_heartbeat(
    a_harness, tmp_path
):
    harness = a_harness(A)
    mute = Harness(tmp_path / "mute", silent_after_s=None)
    mute.assign(A)
    for each in (harness, mute):
        for _ in range(20):
            each.turn(after_s=50.0)
        assert (len(each.consumers), beat_of(each).complaint) == (1, None)
    mute.spool.close()


# -- what it says of itself ------------------------------------------------------------------------


def test_its_heartbeat_says_where_it_stands(a_harness):
    harness = a_harness(answer=later)
    harness.turn(notice(0), heartbeat(), after_s=1.0)
    beat = beat_of(harness)
    assert (beat.source, beat.positions, beat.pending) == ("edge-gcn", {f"{TOPIC}/0": 1}, 1)
    assert beat.last_record_unix_s == beat.time_unix_s == NOW_UNIX_S + 1.0
    assert not beat.is_idle


def test_the_log_counts_by_topic(a_harness):
    harness = a_harness((TOPIC, 0), ("igwn.gwalert", 0), BEAT)
    with all_logs() as logs:
        harness.turn(notice(0), notice(0, topic="igwn.gwalert"), notice(1), heartbeat())
        harness.turn(after_s=30.0)
    (said,) = [line for line in logs if line["event"] == "gcn_stats"]
    assert said["topics"] == {TOPIC: 2, "igwn.gwalert": 1}
    assert (said["heartbeats"], said["sent"], said["waiting"]) == (1, 3, 0)
