"""Comet's process is started again, given up, and never left behind."""

import select
import socket
import sys
import time

import pytest

from streams.vtp import child as module
from streams.vtp.child import MOST_FAILURES, SILENT_AFTER_S, Child, CometError, listen
from streams.vtp.settings import BrokerSettings

SETTINGS = BrokerSettings("ivo://org.test/us#vtp", "ivo://org.test/us", "spool", "seen")


def child_that(*lines):
    return Child(SETTINGS, [], [sys.executable, "-S", "-c", "\n".join(lines)])


def watch_until(child, happened):
    give_up = time.monotonic() + 30.0
    while not happened():
        assert time.monotonic() < give_up
        child.watch()
        time.sleep(0.005)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_DELAY_S", 0.0)


def test_it_is_told_its_settings_and_ends_with_its_input(tmp_path):
    told = tmp_path / "told"
    child = child_that(
        "import sys",
        "line = sys.stdin.readline()",
        "rest = sys.stdin.read()",
        f"open({str(told)!r}, 'w').write(line + repr(rest))",
    )
    child.watch()
    assert child.stop()
    assert '"author_ivorn":"ivo://org.test/us"' in told.read_text()
    assert told.read_text().endswith("\n''")


def test_one_that_does_not_end_is_killed():
    child = child_that("import time", "time.sleep(60)")
    child.watch()
    process = child._process
    assert not child.stop(0.1)
    assert process.poll() is not None


def test_one_that_dies_is_started_again(quick):
    child = child_that("import sys", "sys.exit(3)")
    watch_until(child, lambda: child.n_starts == 3)
    child.stop()


def test_one_that_never_starts_well_is_given_up(quick):
    child = child_that("import sys", "sys.exit(3)")
    with pytest.raises(CometError, match=f"{MOST_FAILURES} times .* status 3"):
        watch_until(child, lambda: False)
    assert child.n_starts == MOST_FAILURES
    assert child.stop()


def test_failures_before_a_good_start_are_forgotten(quick, monkeypatch):
    monkeypatch.setattr(module, "_STEADY_AFTER_S", 0.0)
    child = child_that("import sys", "sys.exit(3)")
    watch_until(child, lambda: child.n_starts > MOST_FAILURES + 1)
    child.stop()


def test_one_that_hangs_is_killed_and_started_again(quick, monkeypatch):
    monkeypatch.setattr(module, "SILENT_AFTER_S", 0.2)
    hangs = child_that("import time", "time.sleep(60)")
    watch_until(hangs, lambda: hangs.n_starts == 2)
    hangs.stop(0.0)


def test_one_that_speaks_is_left_alone(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    speaks = child_that("import os, sys", "for line in sys.stdin: os.write(1, b'.')")
    for _ in range(4):
        speaks.watch()
        now[0] += SILENT_AFTER_S - 1.0
        speaks._process.stdin.write(b"speak\n")
        speaks._process.stdin.flush()
        assert select.select([speaks._process.stdout], [], [], 30.0)[0]
    assert speaks.n_starts == 1
    assert speaks.stop()


def test_a_port_is_waited_for_but_not_without_end(monkeypatch):
    monkeypatch.setattr(module, "_FREE_WITHIN_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CometError, match=f"port 127.0.0.1:{port}: cannot be listened on"):
            listen("127.0.0.1", port)
    listen("127.0.0.1", port).close()
