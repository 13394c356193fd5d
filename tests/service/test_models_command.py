"""``correlator models``: lists, checks and compares, in tables and in JSON."""

import json

import pytest

from correlator.features import FEATURES
from correlator.service.model_compare import compared
from correlator.wire import to_json
from streams.score_log import ScoreLog, kept_scores
from streams.scores import ModelState, ModelStates, ScoreRecord, latest_states, scores_of
from tests.service.test_commands import correlator
from tests.streams import onnx_factory as onnx
from tests.streams.onnx_factory import put_model


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CORRELATOR_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("CORRELATOR_BROKER", raising=False)
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def a_record(n, first=None, second=None, object_version=1):
    said = {v: x for v, x in (("1.0", first), ("1.1", second)) if x is not False}
    stages = {"fast": dict.fromkeys(said, "shadow")}
    return ScoreRecord(f"ztf:{n}", object_version, f"a{n}", 1.7e9 + n, {"fast": said}, stages)


def states(**of_model):
    default = {"folder": "fast-1.0", "name": "fast", "version": "1.0", "stage": "shadow",
               "sha256": "ab", "state": "running"}  # fmt: skip
    return ModelStates("worker-1", 1.7e9, (ModelState(**(default | of_model)),), 5, 1)


def json_of(*words):
    done = correlator(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_two_versions_are_compared_where_both_have_a_value():
    records = [a_record(n, float(n), 10.0 - n) for n in range(5)]
    records += [a_record(8, 1.0, None), a_record(9, False, 3.0), a_record(7, None, None)]
    found = compared(records, "fast", "1.0", "1.1", threshold=2.5)
    assert (found.n_both, found.n_first_only, found.n_second_only) == (5, 1, 1)
    assert found.rank_correlation == pytest.approx(-1.0)
    assert found.mean_difference == pytest.approx(6.0)
    assert found.std_difference == pytest.approx(8.0**0.5)
    assert found.quantiles_first == pytest.approx((0.2, 1.0, 2.0, 3.0, 3.8))
    assert found.quantiles_second == pytest.approx((6.2, 7.0, 8.0, 9.0, 9.8))
    assert found.decide_differently == pytest.approx(3 / 5)


def test_what_is_told_twice_counts_once_and_a_later_state_counts_too():
    records = [a_record(1, 1.0, 2.0), a_record(1, 1.0, 2.0), a_record(1, 2.0, 4.0, 2)]
    assert compared(records, "fast", "1.0", "1.1").n_both == 2


def test_nothing_in_common_is_said_and_not_guessed():
    found = compared([a_record(1, 1.0, None)], "fast", "1.0", "1.1", threshold=0.5)
    assert (found.n_both, found.n_first_only) == (0, 1)
    assert found.rank_correlation is found.mean_difference is found.decide_differently is None
    assert found.quantiles_first == ()
    assert compared([], "fast", "1.0", "1.1").n_both == 0
    same = compared([a_record(n, 1.0, float(n)) for n in range(3)], "fast", "1.0", "1.1")
    assert same.rank_correlation is None


def test_compare_reads_a_file_or_what_was_kept(folder, tmp_path):
    values = [to_json(a_record(n, float(n), n + 1.0)) for n in range(4)]
    file = tmp_path / "scores.jsonl"
    file.write_bytes(b"\n".join([*values, b"{no record}", b""]))
    words = ["models", "compare", "fast", "1.0", "1.1", "--threshold", 2]
    from_file = json_of(*words, "--from", file)
    assert (from_file["n_both"], from_file["mean_difference"]) == (4, 1.0)
    assert from_file["decide_differently"] == 0.25
    assert json_of(*words)["n_both"] == 0
    ScoreLog(folder).scores(values)
    assert json_of(*words) == from_file
    table = correlator(*words)
    assert "4 objects scored by both" in table.stdout
    assert "they decide differently for 25 %" in table.stdout
    assert "0 objects scored by both" in correlator(*words[:3], "2.0", "3.0").stdout


def test_list_tells_what_workers_said_and_what_none_has_seen(folder):
    assert json_of("models", "list") == []
    put_model(folder, b"onnx", name="unheard")
    broken = put_model(folder, b"onnx", name="broken")
    (broken / "model.onnx").unlink()
    ScoreLog(folder).states(to_json(states(state="off", problem="it raises [nothing]")))
    rows = {row["folder"]: row for row in json_of("models", "list")}
    assert (rows["fast-1.0"]["worker"], rows["fast-1.0"]["state"]) == ("worker-1", "off")
    assert rows["unheard-1.0"]["state"] == "unseen"
    assert rows["broken-1.0"]["state"] == "refused"
    assert rows["broken-1.0"]["problem"].startswith("model.onnx can be read")
    assert "it raises [nothing]" in correlator("models", "list").stdout


def test_check_says_fine_or_the_rule(folder):
    card = put_model(folder, onnx.linear()) / "model.toml"
    row = json_of("models", "check", card)
    assert (row["name"], row["inputs"], len(row["sha256"])) == ("brightness", ["last_mag_ab"], 64)
    assert "brightness.1.0: fine" in correlator("models", "check", card.parent).stdout
    random = put_model(folder, onnx.at_random(), version="2.0")
    done = correlator("models", "check", random)
    assert done.returncode == 1
    assert "the same scores each time" in done.stderr
    done = correlator("models", "check", folder)
    assert done.returncode == 1
    assert "model.toml can be read" in done.stderr


def test_inputs_are_the_features_with_the_units_that_a_card_must_say(folder):
    rows = json_of("models", "inputs")
    assert {row["name"]: row["unit"] for row in rows} == {n: m.unit for n, m in FEATURES.items()}
    assert "last_mag_ab" in correlator("models", "inputs").stdout


@pytest.mark.parametrize("words", [["models", w] for w in ("list", "check", "inputs", "compare")])
def test_each_has_help_with_an_example(words):
    assert "Example: correlator models" in correlator(*words, "--help").stdout


def test_full_files_of_scores_make_room_and_two_are_kept(tmp_path):
    kept = ScoreLog(tmp_path, max_file_bytes=1000)
    values = [to_json(a_record(n, 1.0, 2.0)) for n in range(40)]
    for value in values:
        kept.scores([value])
    left = list(kept_scores(tmp_path))
    assert left == values[-len(left) :]
    assert 1000 <= sum(len(v) + 1 for v in left) <= 2400


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path):
    (tmp_path / ".scores").write_text("a file where the folder should be")
    ScoreLog(tmp_path).scores([b"{}"])
    ScoreLog(tmp_path).states(b"{}")


def test_of_states_the_latest_of_each_worker_counts_and_no_state_is_passed_over():
    old, new = states(state="running"), states(state="off")
    told = [to_json(old), b"{}", to_json(new)]
    assert latest_states(told) == [new]
    assert list(scores_of([b"[]", b"\xff", to_json(a_record(1, 1.0, None))])) == [
        a_record(1, 1.0, None)
    ]
