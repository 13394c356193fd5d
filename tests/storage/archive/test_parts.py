"""Rows that wait: how much of them is in memory, and what a crash leaves."""

from __future__ import annotations

import os

import pyarrow.parquet as pq
import pytest

from storage.archive import NIGHT, SURVIVORS, disk, parts
from storage.archive.parts import PartWriter, of_data_set, waiting_files, waiting_nights
from tests.storage.archive.some_nights import GATES, a_night

NIGHT_NAME = "20240115"


def n_waiting(root, data_set):
    files = of_data_set(waiting_files(root, NIGHT_NAME), data_set)
    return sum(pq.read_metadata(path).num_rows for path in files)


def test_no_more_waits_in_memory_than_was_said(tmp_path, monkeypatch, no_power_cuts):
    monkeypatch.setattr(parts, "CHUNK_ROWS", 20)
    monkeypatch.setattr(parts, "MOST_BYTES", 20_000)
    writer, most, some = PartWriter(tmp_path, GATES), 0, a_night(400, n_history=20)
    for alert, reasons in some:
        writer.add(alert, reasons)
        most = max(most, writer.n_bytes)
        assert writer.n_rows < 20
    assert 10_000 < most < 20_000
    written = n_waiting(tmp_path, NIGHT)
    assert 300 < written <= 400
    writer.sync()
    assert n_waiting(tmp_path, NIGHT) == 400
    assert n_waiting(tmp_path, SURVIVORS) == 100
    assert (writer.n_bytes, writer.n_rows) == (0, 0)


def test_a_part_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    """A crash before the file has its name leaves what nobody reads."""

    def killed(*_):
        raise KeyboardInterrupt

    writer = PartWriter(tmp_path, GATES)
    for alert, reasons in a_night(4):
        writer.add(alert, reasons)
    monkeypatch.setattr(disk.os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        writer.sync()
    monkeypatch.undo()
    assert waiting_nights(tmp_path) == []
    assert len(list(tmp_path.rglob("*.half"))) == 1


def test_a_sync_waits_for_the_file_and_for_its_name(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda handle: synced.append(os.readlink(f"/proc/self/fd/{handle}"))
    )
    writer = PartWriter(tmp_path, GATES)
    [(alert, reasons), *_] = a_night(1)
    writer.add(alert, reasons)
    writer.sync()
    folder = str(tmp_path / "parts" / f"night={NIGHT_NAME}")
    assert [name.endswith(".half") for name in synced].count(True) == 2
    assert synced.count(folder) == 2
    assert str(tmp_path / "parts") in synced
