"""The benchmark of the store asks what it says; how fast the answers are, no test asks."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import pytest

from benchmarks import event_store as subject
from benchmarks.agreement import DisagreementError
from benchmarks.event_store import EventStoreSetting, event_store, timed_rows
from benchmarks.event_store_asking import OfStore
from benchmarks.event_store_coincidences import (
    COLUMNS,
    a_merger,
    coincidence_chunks,
)
from benchmarks.event_store_fill import made_sqlite
from benchmarks.event_store_rows import Objects, alert_chunks, object_chunks
from correlator.alert import Alert
from correlator.audience import OPERATOR
from correlator.errors import ConfigurationError
from correlator.object import apply_alert
from correlator.ranking import Coincidence
from correlator.wire import of_json, to_json
from storage.columns import COINCIDENCE_COLUMNS, coincidence_columns
from storage.store import Store

N_ALERTS, N_COINCIDENCES = 2_000, 300


@pytest.fixture(scope="module")
def objects():
    return Objects.drawn(N_ALERTS)


def test_an_object_is_what_its_alerts_make_of_it(objects):
    folded, n = {}, 0
    for survey, name, alert_id, at, ra, dec, index_29, *_, body in (
        row for chunk in alert_chunks(objects) for row in chunk
    ):
        alert = of_json(Alert, body.encode(), "a row")
        assert to_json(alert).decode() == body
        said = alert.survey, alert.object_id, alert.alert_id, alert.time_unix_s
        assert (survey, name, alert_id, at) == said
        assert (ra, dec, index_29) == (alert.ra_deg, alert.dec_deg, alert.index_29)
        folded[name] = apply_alert(folded.get(name), alert)
        n += 1
    assert n == N_ALERTS
    rows = [row for chunk in object_chunks(objects) for row in chunk]
    assert [row[0] for row in rows] == sorted(obj.object_key for obj in folded.values())
    for row in rows:
        obj = folded[row[2]]
        assert row[-1] == to_json(obj).decode()
        assert row[3] == obj.version
        assert row[8:11] == (obj.detections[0].time_unix_s, obj.latest_unix_s, len(obj.detections))


def test_a_coincidence_has_the_columns_of_its_body(objects):
    n = len(objects) + 40  # of two events
    rows = [row for chunk in coincidence_chunks(objects, n) for row in chunk]
    said = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    assert len({row["coincidence_id"] for row in said}) == n
    assert {row["state"] for row in said} == {"active", "superseded", "retracted"}
    for row in said[-60:]:
        if row["body"] is None:
            assert {row[name] for name in COINCIDENCE_COLUMNS} == {None}
            continue
        coincidence = of_json(Coincidence, row["body"].encode(), "a row")
        assert to_json(coincidence).decode() == row["body"]
        columns = coincidence_columns(coincidence)
        assert {name: row[name] for name in COINCIDENCE_COLUMNS} == columns
        pair = coincidence.pair
        keys = pair.coincidence_id, pair.event_key, pair.object_key
        assert (row["coincidence_id"], row["event_key"], row["object_key"]) == keys


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory() as named:  # where the user postgres reaches it
        Path(named).chmod(0o755)
        yield Path(named)


def tiny(folder, **other):
    usual = EventStoreSetting(
        folder, N_ALERTS, N_COINCIDENCES, 2, 10.0, 1.2, ["sqlite"], over_http=False
    )
    return dataclasses.replace(usual, **other)


def by_name(rows):
    return {row.name: row for row in rows}


def test_a_store_is_made_once_and_another_is_refused(folder):
    url = made_sqlite(folder / "sqlite", N_ALERTS, N_COINCIDENCES)
    with Store.open(url, migrate=False) as store:
        counts = store.counts()
        assert counts["alerts"] == N_ALERTS
        assert counts["coincidences"] > N_COINCIDENCES
        merger = a_merger().event.event_key
        page = store.search.coincidences(OPERATOR, event_key=merger, is_current=True)
        assert 0 < len(page.rows) <= N_COINCIDENCES
    changed = (folder / "sqlite" / "store.sqlite").stat().st_mtime_ns
    assert made_sqlite(folder / "sqlite", N_ALERTS, N_COINCIDENCES) == url
    assert (folder / "sqlite" / "store.sqlite").stat().st_mtime_ns == changed
    with pytest.raises(ConfigurationError, match="remove it, or choose another"):
        made_sqlite(folder / "sqlite", N_ALERTS + 1, N_COINCIDENCES)
    (folder / "sqlite" / "made.json").unlink()
    with pytest.raises(ConfigurationError, match="not made to its end"):
        made_sqlite(folder / "sqlite", N_ALERTS, N_COINCIDENCES)


def test_the_rows_are_times_against_what_peers_say():
    p50, p99 = timed_rows("x", "cone", [0.02] * 99 + [0.5])
    assert (p50.name, p50.unit, p50.peer_value, p50.bar) == ("x-p50", "ms", 60_000.0, 1200.0)
    assert p50.value == pytest.approx(20.0)
    assert p50.ratio == pytest.approx(3000.0)
    assert 20.0 < p99.value <= 500.0
    assert list(timed_rows("x", "page", [])) == []


@pytest.mark.slow
def test_sqlite_is_asked_while_a_worker_writes(folder):
    rows = by_name(event_store(tiny(folder)))
    assert rows["store-alerts"].value == N_ALERTS
    assert rows["store-area"].value == pytest.approx(300.0, rel=0.1)
    assert rows["store-sqlite-direct-object-p50"].bar == 1.0
    assert rows["store-sqlite-direct-streamed"].value > 0
    assert rows["store-sqlite-direct-writes"].value > 0
    assert not any("http" in name or "postgresql" in name for name in rows)
    with Store.open(f"sqlite:///{folder}/sqlite/store.sqlite", migrate=False) as store:
        assert store.counts()["alerts"] > N_ALERTS


@pytest.mark.slow
@pytest.mark.usefixtures("postgres_server")  # which says what a machine without one lacks
def test_postgresql_is_asked_over_http_too(folder):
    rows = by_name(event_store(tiny(folder, databases=["postgresql"], over_http=True)))
    assert rows["store-postgresql-fsync"].value == 1.0
    for way in ("direct", "http"):
        assert rows[f"store-postgresql-{way}-streamed"].value > 0
        assert rows[f"store-postgresql-{way}-answers"].value > 0
        assert rows[f"store-postgresql-{way}-publishes"].value >= 0


@pytest.mark.slow
def test_answers_that_are_wrong_are_not_timed(folder, monkeypatch):
    whole = OfStore.whole

    def all_but_the_first(self):
        first, *others = [key for keys in whole(self) for key in keys]
        assert first
        yield others

    monkeypatch.setattr(subject.OfStore, "whole", all_but_the_first)
    with pytest.raises(DisagreementError, match="every object"):
        list(event_store(tiny(folder)))
