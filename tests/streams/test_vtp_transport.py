"""What an author says and hears, against Comet's own messages."""

import socket
import struct
import threading
from contextlib import contextmanager

import pytest
from comet.protocol.messages import ack, iamalive, nak

from streams.vtp.transport import Answer, NoAnswerError, submit

IVORN = "ivo://org.test/stream#1"
BROKER = "ivo://org.test/broker"


@contextmanager
def broker(answer):
    """A broker that takes one message and says some bytes; yields its address and what it got."""
    got = []

    def serve():
        connection, _ = listening.accept()
        with connection:
            (length,) = struct.unpack(">I", connection.recv(4, socket.MSG_WAITALL))
            got.append(connection.recv(length, socket.MSG_WAITALL))
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname(), got
        thread.join(30.0)


def framed(message):
    return struct.pack(">I", len(message)) + message


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (ack(BROKER, IVORN), Answer(True)),
        (nak(BROKER, IVORN), Answer(False)),
        (nak(BROKER, IVORN, "because <so>"), Answer(False, "because <so>")),
    ],
)
def test_comets_answers_are_understood(message, answer):
    packet = b"<packet/>" * 10_000
    with broker(framed(message.raw_bytes)) as (address, got):
        assert submit(address, packet) == answer
    assert got == [packet]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "ended before the answer"),
        (b"\0\0\0\x09<a/>", "ended before the answer"),
        (struct.pack(">I", 2**31), "an answer is short, got 2147483648 bytes"),
        (framed(b"no xml"), "an answer is XML"),
        (framed(iamalive(BROKER).raw_bytes), "ack or nak, got 'iamalive'"),
        (framed(b'<!DOCTYPE a [<!ENTITY b "ack">]><a role="&b;&c;"/>'), "an answer is XML"),
    ],
)
def test_anything_else_is_no_answer(said, reason):
    with broker(said) as (address, _), pytest.raises(NoAnswerError, match=reason):
        submit(address, b"<packet/>")


def test_nobody_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
    with pytest.raises(NoAnswerError, match="does not answer"):
        submit(address, b"<packet/>")


def test_a_broker_that_is_silent_is_not_waited_for_without_end():
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        pytest.raises(NoAnswerError, match="timed out"),
    ):
        submit(listening.getsockname(), b"<packet/>", within_s=0.2)
