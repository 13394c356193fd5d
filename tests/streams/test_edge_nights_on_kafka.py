"""The archive of nights that an edge on real Kafka leaves which is killed in mid-work."""

from __future__ import annotations

import random
import time

import pytest

from correlator.alert import Alert
from correlator.wire import of_json, to_json
from storage.archive import NIGHT, SURVIVORS
from storage.archive.alert_columns import alerts_of
from storage.archive.compaction import compact
from storage.archive.parts import waiting_nights
from storage.archive.reading import Selection
from tests.streams.test_edge_on_kafka import Survey, edge, kill, stop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def compacted(root):
    return [done for night in waiting_nights(root) for done in compact(root, night)]


def test_an_edge_that_is_killed_loses_no_row_and_leaves_none_twice(kafka_server, tmp_path):
    survey = Survey(kafka_server.bootstrap, 1000)
    root, rng = tmp_path / "archive", random.Random(7)
    more = {"words": ["--parquet", str(root)]}
    with edge(survey, tmp_path, **more) as process:
        while not waiting_nights(root):
            assert process.poll() is None
            time.sleep(0.05)
        survey.produce(2000)
        time.sleep(rng.uniform(0.5, 1.5))
        kill(process)
    assert survey.lag() > 0
    assert compacted(root)  # what is read again meets a catalogue
    with edge(survey, tmp_path, **more) as process:
        survey.wait_until_read()
        assert stop(process) == 0
    done = compacted(root)
    assert {each.data_set for each in done} == {NIGHT, SURVIVORS}
    night = [row for table in Selection(root, NIGHT).tables() for row in table.to_pylist()]
    assert len(night) == survey.n - survey.n // 50  # the broken ones
    assert len({row["alert_id"] for row in night}) == len(night)
    assert sum(row["passed"] for row in night) == len(survey.alerts)
    kept = [a for table in Selection(root, SURVIVORS).tables() for a in alerts_of(table)]
    assert {to_json(alert) for alert in kept} == survey.alerts
    assert len(kept) == len(survey.alerts)
    ids = {of_json(Alert, data).alert_id for data in survey.alerts}
    assert {row["alert_id"] for row in night if row["passed"]} == ids
