"""What the edge keeps in the archive of nights: one row for every packet that it understood."""

from __future__ import annotations

import os
from collections import Counter

import pyarrow.parquet as pq
import pytest

from correlator.alert import Alert
from correlator.wire import of_json
from ingest_optical.quality import DEFAULT_CUTS
from storage.archive import NIGHT, SURVIVORS
from storage.archive.alert_columns import alerts_of
from storage.archive.compaction import compact
from storage.archive.parts import PartWriter, of_data_set, waiting_files, waiting_nights
from storage.archive.reading import Selection
from streams.topics import DEAD_LETTER, OPTICAL_ALERTS
from tests.ingest_optical.packet_factory import lsst_confluent_packet, lsst_record
from tests.streams.edge_fakes import TOPIC, Harness, Message, ztf_message

GATES = {survey: cuts.name for survey, cuts in DEFAULT_CUTS.items()}


@pytest.fixture
def archived(tmp_path, monkeypatch):
    """A writer of parts that waits for no disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    return PartWriter(tmp_path, GATES)


def rows_of(root, data_set):
    for night in waiting_nights(root):
        compact(root, night)
    return [row for table in Selection(root, data_set).tables() for row in table.to_pylist()]


def test_the_rows_are_as_many_as_the_edge_says_that_there_were(archived, tmp_path):
    harness = Harness(nights=archived)
    messages = [
        ztf_message(at, rb=(0.9, 0.9, 0.1)[at % 3], nbad=at % 2, ra=9.0 * at) for at in range(30)
    ]
    messages[7] = Message(b"rubbish", 7)
    assert harness.run(messages[:11], messages[11:])
    stats = harness.edge.stats
    night = rows_of(tmp_path, NIGHT)
    assert len(night) == stats.n_packets - stats.n_dead_letters == 29
    assert sum(row["passed"] for row in night) == stats.n_admitted > 0
    assert Counter(why for row in night for why in row["rejections"]) == stats.rejected
    assert {row["gate"] for row in night} == {"fink"}
    survivors = [a for t in Selection(tmp_path, SURVIVORS).tables() for a in alerts_of(t)]
    sent = [of_json(Alert, value) for value in harness.producer.values(OPTICAL_ALERTS.name)]
    assert sorted(survivors, key=lambda a: a.alert_id) == sorted(sent, key=lambda a: a.alert_id)
    assert harness.committed == {(TOPIC, 0): 30}


def test_an_alert_of_lsst_has_its_row_whether_it_passes_or_not(archived, tmp_path):
    harness = Harness(nights=archived, survey="lsst")
    records = [lsst_record(diaSourceId=n + 1, reliability=(0.9, 0.1)[n % 2]) for n in range(4)]
    harness.run([Message(lsst_confluent_packet(1000, r).data, n) for n, r in enumerate(records)])
    assert Counter(row["passed"] for row in rows_of(tmp_path, NIGHT)) == {True: 2, False: 2}
    assert harness.edge.stats.n_admitted == 2


def test_a_rejected_packet_that_says_something_impossible_is_buried_and_has_no_row(
    archived, tmp_path
):
    """Without the archive nobody asks a rejected alert for its magnitude."""
    messages = [ztf_message(0, rb=0.1, magpsf=float("inf")), ztf_message(1, rb=0.1)]
    without = Harness()
    without.run(messages)
    assert without.edge.stats.n_dead_letters == 0
    harness = Harness(nights=archived)
    harness.run(messages)
    [letter] = harness.producer.values(DEAD_LETTER.name)
    assert letter == messages[0].data
    assert len(rows_of(tmp_path, NIGHT)) == 1
    assert harness.edge.stats.rejected == {"low_real_bogus_forest": 1}
    assert harness.committed == {(TOPIC, 0): 2}


def test_rows_are_on_the_disk_before_their_offset_is_committed(archived, tmp_path):
    harness = Harness(nights=archived)
    seen = []
    commit = harness.consumer.commit

    def noting(offsets, asynchronous):
        n_rows = sum(
            pq.read_metadata(path).num_rows
            for night in waiting_nights(tmp_path)
            for path in of_data_set(waiting_files(tmp_path, night), NIGHT)
        )
        seen.append((max(o.offset for o in offsets), n_rows))
        commit(offsets, asynchronous)

    harness.consumer.commit = noting
    harness.run(*([ztf_message(at, rb=0.9 if at % 2 else 0.1)] for at in range(6)))
    assert [offset for offset, _ in seen][-1] == 6
    assert all(n_rows >= offset for offset, n_rows in seen)


def test_an_archive_that_cannot_be_written_ends_the_edge_without_a_commit(tmp_path):
    class Full(PartWriter):
        def sync(self):
            raise OSError(28, "no space left")

    harness = Harness(nights=Full(tmp_path, GATES))
    with pytest.raises(OSError, match="no space left"):
        harness.run([ztf_message(0)])
    assert harness.committed == {}
