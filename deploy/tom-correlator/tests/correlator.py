"""The correlator itself: its command, its server, and a night that it replays in three parts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[3]

EVENT, OTHER = "S260314cu", "S260315aak"
"""The night's merger, whose counterpart is seen, and another, which its mission takes back."""


def command() -> str:
    """Path of ``correlator``, in an environment of its own."""
    path = Path(os.environ.get("CORRELATOR_COMMAND", ROOT / ".venv/bin/correlator"))
    if not path.exists():
        pytest.fail(f"there is no correlator at {path}: `make .venv/.runtime` makes it")
    return str(path)


def said_by(*args: str) -> str:
    """What the command prints."""
    done = subprocess.run(
        [command(), *args], capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        pytest.fail(f"correlator {' '.join(args)}: {done.stderr}")
    return done.stdout


class Night:
    """A simulated night in a store: at first its merger is not updated, then it is, then gone.

    Attributes
    ----------
    lists
        Targets of the merger's counterpart after each part, as the correlator itself prints them.
    """

    case = "kilonova"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.store = f"sqlite:///{folder}/store.sqlite"
        self.lists: list[list[dict]] = []
        said_by("simulate", "night", "--seed", "7", "--alerts", "100", "--out", f"{folder}/night")
        notices = folder / "night/notices"
        (update,) = notices.glob(f"*{EVENT}_UPDATE.json")
        (other,) = notices.glob(f"*{OTHER}_RETRACTION.json")
        said = json.loads(other.read_text().replace(OTHER, EVENT))
        said["time_created"] = "2026-03-15T14:00:00Z"
        retraction = folder / "retraction.json"
        retraction.write_text(json.dumps(said))
        self._parts = [folder / "night", update.rename(folder / "update.json"), retraction]
        self._go_on(1)

    def update(self) -> None:
        """The merger's map is another."""
        self._go_on(2)

    def retract(self) -> None:
        """The merger was none."""
        self._go_on(3)

    def notices(self) -> list[bytes]:
        """The first, the last active and the last revision of the counterpart's coincidence."""
        coincidence_id = self.lists[0][0]["coincidence_id"]
        asked = ("coincidence", coincidence_id, "--case", self.case, "--store", self.store)
        last = said_by(*asked)
        numbers = 1, json.loads(last)["record_number"] - 1
        earlier = [said_by(*asked, "--revision", str(number)) for number in numbers]
        return [said.encode() for said in (*earlier, last)]

    def token(self) -> str:
        """A new token of a reader."""
        asked = ("tokens", "create", "tom", "--scope", "read", "--store", self.store)
        return said_by(*asked).strip()

    def _go_on(self, n_parts: int) -> None:
        """Replay what is left of so many parts."""
        while len(self.lists) < n_parts:
            packets = self._parts[len(self.lists)]
            said_by("replay", str(packets), "--store", self.store, "--json")
            asked = ("--case", self.case, "--store", self.store, "--format", "json")
            self.lists.append(json.loads(said_by("targets", *asked)))

    @contextmanager
    def served(self, **settings: str):
        """The REST interface over the store, with some settings; gives its address."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        log = (self._folder / "serve.log").open("w")
        asked = ["serve", "--store", self.store, "--host", "127.0.0.1", "--port", str(port)]
        server = subprocess.Popen(
            [command(), *asked], stdout=log, stderr=log, env={**os.environ, **settings}
        )
        try:
            _wait_for(f"{address}/api/v1/status", server)
            yield address
        finally:
            server.terminate()
            server.wait(timeout=20)
            log.close()


def _wait_for(url: str, server: subprocess.Popen) -> None:
    for _ in range(200):
        try:
            if requests.get(url, timeout=1).status_code < 500:
                return
        except requests.ConnectionError:
            pass
        if server.poll() is not None:
            pytest.fail("correlator serve ended: see serve.log")
        time.sleep(0.1)
    pytest.fail(f"{url} does not answer")
