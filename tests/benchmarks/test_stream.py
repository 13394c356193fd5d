"""The benchmark of a worker measures what it says."""

from __future__ import annotations

import time
from itertools import islice
from statistics import median

import orjson
import pytest
from click.testing import CliRunner

from benchmarks.live_events import N_EVENTS, live_events, put_events
from benchmarks.slim_sky import slim_night, slim_nights
from benchmarks.stream import BAR, Run, run_rows
from benchmarks.stream_command import stream_command
from benchmarks.stream_profile import SAMPLES_PER_S, pieces_of, profile_rows
from benchmarks.topic_feed import paced
from correlator.coincidence import admission, correlate
from correlator.object import apply_alert
from correlator.pair import PairEvidence
from correlator.policy import Policy
from correlator.wire import alerts_of_json
from storage.store import Store
from streams.book import EventBook

START_UNIX_S = 1_790_000_000.0
POLICY = Policy()


def test_every_live_event_reaches_the_join_and_can_be_stored():
    events = list(live_events(START_UNIX_S))
    assert len({event.event_key for event in events}) == N_EVENTS
    assert {admission(event, POLICY) for event in events} == {None}
    with Store.open("sqlite://") as store:
        put_events(store, events)
        assert len(store.events.since(0.0)) == N_EVENTS


def test_one_alert_in_twenty_makes_a_pair():
    book = EventBook()
    for event in live_events(START_UNIX_S):
        book.put(event)
    objects, n_alerts, n_pairs = {}, 0, 0
    records = [(r.value, "alert") for r in slim_night(6_000, START_UNIX_S)]
    for start in range(0, len(records), 500):
        changed = []
        for alert in alerts_of_json(records[start : start + 500]):
            objects[alert.object_id] = apply_alert(objects.get(alert.object_id), alert)
            changed.append(objects[alert.object_id])
        n_alerts += len(changed)
        for event, place in book.candidates(changed, POLICY):
            n_pairs += isinstance(correlate(changed[place], event, POLICY), PairEvidence)
    assert n_pairs / n_alerts == pytest.approx(0.05, abs=0.015)


def test_alerts_come_by_time_in_the_size_of_real_ones():
    records = list(slim_night(2_000, START_UNIX_S))
    times = [r.time_unix_s for r in records]
    assert times == sorted(times)
    assert 1_500 < median(len(r.value) for r in records) < 2_500
    assert all(orjson.loads(r.value)["object_id"].encode() == r.key for r in records)
    assert records == list(slim_night(2_000, START_UNIX_S))


def test_each_night_has_objects_of_its_own():
    first, second = (set(), set())
    for n, record in enumerate(islice(slim_nights(500, START_UNIX_S), 1_000)):
        (first if n < 500 else second).add(record.key)
    assert first
    assert second
    assert not first & second


def test_records_keep_their_pace_until_the_time_is_over():
    began = time.monotonic()
    given = list(paced(slim_nights(500, START_UNIX_S), rate=200.0, seconds=0.3))
    assert len(given) == 60
    assert time.monotonic() - began >= 59 / 200.0


def test_the_best_run_counts_and_every_run_is_listed():
    runs = [Run(1_000, 0.2, 0.1, 0.05, 1.5), Run(1_000, 0.1, 0.1, 0.05, 2.5)]
    rows = {row.name: row for row in run_rows("stream-x", runs)}
    assert (rows["stream-x"].value, rows["stream-x"].ratio) == (10_000.0, 10_000.0 / BAR)
    assert [rows[f"stream-x-run-{n}"].value for n in (1, 2)] == [5_000.0, 10_000.0]
    assert [rows[f"stream-x-run-{n}-load"].value for n in (1, 2)] == [1.5, 2.5]
    assert rows["stream-x-cpu"].value == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("stack", "piece"),
    [
        (
            "t;Agents._join (streams/agents.py:1);AlertStore.put_batch (storage/alerts.py:2);x (y)",
            "store alerts and objects",
        ),
        ("t;_alerts (streams/agents.py:1);of (correlator/wire.py:9)", "read the alerts"),
        ("t;apply_alert (somewhere/else.py:1)", "Faust, aiokafka, event loop"),
        ("t;Checkpoints._run (storage/checkpoints.py:4);_copy (storage/checkpoints.py:5)",
         "checkpoint of SQLite, in the background"),
        ("t;_worker (concurrent/futures/thread.py:81)", "threads that wait to begin"),
        ("t;Runner.run (asyncio/runners.py:118)", "Faust, aiokafka, event loop"),
    ],
)  # fmt: skip
def test_a_stack_counts_for_its_innermost_piece(stack, piece):
    assert pieces_of([f"{stack} 7", f"{stack} 1"]) == {piece: 8}


def test_samples_become_microseconds_of_an_alert():
    stacks = [f"t;_alerts (streams/agents.py:1) {SAMPLES_PER_S}"]
    (row,) = profile_rows("stream-x", stacks, seconds=10.0, rate=5_000.0)
    assert row.value == pytest.approx(1e6 / 50_000)


@pytest.mark.slow
def test_the_command_prints_one_document(own_kafka_server):
    words = ["--alerts", "20000", "--runs", "1", "--store", "sqlite", "--json"]
    done = CliRunner().invoke(stream_command, [*words, "--broker", own_kafka_server.url])
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row for row in orjson.loads(done.stdout)}
    assert rows["stream-sqlite"]["value"] > 0.0
    assert rows["stream-sqlite-pairs"]["value"] > 0.0
    assert rows["stream-alert-size"]["value"] > 1_500
