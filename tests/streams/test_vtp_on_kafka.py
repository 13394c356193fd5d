"""VOEvents end to end: stock Comets, ours, a real Kafka that goes away, and processes that die.

``CORRELATOR_VTP_EVENTS`` says how many VOEvents go through; with more than a thousand Kafka is
away for 30 s.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from comet.utility import xml_document
from confluent_kafka import Consumer, Producer, TopicPartition
from lxml import etree

from streams.admin import declare, left_of
from streams.heartbeat import latest_heartbeats
from streams.topics import DEAD_LETTER, NOTICES_RAW, VOEVENTS
from streams.vtp.settings import SEEN
from streams.vtp.transport import NoAnswerError, submit
from tests.streams.vtp_packets import ivorn_of, voevent
from tests.streams.vtp_process import BIN, OURS, Ours, StockComet, unused_port, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

N = int(os.environ.get("CORRELATOR_VTP_EVENTS", "1000"))
KAFKA_AWAY_S = 8.0 if N <= 1000 else 30.0

N_STREAMS = 100
"""A stock Comet reads all that it remembers of an author for each packet: so there are many."""


def packets_of(numbers, name):
    return [voevent(i, f"ivo://org.test/{name}{i % N_STREAMS}", size=i % 3000) for i in numbers]


def records(servers, topic):
    """Key and value of every record of a topic."""
    config = {"bootstrap.servers": servers, "group.id": "reader", "enable.partition.eof": True}
    consumer = Consumer(config | {"enable.auto.commit": False})
    consumer.assign([TopicPartition(topic.name, 0, 0)])
    found = []
    try:
        while True:
            for message in consumer.consume(1000, timeout=1.0):
                if message.error():
                    return found
                found.append((message.key().decode(), message.value()))
    finally:
        consumer.close()


def notices(servers, packets, within_s):
    """How often each of some packets is on ``notices.raw``, under its IVORN, once all are there."""
    wanted = {(ivorn_of(packet), packet) for packet in packets}

    def look():
        found = Counter(records(servers, NOTICES_RAW))
        return found if wanted <= found.keys() else None

    found = wait_until(look, within_s, f"the arrival of {len(wanted)} packets")
    return {packet: found[name, packet] for name, packet in wanted}


def accepted(address, packet):
    """Send until there is an answer, as an author does; whether the broker has the packet."""
    give_up = time.monotonic() + 120.0
    while True:
        try:
            answer = submit(address, packet)
        except NoAnswerError:
            assert time.monotonic() < give_up
            time.sleep(0.05)
        else:
            return answer.is_ack or SEEN in answer.reason


def send_all(address, packets, n_authors=4):
    """Send packets side by side; those that were taken."""
    with ThreadPoolExecutor(n_authors) as authors:
        taken = list(authors.map(lambda packet: accepted(address, packet), packets))
    return [packet for packet, is_taken in zip(packets, taken, strict=True) if is_taken]


def send_by_comet(address, packet, folder):
    """By Comet's own sender, which ends with 0 after an ACK."""
    file = folder / "sent.xml"
    file.write_bytes(packet)
    command = [sys.executable, str(BIN / "comet-sendvo"), f"--host={address[0]}"]
    command += [f"--port={address[1]}", "-f", str(file)]
    subprocess.run(command, check=True, capture_output=True, timeout=60.0)


def tell(servers, packets):
    """Put VOEvents of ours on their topic."""
    producer = Producer({"bootstrap.servers": servers})
    for packet in packets:
        producer.produce(VOEVENTS.name, packet, b"coincidence")
    assert producer.flush(60.0) == 0


def printed(log):
    """What the plugin print-event printed into a log of twistd."""
    return re.sub(r"^\S+ \[[^\]]*\] ", "", log, flags=re.MULTILINE)


def real_voevents(real_data):
    """Real packets, less one that has no XML: Comet answers nothing to that."""
    packets = [path.read_bytes() for path in sorted((real_data / "notices").rglob("*.xml"))]
    return [packet for packet in packets if packet.lstrip().startswith(b"<")]


@pytest.mark.real_data
def test_notices_come_in_and_coincidences_go_out(own_kafka_server, real_data, tmp_path):
    """By stock Comets on both sides; Kafka is away in the middle; what we send comes back to us."""
    kafka, servers = own_kafka_server, own_kafka_server.bootstrap
    declare(servers, (VOEVENTS,))
    a_receives, a_broadcasts, we_broadcast = unused_port(), unused_port(), unused_port()
    a_words = ["--receive", f"--receive-port={a_receives}", "--broadcast"]
    a_words += [f"--broadcast-port={a_broadcasts}", f"--remote=127.0.0.1:{we_broadcast}"]
    ours = Ours(tmp_path / "ours", "--remote", f"127.0.0.1:{a_broadcasts}", broker=kafka.url)
    ours.ports["broadcast"] = we_broadcast
    saved = tmp_path / "saved"
    c_words = [f"--remote=127.0.0.1:{we_broadcast}", "--print-event", "--save-event"]
    c_words += [f"--save-event-directory={saved}"]
    address = ("127.0.0.1", a_receives)
    coming = packets_of(range(N), "in")
    going = [voevent(i, OURS, "observation", size=i % 2000) for i in range(N // 5)]
    third, half = N // 3, len(going) // 2

    with (
        StockComet(tmp_path, *a_words, name="a") as a,
        ours,
        StockComet(tmp_path, *c_words, name="c"),
    ):
        wait_until(lambda: ours.said().count("New subscriber") == 2, what="two subscriptions")
        wait_until(lambda: "New subscriber" in a.said(), what="our subscription")
        # Stock Comets choose their dbm at the first packet: with several at once they may take one
        # that is not there, and refuse everything from then on.
        tell(servers, going[:1])
        wait_until(lambda: "it is our own" in ours.said() and list(saved.glob("*")))
        tell(servers, going[1:half])
        sent = send_all(address, real_voevents(real_data))
        assert len(sent) >= 400, a.said()[-3000:]
        sent += send_all(address, coming[:third])
        kafka.stop()
        back_at = time.monotonic() + KAFKA_AWAY_S
        sent += send_all(address, coming[third : 2 * third])
        time.sleep(max(0.0, back_at - time.monotonic()))
        kafka.start()
        tell(servers, going[half:])
        sent += send_all(address, coming[2 * third :])
        for i in range(5):
            sent.append(voevent(i, "ivo://org.test/sendvo"))
            send_by_comet(address, sent[-1], tmp_path)
        assert len(sent) >= N + 405

        times = notices(servers, sent, within_s=60.0 + N / 20.0)
        assert set(times.values()) == {1}
        wait_until(lambda: len(list(saved.glob("*"))) >= len(going), 60.0 + N / 5.0, "broadcast")
        slot = (VOEVENTS.name, 0)
        wait_until(lambda: not left_of(servers, "correlator-vtp", [slot])[slot], what="commit")
        assert sorted(path.read_bytes() for path in saved.iterdir()) == sorted(going)
        said = printed((tmp_path / "c" / "log").read_text())
        assert all(etree.tounicode(xml_document(packet).element) in said for packet in going)

        # A has relayed ours back to us.
        wait_until(lambda: ours.said().count("it is our own") == len(going))
        keys = Counter(key for key, _ in records(servers, NOTICES_RAW))
        assert not [key for key in keys if key.startswith(OURS)]
        assert sum(keys.values()) == len(set(sent))
        assert records(servers, DEAD_LETTER) == []
        (mine,) = latest_heartbeats(servers, 60.0).values()
        assert mine.source.endswith(f"-{ours.process.pid}")
        assert mine.positions == {f"{VOEVENTS.name}/0": len(going)}
        assert ours.stop() == 0
    print(f"{len(sent)} in, {len(going)} out, Kafka away for {KAFKA_AWAY_S:g} s")


@pytest.mark.parametrize(
    ("victims", "n_kills"),
    # Each kill of Comet alone doubles the wait for the next one.
    [("comet", 4), ("comet and its parent", N // 200)],
)
def test_what_was_acknowledged_survives_every_kill(kafka_server, tmp_path, victims, n_kills):
    """Kills at moments spread over the run, while four authors send."""
    servers = kafka_server.bootstrap
    rng = random.Random(victims)
    packets = packets_of(range(N), f"{time.time_ns()}-")
    taken = []
    with Ours(tmp_path, broker=kafka_server.url, receive=True) as ours:

        def author(mine):
            for packet in mine:
                assert accepted(ours.author_address, packet)
                taken.append(packet)

        def kill(i):
            at = N * i // (n_kills + 1)
            wait_until(lambda: len(taken) >= at, 300.0, f"the taking of {at}")
            time.sleep(rng.uniform(0.0, 0.05))
            if victims == "comet" or i % 2:
                wait_until(lambda: ours.child, what="start of Comet").kill()
            else:
                ours.kill()
                ours.start()

        with ThreadPoolExecutor(4) as authors:
            feeding = [authors.submit(author, packets[i::4]) for i in range(4)]
            for i in range(1, n_kills + 1):
                kill(i)
            for each in feeding:
                each.result(600.0)
        assert len(taken) == N
        times = notices(servers, taken, within_s=120.0)
        assert ours.stop() == 0
    n_twice = sum(n - 1 for n in times.values())
    print(f"{N} acknowledged, {n_kills} kills of {victims}, {n_twice} came twice")
    assert set(times) == set(packets)


def test_a_voevent_that_comet_never_takes_does_not_hold_up_the_others(own_kafka_server, tmp_path):
    servers = own_kafka_server.bootstrap
    declare(servers, (VOEVENTS,))
    saved = tmp_path / "saved"
    good = [voevent(1, OURS), voevent(2, OURS)]
    bad = [b"no xml", voevent(3, "ivo://org.test/others"), voevent(4, OURS, size=100_000)]
    with Ours(tmp_path / "ours", broker=own_kafka_server.url, broadcast=True) as ours:
        words = [f"--remote=127.0.0.1:{ours.ports['broadcast']}", "--save-event"]
        with StockComet(tmp_path, *words, f"--save-event-directory={saved}"):
            wait_until(lambda: "New subscriber" in ours.said())
            tell(servers, [good[0], *bad, good[1]])
            wait_until(lambda: saved.exists() and len(list(saved.iterdir())) == 2)
            assert sorted(path.read_bytes() for path in saved.iterdir()) == good
        letters = wait_until(lambda: len(f := records(servers, DEAD_LETTER)) == 3 and f)
        assert [value for _, value in letters] == bad
        assert ours.stop() == 0
