"""A catalogue in the folder: what a replay then says of the objects near its entries."""

import json

import pytest

from tests.service.test_commands import correlator

HEADER = "source_id,ra,dec,parallax,parallax_over_error"


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night") / "n"
    said = ["--seed", 3, "--alerts", 1500, "--out", folder, "--json"]
    assert correlator("simulate", "night", *said).returncode == 0
    return folder


def replayed(night, out):
    done = correlator("replay", night, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    return {
        name: [json.loads(line) for line in (out / f"{name}.jsonl").read_text().splitlines()]
        for name in ("pairs", "rankings", "coincidences", "targets")
    }


@pytest.mark.slow
def test_a_star_of_gaia_leaves_the_lists_and_the_rest_stays(night, tmp_path, monkeypatch):
    monkeypatch.setenv("CORRELATOR_CATALOGS", str(tmp_path / "catalogs"))
    before = replayed(night, tmp_path / "before")
    star = before["coincidences"][0]
    others = [r for r in before["coincidences"] if r["object_key"] != star["object_key"]]
    assert others
    assert {row["catalogs"] == [] for row in before["pairs"]} == {True}
    assert all(row["class"] and row["scores"]["kilonova"]["version"] for row in [star, *others])
    assert {row["class"] is None for row in before["pairs"]} == {True, False}

    file = tmp_path / "gaia.csv"
    file.write_text(f"{HEADER}\n17,{star['ra_deg']},{star['dec_deg']},5.0,50.0\n")
    built = correlator("catalogs", "build", "gaia", file, "--json")
    version = json.loads(built.stdout)["version"]
    after = replayed(night, tmp_path / "after")

    gone = {row["object_key"] for row in before["coincidences"]}
    gone -= {row["object_key"] for row in after["coincidences"]}
    assert gone == {star["object_key"]}
    (row, *_) = [r for r in after["pairs"] if r["object_key"] == star["object_key"]]
    assert (row["is_extragalactic"], row["class"]) == (False, None)
    assert row["catalogs"][0]["tags"][0]["object_id"] == "17"
    rejections = {
        rejection
        for ranking in after["rankings"]
        for candidate in ranking["candidates"]
        if candidate["object_key"] == star["object_key"]
        for rejection in candidate["rejections"]
    }
    assert rejections == {"star_in_a_catalogue"}
    said = {(c["catalog"], c["version"]) for row in after["pairs"] for c in row["catalogs"]}
    assert said == {("gaia", version)}
    unasked = ("catalogs", "rank")  # one fewer before them
    kept = [{k: v for k, v in r.items() if k not in unasked} for r in after["coincidences"]]
    assert kept == [{k: v for k, v in r.items() if k not in unasked} for r in others]
