"""The log of a SQLite file goes into the file in the background, and is begun anew."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from storage import checkpoints
from storage.store import Store
from tests.builders import an_alert
from tests.storage.writers import put_alerts

N_WRITES = 40


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "events.sqlite"


def write(store: Store, begin: int, end: int) -> None:
    for n in range(begin, end):
        put_alerts(store, an_alert(alert_id=f"{n:09d}", object_id=f"ZTF26{n:07d}"))
        store._database._checkpoints.settle()


def log_bytes(path: Path) -> int:
    return path.with_name(path.name + "-wal").stat().st_size


def n_alerts_in_file_alone(path: Path, folder: Path) -> int:
    """What the file holds without its log."""
    copy = folder / "copy.sqlite"
    copy.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(copy)) as connection:
        return connection.execute("SELECT count(*) FROM alerts").fetchone()[0]


def test_what_was_written_is_in_the_file_soon(path, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "INTERVAL_S", 0.0)
    with Store.open(f"sqlite:///{path}") as store:
        write(store, 0, N_WRITES)
        assert n_alerts_in_file_alone(path, tmp_path) == N_WRITES


def test_the_log_does_not_grow_with_the_writes(path, monkeypatch):
    monkeypatch.setattr(checkpoints, "INTERVAL_S", 0.0)
    with Store.open(f"sqlite:///{path}") as store:
        write(store, 0, N_WRITES)
        before = log_bytes(path)
        write(store, N_WRITES, 3 * N_WRITES)
        assert log_bytes(path) == before


def test_between_two_checkpoints_lies_a_time(path, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "INTERVAL_S", 3600.0)
    with Store.open(f"sqlite:///{path}") as store:
        write(store, 0, N_WRITES)
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            n_alerts_in_file_alone(path, tmp_path)


def test_a_reader_that_stands_still_holds_back_neither_writers_nor_the_next_checkpoint(
    path, tmp_path, monkeypatch
):
    monkeypatch.setattr(checkpoints, "INTERVAL_S", 0.0)
    with Store.open(f"sqlite:///{path}") as store:
        write(store, 0, 5)
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM alerts").fetchone() == (5,)
            write(store, 5, N_WRITES)
            assert reader.execute("SELECT count(*) FROM alerts").fetchone() == (5,)
        write(store, N_WRITES, N_WRITES + 1)
        assert n_alerts_in_file_alone(path, tmp_path) == N_WRITES + 1


def test_a_store_in_memory_has_no_log():
    with Store.open("sqlite://") as store:
        put_alerts(store, an_alert())
        assert store._database._checkpoints is None
