"""The edge between a survey and our broker, both faked: what is sent, buried and committed."""

from __future__ import annotations

import dataclasses
from collections import deque

import pytest
from confluent_kafka import KafkaError, KafkaException
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.alert import Alert
from correlator.crossmatch import CatalogAnswer
from correlator.errors import MalformedAlertError
from correlator.wire import of_json, to_json
from ingest_optical.decoder import decode
from ingest_optical.exposures import Exposure
from ingest_optical.packets import RawPacket
from streams import edge as module
from streams.edge_outbox import OutboxError
from streams.edge_source import SourceError
from streams.heartbeat import Heartbeat
from streams.topics import DEAD_LETTER, EXPOSURES, HEARTBEAT, OPTICAL_ALERTS
from tests.ingest_optical.packet_factory import lsst_confluent_packet, lsst_record
from tests.streams.edge_fakes import TOPIC, Fault, Harness, Message, the_end, ztf_message


def slim(harness):
    return [of_json(Alert, value) for value in harness.producer.values(OPTICAL_ALERTS.name)]


def letters(harness):
    return [record for record in harness.producer.sent if record.topic == DEAD_LETTER.name]


def exposures(harness):
    return [of_json(Exposure, value) for value in harness.producer.values(EXPOSURES.name)]


def test_what_passes_the_gate_is_sent_whole_under_its_object():
    harness = Harness()
    good, bad = ztf_message(0), ztf_message(1, rb=0.1)
    assert harness.run([good, bad])
    (sent,) = [r for r in harness.producer.sent if r.topic == OPTICAL_ALERTS.name]
    alert = decode(RawPacket("p", None, good.data))
    assert sent.value == to_json(alert)
    assert sent.key == alert.object_id.encode()
    assert harness.edge.stats.rejected == {"low_real_bogus_forest": 1}
    assert harness.committed == {(TOPIC, 0): 2}


def test_what_passes_is_tagged_together_and_nothing_else_is():
    asked = []

    def tag(alerts):
        asked.append([alert.alert_id for alert in alerts])
        said = CatalogAnswer.of("gaia", (), "3f9a")
        return [dataclasses.replace(alert, tags=(said,)) for alert in alerts]

    harness = Harness(tag=tag)
    harness.run([ztf_message(at, rb=0.9 if at % 2 else 0.1) for at in range(8)])
    sent = slim(harness)
    assert [alert.alert_id for alert in sent] in asked
    assert len(sent) == 4
    assert {alert.tags[0].version for alert in sent} == {"3f9a"}


def test_every_alert_counts_for_its_image_whether_it_passes_or_not():
    harness = Harness()
    messages = [ztf_message(at, rb=0.9 if at % 2 else 0.1) for at in range(8)]
    harness.run(messages)
    found = exposures(harness)
    assert [e.exposure_id for e in found] == ["2570000000000", "2570000000001"]
    assert [(e.n_alerts, e.n_passed) for e in found] == [(4, 2), (4, 2)]
    assert harness.edge.stats.n_without_image == 0


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"rubbish", "a packet must be Avro or JSON"),
        (b"", "a packet must be Avro or JSON"),
        (None, "a packet must be Avro or JSON"),
        (b"\0" + bytes(16 * 2**20), "a packet must have at most 16777216 bytes"),
        (lsst_confluent_packet(1101, lsst_record()).data, "the packet must be of ztf"),
    ],
)
def test_what_cannot_be_read_is_buried_with_its_bytes_and_the_stream_goes_on(data, rule):
    harness = Harness()
    message = Message(data, 7, said_key=b"a key")
    assert harness.run([message, ztf_message(8)])
    (letter,) = letters(harness)
    assert letter.value == (data or b"")
    assert letter.key == TOPIC.encode()
    said = letter.said
    assert said.pop("reason").startswith(f"{TOPIC}/0@7: {rule}")
    assert said == {
        "source": TOPIC,
        "name": f"a key [{TOPIC}/0@7]",
        "rule": rule,
        "key": "a key",
    }
    assert len(slim(harness)) == 1
    assert harness.committed == {(TOPIC, 0): 9}


def test_a_schema_that_nobody_knows_is_buried_and_says_which():
    harness = Harness(survey="lsst")
    harness.run([Message(b"\0\0\0\x27\x0frecord", 0)])
    (letter,) = letters(harness)
    assert letter.said["rule"] == "the schema id must be one of a known LSST schema"
    assert letter.said["reason"].endswith("got 9999")


def test_a_schema_of_the_registry_is_read_with_and_archived_with():
    """The archive must be readable without the registry."""
    packet = lsst_confluent_packet(1101, lsst_record())
    moved = b"\0\0\0\x27\x0f" + packet.data[5:]
    known = module.schema_of_id(1101)
    kept = Kept()
    harness = Harness(kept, lambda i: known if i == 9999 else None, survey="lsst")
    harness.run([Message(moved, 0), Message(packet.data, 1)])
    first, second = slim(harness), kept.packets
    assert [a.schema_version for a in first] == ["11.1"]  # id 1101 is not in this registry
    assert [decode(RawPacket("p", None, data)) for data in second] == first


class Kept:
    """An archive in memory."""

    def __init__(self):
        self.packets, self.calls = [], []

    def append(self, alert, packet, slot, offset):
        assert isinstance(alert, Alert)
        self.packets.append(packet.data)
        self.calls.append(("append", slot, offset))

    def sync(self):
        self.calls.append(("sync",))


def test_what_is_admitted_is_archived_on_disk_before_its_offset_is_committed():
    kept = Kept()
    harness = Harness(kept)
    commit = harness.consumer.commit
    harness.consumer.commit = lambda **said: (kept.calls.append(("commit",)), commit(**said))
    message = ztf_message(3)
    harness.run([message, ztf_message(4, rb=0.1)])
    assert kept.packets == [message.data]
    assert kept.calls[:3] == [("append", (TOPIC, 0), 3), ("sync",), ("commit",)]


def test_an_archive_that_cannot_be_written_ends_the_edge_without_a_commit():
    class Full(Kept):
        def sync(self):
            raise OSError("no space left on device")

    harness = Harness(Full())
    with pytest.raises(OSError, match="no space left"):
        harness.run([ztf_message(0)])
    assert harness.consumer.committed == []
    assert harness.consumer.calls[-1] == ("close",)


def test_nothing_is_committed_before_everything_before_it_is_acknowledged():
    harness = Harness()
    held = b"ZTF24aaaaaaa"
    harness.producer.answer = lambda record: ... if record.key == held else None
    assert not harness.run([ztf_message(0)], [ztf_message(1, rb=0.1)], [ztf_message(2, rb=0.1)])
    assert harness.committed == {}


def test_an_acknowledgement_frees_what_waited_behind_it():
    harness = Harness()
    rounds = iter([..., ..., ..., ...])
    harness.producer.answer = lambda _: next(rounds, None)
    assert harness.run([ztf_message(0)], [ztf_message(1, rb=0.1)], spare_rounds=8)
    assert harness.committed == {(TOPIC, 0): 2}


def test_a_slim_alert_that_its_topic_does_not_take_is_buried_as_its_packet(monkeypatch):
    small = dataclasses.replace(OPTICAL_ALERTS, max_message_bytes=100)
    monkeypatch.setattr(module, "OPTICAL_ALERTS", small)
    harness = Harness()
    message = ztf_message(0)
    assert harness.run([message])
    (letter,) = letters(harness)
    assert letter.value == message.data
    assert letter.said["rule"] == "a slim alert must have at most 100 bytes"
    assert exposures(harness) == []


def test_a_full_outbox_pauses_the_reading_and_an_empty_one_resumes_it():
    harness = Harness(most_waiting=1)
    answers = iter([..., ...])
    harness.producer.answer = lambda _: next(answers, None)
    assert harness.run([ztf_message(0)], [], [], [], [ztf_message(1)])
    calls = [call[0] for call in harness.consumer.calls if call[0] in ("pause", "resume")]
    assert calls[0] == "pause"
    assert calls[-1] == "resume"
    assert harness.committed == {(TOPIC, 0): 2}


def test_partitions_that_go_to_another_reader_are_finished_first():
    harness = Harness(commit_interval_s=1e9)

    def rebalance():
        assert harness.committed == {}
        harness.revoke(0)
        return [ztf_message(1, 0), ztf_message(5, 1)]  # of both, read before the callback

    assert harness.run([ztf_message(0, 0), ztf_message(4, 1)], rebalance, partitions=(0, 1))
    said, asynchronous = harness.consumer.committed[0]
    assert said == {(TOPIC, 0): 1, (TOPIC, 1): 5}
    assert not asynchronous
    # What was read of the lost partition is another reader's: not sent, not committed.
    assert harness.committed == {(TOPIC, 0): 1, (TOPIC, 1): 6}
    assert len(slim(harness)) == 3


def test_partitions_that_were_lost_are_not_committed():
    harness = Harness(commit_interval_s=1e9)

    def lose():
        harness.lose(0)
        return []

    assert harness.run([ztf_message(0)], lose)
    assert harness.consumer.committed == []


def test_a_heartbeat_says_where_the_edge_is_and_whether_it_is_idle():
    harness = Harness()
    harness.run([ztf_message(0), the_end()])
    heartbeats = [of_json(Heartbeat, v) for v in harness.producer.values(HEARTBEAT.name)]
    assert heartbeats[0].source == "edge-test"
    harness.edge._beat()
    last = of_json(Heartbeat, harness.producer.values(HEARTBEAT.name)[-1])
    assert last.is_idle
    assert last.positions == {f"{TOPIC}/0": 1}
    assert last.pending == 0


def test_a_heartbeat_is_not_idle_before_the_end_of_every_partition():
    harness = Harness()
    harness.run([ztf_message(0, 0), the_end(1)], partitions=(0, 1))
    harness.edge._beat()
    assert not of_json(Heartbeat, harness.producer.values(HEARTBEAT.name)[-1]).is_idle


def test_an_error_of_the_source_that_will_pass_is_waited_out():
    harness = Harness()
    away = Message(None, -1, fault=Fault(KafkaError._ALL_BROKERS_DOWN))
    absent = Message(None, -1, fault=Fault(KafkaError.UNKNOWN_TOPIC_OR_PART))
    assert harness.run([away, absent], [ztf_message(0)])
    assert harness.committed == {(TOPIC, 0): 1}


def test_an_error_of_the_source_that_will_not_pass_ends_the_edge():
    harness = Harness()
    fatal = Message(None, -1, fault=Fault(KafkaError.FENCED_INSTANCE_ID, fatal=True))
    with pytest.raises(SourceError, match=r"source 127\.0\.0\.1:1"):
        harness.run([ztf_message(0)], [fatal])


def test_an_error_of_our_broker_that_will_not_pass_ends_the_edge():
    harness = Harness()
    harness.producer.answer = lambda _: Fault(KafkaError.INVALID_PRODUCER_EPOCH, fatal=True)
    with pytest.raises(OutboxError, match=r"optical\.alerts"):
        harness.run([ztf_message(0)])
    assert harness.consumer.committed == []


def test_a_commit_that_fails_is_made_good_by_the_next():
    harness = Harness()
    commit = harness.consumer.commit
    failures = deque([KafkaException(Fault(KafkaError._TRANSPORT))])

    def once(**said):
        if failures:
            raise failures.popleft()
        commit(**said)

    harness.consumer.commit = once
    assert harness.run([ztf_message(0)], [ztf_message(1)])
    assert harness.committed == {(TOPIC, 0): 2}


@pytest.mark.parametrize("is_told_later", [False, True])
def test_a_commit_that_fails_is_made_good_though_nothing_more_comes(is_told_later):
    harness = Harness()
    commit = harness.consumer.commit
    failures = deque([KafkaException(Fault(KafkaError.ILLEGAL_GENERATION))])

    def once(offsets, asynchronous):
        if not failures:
            commit(offsets=offsets, asynchronous=asynchronous)
        elif is_told_later:
            refused = failures.popleft().args[0]
            harness.consumer.batches.appendleft(
                lambda: harness.consumer.config["on_commit"](refused, offsets) or []
            )
        else:
            raise failures.popleft()

    harness.consumer.commit = once
    assert harness.run([ztf_message(0)])
    assert harness.committed == {(TOPIC, 0): 1}


def test_an_edge_whose_last_commit_fails_says_that_not_all_is_committed():
    harness = Harness(commit_interval_s=1e9)

    def never(**_):
        raise KafkaException(Fault(KafkaError.REBALANCE_IN_PROGRESS))

    harness.consumer.commit = never
    assert not harness.run([ztf_message(0)])


def test_a_refused_commit_of_a_partition_that_went_is_dropped():
    harness = Harness()
    refused = KafkaException(Fault(KafkaError.ILLEGAL_GENERATION)).args[0]
    commit = harness.consumer.commit
    harness.consumer.commit = lambda offsets, asynchronous: harness.consumer.config["on_commit"](
        refused, offsets
    )

    def go():
        harness.lose(0)
        harness.consumer.commit = commit
        return []

    assert harness.run([ztf_message(0), ztf_message(7, n=1)], [], go, partitions=(0, 1))
    assert harness.committed == {(TOPIC, 1): 8}


batches = st.lists(st.lists(st.tuples(st.booleans(), st.integers(0, 2)), max_size=5), max_size=5)


@settings(max_examples=60, deadline=None)
@given(batches, st.data())
def test_whatever_the_broker_does_every_alert_that_is_committed_was_acknowledged(plan, data):
    """At any moment: what is committed, every record before it was sent and acknowledged."""
    harness = Harness()
    acknowledged = set()

    def answer(record):
        said = data.draw(st.sampled_from([None, None, ...]))
        if said is None:
            acknowledged.add(record.value)
        return said

    harness.producer.answer = answer
    places = [0, 0, 0]
    messages, expected = [], {}
    for batch in plan:
        messages.append([])
        for is_good, n in batch:
            message = ztf_message(places[n], n, rb=0.9 if is_good else 0.1)
            messages[-1].append(message)
            if is_good:
                alert = decode(RawPacket("p", None, message.data))
                expected[n, places[n]] = to_json(alert)
            places[n] += 1
    commit = harness.consumer.commit

    def checked(offsets, asynchronous):
        for slot in offsets:
            before = [
                v for (n, at), v in expected.items() if n == slot.partition and at < slot.offset
            ]
            assert set(before) <= acknowledged
        commit(offsets=offsets, asynchronous=asynchronous)

    harness.consumer.commit = checked
    finished = harness.run(*messages, partitions=(0, 1, 2))
    if finished:
        assert set(expected.values()) <= acknowledged
        wanted = {(TOPIC, n): at for n, at in enumerate(places) if at}
        assert harness.committed == wanted


def test_what_the_gate_turns_away_is_not_judged_further():
    """A magnitude that cannot be is no matter where the score says no; else it is buried."""
    harness = Harness()
    harness.run([ztf_message(0, magpsf=-5.0, rb=0.1), ztf_message(1, magpsf=-5.0)])
    (letter,) = letters(harness)
    assert "magpsf must lie in" in letter.said["rule"]
    with pytest.raises(MalformedAlertError):
        decode(RawPacket("p", None, ztf_message(0, magpsf=-5.0, rb=0.1).data))


@pytest.mark.parametrize("rb", [0.9, 0.1])
def test_a_packet_at_an_impossible_place_is_buried_whether_it_passes_the_gate_or_not(rb):
    harness = Harness()
    assert harness.run([ztf_message(0, rb=rb, ra=400.0), ztf_message(1)])
    (letter,) = letters(harness)
    assert letter.said["rule"] == "ra must lie in [0, 360] and dec in [-90, 90] deg"
    assert len(slim(harness)) == 1
    assert harness.committed == {(TOPIC, 0): 2}
