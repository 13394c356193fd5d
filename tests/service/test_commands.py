"""The command contract: exit states, one JSON document, help with an example, words for errors."""

import contextlib
import csv
import io
import json
import sys
import time
from dataclasses import dataclass
from unittest import mock

import pytest

from correlator.policy import DAY_S
from correlator.service.cli import main
from storage.store import Store
from streams.desk import NoticeDesk
from tests.ingest_vo.notice_factory import gbm, igwn

COMMANDS = [
    ["demo"], ["up"], ["replay"], ["join"], ["joint"], ["notice"], ["alert"], ["map"],
    ["targets"],
    ["ingest", "optical"], ["ingest", "gcn"],
    ["push"], ["push", "skyportal"], ["hermes"],
    ["check"], ["simulate", "night"], ["db", "upgrade"], ["db", "check"],
]  # fmt: skip


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


def correlator(*words, cwd=None) -> Done:
    """Run the command line in this process, as its entry point does."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code = 0
    with (
        contextlib.chdir(cwd or "."),
        mock.patch.object(sys, "argv", ["correlator", *map(str, words)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return Done(code, *said)


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night") / "n"
    done = correlator("simulate", "night", "--seed", 3, "--alerts", 3000, "--out", folder, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    return folder


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_shows_an_example(command):
    done = correlator(*command, "--help")
    assert done.returncode == 0
    assert "Example: correlator " + " ".join(command[:1]) in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["notice"],
        ["notice", "no-such-file"],
        ["replay", ".", "--as-of", "yesterday"],
        ["replay", ".", "--speed", "-1"],
        ["join", "--alerts", ".", "--notices", "."],
        ["targets", "--site", "atlantis"],
    ],
)
def test_bad_usage_is_exit_two_and_says_why(words, tmp_path):
    done = correlator(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Error" in done.stderr


def test_packets_that_are_refused_make_it_partly_done(tmp_path):
    (tmp_path / "good.xml").write_bytes(gbm("Fin_Pos", 115))
    (tmp_path / "map.json").write_bytes(igwn())
    (tmp_path / "bad.xml").write_bytes(b"<VOEvent")
    done = correlator("notice", "--json", tmp_path)
    rows = {row["file"].rsplit("/", 1)[1]: row for row in json.loads(done.stdout)}
    assert done.returncode == 3
    assert set(rows) == {"good.xml", "bad.xml", "map.json"}
    assert rows["good.xml"]["event_id"] == "800190036"
    assert rows["map.json"]["localization"]["kind"] == "map"
    assert "bad.xml" in rows["bad.xml"]["error"]


def test_a_replay_writes_its_results_and_reports(night, tmp_path):
    done = correlator(
        "replay", night / "alerts", night / "notices", "--out", tmp_path / "out", "--json",
        "--site", "palomar", "--store", f"sqlite:///{tmp_path}/store.sqlite",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["store"]["dead_letters"] == 0
    assert report["alerts_read"] > 2000
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {
        "coincidences.jsonl", "events.jsonl", "joint_events.jsonl", "pairs.jsonl", "rankings.jsonl",
        "report.json", "targets.jsonl",
    }  # fmt: skip
    (first, *_) = map(json.loads, (tmp_path / "out" / "targets.jsonl").read_text().splitlines())
    assert first["p_assoc"] is None
    assert first["p_assoc_reason"]
    assert {"evidence", "value", "fade", "age", "visibility"} == {
        t["name"] for t in first["priority_terms"]
    }


@pytest.mark.real_data
def test_joint_events_are_listed_and_written(real_data, tmp_path):
    """The burst of 2026-05-11 that Fermi and SVOM saw, on a store of a replay."""
    folder = real_data / "notices"
    files = [folder / "fermi/kafka2026/fermi_gbm_fin_pos/fermi_gbm_fin_pos_1061.xml"]
    files += [folder / f"svom/eclairs/eclairs_{n}.xml" for n in (321, 322)]
    store = f"sqlite:///{tmp_path}/store.sqlite"
    out = tmp_path / "out"
    done = correlator("replay", *files, "--out", out, "--store", store)
    assert done.returncode == 0, done.stderr
    listed = correlator("joint", "--json", "--store", store)
    assert listed.returncode == 0, listed.stderr
    (joint,) = json.loads(listed.stdout)
    assert joint == json.loads((out / "joint_events.jsonl").read_bytes())
    assert joint["event_keys"] == ["fermi-gbm:800190036", "svom:sb26051102"]
    assert joint["links"][0]["far_method"] == "untargeted"
    assert joint["localization_area_90_deg2"] < 0.05
    table = correlator("joint", "--store", store)
    assert "fermi-gbm:800190036" in table.stdout


@pytest.mark.parametrize("form", ["table", "json", "csv", "tom-csv", "ecsv", "votable"])
def test_targets_come_in_every_format(night, tmp_path_factory, form, stored_night):
    done = correlator("targets", "--format", form, "--store", stored_night, "--site", "la-palma")
    assert done.returncode == 0, done.stderr
    truth = json.loads((night / "truth.json").read_text())["counterparts"][0]["object_id"]
    assert truth in done.stdout
    if form == "tom-csv":
        rows = list(csv.DictReader(done.stdout.splitlines()))
        assert list(rows[0]) == ["name", "type", "ra", "dec"]
        assert rows[0]["type"] == "SIDEREAL"


@pytest.fixture(scope="module")
def stored_night(night, tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/store.sqlite"
    done = correlator("replay", night / "alerts", night / "notices", "--store", url)
    assert done.returncode == 0, done.stderr
    return url


def test_the_join_of_a_simulated_night_finds_the_afterglow(night, tmp_path):
    out = tmp_path / "pairs.csv"
    done = correlator(
        "join", "--alerts", night / "alerts", "--notices", night / "notices", "--out", out,
        "--where", "mission == 'SVOM' and n_history < 5",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(out.read_text().splitlines()))
    truth = json.loads((night / "truth.json").read_text())["counterparts"]
    afterglow = next(c["object_id"] for c in truth if c["kind"] == "afterglow")
    assert afterglow in {row["object_id"] for row in rows}
    assert {row["mission"] for row in rows} == {"SVOM"}


def test_a_hostile_expression_is_refused(night, tmp_path):
    done = correlator(
        "join", "--alerts", night / "alerts", "--notices", night / "notices", "--json",
        "--where", "().__class__",
    )  # fmt: skip
    assert done.returncode == 1
    assert "--where: filter, character 3: " in done.stderr
    assert done.stdout == ""


def test_check_and_db_say_what_is_wrong(tmp_path):
    url = f"sqlite:///{tmp_path}/store.sqlite"
    assert correlator("db", "check", "--store", url).returncode == 1
    assert correlator("db", "upgrade", "--store", url).returncode == 0
    assert correlator("db", "check", "--store", url).returncode == 0
    done = correlator("check", "--json", "--store", url)
    assert done.returncode == 0
    rows = {row["check"]: row for row in json.loads(done.stdout)}
    assert set(rows) == {"settings", "store", "broker", "maps"}
    assert rows["maps"]["said"] == "sky maps are not fetched"


def test_check_says_which_maps_are_waited_for(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/x.sqlite"
    map_url = "http://heasarc.gsfc.nasa.gov/x/glg_healpix_all_bn260511459.fit"
    packet = gbm("Fin_Pos", 115, params={"LocationMap_URL": map_url})
    with Store.open(url) as store:
        for n, ago_s in enumerate((60.0, 2.0 * DAY_S)):
            other = packet.replace(b"800190036", b"80019003%d" % n)
            NoticeDesk(store).admit(other, "fin", time.time() - ago_s)
    monkeypatch.setenv("CORRELATOR_FETCH_MAPS", "true")
    done = correlator("check", "--json", "--store", url)
    assert done.returncode == 0, done.stdout
    (row,) = (row for row in json.loads(done.stdout) if row["check"] == "maps")
    assert row["said"] == "1 sky maps are waited for"
    assert [d["url"] for d in row["details"]] == [map_url]


def test_an_alert_is_told_with_its_features_and_scores(night):
    file = sorted((night / "alerts").iterdir())[0]
    done = correlator("alert", file, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert rows
    for row in rows:
        assert list(row)[-3:] == ["class", "features", "scores"]
        assert row["features"]["n_detections"] == row["n_history"] + 1
        assert None not in row["features"].values()
        assert set(row["scores"]["star"]) == {"version", "value", "reason"}
