"""``correlator tokens``: made, listed, revoked."""

import json
from shutil import copyfile

import pytest
from click.testing import CliRunner

from correlator.errors import ConfigurationError, RefusedError
from correlator.service.cli import correlator
from storage.store import Store


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "store.sqlite"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def url(made, tmp_path):
    copyfile(made, tmp_path / "store.sqlite")
    return f"sqlite:///{tmp_path}/store.sqlite"


def run(url, *words, fails=False):
    done = CliRunner().invoke(correlator, ["tokens", *words, "--store", url])
    assert (done.exit_code != 0) == fails, done.output
    return done


def test_a_token_is_made_listed_and_revoked(url):
    made = run(
        url, "create", "grandma", "--scope", "write", "--scope", "read", "--audience", "svom"
    )
    secret = made.stdout.strip()
    assert made.stdout == f"{secret}\n"
    assert "never expires" in made.stderr
    assert secret not in made.stderr
    listed = run(url, "list", "--json")
    (row,) = json.loads(listed.stdout)
    assert secret.split("_", 2)[2] not in listed.output
    assert row["scopes"] == ["read", "write"]
    assert (row["name"], row["audience"], row["state"]) == ("grandma", ["svom"], "valid")
    assert row["token_id"] in run(url, "list").stdout.replace("\n", "")
    assert "is revoked" in run(url, "revoke", row["token_id"]).stdout
    assert json.loads(run(url, "list", "--json").stdout) == []
    (row,) = json.loads(run(url, "list", "--all", "--json").stdout)
    assert row["state"] == "revoked"


def test_one_that_expires_soon_is_told_when_it_is_made_and_listed(url):
    made = run(url, "create", "a", "--scope", "read", "--expires-in", "13d", "--json")
    row = json.loads(made.stdout)
    assert row["state"] == "expires soon"
    assert row["secret"].startswith(f"mmc_{row['token_id']}_")
    assert "warning: it expires at" in made.stderr
    run(url, "create", "b", "--scope", "read", "--expires-in", "90d")
    said = run(url, "list").stderr
    assert row["token_id"] in said
    assert said.count("warning") == 1


@pytest.mark.parametrize(("words", "error"), [
    (["create", "a"], SystemExit),
    (["create", "a", "--scope", "root"], SystemExit),
    (["create", "a", "--scope", "read", "--expires-in", "soon"], SystemExit),
    (["create", "a", "--scope", "read", "--expires-in", "0d"], SystemExit),
    (["create", "a", "--scope=read", "--expires=2030-01-01", "--expires-in=1d"], SystemExit),
    (["create", "a", "--scope", "read", "--expires", "2020-01-01"], RefusedError),
    (["create", "a", "--scope", "read", "--audience", "A B"], RefusedError),
    (["create", "a", "--scope", "read", "--rate", "nan"], RefusedError),
    (["revoke", "nothing"], ConfigurationError),
])  # fmt: skip
def test_what_cannot_be_done_is_refused_and_nothing_is_made(url, words, error):
    done = run(url, *words, fails=True)
    assert isinstance(done.exception, error)
    assert done.stdout == ""
    with Store.open(url, migrate=False) as store:
        assert store.tokens.list() == ()
