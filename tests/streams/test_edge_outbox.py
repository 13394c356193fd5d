"""What the outbox does with each answer of the broker."""

from __future__ import annotations

import zlib

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from hypothesis import given
from hypothesis import strategies as st

from streams import edge_outbox as module
from streams.edge_outbox import Letter, Outbox, OutboxError, Span, dead_letter
from streams.topics import DEAD_LETTER, partition_of
from tests.streams.edge_fakes import FakeProducer, Fault

LETTER = Letter("optical.alerts", b"ZTF1", b"{}")


@pytest.fixture
def patient(monkeypatch):
    """An outbox that sends again at once, its producer, and a span."""
    monkeypatch.setattr(module, "_RETRY_AFTER_S", 0.0)
    return an_outbox()


def an_outbox():
    made = []

    def client(config):
        if not made:
            made.append(FakeProducer(config))
            return made[0]
        # The one for single records answers as the other does, and notes where the other does.
        first = made[0]
        return FakeProducer(config, first.sent, answer=first.answer, refuse=first.refuse)

    return Outbox("127.0.0.1:1", client), made[0], Span()


def test_a_producer_loses_and_repeats_nothing():
    _, producer, _ = an_outbox()
    assert producer.config["enable.idempotence"] is True
    assert producer.config["acks"] == "all"
    assert producer.config["message.timeout.ms"] == 0


def test_a_span_waits_until_each_of_its_records_is_acknowledged(patient):
    outbox, producer, span = patient
    answers = iter([None, ..., None])
    producer.answer = lambda _: next(answers)
    outbox.send(LETTER, span)
    outbox.send(LETTER, span)
    assert (span.n_waiting, outbox.waiting_bytes) == (2, 12)
    outbox.pump()
    assert (span.n_waiting, outbox.waiting_bytes) == (1, 6)
    outbox.pump()
    assert (span.n_waiting, outbox.n_waiting, outbox.waiting_bytes) == (0, 0, 0)


def test_a_record_that_the_broker_refuses_for_a_time_is_sent_again(patient):
    outbox, producer, span = patient
    answers = iter([Fault(KafkaError._UNKNOWN_TOPIC), Fault(KafkaError._MSG_TIMED_OUT), None])
    producer.answer = lambda _: next(answers)
    outbox.send(LETTER, span)
    assert outbox.drained(5.0)
    assert producer.values("optical.alerts") == [b"{}"] * 3
    assert span.n_waiting == 0


def test_a_queue_that_is_full_is_waited_for(patient):
    outbox, producer, span = patient
    refusals = iter([BufferError("full"), None])
    producer.refuse = lambda _: next(refusals)
    outbox.send(LETTER, span)
    assert span.n_waiting == 1
    assert outbox.drained(5.0)
    assert span.n_waiting == 0


@pytest.mark.parametrize("by_the_client", [True, False])
def test_a_record_that_is_too_large_for_ever_becomes_a_dead_letter(patient, by_the_client):
    outbox, producer, span = patient
    large = Letter("optical.alerts", b"ZTF1", bytes(100_000))
    fault = Fault(KafkaError.MSG_SIZE_TOO_LARGE)

    def refuse(record):
        return KafkaException(fault) if by_the_client and record.topic == "optical.alerts" else None

    producer.refuse = refuse
    producer.answer = lambda record: fault if record.topic == "optical.alerts" else None
    outbox.send(large, span)
    assert outbox.drained(5.0)
    letter = producer.sent[-1]
    assert letter.topic == DEAD_LETTER.name
    assert letter.value == large.value
    assert letter.said["source"] == "optical.alerts"
    assert letter.said["key"] == "ZTF1"
    assert "got 100004 bytes" in letter.said["reason"]
    assert (span.n_waiting, outbox.n_waiting, outbox.waiting_bytes) == (0, 0, 0)
    assert outbox.n_refused == 1


def test_what_was_refused_with_its_batch_is_sent_alone(patient):
    """The broker's limit holds for a batch: the good must not suffer with the large."""
    outbox, producer, span = patient
    answers = iter([Fault(KafkaError.MSG_SIZE_TOO_LARGE), None])
    producer.answer = lambda _: next(answers)
    outbox.send(LETTER, span)
    assert outbox.drained(5.0)
    assert outbox._single.config == producer.config | {"batch.num.messages": 1}
    assert producer.values("optical.alerts") == [b"{}"] * 2
    assert (span.n_waiting, outbox.n_refused) == (0, 0)


def test_a_dead_letter_topic_that_takes_nothing_is_waited_for(patient):
    outbox, producer, span = patient
    said = {"source": "ztf", "name": "n", "rule": "r", "reason": "why"}
    faults = iter([Fault(KafkaError.MSG_SIZE_TOO_LARGE)] * 5 + [None])
    producer.answer = lambda _: next(faults)
    outbox.send(dead_letter(said, b"small"), span)
    assert outbox.drained(5.0)
    assert producer.values(DEAD_LETTER.name) == [b"small"] * 6


def test_a_dead_letter_that_is_too_large_is_sent_as_its_beginning(patient):
    outbox, producer, span = patient
    said = {"source": "ztf", "name": "n", "rule": "r", "reason": "why"}
    producer.answer = lambda r: (
        Fault(KafkaError.MSG_SIZE_TOO_LARGE) if len(r.value) > 70_000 else None
    )
    outbox.send(dead_letter(said, bytes(range(256)) * 1000), span)
    assert outbox.drained(5.0)
    assert producer.sent[-1].value == (bytes(range(256)) * 1000)[: len(producer.sent[-1].value)]
    assert producer.sent[-1].said == said
    assert span.n_waiting == 0


def test_a_producer_that_cannot_go_on_says_so(patient):
    outbox, producer, span = patient
    producer.answer = lambda _: Fault(KafkaError._FATAL, fatal=True)
    outbox.send(LETTER, span)
    with pytest.raises(OutboxError, match="optical"):
        outbox.pump()
    assert span.n_waiting == 1


def test_a_heartbeat_is_not_waited_for(patient):
    outbox, producer, _ = patient
    producer.refuse = lambda _: BufferError("full")
    outbox.tell(LETTER)
    producer.refuse = lambda _: None
    outbox.tell(LETTER)
    assert outbox.n_waiting == 0
    assert len(producer.sent) == 1


@given(st.binary(min_size=1), st.integers(1, 64))
def test_a_partition_is_the_remainder_of_the_keys_checksum(key, n):
    assert partition_of(key, n) == zlib.crc32(key) % n


def test_the_producer_puts_each_key_where_our_rule_says():
    """librdkafka's ``consistent`` and ours are one rule; on the client's own mock cluster."""
    cluster = AdminClient({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    broker = next(iter(cluster.list_topics(timeout=10.0).brokers.values()))
    found = {}

    def client(config):
        return Producer(config | {"log_level": 0, "error_cb": lambda _: None})

    outbox = Outbox(f"{broker.host}:{broker.port}", client)
    keys = [f"ZTF{i}".encode() for i in range(50)]
    span = Span()
    delivered = outbox._delivered

    def noting(letter, span, is_single, error, message):
        found[letter.key] = message.partition()
        delivered(letter, span, is_single, error, message)

    outbox._delivered = noting
    for key in keys:
        outbox.send(Letter("optical.alerts", key, b"{}"), span)
    assert outbox.drained(20.0)
    n = len(cluster.list_topics("optical.alerts").topics["optical.alerts"].partitions)
    assert n > 1
    assert found == {key: partition_of(key, n) for key in keys}
