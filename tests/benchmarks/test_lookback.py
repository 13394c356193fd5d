"""The benchmark of look backs asks all engines the same; how fast they are, no test asks."""

import dataclasses
import os

import pytest

from benchmarks import lookback as subject
from benchmarks.agreement import DisagreementError
from benchmarks.databases import new_database
from benchmarks.lookback import LookbackSetting, a_merger, lookback, timed_rows
from benchmarks.lookback_rows import Question, alert_rows, number_of
from benchmarks.timing import Effort
from skymaps.runs import SkyRuns

TINY = LookbackSetting(20_000, Effort(rounds=1, sample_s=0.0), peer_limit_s=0.0)


def by_name(rows):
    return {row.name: row for row in rows}


def test_memory_and_sqlite_are_measured_without_a_server():
    rows = by_name(lookback(None, TINY))
    assert rows["lookback-area"].value == pytest.approx(300.0, rel=0.1)
    assert rows["lookback-found"].value > 10
    for name, bar in (("memory", 2.0), ("sqlite", 30.0)):
        row = rows[f"lookback-{name}"]
        assert (row.unit, row.peer_value, row.bar) == ("ms", bar, 1.0)
        assert row.ratio == pytest.approx(bar / row.value)
    assert not any("postgresql" in name for name in rows)


def test_postgresql_and_the_peer_answer_alike(postgres_server):
    if "CI" not in os.environ:  # which lacks nothing
        pytest.importorskip("healpix_alchemy")
    setting = dataclasses.replace(TINY, peer_limit_s=60.0)
    rows = by_name(lookback(lambda: new_database(postgres_server.url), setting))
    assert rows["lookback-postgresql"].peer_value == 100.0
    for name, bar in (("lookback-peer", 300.0), ("lookback-peer-all-times", None)):
        assert rows[name].bar == bar
        assert rows[name].ratio == pytest.approx(rows[name].peer_value / rows[name].value)
        assert "given up" not in rows[name].peer


def test_an_engine_that_disagrees_is_not_timed(monkeypatch):
    monkeypatch.setattr(subject, "fill_memory", lambda alerts: SkyRuns())
    with pytest.raises(DisagreementError, match="memory and a look at every alert differ"):
        list(lookback(None, TINY))


def test_the_answer_is_that_of_each_alert_by_itself():
    alerts, ranges = alert_rows(2_000, 1_790_000_000.0), a_merger().cover(0.9)
    question = Question(ranges, 1_789_400_000.0, 1_789_700_000.0)
    expected = [
        n
        for n in range(2_000)
        if any(lo <= alerts.index_29[n] < hi for lo, hi in ranges.tolist())
        and alerts.last_unix_s[n] >= question.since_unix_s
        and alerts.first_unix_s[n] <= question.until_unix_s
    ]
    assert alerts.answer(question).tolist() == expected
    assert number_of("ztf:ZTF25000001234") == 1234


def test_the_median_counts():
    rows = by_name(timed_rows({"sqlite": [0.010, 0.020, 0.900]}))
    assert rows["lookback-sqlite"].value == pytest.approx(20.0)
    assert rows["lookback-sqlite"].ratio == pytest.approx(1.5)
    assert rows["lookback-sqlite-longest"].value == pytest.approx(900.0)
