"""The benchmarks run and report; how fast anything is, no test asks."""

import dataclasses
import math
from types import SimpleNamespace

import orjson
import pytest
from click.testing import CliRunner

from benchmarks import __main__ as command
from benchmarks import subjects
from benchmarks.agreement import DisagreementError
from benchmarks.subjects import Setting
from benchmarks.timing import Effort, Row

TINY = Setting(Effort(rounds=1, sample_s=0.0), n_packets=20, n_slim=20, n_positions=(1, 50))
KEYS = {"name", "value", "unit", "peer", "peer_value", "ratio", "bar"}
NAMES = {
    "ztf-gate": ["ztf-gate-simulated"],
    "map-read": ["map-read"],
    "map-match": ["map-match-1", "map-match-50"],
    "notice-parse": ["notice-parse"],
    "stream-parts": [
        "part-decode",
        "part-fold",
        "part-encode-object",
        "part-match-100-events",
        "part-compare",
        "part-encode-pair",
        "part-decode-fold-match",
    ],
    "pipeline": ["pipeline"],
}
PARTS = {"part-fold", "part-encode-object", "part-encode-pair", "part-decode-fold-match"}
ALONE = {"pipeline", *PARTS} if subjects.voeventparse else {"pipeline", "notice-parse", *PARTS}


def assert_measured(rows):
    for row in rows:
        assert set(row) == KEYS | {"machine", "versions"}
        numbers = [row["value"]]
        if row["name"] in ALONE:
            assert (row["peer"], row["peer_value"], row["ratio"]) == (None, None, None)
        else:
            assert row["peer"]
            numbers += [row["peer_value"], row["ratio"]]
        assert all(math.isfinite(number) and number > 0.0 for number in numbers)
        assert row["machine"]["n_cpus"] >= 1
        assert row["versions"]["fastavro"]


LONG = {"pipeline", "stream-parts"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n in LONG else ()) for n in subjects.BENCHMARKS],
)
def test_every_benchmark_gives_whole_rows(name):
    rows = command.measured([name], TINY)
    assert [row["name"] for row in rows] == NAMES[name]
    assert_measured(rows)


@pytest.mark.real_data
def test_real_packets_are_measured_where_there_are_some(real_data):
    setting = dataclasses.replace(TINY, real_data=real_data)
    rows = command.measured(["ztf-gate", "map-read", "map-match"], setting)
    assert "ztf-gate-real" in [row["name"] for row in rows]
    assert_measured(rows)


def test_the_two_ways_take_turns():
    calls = []
    ways = (lambda: calls.append("A")), (lambda: calls.append("B"))
    seconds = Effort(rounds=7, sample_s=0.0).in_turn(*ways)
    assert "".join(calls) == "AB" + 7 * "AB"  # one more to warm up
    assert [len(taken) for taken in seconds] == [7, 7]


def test_the_keys_of_a_row_are_the_contract():
    assert {field.name for field in dataclasses.fields(Row)} == KEYS


def test_a_peer_that_disagrees_is_not_timed(monkeypatch):
    def wrong(sky_map, coordinates):
        zero = coordinates.ra.deg * 0.0
        return SimpleNamespace(probdensity=zero, searched_prob=zero)

    monkeypatch.setattr(subjects, "crossmatch", wrong)
    with pytest.raises(DisagreementError, match="the densities at 1 positions differ"):
        command.measured(["map-match"], TINY)


def test_the_command_prints_one_document_and_keeps_it(tmp_path, monkeypatch):
    latest = tmp_path / "results" / "latest.json"
    monkeypatch.setattr(command, "RESULTS", latest)
    done = CliRunner().invoke(
        command.main, ["--only", "map-read", "--json"], env={"CORRELATOR_REAL_DATA": None}
    )
    assert done.exit_code == 0
    rows = orjson.loads(done.stdout)
    assert_measured(rows)
    assert orjson.loads(latest.read_bytes()) == rows


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["--only", "nothing"], 2, "'nothing' is not one of"),
        (["--only", "ztf-gate", "--real-data", "."], 1, "must hold real packets, and holds none"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(arguments, exit_code, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command.main, arguments)
    assert done.exit_code == exit_code
    assert said in done.stderr
