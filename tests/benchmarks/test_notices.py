"""The benchmark of notices runs at tiny size, compares before it times, and says what it lacks."""

import math
from dataclasses import replace

import orjson
import pytest
from click.testing import CliRunner

from benchmarks import notice_peers, notices
from benchmarks.agreement import DisagreementError
from benchmarks.notices_command import notices_command
from benchmarks.timing import Effort
from correlator.errors import ConfigurationError
from ingest_vo.reader import to_notice

TINY = Effort(rounds=1, sample_s=0.0)


@pytest.fixture
def few(monkeypatch, real_data):
    """Two packets of each mission."""
    found = {name: some[-2:] for name, some in notices.packets_by_mission(real_data).items()}
    monkeypatch.setattr(notices, "packets_by_mission", lambda _: found)
    return found


@pytest.mark.real_data
def test_every_mission_has_a_row_with_each_peer_that_reads_it(few, real_data):
    rows = {row.name: row for row in notices.notice_rows(TINY, real_data)}
    assert len(few) >= 25
    assert all(any(name.startswith(f"notices-{of}") for name in rows) for of in few)
    for mission in ("fermi-voevent", "svom-voevent"):
        assert rows[f"notices-{mission}-voevent-parse"].bar == 3.0
        assert rows[f"notices-{mission}-gcn-notice-parser"].bar == 3.0
    assert "notices-einstein-probe-gcn-gcn-notice-parser" in rows
    assert "notices-lvk-igwn-ligo.skymap" in rows
    assert rows["notices-km3net-gcn"].peer is None
    for row in rows.values():
        assert math.isfinite(row.value)
        assert row.value > 0.0
        assert row.peer is None or row.ratio_least <= row.ratio <= row.ratio_most


@pytest.mark.slow
@pytest.mark.real_data
def test_the_command_prints_rows(few, real_data):
    done = CliRunner().invoke(
        notices_command, ["--rounds", "1", "--real-data", str(real_data), "--json"]
    )
    assert done.exit_code == 0, done.output
    rows = orjson.loads(done.stdout)
    assert {row["unit"] for row in rows} == {"packets/s"}
    assert {"voevent-parse", "gcn-notice-parser"} <= rows[0]["versions"].keys()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda n: replace(n, notice_id="ivo://x#1", event_id="1"),
        lambda n: n.localization and replace(n, localization=replace(n.localization, dec_deg=1.0)),
    ],
    ids=["id", "place"],
)
@pytest.mark.real_data
def test_what_differs_is_not_timed(few, real_data, monkeypatch, spoil):
    spoiled = lambda data, name: spoil(to_notice(data, name)) or to_notice(data, name)  # noqa: E731
    monkeypatch.setattr(notices, "to_notice", spoiled)
    with pytest.raises(DisagreementError, match="nothing is timed"):
        list(notices.notice_rows(TINY, real_data))


def test_it_says_what_it_lacks(tmp_path, monkeypatch):
    with pytest.raises(ConfigurationError, match="must list real packets"):
        list(notices.notice_rows(TINY, tmp_path))
    monkeypatch.setattr(notice_peers, "_NEEDED", {"no_such_module": "no-such-peer"})
    with pytest.raises(ConfigurationError, match="not installed: no-such-peer"):
        list(notices.notice_rows(TINY, tmp_path))
