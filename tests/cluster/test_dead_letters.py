"""Records that cannot be taken, through an edge, a broker and a worker; and back after a fix."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import uuid
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from correlator.wire import to_json
from ingest_optical.decoder import admit
from ingest_optical.lsst_schemas import schema_of_id
from ingest_optical.packets import RawPacket
from storage.store import Store
from streams.admin import left_of
from streams.topics import OPTICAL_ALERTS
from tests.cluster.cluster import Cluster
from tests.ingest_optical.packet_factory import LSST_SOURCE, lsst_confluent_packet, lsst_record

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KNOWN_ID, NEW_ID = 1101, 9001
LIMIT_BYTES = 4_000
DONE_WITHIN_S = 180.0

SAID = {
    "broken": "the body must follow its Avro schema",
    "unknown": "the schema id must be one of a known LSST schema",
    "oversized": "a record must have at most the bytes that its topic takes",
}


def a_packet(number, n_past=0):
    """A packet of an object of its own; its history makes it large, compressed too."""
    ids = {"diaSourceId": 170_000 + 10_000 * number, "diaObjectId": 5_000 + number}
    mjd, rng = LSST_SOURCE["midpointMjdTai"], random.Random(number)
    past = [
        {
            "diaSourceId": 1_000_000 * number + i,
            "visit": 10 + i,
            "midpointMjdTai": mjd - rng.uniform(1.0, 25.0),
            "psfFlux": rng.uniform(1e3, 1e5),
        }
        for i in range(n_past)
    ]
    return lsst_confluent_packet(KNOWN_ID, lsst_record(past=past, **ids)).data


def of_schema(schema_id, data):
    return b"\0" + schema_id.to_bytes(4, "big") + data[5:]


def key_of(data):
    alert = admit(RawPacket("p", "lsst", data))
    return f"lsst:{alert.object_id}"


def stored(url):
    """Keys of the objects in a store."""
    with Store.open(url, migrate=False) as store:
        return {obj.object_key for obj in store.alerts.objects()}


@pytest.fixture
def survey(own_kafka_server):
    """A topic of a survey."""
    name = f"lsst-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": own_kafka_server.bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30.0)
    return name


@contextmanager
def edge(cluster, survey, folder):
    words = ["ingest", "optical", "--survey", "lsst", "--registry", ""]
    words += ["--source", f"kafka://{cluster.servers}/{survey}", "--group", "edges"]
    with (folder / "edge.log").open("wb") as log:
        process = subprocess.Popen(
            command(*words), stdout=log, stderr=log, env=environment(cluster, folder)
        )
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(60.0) == 0
        finally:
            process.kill()  # nothing, once it has ended


def command(*words):
    return [sys.executable, "-m", "correlator.service.cli", *words]


def environment(cluster, folder):
    chosen = {
        "CORRELATOR_BROKER": f"kafka://{cluster.servers}",
        "CORRELATOR_STORE": cluster.store_url,
        "CORRELATOR_SOURCE_SCHEMAS": str(folder / "schemas"),
        "CORRELATOR_SOURCE_REGISTRY": "",
    }
    return os.environ | chosen


def dead_letter(cluster, folder, *words):
    """What `correlator dead-letter` prints, and its exit state."""
    done = subprocess.run(
        command("dead-letter", *words, "--json"),
        env=environment(cluster, folder),
        capture_output=True,
        check=False,
        timeout=120.0,
    )
    assert done.returncode in (0, 3), done.stderr.decode()
    return json.loads(done.stdout), done.returncode


def take_at_most(servers, n_bytes):
    """Set how large a record of the slim alerts may be; the broker's word, not our table's."""
    entry = ConfigEntry(
        "max.message.bytes", str(n_bytes), incremental_operation=AlterConfigOpType.SET
    )
    topic = ConfigResource(ResourceType.TOPIC, OPTICAL_ALERTS.name, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": servers})
    admin.incremental_alter_configs([topic])[topic].result(30.0)


def test_what_cannot_be_taken_is_buried_and_comes_back_after_a_fix(
    own_kafka_server, survey, tmp_path
):
    good = [a_packet(n) for n in range(40)]
    broken = b"\0\0\0\x04\x4d no record"
    unknown = of_schema(NEW_ID, a_packet(50))
    oversized = a_packet(60, n_past=400)
    assert len(to_json(admit(RawPacket("p", "lsst", oversized)))) > 3 * LIMIT_BYTES
    servers, url = own_kafka_server.bootstrap, f"sqlite:///{tmp_path / 'store.sqlite'}"
    with Cluster(servers, url, tmp_path / "cluster") as cluster:
        take_at_most(servers, LIMIT_BYTES)
        cluster.start()
        producer = Producer({"bootstrap.servers": servers})
        for data in [*good[:20], broken, unknown, oversized, *good[20:]]:
            producer.produce(survey, data)
        assert producer.flush(30.0) == 0
        with edge(cluster, survey, tmp_path):
            slots = [(survey, 0)]
            cluster.wait_until(
                lambda: not sum(left_of(servers, "edges", slots).values()),
                "the edge has read and committed everything",
                DONE_WITHIN_S,
            )
        cluster.wait_until_done(DONE_WITHIN_S)
        assert stored(url) == {key_of(data) for data in good}  # the stream went on

        letters, _ = dead_letter(cluster, tmp_path, "list")
        said = {letter["rule"]: letter["dead_letter_id"] for letter in letters}
        assert set(said) == set(SAID.values())
        found = {what: said[rule] for what, rule in SAID.items()}
        with Store.open(url, migrate=False) as store:
            assert store.dead_letters.packet(found["unknown"]) == unknown
            assert store.dead_letters.packet(found["broken"]) == broken

        returns, state = dead_letter(cluster, tmp_path, "replay", "--all")
        assert (state, returns["refused"], returns["replayed"]) == (3, 3, 0)

        # The fixes: the schema has come, and the topic takes what its table says.
        (tmp_path / "schemas").mkdir(exist_ok=True)
        (tmp_path / "schemas" / f"{NEW_ID}.avsc").write_bytes(schema_of_id(KNOWN_ID))
        take_at_most(servers, OPTICAL_ALERTS.max_message_bytes)
        returns, state = dead_letter(cluster, tmp_path, "replay", "--all")
        outcomes = {r["dead_letter_id"]: r["outcome"] for r in returns["letters"]}
        assert state == 3
        assert outcomes == {
            found["broken"]: "refused",
            found["unknown"]: "replayed",
            found["oversized"]: "replayed",
        }
        cluster.wait_until_done(DONE_WITHIN_S)
        back = {key_of(of_schema(KNOWN_ID, unknown)), key_of(oversized)}
        assert stored(url) == {key_of(data) for data in good} | back
        left, _ = dead_letter(cluster, tmp_path, "list")
        assert [letter["dead_letter_id"] for letter in left] == [found["broken"]]
        cluster.terminate(*cluster.alive)
