"""The process that takes VOEvents: who gets in, what harms it, what is left when it ends.

Kafka is away all the time: what was acknowledged is in the spool.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import closing, suppress

import psutil
import pytest
from comet.protocol.messages import authenticate, iamalive
from lxml import etree

from streams.vtp.broker import MOST_CONNECTIONS
from streams.vtp.settings import SEEN
from streams.vtp.transport import MAX_MESSAGE_BYTES, Answer, NoAnswerError, framed, submit
from tests.ingest_vo import notice_factory as factory
from tests.streams.vtp_packets import spooled, voevent
from tests.streams.vtp_process import OURS, Ours, accepts, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MOST_GROWTH_BYTES = 50 * 2**20
"""What a hostile sender may cost in memory."""


def names(ours):
    return [name for name, _ in spooled(ours.spool)]


def rss(ours):
    return ours.child.memory_info().rss


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """One that takes from 127.0.0.1 alone, for tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("ours")
    with Ours(folder, "--author", "127.0.0.1/32", receive=True) as ours:
        yield ours


def test_what_an_author_sends_is_answered_and_kept(ours):
    address = ours.author_address
    packet = voevent(1, "ivo://org.test/kept")
    assert submit(address, packet) == Answer(True)
    assert ("ivo://org.test/kept#1", packet) in spooled(ours.spool)
    assert submit(address, packet) == Answer(False, f"Event rejected: {SEEN}")
    other = voevent(1, "ivo://org.test/kept", size=100)
    assert submit(address, other) == Answer(True)
    assert [p for n, p in spooled(ours.spool) if n == "ivo://org.test/kept#1"] == [packet, other]


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (voevent(1).replace(b"AuthorIVORN", b"AuthorName"), "AuthorName"),
        (voevent(1).replace(b"#1", b""), "No per-event local ID"),
        (voevent(1).replace(b"ivo://", b"http://"), "Invalid IVOID"),
        (voevent(1, OURS), "only we send in that name"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name(ours, packet, reason):
    before = names(ours)
    answer = submit(ours.author_address, packet)
    assert not answer.is_ack
    assert reason in answer.reason
    assert names(ours) == before


def test_who_is_not_on_the_list_is_not_heard(ours):
    packet = voevent(2, "ivo://org.test/list")
    with pytest.raises(NoAnswerError):
        submit(ours.author_address, packet, source="127.0.0.2")
    assert "Attempted submission from non-whitelisted" in ours.said()
    assert "ivo://org.test/list#2" not in names(ours)
    assert submit(ours.author_address, packet, source="127.0.0.1").is_ack


FILE = "/etc/hostname"


def entity(declared, text):
    """A VOEvent with a DTD, whose IVORN or description uses it."""
    head, _, rest = voevent(3, "ivo://org.test/entity").partition(b"\n")
    dtd = f"<!DOCTYPE v [{declared}]>".encode()
    return head + b"\n" + dtd + rest.replace(b"<Who>", f"<Who>{text}".encode())


LAUGHS = '<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(10)
)

HOSTILE = {
    "file": entity(f'<!ENTITY x SYSTEM "file://{FILE}">', "<Description>&x;</Description>"),
    "file in an attribute": entity(f'<!ENTITY x SYSTEM "file://{FILE}">', '<Author a="&x;"/>'),
    "file by a parameter": entity(f'<!ENTITY % x SYSTEM "file://{FILE}"> %x;', ""),
    "laughs": entity(LAUGHS, "<Description>&k;</Description>"),
    "laughs in an attribute": entity(LAUGHS, '<Author a="&k;"/>'),
    "quadratic": entity(f'<!ENTITY x "{"x" * 40_000}">', '<Author a="' + "&x;" * 15_000 + '"/>'),
    "deep": b"<a>" * 33_000,
    "many attributes": b"<a " + b" ".join(b"a%d=''" % i for i in range(9_000)) + b"/>",
    "no xml": b"\0" * 50_000,
    "no ivorn": b"<VOEvent role='test'/>",
    "no role": b"<VOEvent ivorn='ivo://org.test/entity#3'/>",
    "transport": iamalive("ivo://org.test/other#1").raw_bytes,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_packet_is_not_taken_and_does_no_harm(ours, kind):
    before, child, size = names(ours), ours.child.pid, rss(ours)
    with suppress(NoAnswerError):  # Comet ends the connection
        assert not submit(ours.author_address, HOSTILE[kind]).is_ack
    assert names(ours) == before
    assert submit(ours.author_address, voevent(time.time_ns())).is_ack
    assert ours.child.pid == child
    assert rss(ours) - size < MOST_GROWTH_BYTES


def flood(address, length, n_bytes):
    """Announce a length, then send so many bytes, or as many as are taken."""
    sent, part = 0, b"x" * 2**16
    with closing(socket.create_connection(address, 30.0)) as connection, suppress(OSError):
        connection.sendall(struct.pack(">I", length))
        while sent < n_bytes:
            sent += connection.send(part)
    return sent


@pytest.mark.parametrize("length", [2**31, 50 * 2**20, MAX_MESSAGE_BYTES + 1])
def test_a_message_that_is_too_long_ends_its_connection(ours, length):
    size = rss(ours)
    threads = [
        threading.Thread(target=flood, args=(ours.author_address, length, 50 * 2**20))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert f"Length limit exceeded ({length} bytes)" in ours.said()
    assert rss(ours) - size < MOST_GROWTH_BYTES
    assert submit(ours.author_address, voevent(time.time_ns())).is_ack


def test_the_largest_message_is_taken(ours):
    packet = voevent("largest", size=MAX_MESSAGE_BYTES)
    packet = voevent("largest", size=2 * MAX_MESSAGE_BYTES - len(packet))
    assert len(packet) == MAX_MESSAGE_BYTES
    assert submit(ours.author_address, packet).is_ack
    assert packet in [kept for _, kept in spooled(ours.spool)]


def test_connections_that_say_nothing_are_few_and_give_way(ours):
    idle = [socket.create_connection(ours.author_address) for _ in range(MOST_CONNECTIONS + 20)]
    wait_until(lambda: "too_many_connections" in ours.said())
    for each in idle:
        each.close()
    packet = voevent("after-the-crowd")

    def taken():
        with suppress(NoAnswerError):
            return submit(ours.author_address, packet).is_ack

    wait_until(taken)


class Remote:
    """A broker of another kind, which says what it is told to its first subscriber."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.words = "--remote", f"127.0.0.1:{self.listening.getsockname()[1]}"

    def say(self, messages):
        with self.listening:
            connection, _ = self.listening.accept()
        connection.settimeout(60.0)
        connection.sendall(b"".join(map(framed, messages)))
        return connection


def received(connection, n_bytes):
    read = b""
    while len(read) < n_bytes:
        part = connection.recv(n_bytes - len(read))
        assert part, "the connection ended"
        read += part
    return read


def message(connection):
    (length,) = struct.unpack(">I", received(connection, 4))
    return received(connection, length)


def heard(connection, n):
    """The roles of the next messages."""
    return [etree.fromstring(message(connection)).get("role") for _ in range(n)]


def test_nothing_that_a_remote_sends_is_dropped(tmp_path):
    """What Comet would drop goes on, so that the reader says what is wrong with it."""
    remote = Remote()
    said = [
        voevent(1), b"no xml", voevent(2), HOSTILE["laughs"], HOSTILE["no ivorn"],
        HOSTILE["no role"], voevent(1), voevent(3, OURS), voevent(4).replace(b"#4", b""),
        HOSTILE["file by a parameter"], voevent(5),
    ]  # fmt: skip
    kept = [p for i, p in enumerate(said) if p not in said[:i] and p != voevent(3, OURS)]
    with Ours(tmp_path, *remote.words, "--filter", "//Who") as ours:
        greeting = authenticate("ivo://org.test/remote#1").raw_bytes
        with remote.say([greeting, *said, iamalive("ivo://org.test/remote#1").raw_bytes]) as told:
            wait_until(lambda: len(spooled(ours.spool)) >= len(kept))
            assert [packet for _, packet in spooled(ours.spool)] == kept
            assert sorted(heard(told, 9)) == ["ack"] * 7 + ["authenticate", "iamalive"]
        assert ours.stop() == 0
    assert ours.said().count("message_not_understood") == 4


@pytest.mark.real_data
def test_every_packet_of_a_remote_is_kept_as_it_came(real_data, tmp_path):
    """Also of other versions than 2.0, which Comet takes of no author."""
    files = sorted((real_data / "notices").rglob("*.xml"))
    synthetic = factory.voevent(), factory.svom("grm-trigger", 201), factory.gbm("Flt_Pos", 111)
    packets = [*dict.fromkeys(file.read_bytes() for file in files), *synthetic]
    remote = Remote()
    with Ours(tmp_path, *remote.words) as ours, remote.say(packets):
        wait_until(lambda: len(spooled(ours.spool)) == len(packets))
        assert [packet for _, packet in spooled(ours.spool)] == packets


def test_a_burst_from_a_remote_is_taken_in_order(tmp_path):
    remote = Remote()
    packets = [voevent(i, size=500) for i in range(5000)]
    with Ours(tmp_path, *remote.words) as ours, remote.say(packets) as told:
        wait_until(lambda: len(spooled(ours.spool)) == len(packets))
        assert [packet for _, packet in spooled(ours.spool)] == packets
        assert heard(told, len(packets)) == ["ack"] * len(packets)


def test_nothing_is_left_of_one_that_is_killed_and_its_successor_has_the_port(tmp_path):
    with Ours(tmp_path, receive=True, broadcast=True) as ours:
        child = ours.child
        ours.kill()
        child.wait(30.0)
        assert not psutil.pid_exists(child.pid)
        ours.start()
        assert submit(ours.author_address, voevent(1)).is_ack


def test_a_child_that_is_stuck_goes_with_its_parent(tmp_path):
    with Ours(tmp_path, receive=True) as ours:
        child = ours.child
        child.suspend()
        ours.kill()
        child.resume()
        child.wait(30.0)


def test_it_ends_when_told_and_the_spool_stays(tmp_path):
    with Ours(tmp_path, receive=True) as ours:
        assert submit(ours.author_address, voevent(1)).is_ack
        child = ours.child
        assert ours.stop() == 0
        assert not psutil.pid_exists(child.pid)
        assert not accepts(ours.ports["receive"])
        assert names(ours) == ["ivo://org.test/stream#1"]
        assert "left_in_spool" in ours.said()


def test_by_default_only_this_machine_gets_in(tmp_path):
    with Ours(tmp_path, receive=True, broadcast=True) as ours:
        found = {c.laddr.ip for c in ours.child.net_connections() if c.status == "LISTEN"}
    assert found == {"127.0.0.1"}


def subscribed(ours, source="127.0.0.1"):
    """A connection to our port for subscribers."""
    address = ("127.0.0.1", ours.ports["broadcast"])
    connection = socket.create_connection(address, 60.0, (source, 0))
    connection.settimeout(60.0)
    return connection


@pytest.mark.parametrize("relay", [(), ("--relay",)])
def test_subscribers_get_ours_and_what_others_sent_if_they_shall(tmp_path, relay):
    others, hostile, mine = voevent(1), HOSTILE["file by a parameter"], voevent(1, OURS)
    words = *relay, "--subscriber", "127.0.0.1/32"
    with Ours(tmp_path, *words, receive=True, broadcast=True) as ours, subscribed(ours) as told:
        assert b"authenticate" in message(told)
        wait_until(lambda: "New subscriber" in ours.said())
        assert submit(ours.author_address, others).is_ack
        assert not submit(ours.author_address, hostile).is_ack
        own_address = "127.0.0.1", *ours.own_ports
        assert submit(own_address, mine) == Answer(True)
        assert submit(own_address, mine) == Answer(False, f"Event rejected: {SEEN}")
        assert [message(told) for _ in relay] == [others for _ in relay]
        assert message(told) == mine
        with subscribed(ours, "127.0.0.2") as stranger:
            assert stranger.recv(1) == b""
        assert names(ours) == ["ivo://org.test/stream#1"]
