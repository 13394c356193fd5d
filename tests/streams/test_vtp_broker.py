"""A subscriber that does not keep up is waited for, and cut off when nothing more comes of it."""

import pytest
from comet.protocol.messages import ack, iamaliveresponse
from comet.utility import xml_document
from twisted.internet.testing import StringTransport

from streams.vtp import broker
from streams.vtp.broker import MOST_AHEAD, MOST_UNACKNOWLEDGED, STUCK_AFTER_S, Broadcaster
from tests.streams.vtp_packets import voevent

US, THEM = "ivo://org.test/us#1", "ivo://org.test/them#1"


class Factory:
    local_ivo = US

    def __init__(self):
        self.broadcasters = []


@pytest.fixture
def now(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(broker.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def subscriber(now):
    subscriber = Broadcaster()
    subscriber.factory = Factory()
    subscriber.makeConnection(StringTransport())
    return subscriber


def send(subscriber, n):
    for i in range(n):
        subscriber.send_event(xml_document(voevent(i)))


def answer(subscriber, document=None):
    subscriber.stringReceived((document or ack(THEM, US)).raw_bytes)


def test_one_that_acknowledges_is_not_behind(subscriber):
    for _ in range(3):
        send(subscriber, MOST_AHEAD - 1)
        assert not subscriber.is_behind()
        for _ in range(MOST_AHEAD - 1):
            answer(subscriber)


def test_one_that_acknowledges_slowly_is_waited_for_as_long_as_it_takes(subscriber, now):
    send(subscriber, MOST_AHEAD + 20)
    for _ in range(20):
        now[0] += STUCK_AFTER_S - 1.0
        assert subscriber.is_behind()
        answer(subscriber)
    answer(subscriber)
    assert not subscriber.is_behind()
    assert not subscriber.transport.disconnected


def test_one_that_only_says_that_it_is_alive_is_cut_off(subscriber, now):
    send(subscriber, MOST_AHEAD)
    now[0] += STUCK_AFTER_S - 1.0
    answer(subscriber, iamaliveresponse(THEM, US))
    assert subscriber.is_behind()
    now[0] += 1.0
    assert not subscriber.is_behind()
    assert subscriber.transport.disconnected


def test_the_time_begins_with_what_it_did_not_acknowledge(subscriber, now):
    now[0] += 10 * STUCK_AFTER_S
    send(subscriber, MOST_AHEAD)
    assert subscriber.is_behind()


def test_what_is_sent_to_one_that_acknowledges_nothing_has_a_bound(subscriber):
    send(subscriber, MOST_UNACKNOWLEDGED)
    assert not subscriber.transport.disconnected
    size = len(subscriber.transport.value())
    send(subscriber, 10)
    assert subscriber.transport.disconnected
    assert len(subscriber.transport.value()) == size
