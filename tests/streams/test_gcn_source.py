"""Where the reading of GCN begins, what is paused, and how a client is given up."""

from __future__ import annotations

import threading
import time

import pytest
from confluent_kafka import OFFSET_END, OFFSET_INVALID, KafkaError, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from streams import gcn_source as module
from streams.edge_source import SourceError
from streams.gcn_beginning import Beginning
from streams.gcn_settings import GCN_HEARTBEAT
from streams.gcn_source import GcnSource
from tests.streams.edge_fakes import Fault, Message, the_end
from tests.streams.gcn_fakes import SETTINGS, TOPIC, FakeGcn, all_logs, heartbeat, notice

A, B, C = ((TOPIC, n) for n in range(3))
BEAT = (GCN_HEARTBEAT, 0)


def a_source(begin="earliest", finish=lambda: None, beginning=None, **of_fake):
    made = []

    def client(config):
        made.append(FakeGcn(config, **of_fake))
        return made[0]

    source = GcnSource(SETTINGS, beginning or Beginning(begin), finish, client)
    source.follow(0.0)
    return source, made[0]


def assign(consumer, *slots):
    consumer.on_assign(consumer, [TopicPartition(*slot) for slot in slots])


# -- where it begins -------------------------------------------------------------------------------


def test_the_heartbeat_begins_at_the_end_and_notices_where_the_group_stands():
    _, consumer = a_source(group={A: 7, BEAT: 3})
    assign(consumer, A, B, BEAT)
    # OFFSET_INVALID leaves it to the client: what was committed, else the oldest record.
    assert consumer.assigned == {A: OFFSET_INVALID, B: OFFSET_INVALID, BEAT: OFFSET_END}


def test_a_new_group_that_begins_at_the_end_says_so_at_once():
    """Else it would begin there again after a crash, and miss what came in between."""
    source, consumer = a_source("latest", times={A: [1.0] * 5})
    assign(consumer, A, B, BEAT)
    assert consumer.assigned == {A: 5, B: 0, BEAT: OFFSET_END}
    source.read(10, 0.0)
    assert consumer.group == {A: 5, B: 0}


def test_a_topic_that_comes_later_is_read_from_its_beginning():
    """Its first notice made it."""
    _, consumer = a_source("latest", times={A: [1.0] * 5, B: [1.0] * 3})
    assign(consumer, A)
    assign(consumer, B)
    assert consumer.assigned[B] == OFFSET_INVALID


def test_a_group_that_has_committed_something_is_not_new():
    """A topic that it does not know came into being while nobody read."""
    _, consumer = a_source("latest", times={A: [1.0] * 5, B: [1.0] * 3}, group={A: 2})
    assign(consumer, A, B)
    assert consumer.assigned == {A: OFFSET_INVALID, B: OFFSET_INVALID}


def test_a_replay_moves_each_partition_once_whatever_was_committed():
    beginning = Beginning(3.0)
    times = {A: [1.0, 2.0, 3.0, 4.0], B: [1.0, 2.0], C: []}
    source, consumer = a_source(beginning=beginning, times=times, group={A: 4, B: 1})
    assign(consumer, A, B, BEAT)
    assert consumer.assigned == {A: 2, B: 2, BEAT: OFFSET_END}
    source.read(10, 0.0)
    assert consumer.group == {A: 2, B: 2}
    consumer.on_revoke(consumer, [TopicPartition(*A)])
    assign(consumer, A, C)
    assert consumer.assigned == {A: OFFSET_INVALID, B: 2, BEAT: OFFSET_END, C: 0}
    source.read(10, 0.0)
    _, renewed = a_source(beginning=beginning, times=times, group=consumer.group)
    assign(renewed, A, B, C)
    assert set(renewed.assigned.values()) == {OFFSET_INVALID}


@pytest.mark.parametrize("begin", ["latest", 3.0])
def test_what_gcn_has_not_heard_of_begins_there_again(begin):
    """A client that hung took the commit with it; what came meanwhile is not left out."""
    beginning = Beginning(begin)
    source, consumer = a_source(beginning=beginning, times={A: [2.0]}, answers=False)
    assign(consumer, A)
    source.read(10, 0.0)
    source.give_up()
    source, consumer = a_source(beginning=beginning, times={A: [2.0, 3.0]})
    assign(consumer, A)
    assert consumer.assigned == {A: 1}
    source.read(10, 0.0)
    assert consumer.group == {A: 1}
    consumer.on_revoke(consumer, [TopicPartition(*A)])
    assign(consumer, A)
    assert consumer.assigned == {A: OFFSET_INVALID}


@given(st.lists(st.integers(0, 50)), st.integers(0, 51))
def test_a_replay_leaves_out_no_record_of_its_time(times, begin):
    _, consumer = a_source(float(begin), times={A: sorted(times)})
    assign(consumer, A)
    assert sorted(times)[consumer.assigned[A] :] == [t for t in sorted(times) if t >= begin]


def test_a_place_that_is_not_told_is_asked_for_again_and_then_an_error_in_words():
    _, consumer = a_source(3.0, times={A: [4.0]}, faults=[Fault(5), Fault(5), None, None])
    assign(consumer, A)
    assert consumer.assigned == {A: 0}
    _, consumer = a_source(3.0, faults=[Fault(5)] * 3)
    with pytest.raises(SourceError, match="GCN does not tell where to begin"):
        assign(consumer, A)


# -- what it says ----------------------------------------------------------------------------------


def test_the_end_is_that_of_the_notices():
    source, consumer = a_source()
    assign(consumer, A, BEAT)
    steps = [
        ([notice(0)], False),
        ([Message(None, -1, 0, TOPIC, fault=the_end().fault)], True),
        ([heartbeat()], True),
        ([notice(1)], False),
    ]
    for batch, is_at_end in steps:
        consumer.batches.append(batch)
        source.read(10, 0.0)
        assert source.is_at_end == is_at_end


@pytest.mark.parametrize(
    ("slots", "hears"), [((), True), ((A,), False), ((A, BEAT), True), ((BEAT,), True)]
)
def test_its_silence_means_nothing_while_another_reader_has_the_heartbeat(slots, hears):
    source, consumer = a_source()
    assign(consumer, *slots)
    assert source.hears_heartbeat == hears


def test_a_pause_is_not_for_the_heartbeat():
    source, consumer = a_source()
    assign(consumer, A, BEAT)
    source.hold(True)
    source.hold(False)
    assert consumer.calls[1:] == [("pause", {A}), ("resume", {A})]


@pytest.mark.parametrize(
    "code", [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC], ids=["broker", "local"]
)
def test_a_topic_without_notices_is_one_line_in_the_log(code):
    source, consumer = a_source()
    absent = Message(None, -1, 0, "gcn.classic.voevent.RARE", fault=Fault(code))
    with all_logs() as logs:
        for _ in range(3):
            consumer.batches.append([absent, notice(0)])
            assert source.read(10, 0.0) == []
    said = [(line["log_level"], line["topic"]) for line in logs]
    assert said == [("info", "gcn.classic.voevent.RARE")]


# -- how it is given up ----------------------------------------------------------------------------


def test_a_client_that_is_given_up_gives_nothing_back():
    finished = []
    source, consumer = a_source(finish=lambda: finished.append(1))
    assign(consumer, A)
    source.give_up()
    assert consumer.calls[-1] == ("close",)
    assert finished == []
    assign(consumer, B)
    assert set(consumer.assigned) == {A}


def test_a_client_that_does_not_close_is_left_to_itself(monkeypatch):
    monkeypatch.setattr(module, "_CLOSES_WITHIN_S", 0.05)
    closes = threading.Event()
    source, _ = a_source(close_waits_for=closes)
    begun = time.monotonic()
    with all_logs() as logs:
        source.give_up()
    assert time.monotonic() - begun < 20.0
    assert [line["event"] for line in logs] == ["source_does_not_close"]
    closes.set()
