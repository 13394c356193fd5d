"""Comet as a child process: started, watched, started again, stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import structlog

from correlator.errors import CorrelatorError
from correlator.wire import to_json
from streams.vtp.settings import BrokerSettings

log = structlog.get_logger(__name__)

_COMMAND = (sys.executable, "-m", "streams.vtp.broker")

_STEADY_AFTER_S = 10.0
"""A child that lived for so long has started well [s]."""

_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 30.0
"""Wait before it is started again [s]; it doubles while it does not start well."""

MOST_FAILURES = 8
"""So many starts that fail one after the other are the end of us: someone must look."""

SILENT_AFTER_S = 60.0
"""A child says a byte a second; one that says nothing for so long hangs, and is killed [s]."""

_FREE_WITHIN_S = 10.0
"""How long we wait for a port [s]: the child of one of us that was killed needs a moment to end."""


class CometError(CorrelatorError):
    """Comet cannot be run."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, which a child inherits, so that nobody is refused while it starts again.

    Parameters
    ----------
    port
        0 for one that is free.

    Raises
    ------
    CometError
        Another program has the port, or the host is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    until = time.monotonic() + _FREE_WITHIN_S
    while True:
        try:
            return socket.create_server((host, port), family=family, backlog=128)
        except OSError as error:
            if time.monotonic() >= until:
                raise CometError(f"port {host}:{port}: cannot be listened on: {error}") from error
        time.sleep(0.1)


class Child:
    """Comet's process.

    Parameters
    ----------
    settings
        What it is told.
    listeners
        The sockets that it inherits.
    command
        What runs it.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        listeners: Sequence[socket.socket],
        command: Sequence[str] = _COMMAND,
    ) -> None:
        self._settings = to_json(settings) + b"\n"
        self._fds = [each.fileno() for each in listeners]
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = self._due_at = self._heard_at = 0.0
        self._n_failures = 0
        self.n_starts = 0

    def watch(self) -> None:
        """Start the child if it does not run and the time has come; kill it if it hangs.

        Raises
        ------
        CometError
            It ended soon after each of the last starts.
        """
        now = time.monotonic()
        if self._process is not None:
            if self._process.poll() is None:
                self._hear(self._process, now)
                return
            self._note_end(self._process, now)
        if now >= self._due_at:
            self._start(now)

    def stop(self, within_s: float = 10.0) -> bool:
        """Let the child end what it has begun; whether it ended by itself."""
        process, self._process = self._process, None
        if process is None:
            return True
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        try:
            return process.wait(within_s) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False
        finally:
            _close(process)

    def _start(self, now: float) -> None:
        self._process = process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=self._fds,
            start_new_session=True,  # an interrupt from the keyboard is for us to handle
        )
        self._started_at = self._heard_at = now
        self.n_starts += 1
        log.info("comet_started", pid=process.pid, n_starts=self.n_starts)
        if process.stdin is None or process.stdout is None:
            raise CometError("comet has no standard input or output")
        os.set_blocking(process.stdout.fileno(), False)
        with suppress(OSError):  # it has ended already; the next look says so
            process.stdin.write(self._settings)
            process.stdin.flush()

    def _hear(self, process: subprocess.Popen[bytes], now: float) -> None:
        said = b""
        if process.stdout is not None:
            with suppress(BlockingIOError):
                said = os.read(process.stdout.fileno(), 4096)
        if said:
            self._heard_at = now
        elif now - self._heard_at >= SILENT_AFTER_S:
            log.error("comet_hangs", pid=process.pid, silent_s=round(now - self._heard_at))
            process.kill()
            process.wait()

    def _note_end(self, process: subprocess.Popen[bytes], now: float) -> None:
        _close(process)
        self._process = None
        lived_s = now - self._started_at
        self._n_failures = 0 if lived_s >= _STEADY_AFTER_S else self._n_failures + 1
        log.error("comet_ended", status=process.returncode, lived_s=round(lived_s, 1))
        if self._n_failures >= MOST_FAILURES:
            raise CometError(
                f"comet ended {MOST_FAILURES} times within {_STEADY_AFTER_S:g} s of its start, "
                f"the last time with status {process.returncode}; its log says why"
            )
        delay_s = _FIRST_DELAY_S * 2.0 ** max(self._n_failures - 1, 0)
        self._due_at = now + min(delay_s, _LONGEST_DELAY_S)


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
