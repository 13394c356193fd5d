"""A simulated night grows old, is copied and brought back: what was published reads the same."""

import json

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from correlator.policy import DAY_S
from correlator.service.cli import correlator
from storage.schema import coincidences, objects, pairs, targets
from storage.store import Store
from tests.builders import an_alert
from tests.storage.contents import contents
from tests.storage.writers import put_alerts


def run(*words):
    done = CliRunner().invoke(correlator, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


def keys(store, column):
    with store.engine.connect() as connection:
        return set(connection.execute(select(column)).scalars())


@pytest.mark.slow
def test_what_a_night_published_outlives_retention_and_a_copy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    old, new = (f"sqlite:///{tmp_path}/{name}.sqlite" for name in ("old", "new"))
    run("simulate", "night", "--seed", 7, "--alerts", 4000, "--out", "night")
    run("replay", "night", "--out", "results", "--store", old)
    lists = ["targets", "--case", "kilonova", "--format", "json", "--store"]
    with Store.open(old) as store:
        latest = store.alerts.latest_unix_s()
        put_alerts(store, an_alert("1", "much-later", time_unix_s=latest + 200 * DAY_S))
        before = contents(store)
        published = keys(store, coincidences.c.object_key) | keys(store, targets.c.object_key)
        assert published
        said = run(*lists, old)
        removed = json.loads(run("db", "retain", "--older-than", "180d", "--json", "--store", old))
        assert removed["removed"]["objects"] > 1000
        assert removed["removed"]["pairs"] > 10
        after = contents(store)
        assert keys(store, objects.c.object_key) == published | {"ztf:much-later"}
        assert keys(store, pairs.c.object_key) == published
    gone = {"alerts", "objects", "pairs"}
    assert {name for name in before if after[name] != before[name]} == gone
    run("db", "backup", "copy", "--store", old)
    run("db", "vacuum", "--store", old)
    run("db", "restore", "copy", "--store", new)
    run("db", "check", "--store", new)
    with Store.open(new) as store:
        assert contents(store) == after
    assert run(*lists, new) == run(*lists, old) == said
