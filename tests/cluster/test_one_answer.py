"""One night, one answer: in memory and on Kafka, in SQLite and PostgreSQL, by one or by three."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from correlator.policy import Policy
from correlator.service.archive import archive_files, read_archive
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import IS_FULL, Night, answer_in_memory
from tests.cluster.contents import compared, content_of
from tests.cluster.implied import implied_by, joint_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7_200 if IS_FULL else 1_200)]

REAL_AS_OF = datetime(2024, 1, 16, tzinfo=UTC).timestamp()

DONE_WITHIN_S = 3_600.0 if IS_FULL else 600.0


@pytest.fixture(scope="session")
def real_night(real_data):
    archive = read_archive(archive_files([real_data / "nights" / "2024-01-15"]))
    deliveries = archive.in_order()
    return Night("2024-01-15", deliveries, len(deliveries), archive, REAL_AS_OF)


@pytest.fixture(scope="session")
def real_answer(real_night, tmp_path_factory):
    return answer_in_memory(real_night, tmp_path_factory.mktemp("real-answer") / "memory")


@pytest.fixture(params=[pytest.param("real", marks=pytest.mark.real_data), "load"])
def night(request):
    return request.getfixturevalue(f"{request.param}_night")


@pytest.fixture
def answer(request, night):
    return request.getfixturevalue("load_answer" if night.name == "load" else "real_answer")


@pytest.fixture(params=["sqlite-1", "sqlite-3", "postgres-1", "postgres-3"])
def store_and_workers(request, tmp_path):
    kind, n = request.param.split("-")
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite'}", int(n)
    return request.getfixturevalue("postgres_server").new_database(), int(n)


def test_the_answer_is_the_same_bytes(night, answer, store_and_workers, own_kafka_server, tmp_path):
    store_url, n_workers = store_and_workers
    with Cluster(own_kafka_server.bootstrap, store_url, tmp_path / "cluster") as cluster:
        if n_workers == 1:
            # All of it waits on the broker before anybody works.
            produced = cluster.produce(night.deliveries)
            cluster.start()
        else:
            cluster.start(n_workers)
            cluster.wait_until_ready()
            produced = cluster.produce(night.deliveries)
        assert produced == night.n_deliveries
        cluster.wait_until_done(DONE_WITHIN_S)
        assert (len(cluster.alive), cluster.refused) == (n_workers, [])
        files = cluster.results(night.as_of_unix_s)
        differing = [c for c in compared(answer.content, content_of(store_url)) if not c.is_same]
        assert not differing, "; ".join(map(str, differing))
        assert files == answer.files
        cluster.terminate(*cluster.alive)


def test_the_answer_has_something_to_say(night, answer):
    assert len(answer.files["pairs"].splitlines()) > 100
    assert len(answer.files["coincidences"].splitlines()) > (20 if night.name == "load" else 0)


def test_the_answer_is_what_the_packets_imply(night, answer):
    pairs, joint = implied_by(night.deliveries, Policy())
    assert pairs == answer.files["pairs"]
    found = joint_of(answer.files)
    assert found == {joint_id: said for joint_id, said in joint.items() if said}
    assert night.name != "load" or any(found.values()), "some three agree"
