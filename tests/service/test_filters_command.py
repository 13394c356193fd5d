"""``correlator filters``: presets and fields, the check of a filter, what one would have sent."""

import json

import pytest

from storage.store import Store
from tests.builders import T0_UNIX_S, a_coincidence, a_summary
from tests.service.test_commands import correlator

KEY = "svom:sb26051102"
DAY_S = 86_400.0


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    said = f"sqlite:///{tmp_path_factory.mktemp('store')}/store.sqlite"
    with Store.open(said) as store:
        for day, mag_ab in enumerate((18.0, 21.0, None)):
            found = [] if mag_ab is None else [a_coincidence(
                event_key=KEY, object=a_summary(last_mag_ab=mag_ab))]  # fmt: skip
            at = T0_UNIX_S + day * DAY_S
            store.coincidences.publish(KEY, found, at, "the event is retracted")
    return said


@pytest.mark.parametrize("words", [["list"], ["check"], ["run"]])
def test_help_shows_an_example(words):
    done = correlator("filters", *words, "--help")
    assert done.returncode == 0
    assert f"Example: correlator filters {words[0]}" in done.stdout


def test_presets_and_fields_are_listed():
    said = json.loads(correlator("filters", "list", "--json").stdout)
    assert {p["name"] for p in said["presets"]} == {"grandma-gw", "svom-grb", "ep-fxt"}
    assert all(cut["source"] for preset in said["presets"] for cut in preset["cuts"])
    assert {"name": "rank", "kind": "number", "choices": []}.items() <= next(
        f for f in said["fields"] if f["name"] == "rank"
    ).items()
    table = correlator("filters", "list").stdout
    assert "not yet: " in table
    assert "credible_level" in table


def test_text_json_and_files_are_one_filter(tmp_path):
    text, other = tmp_path / "a.filter", tmp_path / "a.json"
    text.write_text("\ufeffrank = 1\n", "utf-8")
    other.write_text('{"field": "rank", "op": "=", "value": 1}')
    ids = {
        json.loads(correlator("filters", "check", said, "--json").stdout)["filter_id"]
        for said in ("rank=1", text, other)
    }
    assert len(ids) == 1
    assert correlator("filters", "check", "RANK = 1".lower()).stdout == "rank = 1\n"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("rank = 1 and nowhere = 2", "filter, character 14: the name of a field is expected"),
        ('{"field": "rank"', "JSON is expected"),
        ("last_band = '" + "\u00e9" * 200 + "' and", "filter, character 219"),
        ("rank = 1 or " * 100, "filter, character 1201"),
        ("svom-grbs", "svom-grbs: there is no preset (ep-fxt, grandma-gw, svom-grb) and no file"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place(said, why, url):
    for command in (["check", said], ["run", said, "--store", url]):
        done = correlator("filters", *command)
        assert done.returncode == 1
        assert why in done.stderr
        assert done.stdout == ""


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00")
    done = correlator("filters", "check", tmp_path / "x")
    assert done.returncode == 1
    assert "UTF-8 is expected" in done.stderr
    (tmp_path / "y").write_bytes(b" " * 2**20)
    done = correlator("filters", "check", tmp_path / "y")
    assert done.returncode == 1
    assert "characters" in done.stderr


def test_what_a_preset_would_have_sent(url):
    done = correlator("filters", "run", "svom-grb", "--store", url, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["n_sent"] == 3
    rows = [(r["revision"], r["passes"], r.get("last_mag_ab"), r["reason"]) for r in said["sent"]]
    assert rows == [
        (1, True, 18.0, None),
        (2, True, 21.0, None),
        (3, False, None, "the event is retracted"),
    ]
    bright = correlator(
        "filters", "run", "last_mag_ab < 20", "--since", "2025-10-10", "--store", url
    )
    assert bright.returncode == 0
    assert bright.stderr.endswith("1 sent, 1 shown\n")
    first = correlator("filters", "run", "svom-grb", "--limit", 1, "--store", url, "--json")
    assert [r["revision"] for r in json.loads(first.stdout)["sent"]] == [1]
    assert json.loads(first.stdout)["n_sent"] == 3
