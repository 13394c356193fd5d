"""``correlator db``: the diagram, what is old, and its room."""

import json
from shutil import copyfile

import pytest
from click.testing import CliRunner

from correlator.errors import ConfigurationError
from correlator.policy import DAY_S
from correlator.service.cli import correlator
from storage.diagram import mermaid, schema_page
from storage.store import Store
from tests.builders import T0_UNIX_S, an_alert
from tests.storage.writers import put_alerts


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "store.sqlite"
    with Store.open(f"sqlite:///{path}") as store:
        put_alerts(store, an_alert("1", "old", time_unix_s=T0_UNIX_S - 100 * DAY_S))
        put_alerts(store, an_alert("1", "latest", time_unix_s=T0_UNIX_S))
    return path


@pytest.fixture
def url(made, tmp_path):
    copyfile(made, tmp_path / "store.sqlite")
    return f"sqlite:///{tmp_path}/store.sqlite"


def run(*words, fails=False):
    done = CliRunner().invoke(correlator, ["db", *map(str, words)])
    assert (done.exit_code != 0) == fails, done.output
    return done


def test_the_diagram_is_printed_as_it_is():
    assert run("diagram").stdout == mermaid()
    assert run("diagram", "--page").stdout == schema_page()


def test_the_age_is_counted_from_the_latest_alert(url):
    words = ["retain", "--older-than", "90d", "--store", url, "--json"]
    dry = json.loads(run(*words, "--dry-run").stdout)
    assert dry["removed"] == {"pairs": 0, "objects": 1, "alerts": 1, "dead_letters": 0}
    assert (dry["is_dry_run"], dry["tables"]) == (True, ["pairs", "objects"])
    assert dry["before_time"] == "2025-07-11T08:53:20.000000Z"
    done = json.loads(run(*words).stdout)
    assert done["removed"] == dry["removed"]
    said = run("retain", "--older-than", "90d", "--store", url, "--table", "objects").stdout
    assert "went: 0 pairs, 0 objects, 0 alerts" in said
    with Store.open(url) as store:
        assert [obj.object_id for obj in store.alerts.objects()] == ["latest"]


def test_nothing_that_may_be_open_goes(url):
    done = run("retain", "--older-than", "46.9d", "--store", url, fails=True)
    assert isinstance(done.exception, ConfigurationError)
    assert "at least 47d" in str(done.exception)
    run("retain", "--older-than", "a year", "--store", url, fails=True)
    run("retain", "--older-than", "90d", "--table", "events", "--store", url, fails=True)
    with Store.open(url) as store:
        assert store.counts()["objects"] == 2


def test_vacuum_says_what_it_gave_back(url):
    row = json.loads(run("vacuum", "--store", url, "--json").stdout)
    assert 0 < row["bytes_after"] <= row["bytes_before"]
    assert " MB before, " in run("vacuum", "--store", url).stdout


def test_a_copy_is_made_and_brought_back(url, tmp_path):
    copy, new = tmp_path / "copy", f"sqlite:///{tmp_path}/new.sqlite"
    made = json.loads(run("backup", copy, "--store", url, "--json").stdout)
    assert made["n_bytes"] == copy.stat().st_size
    assert isinstance(run("backup", copy, "--store", url, fails=True).exception, ConfigurationError)
    run("backup", copy, "--store", url, "--force")
    assert "2 alerts, 2 objects" in run("restore", copy, "--store", new).stdout
    refused = run("restore", copy, "--store", new, fails=True)
    assert "is not empty (alerts, objects)" in str(refused.exception)
    row = json.loads(run("restore", copy, "--store", new, "--replace", "--json").stdout)
    assert (row["rows"]["alerts"], row["version"]) == (2, made["version"])
    assert "as expected" in run("check", "--store", new).stdout


def test_roles_are_postgresqls(url):
    done = run("read-only-role", "analyst", "--store", url, fails=True)
    assert isinstance(done.exception, ConfigurationError)


@pytest.mark.slow
def test_a_role_is_told_and_made(postgres_server):
    url = postgres_server.new_database()
    Store.open(url).close()
    said = run("read-only-role", "told_only", "--sql", "--store", url).stdout
    assert said.startswith("CREATE ROLE told_only LOGIN NOSUPERUSER")
    assert "GRANT USAGE ON SCHEMA analysts TO told_only;\n" in said
    assert "may read notices, " in run("read-only-role", "analyst_of_test", "--store", url).stdout
