"""Our VOEvents are committed when Comet has broadcast them; none holds the others up."""

import threading
import time

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.edge_outbox import Outbox
from streams.topics import DEAD_LETTER, VOEVENTS
from streams.vtp.outlet import HANGS_AFTER_S, Outlet, OutletError
from streams.vtp.settings import BUSY, SEEN
from streams.vtp.transport import MAX_MESSAGE_BYTES, Answer, NoAnswerError
from tests.streams.edge_fakes import FakeProducer, Fault, Message
from tests.streams.vtp_packets import voevent

ADDRESS = ("127.0.0.1", 1)


class Consumer:
    def __init__(self, *coming):
        self.coming, self.stored, self.is_closed = list(coming), [], False
        self.lost = set()

    def subscribe(self, topics):
        assert topics == [VOEVENTS.name]

    def poll(self, timeout):
        came = self.coming.pop(0) if self.coming else None
        if callable(came):
            return came()
        return came

    def store_offsets(self, message):
        if message.offset() in self.lost:
            raise KafkaException(KafkaError(KafkaError._STATE))
        self.stored.append(message.offset())

    def close(self):
        self.is_closed = True


class Comet:
    """Gives one answer after the other, then ACK."""

    def __init__(self, *answers):
        self.answers, self.got = list(answers), []

    def __call__(self, address, packet):
        assert address == ADDRESS
        self.got.append(packet)
        answer = self.answers.pop(0) if self.answers else Answer(True)
        if isinstance(answer, Exception):
            raise answer
        return answer


def outlet_of(comet, consumer=None, producers=None):
    def client(config):
        producers.append(FakeProducer(config, answer=lambda _: None))
        return producers[-1]

    return Outlet(
        "127.0.0.1:1",
        "group",
        "earliest",
        ADDRESS,
        lambda: Outbox("127.0.0.1:1", client),
        client=lambda _: consumer,
        send=comet,
    )


def records(*packets):
    return [Message(packet, at, name=VOEVENTS.name) for at, packet in enumerate(packets)]


def take(outlet, consumer, messages):
    for message in messages:
        outlet.take(consumer, message)


def test_each_is_handed_on_and_then_committed():
    comet, consumer = Comet(), Consumer()
    outlet = outlet_of(comet)
    packets = [voevent(i) for i in range(3)]
    take(outlet, consumer, records(*packets))
    assert comet.got == packets
    assert consumer.stored == [0, 1, 2]
    assert outlet.positions == {"voevents/0": 3}
    assert outlet.n_sent == 3


def test_one_that_was_broadcast_before_a_crash_is_done():
    comet, consumer = Comet(Answer(False, f"Event rejected: {SEEN}")), Consumer()
    outlet = outlet_of(comet)
    take(outlet, consumer, records(voevent(1), voevent(2)))
    assert consumer.stored == [0, 1]
    assert outlet.n_dead_letters == 0


def test_without_an_answer_it_is_sent_again_and_nothing_is_committed(monkeypatch):
    monkeypatch.setattr("streams.vtp.outlet._RETRY_AFTER_S", 0.0)
    consumer = Consumer()

    class Seeing(Comet):
        def __call__(self, address, packet):
            assert consumer.stored == []
            return super().__call__(address, packet)

    comet = Seeing(*[NoAnswerError("away")] * 5)
    take(outlet_of(comet), consumer, records(voevent(1)))
    assert comet.got == [voevent(1)] * 6
    assert consumer.stored == [0]


def test_one_that_must_wait_for_subscribers_is_sent_again(monkeypatch):
    monkeypatch.setattr("streams.vtp.outlet._BUSY_FOR_S", 0.0)
    comet, consumer = Comet(*[Answer(False, f"Event rejected: {BUSY}")] * 3), Consumer()
    outlet = outlet_of(comet)
    take(outlet, consumer, records(voevent(1)))
    assert comet.got == [voevent(1)] * 4
    assert (consumer.stored, outlet.n_sent) == ([0], 1)


def test_told_to_stop_it_commits_nothing_that_has_no_answer():
    consumer, comet = Consumer(), Comet()
    outlet = outlet_of(comet)

    def stopping(address, packet):
        comet(address, packet)
        outlet.stop()
        raise NoAnswerError("away")

    outlet._send = stopping
    take(outlet, consumer, records(voevent(1), voevent(2)))
    assert comet.got == [voevent(1)]
    assert consumer.stored == []


def test_what_comet_cannot_take_is_buried_with_its_reason_and_the_rest_goes_on():
    comet, consumer, producers = Comet(Answer(False, "Event rejected: schema")), Consumer(), []
    outlet = outlet_of(comet, producers=producers)
    large = voevent(2, size=MAX_MESSAGE_BYTES)
    packets = [b"no xml", large, b"", voevent(3), voevent(4)]
    take(outlet, consumer, records(*packets))
    assert consumer.stored == [0, 1, 2, 3, 4]
    assert comet.got == [voevent(3), voevent(4)]
    (producer,) = producers
    assert [each.topic for each in producer.sent] == [DEAD_LETTER.name] * 4
    assert [each.value for each in producer.sent] == [b"no xml", large, b"", voevent(3)]
    reasons = [each.said["reason"] for each in producer.sent]
    assert "must be well-formed" in reasons[0]
    assert f"at most {MAX_MESSAGE_BYTES} bytes, got {len(large)}" in reasons[1]
    assert "schema" in reasons[3]
    assert {each.said["source"] for each in producer.sent} == {VOEVENTS.name}


def test_one_of_a_partition_that_went_to_another_is_left_to_that_one():
    consumer = Consumer()
    consumer.lost = {0}
    take(outlet_of(Comet()), consumer, records(voevent(1), voevent(2)))
    assert consumer.stored == [1]


def test_it_knows_when_it_has_read_everything():
    outlet, consumer = outlet_of(Comet()), Consumer()
    end = Message(None, -1, name=VOEVENTS.name, fault=Fault(KafkaError._PARTITION_EOF))
    away = Message(None, -1, name=VOEVENTS.name, fault=Fault(KafkaError._ALL_BROKERS_DOWN))
    assert not outlet.is_at_end
    take(outlet, consumer, [*records(voevent(1)), end, away])
    assert outlet.is_at_end
    take(outlet, consumer, records(voevent(2)))
    assert not outlet.is_at_end


def test_a_thread_that_ends_says_why_and_leaves_its_group():
    def breaks():
        raise RuntimeError("broken client")

    consumer = Consumer(*records(voevent(1)), breaks)
    outlet = outlet_of(Comet(), consumer)
    outlet.start()
    outlet._thread.join(30.0)
    with pytest.raises(OutletError, match="topic voevents: broken client"):
        outlet.check()
    assert consumer.stored == [0]
    assert consumer.is_closed


def test_a_thread_that_hangs_says_where(monkeypatch):
    is_in, may_go = threading.Event(), threading.Event()

    def hangs():
        is_in.set()
        may_go.wait(30.0)

    outlet = outlet_of(Comet(), Consumer(hangs))
    outlet.start()
    assert is_in.wait(30.0)
    outlet.check()
    later = time.monotonic() + HANGS_AFTER_S
    monkeypatch.setattr("streams.vtp.outlet.time.monotonic", lambda: later)
    with pytest.raises(OutletError, match="it hangs for"):
        outlet.check()
    may_go.set()
    outlet.stop()
