"""Our Python client against the interface on a real port."""

import socket

import pyarrow.parquet as pq
import pytest

from correlator.client import Client, ClientError, rest, to_table
from correlator.service.api.access import AccessRules
from storage.store import Store
from storage.tokens import Scope
from tests.builders import a_coincidence, a_summary
from tests.service.api.asking import Asked
from tests.service.api.live import served

N = 1_050


@pytest.fixture(scope="module")
def asked():
    with Store.open("sqlite:///:memory:") as store:
        found = [
            a_coincidence(
                rank=n + 1,
                object_key=f"ztf:ZTF25{n:05}",
                object=a_summary(last_mag_ab=None if n % 3 else 18.0 + n / 1000.0),
            )
            for n in range(N)
        ]
        key = found[0].pair.event_key
        store.coincidences.publish(key, found, 10.0, "unused")
        yield Asked(store)


@pytest.fixture(scope="module")
def url(asked):
    with served(asked.app) as said:
        yield said


@pytest.fixture(scope="module")
def client(url):
    return Client(url)


def test_a_list_is_read_to_its_end_page_after_page(client):
    keys = [row["object_key"] for row in client.coincidences()]
    assert sorted(keys) == [f"ztf:ZTF25{n:05}" for n in range(N)]
    assert len(list(client.coincidences(limit=1_001))) == 1_001
    faint = list(client.coincidences(filter="last_mag_ab >= 19"))
    assert {row["last_mag_ab"] >= 19 for row in faint} == {True}
    assert len(list(client.items("coincidences", filter="rank <= 7"))) == 7


def test_one_thing_is_read_by_its_path(client):
    (row,) = client.coincidences(filter="rank = 1")
    found = client.get("coincidences", row["coincidence_id"])
    assert found["coincidence_id"] == row["coincidence_id"]


def test_rows_become_a_table_with_masks(client):
    table = to_table(client.coincidences(filter="rank <= 6"))
    assert len(table) == 6
    assert table["last_mag_ab"].mask.sum() == 4
    assert table["rank"].dtype.kind == "i"
    assert len(to_table([])) == 0
    mixed = to_table([{"a": 1}, {"a": 2.5, "b": None}, {"b": [1]}])
    assert mixed["a"].tolist() == [1.0, 2.5, None]
    assert mixed["b"].tolist() == [None, None, "[1]"]


def test_a_whole_list_comes_as_a_file(client, tmp_path):
    path = tmp_path / "all.parquet"
    n_bytes = client.download("coincidences", path)
    assert n_bytes == path.stat().st_size
    assert pq.read_table(path).num_rows == N
    with pytest.raises(ClientError, match="400"):
        client.download("coincidences", path, "parquet", filter="nonsense = 1")
    assert [p.name for p in tmp_path.iterdir()] == ["all.parquet"]
    assert path.stat().st_size == n_bytes


def test_what_is_refused_says_why(url, client):
    with pytest.raises(ClientError, match="nonsense") as caught:
        list(client.coincidences(filter="nonsense = 1"))
    assert caught.value.status == 400
    with pytest.raises(ClientError) as caught:
        client.get("coincidences", "../tokens")
    assert caught.value.status == 404
    with pytest.raises(ClientError) as caught:
        list(Client(url, token="mmc_none").events())
    assert caught.value.status == 401
    with pytest.raises(ValueError, match="expected http"):
        Client("file:///etc")


def test_a_token_is_shown(asked, url):
    secret = asked.token(Scope.READ)
    assert len(list(Client(url, token=secret).coincidences(limit=3))) == 3


def test_who_does_not_answer_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ClientError, match="answers, got"):
        list(Client(f"http://127.0.0.1:{port}").events())


def test_who_asks_too_often_waits_as_told_and_then_has_the_answer(monkeypatch):
    with Store.open("sqlite:///:memory:") as store:
        limited = Asked(store, AccessRules(True, 1.0, 2.0))
        waited = []

        def wait(seconds):
            waited.append(seconds)
            limited.clocks.monotonic_s += seconds

        monkeypatch.setattr(rest, "sleep", wait)
        with served(limited.app) as url:
            client = Client(url)
            for _ in range(40):
                assert list(client.events()) == []
    assert waited
    assert all(0.0 < seconds <= 60.0 for seconds in waited)
