"""Processes of the VOEvent network: ours, and stock Comets."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

NO_BROKER = "kafka://127.0.0.1:1"
BIN = Path(sys.executable).parent
OURS = "ivo://mm-correlator.example/coincidences"


def wait_until(happened, within_s=60.0, what="it"):
    give_up = time.monotonic() + within_s
    while not (result := happened()):
        assert time.monotonic() < give_up, f"{what} did not happen within {within_s} s"
        time.sleep(0.05)
    return result


def unused_port():
    """A port below those that the system lends to clients."""
    while True:
        port = random.randrange(20_000, 30_000)
        with suppress(OSError), socket.create_server(("", port)):
            return port


def accepts(port):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


class Ours:
    """A process of ``correlator ingest vtp``; it can be ended and started again, on its ports.

    Parameters
    ----------
    folder
        Where it keeps its spool, its memory and its log.
    broker
        URL of Kafka.
    receive, broadcast
        Whether it opens those ports.
    """

    def __init__(self, folder, *words, broker=NO_BROKER, receive=False, broadcast=False):
        folder.mkdir(exist_ok=True)
        self.folder, self.broker, self.words = folder, broker, words
        self.spool, self.log = folder / "spool", folder / "log"
        self.ports = {"receive": 0} if receive else {}
        self.ports |= {"broadcast": 0} if broadcast else {}
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        command = [sys.executable, "-m", "correlator.service.cli", "ingest", "vtp"]
        command += ["--spool", str(self.spool), "--eventdb", str(self.folder / "events")]
        for name, port in self.ports.items():
            command += [f"--{name}", str(port)]
        environment = os.environ | {"CORRELATOR_BROKER": self.broker}
        at = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.words], stdout=log, stderr=log, env=environment, cwd=self.folder
            )
        wait_until(lambda: "comet_started" in self.said(at) or self.process.poll() is not None)
        assert self.process.poll() is None, self.said(at)
        for what in self.ports:
            (port,) = re.findall(rf"port=(\d+) what={what}", self.said(at))
            self.ports[what] = int(port)
        self.own_ports = [int(port) for port in re.findall(r"port=(\d+) what=own", self.said(at))]
        wait_until(lambda: "Log opened" in self.said(at), what="start of Comet")

    def said(self, at=0):
        return self.log.read_bytes()[at:].decode(errors="replace")

    @property
    def child(self):
        """Comet's process; None while there is none."""
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                if child.status() != psutil.STATUS_ZOMBIE:
                    return child
        return None

    @property
    def author_address(self):
        return "127.0.0.1", self.ports["receive"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60.0)

    def kill(self):
        self.process.kill()
        self.process.wait(30.0)


class StockComet:
    """A process of ``twistd comet`` as it comes, told to be quiet about tests of its own."""

    def __init__(self, folder, *words, name="stock"):
        self.folder = folder / name
        self.folder.mkdir()
        self.words, self.log = words, self.folder / "log"

    def __enter__(self):
        command = [sys.executable, str(BIN / "twistd"), "-n", "--pidfile=", "comet"]
        command += [f"--local-ivo=ivo://org.test/{self.folder.name}#1", "--eventdb=events"]
        command += ["--broadcast-test-interval=0", *self.words]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        ports = [int(w.partition("=")[2]) for w in self.words if "-port=" in w]
        wait_until(lambda: all(accepts(port) for port in ports), what="start of a stock Comet")
        assert self.process.poll() is None, self.said()
        return self

    def said(self):
        return self.log.read_text(errors="replace")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(30.0)
