"""``correlator coincidence`` and ``correlator schema``: what is printed keeps to what is shown."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from correlator.errors import ConfigurationError, MalformedPacketError
from correlator.service.cli import correlator
from correlator.service.notice_check import NoticeChecker
from correlator.wire import record_of_event
from storage.store import Store
from streams.gcn_notice import BOOM_URL
from streams.notice_schema import schema_of_code
from tests.builders import T0_UNIX_S, a_coincidence, an_event

FROZEN = Path(__file__).parents[1] / "streams" / "notices" / "coincidence-1.0.0.jsonl"


def run(*words):
    return CliRunner().invoke(correlator, list(map(str, words)))


@pytest.fixture
def stored(tmp_path):
    """URL of a store with a coincidence in two cases, one of which is taken back; and its id."""
    url, key = f"sqlite:///{tmp_path / 'store.sqlite'}", an_event().event_key
    with Store.open(url) as store:
        store.events.put(record_of_event(an_event()))
        both = [a_coincidence(), a_coincidence(case="kilonova")]
        store.coincidences.publish(key, both, T0_UNIX_S + 1.0, "gone")
        store.coincidences.publish(key, both[:1], T0_UNIX_S + 2.0, "gone")
    return url, both[0].pair.coincidence_id


def test_a_coincidence_is_printed_as_the_topic_has_it_and_keeps_to_the_schema(stored, tmp_path):
    url, coincidence_id = stored
    printed = run("coincidence", coincidence_id, "--case", "kilonova", "--store", url)
    assert printed.exit_code == 0, printed.output
    said = json.loads(printed.output)
    assert (said["alert_type"], said["coincidence"]["revision"]) == ("retraction", 2)
    (file := tmp_path / "one.json").write_text(printed.output)
    checked = run("schema", "check", file)
    assert checked.exit_code == 0, checked.output
    assert "1 of 1 documents keep to the schema, without GCN's core" in checked.output
    boom = run("coincidence", coincidence_id, "--case", "kilonova", "--boom", "--store", url)
    assert json.loads(boom.output)["$schema"] == BOOM_URL


def test_which_of_several_must_be_said(stored):
    url, coincidence_id = stored
    ambiguous = run("coincidence", coincidence_id, "--store", url)
    assert "choose one: grb-afterglow, kilonova" in str(ambiguous.exception)
    assert "no coincidence nothing" in str(run("coincidence", "nothing", "--store", url).exception)


def test_the_schema_is_shown():
    shown = run("schema", "show")
    assert shown.exit_code == 0
    assert json.loads(shown.output) == schema_of_code()


def test_documents_are_named_with_the_place_and_the_rule_that_they_break(tmp_path):
    lines = FROZEN.read_text().splitlines()
    wrong = json.loads(lines[0])
    wrong["coincidence"]["significance"]["p_assoc"] = "high"
    del wrong["coincidence"]["state"]
    (file := tmp_path / "some.jsonl").write_text("\n".join([*lines, "", json.dumps(wrong)]))
    checked = run("schema", "check", file, "--json")
    assert checked.exit_code == 3
    said = json.loads(checked.stdout)
    assert (said["checked"], said["wrong"], said["gcn"]) == (4, 1, False)
    (row,) = [row for row in said["rows"] if row["errors"]]
    assert row["document"] == "some.jsonl:5"
    assert [error.partition(":")[0] for error in row["errors"]] == [
        "$.coincidence",
        "$.coincidence.significance.p_assoc",
    ]
    plain = run("schema", "check", file)
    assert "3 of 4 documents" in plain.output
    assert "some.jsonl:5: $.coincidence: 'state' is a required property" in plain.output


def test_a_line_that_is_no_json_and_a_folder_that_is_not_gcns_are_named(tmp_path):
    (file := tmp_path / "broken.jsonl").write_text('{"a": 1}\n{"a": \n')
    failed = run("schema", "check", file)
    assert isinstance(failed.exception, MalformedPacketError)
    assert "broken.jsonl:2" in str(failed.exception)
    (file := tmp_path / "empty.jsonl").write_text("\n")
    assert "a file has a document" in str(run("schema", "check", file).exception)
    with pytest.raises(ConfigurationError, match="core/Alert"):
        NoticeChecker(tmp_path)


@pytest.mark.real_data
def test_with_gcns_files_its_core_is_checked_too(real_data, tmp_path):
    gcn = real_data / "gcn-schema" / "gcn" / "notices"
    right = run("schema", "check", FROZEN, "--gcn", gcn)
    assert right.exit_code == 0, right.output
    assert "3 of 3 documents keep to the schema and GCN's core" in right.output
    said = json.loads(FROZEN.read_text().splitlines()[0]) | {"alert_tense": "now"}
    (file := tmp_path / "one.json").write_text(json.dumps(said))
    assert run("schema", "check", file).exit_code == 0
    assert run("schema", "check", file, "--gcn", gcn).exit_code == 3
