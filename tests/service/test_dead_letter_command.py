"""Dead letters: listed, shown, and put back once they can be understood."""

import json
import random
import time
import uuid

import pytest
from confluent_kafka import Consumer, TopicPartition

from correlator.alert import Alert
from correlator.policy import DAY_S, Policy
from correlator.service.archive import Delivery
from correlator.service.commands.check import heartbeats_found
from correlator.service.letters import Outcome, put_back
from correlator.service.outlets import EmbeddedOutlet, KafkaOutlet
from correlator.service.wiring import running
from correlator.wire import to_json
from ingest_optical.decoder import admit
from ingest_optical.lsst_schemas import schema_json, schema_of_id
from storage.store import Store
from streams.admin import BrokerError, declare
from streams.settings import StreamSettings
from streams.topics import NOTICES_RAW, OPTICAL_ALERTS, Topic, partition_of
from tests import builders
from tests.ingest_optical.packet_factory import (
    lsst_confluent_packet,
    lsst_record,
    ztf_packet,
)
from tests.ingest_vo.notice_factory import gbm
from tests.service.test_commands import correlator

NOTICE = gbm("Fin_Pos", 115)
ALERT = to_json(builders.an_alert())
UNKNOWN_ID = 424_242


@pytest.fixture
def schemas(tmp_path):
    return tmp_path / "schemas"


@pytest.fixture
def url(tmp_path, monkeypatch, schemas):
    """A store of an installation without a cluster and without a network."""
    monkeypatch.setenv("CORRELATOR_BROKER", "memory://tests")
    monkeypatch.setenv("CORRELATOR_SOURCE_REGISTRY", "")
    monkeypatch.setenv("CORRELATOR_SOURCE_SCHEMAS", str(schemas))
    return f"sqlite:///{tmp_path}/store.sqlite"


@pytest.fixture
def store(url):
    with Store.open(url) as opened:
        yield opened


def bury(store, source, packet, key="a key", reason="was refused", when=1.7e9):
    """Id of a new dead letter."""
    name = f"{key} [{source}/0@1]"
    return store.dead_letters.put(source, name, packet, reason, when, record_key=key)


def command(url, *words, code=0):
    """What a sub-command says; ``--json`` is read."""
    done = correlator("dead-letter", *words, "--store", url)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if "--json" in words else done.stdout


# -- list and show ---------------------------------------------------------------------------------


def test_the_list_has_the_latest_first_with_all_fields(url, store):
    ids = [bury(store, "notices.raw", bytes([n]), when=1.7e9 + n) for n in range(3)]
    rows = command(url, "list", "--json")
    assert [row["dead_letter_id"] for row in rows] == ids[::-1]
    assert rows[2] == {
        "dead_letter_id": ids[0],
        "source": "notices.raw",
        "packet_name": "a key [notices.raw/0@1]",
        "packet_sha256": store.dead_letters.get(ids[0]).packet_sha256,
        "rule": "was refused",
        "reason": "was refused",
        "received_unix_s": 1.7e9,
        "record_key": "a key",
        "replayed_unix_s": None,
        "audience": [],
        "received_time": "2023-11-14T22:13:20.000000Z",
        "replayed_time": None,
    }


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], {"notice", "alert", "late"}),
        (["--source", "notices.raw"], {"notice", "late"}),
        (["--rule", "a late rule"], {"late"}),
        (["--since", "2024-01-15T00:00:00Z"], {"late"}),
        (["--limit", "1"], {"late"}),
        (["--include-replayed"], {"notice", "alert", "late", "replayed"}),
        (["--source", "elsewhere"], set()),
    ],
)
def test_the_list_takes_filters(url, store, words, found):
    bury(store, "notices.raw", b"1", "notice")
    bury(store, "optical.alerts", b"2", "alert")
    bury(store, "notices.raw", b"3", "late", "a late rule", when=1.71e9)
    replayed = bury(store, "pairs", b"4", "replayed")
    store.dead_letters.mark_replayed(replayed, 1.72e9)
    assert {row["record_key"] for row in command(url, "list", "--json", *words)} == found


def test_the_table_shows_what_a_packet_says_as_it_is(url, store):
    bury(store, "notices.raw", b"1", "[bold]key[/bold]")
    assert "[bold]key[/bold]" in command(url, "list")
    assert "replayed_time" in command(url, "list", "--include-replayed")


def test_a_letter_is_shown_in_full_and_its_bytes_to_the_last(url, store):
    packet = "\0<VOEvent é\r\n".encode()
    letter = bury(store, "notices.raw", packet, reason="no XML")
    shown = command(url, "show", letter, "--json")
    assert (shown["reason"], shown["n_bytes"]) == ("no XML", len(packet))
    assert "no XML" in command(url, "show", letter)
    assert command(url, "show", letter, "--raw").encode() == packet


@pytest.mark.parametrize(
    "words",
    [["show", "nobody"], ["replay", "nobody"], ["replay"], ["replay", "--all", "--rule", "r"]],
    ids=" ".join,
)
def test_bad_usage_is_exit_two(url, words):
    assert correlator("dead-letter", *words, "--store", url).returncode == 2


# -- replay in process -----------------------------------------------------------------------------


def test_a_notice_that_is_understood_now_goes_through(url, store):
    letter = bury(store, "notices.raw", NOTICE)
    told = command(url, "replay", letter, "--json")
    assert (told["replayed"], told["rejected"], told["refused"]) == (1, 0, 0)
    assert told["letters"][0]["topic"] == "notices.raw"
    (event,) = store.events.all()
    assert event.event_id == "800190036"
    assert command(url, "list", "--json") == []
    (row,) = command(url, "list", "--include-replayed", "--json")
    assert abs(row["replayed_unix_s"] - time.time()) < 120.0


@pytest.mark.slow
def test_what_is_still_refused_stays_with_the_reason_and_is_exit_three(url, store):
    bad = bury(store, "notices.raw", b"<VOEvent", "bad")
    good = bury(store, "notices.raw", NOTICE, "good")
    told = command(url, "replay", "--source", "notices.raw", "--json", code=3)
    assert (told["replayed"], told["refused"]) == (1, 1)
    outcomes = {row["dead_letter_id"]: row for row in told["letters"]}
    assert outcomes[good]["outcome"] == "replayed"
    assert outcomes[bad]["outcome"] == "refused"
    assert "bad: " in outcomes[bad]["reason"]
    assert [row["dead_letter_id"] for row in command(url, "list", "--json")] == [bad]
    said = command(url, "replay", "--all", code=3)
    assert said.startswith(f"{bad} refused: bad: ")
    assert "0 replayed, 0 rejected, 1 refused" in said


def test_a_slim_alert_goes_back_to_the_join(url, store):
    bury(store, "optical.alerts", ALERT, builders.an_alert().object_id)
    command(url, "replay", "--rule", "was refused", "--json")
    assert store.counts()["alerts"] == 1


def test_a_letter_of_an_older_release_has_its_key_in_its_name(url, store):
    store.dead_letters.put("notices.raw", "ivo://k#1 [notices.raw/0@7]", NOTICE, "r", 1.7e9)
    command(url, "replay", "--all")
    ((name, *_),) = store.notices.packets_of_event(next(iter(store.events.all())).event_key)
    assert name == "ivo://k#1"


def test_what_the_edge_refused_becomes_the_alert_that_it_would_have_sent(url, store):
    packet = ztf_packet()
    bury(store, "ztf_20240115_programid1", packet.data)
    told = command(url, "replay", "--all", "--json")
    assert told["letters"][0]["topic"] == "optical.alerts"
    alert = admit(packet)
    assert isinstance(alert, Alert)
    assert store.counts()["alerts"] == 1
    assert list(store.alerts.get_objects([f"ztf:{alert.object_id}"]))


def test_a_packet_of_an_unknown_schema_goes_through_once_the_schema_is_known(url, store, schemas):
    framed = lsst_confluent_packet(1000, lsst_record()).data
    packet = framed[:1] + UNKNOWN_ID.to_bytes(4, "big") + framed[5:]
    letter = bury(store, "alerts-simulated", packet)
    told = command(url, "replay", "--all", "--json", code=3)
    assert "schema" in told["letters"][0]["reason"]
    schemas.mkdir()
    (schemas / f"{UNKNOWN_ID}.avsc").write_bytes(schema_json(10, 0))
    assert command(url, "replay", letter, "--json")["replayed"] == 1
    assert store.counts()["alerts"] == 1


def test_what_the_gate_turns_away_needs_no_further_try(url, store):
    bury(store, "ztf_20240115_programid1", ztf_packet(rb=0.0, drb=0.0).data)
    told = command(url, "replay", "--all", "--json")
    assert (told["rejected"], told["refused"]) == (1, 0)
    assert "quality gate" in told["letters"][0]["reason"]
    assert command(url, "list", "--json") == []
    assert store.counts()["alerts"] == 0


def test_a_packet_of_another_survey_than_its_topic_stays_refused(url, store):
    bury(store, "lsst-alerts", ztf_packet().data)
    told = command(url, "replay", "--all", "--json", code=3)
    assert "the packet must be of lsst" in told["letters"][0]["reason"]


def test_nothing_to_replay_is_done_at_once(url):
    assert command(url, "replay", "--all") == "0 replayed, 0 rejected, 0 refused\n"


# -- outlets ---------------------------------------------------------------------------------------


class RefusingOutlet:
    """Refuses every second delivery."""

    async def deliver(self, deliveries):
        return ["no room" if n % 2 else None for n, _ in enumerate(deliveries)]


async def test_what_the_outlet_refuses_is_not_marked(store):
    letters = [
        store.dead_letters.get(bury(store, source, b"bytes", reason=f"reason {n}"))
        for n, source in enumerate(40 * ["pairs", "exposures"])
    ]
    backs = [
        back async for back in put_back(letters, store, RefusingOutlet(), schema_of_id, lambda: 2e9)
    ]
    assert [back.letter for back in backs] == letters
    taken = {b.letter.dead_letter_id for b in backs if b.outcome is Outcome.REPLAYED}
    left = {x.dead_letter_id for x in store.dead_letters.list(limit=1000)}
    # Each pairs record is refused before it is sent: of the others every second one is.
    assert 15 <= len(taken) <= 25
    assert left == {x.dead_letter_id for x in letters} - taken
    assert {b.reason for b in backs if b.letter.source == "exposures"} == {None, "no room"}


async def test_the_embedded_outlet_says_which_one_the_pipeline_refuses(store):
    settings = StreamSettings(broker_url="memory://outlet")
    async with running(settings, store, Policy(), lambda: 1.7e9) as pipeline:
        deliveries = [
            Delivery(0.0, NOTICES_RAW.name, "good", NOTICE),
            Delivery(0.0, NOTICES_RAW.name, "bad", b"<VOEvent"),
            Delivery(0.0, OPTICAL_ALERTS.name, "o", ALERT),
        ]
        reasons = await EmbeddedOutlet(pipeline).deliver(deliveries)
    assert [reason is None for reason in reasons] == [True, False, True]
    assert len(store.dead_letters.list()) == 1


# -- on a real broker ------------------------------------------------------------------------------


def read_all(servers, topic, partition):
    """Keys and values of a partition."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "nobody"})
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition))
    consumer.assign([TopicPartition(topic, partition, 0)])
    found = consumer.consume(end, timeout=20.0) if end else []
    consumer.close()
    return [(m.key(), m.value()) for m in found]


@pytest.fixture
def cluster(own_kafka_server, url, monkeypatch):
    """The product's own topics, on a broker that no other test sees."""
    monkeypatch.setenv("CORRELATOR_BROKER", own_kafka_server.url)
    return own_kafka_server.bootstrap


@pytest.fixture
def small_topic(kafka_server):
    topic = Topic(f"test.{uuid.uuid4().hex}", "k", "v", 1, DAY_S, 100_000)
    declare(kafka_server.bootstrap, [topic], 1)
    return topic.name


def check(url, code):
    """The rows of ``correlator check``, by name."""
    done = correlator("check", "--json", "--store", url)
    assert done.returncode == code, done.stdout
    return {row["check"]: row for row in json.loads(done.stdout)}


@pytest.mark.slow
def test_a_replay_on_a_cluster_puts_the_bytes_where_they_came_from(url, cluster, store):
    before = check(url, 1)
    assert before["topics"]["details"][0]["found"] is None
    told = json.loads(correlator("topics", "declare", "--json").stdout)
    assert (told["copies"], told["differences"]) == (1, [])
    bury(store, "notices.raw", NOTICE, "ivo://k#1")
    bury(store, "optical.alerts", ALERT, "ZTF25aaaaaaa")
    bury(store, "notices.raw", b"<VOEvent", "bad")
    told = command(url, "replay", "--all", "--json", code=3)
    assert (told["replayed"], told["refused"]) == (2, 1)
    assert read_all(cluster, "notices.raw", 0) == [(b"ivo://k#1", NOTICE)]
    partition = partition_of(b"ZTF25aaaaaaa", OPTICAL_ALERTS.partitions)
    assert read_all(cluster, "optical.alerts", partition) == [(b"ZTF25aaaaaaa", ALERT)]
    assert len(store.dead_letters.list()) == 1
    after = check(url, 0)
    assert after["topics"]["ok"]
    assert after["heartbeats"]["warning"]
    lag = {row["topic"]: row["records"] for row in after["lag"]["details"]}
    assert lag == {
        "optical.alerts": 1,
        "notices.raw": 1,
        "pairs": 0,
        "revisions": 0,
        "dead_letter": 0,
    }


@pytest.mark.slow
async def test_what_is_over_a_topics_limit_is_refused_and_the_rest_goes(kafka_server, small_topic):
    sizes = 10, 150_000, 20, 64 * 2**20
    # Noise, which compression does not make smaller.
    noise = random.Random(1)
    deliveries = [Delivery(0.0, small_topic, "k", noise.randbytes(size)) for size in sizes]
    reasons = await KafkaOutlet(kafka_server.bootstrap).deliver(deliveries)
    assert [reason is None for reason in reasons] == [True, False, True, False]
    assert f"150000 bytes are too large for topic {small_topic}" in reasons[1]
    found = read_all(kafka_server.bootstrap, small_topic, 0)
    assert [len(value) for _, value in found] == [10, 20]


@pytest.mark.slow
async def test_a_topic_that_is_not_there_is_an_error_in_words(kafka_server):
    outlet = KafkaOutlet(kafka_server.bootstrap)
    with pytest.raises(BrokerError, match="topic nowhere: exists"):
        await outlet.deliver([Delivery(0.0, "nowhere", "k", b"v")])


# -- correlator check ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ages_s", "complaints", "is_warning", "said"),
    [
        ({}, {}, True, "no worker and no edge"),
        ({"worker-a": 0.8, "edge-ztf": 9.9}, {}, False, "2 sources, the oldest 9.9 s ago"),
        ({"worker-a": 0.8, "edge-ztf": 12.4}, {}, True, "silent: edge-ztf for 12 s"),
        ({"worker-a": 0.8, "edge-gcn": 0.3}, {"edge-gcn": "GCN is silent"}, True, "edge-gcn: GCN"),
        ({"edge-gcn": 12.4}, {"edge-gcn": "GCN is silent"}, True, "silent: edge-gcn for 12 s"),
    ],
)
def test_a_source_that_is_silent_or_complains_is_named(ages_s, complaints, is_warning, said):
    found = heartbeats_found(ages_s, complaints)
    assert (found.is_ok, found.is_warning) == (True, is_warning)
    assert said in found.said
    assert {row["source"]: row["complaint"] for row in found.details} == {
        name: complaints.get(name) for name in ages_s
    }


def test_what_a_silent_source_complained_of_last_is_not_said():
    assert (
        heartbeats_found({"edge": 99.0}, {"edge": "GCN is silent"}).said == "silent: edge for 99 s"
    )
