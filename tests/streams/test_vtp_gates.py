"""Nothing passes a gate that is not kept; nothing that is kept is forgotten."""

import sqlite3
import tempfile
from pathlib import Path

import pytest
from comet.utility import xml_document
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from streams.spool import Spool
from streams.vtp.gates import (
    MOST_WAITING,
    AuthorGate,
    Batcher,
    OwnGate,
    RefusedError,
    RemoteGate,
)
from streams.vtp.keeper import Keeper
from streams.vtp.seen import KEPT_S, SeenPackets, digest_of
from streams.vtp.settings import BUSY, SEEN, is_of
from tests.streams.vtp_packets import spooled, voevent

NOW_UNIX_S = 1_778_497_231.0
OURS = "ivo://mm-correlator.example/coincidences"


@pytest.fixture
def seen(tmp_path):
    seen = SeenPackets(tmp_path / "seen")
    yield seen
    seen.close()


@pytest.fixture
def keeper(tmp_path, seen):
    spool = Spool(tmp_path / "spool")
    yield Keeper(spool, seen, lambda: NOW_UNIX_S)
    spool.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("keepers")


def event(number, stream="ivo://org.test/stream"):
    return xml_document(voevent(number, stream))


def result_of(deferred):
    """What a deferred came to: a value or a failure; it must have come."""
    came = []
    deferred.addBoth(came.append)
    assert len(came) == 1
    return came[0]


def why(deferred):
    failure = result_of(deferred)
    assert isinstance(failure, Failure)
    return failure.getErrorMessage()


def at_once(function, *words):
    try:
        return succeed(function(*words))
    except sqlite3.Error as error:
        failed = Deferred()
        failed.errback(error)
        return failed


def form_is_well(_):
    return succeed(None)


PACKETS = [(f"name {i}", b"packet %d" % i) for i in range(5)]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.lists(st.sampled_from(PACKETS), max_size=6), st.booleans())))
def test_what_is_new_is_on_the_disk_once_and_what_fails_is_not_remembered(folder, batches):
    here = Path(tempfile.mkdtemp(dir=folder))
    spool, seen = Spool(here / "spool"), SeenPackets(here / "seen")
    put, kept = spool.put, []
    keeper = Keeper(spool, seen, lambda: NOW_UNIX_S)

    def full(_):
        raise sqlite3.OperationalError("database or disk is full")

    for batch, is_full in batches:
        spool.put = full if is_full else put
        new = [p for p in dict.fromkeys(batch) if p not in kept]
        if is_full and new:
            with pytest.raises(sqlite3.OperationalError):
                keeper.keep(batch)
            continue
        said = keeper.keep(batch)
        assert [p for p, is_new in zip(batch, said, strict=True) if is_new] == new
        kept += new
    spool.close()
    seen.close()
    assert spooled(here / "spool") == kept


def test_other_bytes_under_the_same_name_are_another_packet(keeper, tmp_path):
    assert keeper.keep([("a", b"first"), ("a", b"second")]) == [True, True]
    assert spooled(tmp_path / "spool") == [("a", b"first"), ("a", b"second")]


def test_a_memory_that_fails_loses_nothing(keeper, seen, tmp_path):
    seen.close()
    assert keeper.keep(PACKETS[:1]) == [True]
    assert keeper.keep(PACKETS[:1]) == [True]
    assert spooled(tmp_path / "spool") == PACKETS[:1] * 2


def test_a_packet_is_forgotten_after_its_time(seen):
    seen.add([b"old"], NOW_UNIX_S - KEPT_S - 1.0)
    seen.add([b"young"], NOW_UNIX_S - KEPT_S + 1.0)
    later = NOW_UNIX_S + KEPT_S / 100.0
    assert seen.known([b"old", b"young", b"never"]) == {b"old", b"young"}
    seen.add([b"new"], later - KEPT_S / 100.0)
    assert seen.known([b"old", b"young", b"never"]) == {b"young"}


class Threads:
    """Holds what is to be run in a thread until it is told to go on."""

    def __init__(self):
        self.held = []

    def __call__(self, function, *words):
        said = Deferred()
        self.held.append((function, words, said))
        return said

    def go_on(self):
        function, words, said = self.held.pop(0)
        try:
            answer = function(*words)
        except sqlite3.Error:
            said.errback()
        else:
            said.callback(answer)


def test_what_comes_while_the_disk_is_busy_goes_there_together(keeper):
    threads = Threads()
    batcher = Batcher(keeper.keep, threads)
    first = batcher.put(*PACKETS[0])
    others = [batcher.put(*packet) for packet in PACKETS]
    assert len(threads.held) == 1
    assert not first.called
    threads.go_on()
    assert result_of(first) is True
    assert not any(other.called for other in others)
    threads.go_on()
    assert [result_of(other) for other in others] == [False, True, True, True, True]
    assert not threads.held


def test_one_batch_that_fails_does_not_hold_up_the_next(keeper):
    outcomes = iter([sqlite3.OperationalError("disk is full"), None])

    def keep(packets):
        if error := next(outcomes):
            raise error
        return keeper.keep(packets)

    batcher = Batcher(keep, at_once)
    assert "disk is full" in why(batcher.put(*PACKETS[0]))
    assert result_of(batcher.put(*PACKETS[0])) is True


def test_an_author_is_told_what_became_of_a_packet(keeper, tmp_path):
    gate = AuthorGate(Batcher(keeper.keep, at_once), form_is_well, OURS)
    packet = event(1)
    result_of(gate(packet))
    assert why(gate(packet)) == SEEN
    with pytest.raises(RefusedError, match="only we send in that name"):
        gate(event(2, OURS.upper().replace("IVO", "ivo")))
    assert spooled(tmp_path / "spool") == [("ivo://org.test/stream#1", voevent(1))]


def test_an_author_whose_packet_the_disk_did_not_take_may_send_it_again(keeper, tmp_path):
    is_full = [True]

    def keep(packets):
        if is_full.pop() if is_full else False:
            raise sqlite3.OperationalError("database or disk is full")
        return keeper.keep(packets)

    gate = AuthorGate(Batcher(keep, at_once), form_is_well, OURS)
    assert "disk is full" in why(gate(event(1)))
    result_of(gate(event(1)))
    assert [name for name, _ in spooled(tmp_path / "spool")] == ["ivo://org.test/stream#1"]


class Reactor:
    """Calls later when it is told that time has passed."""

    def __init__(self):
        self.due = []

    def __call__(self, delay_s, function, *words):
        self.due.append((function, words))

    def pass_time(self):
        due, self.due = self.due, []
        for function, words in due:
            function(*words)


def test_what_a_remote_sent_is_put_until_the_disk_takes_it(keeper, tmp_path):
    n_failures = [3]

    def keep(packets):
        if n_failures[0]:
            n_failures[0] -= 1
            raise sqlite3.OperationalError("database or disk is full")
        return keeper.keep(packets)

    later = Reactor()
    gate = RemoteGate(Batcher(keep, at_once), OURS, later)
    said = gate(event(1))
    for _ in range(3):
        assert not said.called
        later.pass_time()
    result_of(said)
    assert [name for name, _ in spooled(tmp_path / "spool")] == ["ivo://org.test/stream#1"]
    assert why(gate(event(1))) == SEEN


def test_our_own_packets_do_not_come_back(keeper, tmp_path):
    gate = RemoteGate(Batcher(keeper.keep, at_once), OURS, Reactor())
    with pytest.raises(RefusedError, match="our own"):
        gate(event(1, OURS))
    result_of(gate(event(1, f"{OURS}2")))
    assert [name for name, _ in spooled(tmp_path / "spool")] == [f"{OURS}2#1"]


def test_no_more_is_read_than_may_wait(keeper):
    threads = Threads()
    gate = RemoteGate(Batcher(keeper.keep, threads), OURS, Reactor())
    told = []
    for i in range(MOST_WAITING):
        assert not gate.is_full
        gate(event(i))
    assert gate.is_full
    gate.when_roomy(lambda: told.append(gate.is_full))
    while threads.held:
        assert not told or told == [False]
        threads.go_on()
    assert told == [False]


class Subscriber:
    def __init__(self, breaks=False):
        self.breaks, self.behind, self.sent = breaks, False, []

    def is_behind(self):
        return self.behind

    def send_event(self, packet):
        if self.breaks:
            raise ConnectionError("gone")
        self.sent.append(packet.raw_bytes)
        return succeed(None)


def test_our_own_packet_goes_to_every_subscriber_once(seen):
    subscribers = [Subscriber(), Subscriber(breaks=True), Subscriber()]
    gate = OwnGate(seen, form_is_well, OURS, subscribers, lambda: NOW_UNIX_S)
    result_of(gate(event(1, OURS)))
    assert why(gate(event(1, OURS))) == SEEN
    assert [each.sent for each in subscribers] == [[voevent(1, OURS)], [], [voevent(1, OURS)]]
    assert seen.known([digest_of(voevent(1, OURS))])


def test_our_own_packets_wait_for_subscribers_that_are_behind(seen):
    subscribers = [Subscriber(), Subscriber()]
    gate = OwnGate(seen, form_is_well, OURS, subscribers, lambda: NOW_UNIX_S)
    subscribers[1].behind = True
    with pytest.raises(RefusedError, match=BUSY):
        gate(event(1, OURS))
    subscribers[1].behind = False
    result_of(gate(event(1, OURS)))
    assert [len(each.sent) for each in subscribers] == [1, 1]


def test_nobody_else_is_broadcast_as_us(seen):
    subscriber = Subscriber()
    gate = OwnGate(seen, form_is_well, OURS, [subscriber], lambda: NOW_UNIX_S)
    with pytest.raises(RefusedError, match="begin with"):
        gate(event(1))
    assert subscriber.sent == []


@pytest.mark.parametrize(
    ("ivorn", "expected"),
    [
        (f"{OURS}#1", True),
        (f"{OURS.upper()}#1", True),
        (OURS, False),
        (f"{OURS}2#1", False),
        (f"{OURS}/more#1", False),
    ],
)
def test_an_ivorn_is_of_who_stands_before_the_fragment(ivorn, expected):
    assert is_of(ivorn, OURS) is expected
