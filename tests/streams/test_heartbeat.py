"""Heartbeats: their wire form, and the latest of each source."""

import time
import uuid

import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from correlator.errors import MalformedPacketError
from correlator.wire import of_json, to_json
from streams.admin import BrokerError, declare
from streams.heartbeat import Heartbeat, latest_heartbeats, latest_of
from streams.topics import HEARTBEAT

times = st.floats(1e9, 2e9)
heartbeats = st.builds(
    Heartbeat,
    source=st.sampled_from(["worker-a", "worker-b", "edge-ztf"]),
    time_unix_s=times,
    last_record_unix_s=st.none() | times,
    positions=st.dictionaries(st.sampled_from(["pairs/0", "pairs/1"]), st.integers(0, 2**62)),
    pending=st.integers(0, 10**6),
    is_idle=st.booleans(),
    complaint=st.none() | st.just("GCN is silent for 75 s"),
)


@given(heartbeats)
def test_what_is_read_is_what_was_written(heartbeat):
    assert of_json(Heartbeat, to_json(heartbeat)) == heartbeat


def test_a_heartbeat_of_an_older_release_has_no_complaint():
    beat = Heartbeat("worker", 1.5e9, None, {}, 0, True)
    older = to_json(beat).replace(b',"complaint":null', b"").replace(b'"complaint":null,', b"")
    assert b"complaint" not in older
    assert of_json(Heartbeat, older) == beat


def test_another_record_is_no_heartbeat():
    with pytest.raises(MalformedPacketError, match="a Heartbeat is expected"):
        of_json(Heartbeat, b'{"source":"worker"}')


@given(st.lists(heartbeats), st.randoms())
def test_the_latest_is_that_of_the_highest_time_in_any_order(beats, random):
    values = [*map(to_json, beats), b"no heartbeat", b""]
    random.shuffle(values)
    latest = latest_of(values)
    assert set(latest) == {beat.source for beat in beats}
    for source, beat in latest.items():
        assert beat.time_unix_s == max(b.time_unix_s for b in beats if b.source == source)


# -- on a real broker ------------------------------------------------------------------------------


@pytest.fixture
def servers(kafka_server):
    declare(kafka_server.bootstrap, [HEARTBEAT], 1)
    return kafka_server.bootstrap


def say(servers, *beats):
    producer = Producer({"bootstrap.servers": servers})
    for beat in beats:
        producer.produce(HEARTBEAT.name, to_json(beat), beat.source.encode())
    assert producer.flush(30) == 0


@pytest.mark.slow
def test_the_latest_heartbeats_come_from_the_end_of_the_topic(servers):
    first, second = (f"worker-{uuid.uuid4().hex}" for _ in range(2))
    now = time.time()
    beats = [
        Heartbeat(source, now + n, None, {"pairs/0": n}, n, False)
        for n in range(1500)
        for source in (first, second)
    ]
    say(servers, *beats)
    found = latest_heartbeats(servers, 60.0)
    assert [found[source] for source in (first, second)] == beats[-2:]


@pytest.mark.slow
def test_what_was_said_longer_ago_is_not_found(servers):
    source = f"worker-{uuid.uuid4().hex}"
    say(servers, Heartbeat(source, time.time(), None, {}, 0, True))
    time.sleep(1.5)
    assert source in latest_heartbeats(servers, 60.0)
    assert source not in latest_heartbeats(servers, 1.0)


@pytest.mark.slow
def test_a_cluster_without_the_topic_is_an_error_in_words():
    with pytest.raises(BrokerError, match=r"broker 127\.0\.0\.1:1: topic heartbeat: can be read"):
        latest_heartbeats("127.0.0.1:1", 60.0)
