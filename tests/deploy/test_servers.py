"""The scripts that run the servers: what was written is there after every end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tests.servers import KafkaServer, PostgresServer, own_database

pytestmark = pytest.mark.slow

LARGE = os.urandom(9_000_000)
"""As a sky map in a notice."""


def made_topic(server: KafkaServer) -> str:
    name = f"topic-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(20.0)
    return name


def produce(server: KafkaServer, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": server.bootstrap, "message.max.bytes": 32_000_000})
    producer.produce(topic, value)
    assert producer.flush(20.0) == 0


def consume(server: KafkaServer, topic: str, n: int) -> list[bytes]:
    consumer = Consumer(
        {
            "bootstrap.servers": server.bootstrap,
            "group.id": f"group-{uuid.uuid4().hex}",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    values = []
    while len(values) < n and (record := consumer.poll(20.0)):
        assert record.error() is None
        values.append(record.value())
    consumer.close()
    return values


def test_a_broker_keeps_its_records_and_its_port(own_kafka_server):
    server = own_kafka_server
    url, topic = server.url, made_topic(server)
    produce(server, topic, LARGE)
    server.restart()
    produce(server, topic, b"after a stop")
    server.kill()
    assert not server.is_running
    server.start()
    produce(server, topic, b"after a kill")
    assert consume(server, topic, 3) == [LARGE, b"after a stop", b"after a kill"]
    assert server.url == url


def test_two_brokers_live_side_by_side(kafka_server, own_kafka_server):
    assert kafka_server.address != own_kafka_server.address
    topics = made_topic(kafka_server), made_topic(own_kafka_server)
    for server, own, other in (
        (kafka_server, *topics),
        (own_kafka_server, *reversed(topics)),
    ):
        known = AdminClient({"bootstrap.servers": server.bootstrap}).list_topics(timeout=20.0)
        assert own in known.topics
        assert other not in known.topics


def test_a_cluster_keeps_its_rows_and_its_port(own_postgres_server):
    server = own_postgres_server
    url = server.url
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE ends (said TEXT)"))
    for said, end in (("a stop", server.stop), ("a kill", server.kill)):
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO ends VALUES (:said)"), {"said": said})
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            end()
            with pytest.raises(OperationalError):
                connection.execute(text("SELECT 1"))
            connection.invalidate()
        assert not server.is_running
        server.start()
        engine.dispose()
    with engine.connect() as connection:
        rows = connection.scalars(text("SELECT said FROM ends ORDER BY said"))
        assert rows.all() == ["a kill", "a stop"]
    engine.dispose()
    assert server.url == url


def test_databases_know_nothing_of_each_other(postgres_server):
    urls = [postgres_server.new_database() for _ in range(2)]
    for url in urls:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE ends (said TEXT)"))
        engine.dispose()


def test_a_worker_of_xdist_has_a_database_of_its_own(postgres_server, monkeypatch):
    url = postgres_server.new_database()
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    assert own_database(url) == url
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw7")
    assert own_database(url) == own_database(url) == f"{url}_gw7"
    engine = create_engine(own_database(url))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT current_database()")).endswith("_gw7")
    engine.dispose()


USER = """
import sys
from pathlib import Path
from tests.servers import PostgresServer, shared
with shared(PostgresServer, Path(sys.argv[1])) as server:
    print(server.folder, flush=True)
    sys.stdin.read()
"""


@contextmanager
def a_user(registry: Path) -> Iterator[tuple[subprocess.Popen, PostgresServer]]:
    """Another process that uses the shared server until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", USER, str(registry)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process, PostgresServer(Path(process.stdout.readline().strip()))


def test_the_last_user_of_a_shared_server_removes_it(tmp_path):
    with a_user(tmp_path) as (_, first):
        with a_user(tmp_path) as (_, second):
            assert second.address == first.address
        assert first.is_running
    assert not first.folder.parent.exists()


def test_a_server_whose_user_was_killed_goes_away(tmp_path):
    with a_user(tmp_path) as (process, server):
        assert server.is_running
        process.kill()
    give_up = time.monotonic() + 60.0
    while server.folder.parent.exists() and time.monotonic() < give_up:
        time.sleep(0.1)
    assert not server.folder.parent.exists()
    assert not server.is_running
