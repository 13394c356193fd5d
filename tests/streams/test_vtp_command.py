"""The words of ``correlator ingest vtp``: what is asked for, and what cannot be."""

import re
from contextlib import ExitStack

import pytest
from click.testing import CliRunner

from correlator.service.commands import ingest_vtp
from correlator.service.commands.ingest_vtp import _open_doors
from streams.vtp.settings import LOOPBACK, BrokerSettings


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the command without its work; gives its result and what it would tell Comet."""
    monkeypatch.setenv("CORRELATOR_BROKER", "kafka://127.0.0.1:1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ingest_vtp, "_declare_in_background", lambda *_: None)
    monkeypatch.setattr(ingest_vtp, "run_edge", lambda _: None)
    monkeypatch.setattr(ingest_vtp, "log_to_stderr", lambda verbose: None)
    told = []
    monkeypatch.setattr(ingest_vtp, "Child", lambda settings, doors: told.append(settings))

    def run(*words):
        result = CliRunner().invoke(ingest_vtp.vtp, words)
        return result, (told[-1] if told else None)

    return run


def test_the_words_become_settings(run):
    result, comet = run(
        "--remote", "broker.example.org", "--remote", "127.0.0.1:8100", "--receive", "0",
        "--author", "192.0.2.7/24", "--filter", "//Who", "--local-ivo", "ivo://org.test/us#1",
        "--spool", "deep/spool", "--eventdb", "events", "--bind", "127.0.0.1",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert comet.remotes == (("broker.example.org", 8099), ("127.0.0.1", 8100))
    assert comet.authors == ("192.0.2.0/24",)
    assert comet.subscribers == LOOPBACK
    assert comet.filters == ("//Who",)
    assert (comet.spool, comet.seen) == ("deep/spool", "events/seen.sqlite")
    assert comet.local_ivorn == "ivo://org.test/us#1"
    assert isinstance(comet.receive_fd, int)
    assert (comet.broadcast_fd, comet.own_fd, comet.is_relay) == (None, None, False)


def test_a_broadcast_has_a_port_of_its_own_for_us(run):
    result, comet = run("--broadcast", "0")
    assert result.exit_code == 0, result.output
    assert comet.receive_fd is None
    assert None not in (comet.broadcast_fd, comet.own_fd)
    assert comet.local_ivorn == "ivo://mm-correlator.example/coincidences#vtp"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "one of --remote, --receive and --broadcast is needed"),
        (("--remote", "host:port"), "host:port: must be HOST[:PORT]"),
        (("--remote", "host:70000"), "must be HOST[:PORT]"),
        (("--remote", ":8099"), "must be HOST[:PORT]"),
        (("--receive", "1", "--author", "anybody"), "'anybody' does not appear"),
        (("--remote", "a", "--filter", "//["), "must be an XPath expression"),
        (("--remote", "a", "--local-ivo", "us"), "must be ivo://AUTHORITY/RESOURCE#LOCAL"),
    ],
)
def test_words_that_cannot_be_are_a_usage_error(run, words, said):
    result, comet = run(*words)
    assert result.exit_code == 2
    assert said in re.sub(r"\s+", " ", result.output)
    assert comet is None


def test_memory_is_no_broker_of_an_edge(run, monkeypatch):
    monkeypatch.setenv("CORRELATOR_BROKER", "memory://correlator")
    result, comet = run("--receive", "0")
    assert "an edge needs kafka://HOST:PORT" in str(result.exception)
    assert comet is None


@pytest.mark.parametrize(
    ("networks", "bind", "address"),
    [
        (LOOPBACK, None, "127.0.0.1"),
        (("127.0.0.1/32",), None, "127.0.0.1"),
        (("127.0.0.1/32", "192.0.2.0/24"), None, "0.0.0.0"),
        (("192.0.2.0/24",), "127.0.0.1", "127.0.0.1"),
    ],
)
def test_the_ports_reach_no_further_than_who_is_let_in(networks, bind, address):
    comet = BrokerSettings("ivo://a/b#c", "ivo://a/b", "spool", "seen", authors=networks)
    with ExitStack() as stack:
        doors = _open_doors(stack, comet, 0, 0, bind)
        assert doors["receive"].getsockname()[0] == address
        assert doors["broadcast"].getsockname()[0] == "127.0.0.1"
        assert doors["own"].getsockname()[0] == "127.0.0.1"
