"""``correlator subscriptions``: put, seen, changed and removed, with what would have been sent."""

import json
import time

import pytest
from click.testing import CliRunner

from correlator.errors import ConfigurationError, RefusedError
from correlator.policy import DAY_S
from correlator.service.commands.subscriptions import subscriptions
from storage.store import Store
from tests.builders import a_coincidence, a_summary

KEY = "svom:sb26051102"


@pytest.fixture
def url(tmp_path):
    """A store in which one coincidence was bright, then faint, then gone: 40, 20 and 10 d ago."""
    said = f"sqlite:///{tmp_path}/store.sqlite"
    with Store.open(said) as store:
        for days_ago, mag_ab in ((40, 18.0), (20, 21.0), (10, None)):
            found = [] if mag_ab is None else [a_coincidence(
                event_key=KEY, object=a_summary(last_mag_ab=mag_ab))]  # fmt: skip
            at = time.time() - days_ago * DAY_S
            store.coincidences.publish(KEY, found, at, "the event is retracted")
    return said


@pytest.fixture
def run(url):
    def run_it(*words):
        done = CliRunner().invoke(subscriptions, [*words, "--store", url], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done

    return run_it


def add(run, *words, filter_="last_mag_ab < 20"):
    return run("add", "bright", "--owner", "anna", "--filter", filter_, *words)


def test_one_is_added_and_the_month_shown_newest_first(run):
    said = json.loads(add(run, "--json").stdout)
    assert said["topic"] == "coincidence.user.bright"
    assert said["filter"] == "last_mag_ab < 20"
    assert [(row["revision"], row["passes"]) for row in said["sent"]] == [(2, False)]
    more = json.loads(run("show", "bright", "--last", "60d", "--json").stdout)
    assert [(row["revision"], row["passes"]) for row in more["sent"]] == [(2, False), (1, True)]
    assert more["n_sent"] == 2
    less = json.loads(run("show", "bright", "--last", "60d", "--limit", "1", "--json").stdout)
    assert (less["n_sent"], len(less["sent"])) == (2, 1)
    table = run("show", "bright", "--last", "60d")
    assert "topic: coincidence.user.bright" in table.stdout
    assert "2 sent, the last 2 shown" in table.stderr


def test_one_is_changed_paused_listed_and_removed(run, url):
    add(run)
    add(run, "--paused", "--audience", "svom", filter_="grandma-gw")
    (row,) = json.loads(run("list", "--json").stdout)
    assert (row["is_active"], row["audience"]) == (False, ["svom"])
    assert "neutron_star" in row["filter"] or "lvk" in row["filter"]
    assert json.loads(run("list", "--owner", "bert", "--json").stdout) == []
    assert "anna" in run("list").stdout
    run("remove", "bright", "--owner", "anna")
    with Store.open(url) as store:
        assert store.subscriptions.list() == ()
    with pytest.raises(ConfigurationError, match="no subscription 'bright'"):
        run("show", "bright")


def test_what_is_anothers_is_neither_changed_nor_removed(run):
    add(run)
    with pytest.raises(RefusedError, match="another owner"):
        run("add", "bright", "--owner", "bert", "--filter", "rank = 1")
    with pytest.raises(ConfigurationError, match="no subscription 'bright' of 'bert'"):
        run("remove", "bright", "--owner", "bert")
