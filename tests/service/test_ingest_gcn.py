"""What `correlator ingest gcn` refuses before it reads anything."""

from __future__ import annotations

import time

import click
import pytest
from click.testing import CliRunner

from correlator.errors import ConfigurationError
from correlator.service.commands import ingest_gcn as module
from correlator.service.commands.ingest_gcn import BeginType
from streams.admin import BrokerError
from streams.spool import SpoolError

OURS = {"CORRELATOR_BROKER": "kafka://127.0.0.1:1"}
MIRROR = OURS | {"CORRELATOR_GCN_SERVERS": "127.0.0.1:2"}


def refused(environment, *words):
    names = ("CLIENT_ID", "CLIENT_SECRET", "SERVERS", "DOMAIN")
    clean = {f"CORRELATOR_GCN_{name}": None for name in names}
    done = CliRunner().invoke(module.gcn, words, env=clean | environment)
    return done.exception if done.exit_code == 1 else done.output


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"CORRELATOR_BROKER": "memory://x"}, "an edge needs kafka://"),
        (OURS, "set CORRELATOR_GCN_CLIENT_ID"),
        (OURS | {"CORRELATOR_GCN_CLIENT_SECRET": "hush"}, "set CORRELATOR_GCN_CLIENT_ID"),
        (MIRROR | {"CORRELATOR_GCN_CLIENT_SECRET": "hush"}, "not both"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_in_words(environment, said):
    error = refused(environment)
    assert isinstance(error, ConfigurationError)
    assert said in str(error)
    assert "hush" not in str(error)


def test_a_file_that_is_no_spool_is_refused_by_name(tmp_path):
    path = tmp_path / "spool"
    path.write_bytes(b"no database" * 1000)
    error = refused(MIRROR, "--spool", str(path))
    assert isinstance(error, SpoolError)
    assert str(path) in str(error)


def test_a_broker_that_does_not_want_our_topics_ends_it_and_one_that_is_away_does_not(monkeypatch):
    def says(topic):
        def declare(servers, *_):
            raise BrokerError(servers, topic, "rule", "no")

        monkeypatch.setattr(module, "declare", declare)

    says(None)
    module._declare("127.0.0.1:1", None)
    says("notices.raw")
    with pytest.raises(BrokerError, match=r"notices\.raw"):
        module._declare("127.0.0.1:1", None)


@pytest.mark.parametrize(
    ("word", "begin"),
    [
        ("earliest", "earliest"),
        ("latest", "latest"),
        ("2026-05-01T00:00:00Z", 1_777_593_600.0),
        ("2026-05-01", 1_777_593_600.0),
    ],
)
def test_a_beginning_is_a_word_or_a_time(word, begin):
    assert BeginType().convert(word, None, None) == begin


@pytest.mark.parametrize("word", ["soon", "", f"{time.gmtime().tm_year + 2}-01-01"])
def test_a_beginning_that_is_none_or_lies_in_the_future_is_refused(word):
    with pytest.raises(click.BadParameter):
        BeginType().convert(word, None, None)
