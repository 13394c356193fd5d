"""Processes of the product under a benchmark: a worker on a broker and a store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from correlator.errors import ConfigurationError

_ROOT = Path(__file__).parent.parent
_STOPS_WITHIN_S = 60.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Process:
    """A process of ours, and what it takes of the machine."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self._popen = popen
        self._log = log

    @property
    def pid(self) -> int:
        """Its number."""
        return self._popen.pid

    def check(self) -> None:
        """See that it runs.

        Raises
        ------
        ConfigurationError
            It has ended; says what it said last.
        """
        if (state := self._popen.poll()) is not None:
            tail = "\n".join(self.said().splitlines()[-20:])
            raise ConfigurationError(f"{self.name} ended with state {state}:\n{tail}")

    def said(self) -> str:
        """Its log."""
        return self._log.read_text(errors="replace")

    def rss_bytes(self) -> int:
        """Memory that it has in use."""
        fields = Path(f"/proc/{self._popen.pid}/statm").read_text().split()
        return int(fields[1]) * _PAGE_BYTES

    def cpu_s(self) -> float:
        """Processor time of all its threads so far [s]."""
        fields = Path(f"/proc/{self._popen.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def worker(
    servers: str, store_url: str, app_id: str, folder: Path, program: tuple[str, ...] = ()
) -> Iterator[Process]:
    """One `correlator worker`, with its log in a folder; ended with the context.

    Parameters
    ----------
    program
        What runs it, before the module of the command line; Python, if nothing is said.
    """
    words = ["--verbose", "worker", "--name", f"{app_id}-worker"]
    command = [*(program or (sys.executable, "-m")), "correlator.service.cli", *words]
    with running("worker", command, folder, servers, store_url, app_id) as process:
        yield process


@contextmanager
def running(
    name: str,
    command: list[str],
    folder: Path,
    servers: str,
    store_url: str,
    app_id: str,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """A process with the settings of a cluster in its environment; ended with the context.

    Parameters
    ----------
    settings
        More variables of the environment.
    """
    ours = {key: v for key, v in os.environ.items() if not key.startswith("CORRELATOR_")}
    chosen = {
        "CORRELATOR_FETCH_MAPS": "false",
        "CORRELATOR_BROKER": f"kafka://{servers}",
        "CORRELATOR_STORE": store_url,
        "CORRELATOR_APP_ID": app_id,
        "PYTHONUNBUFFERED": "1",
        **(settings or {}),
    }
    log = folder / f"{name}.log"
    with log.open("wb") as file:
        popen = subprocess.Popen(
            [*_dies_with_us(), *command],
            cwd=_ROOT,
            env=ours | chosen,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Process(name, popen, log)
    finally:
        popen.terminate()
        try:
            popen.wait(_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()


def _dies_with_us() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []
