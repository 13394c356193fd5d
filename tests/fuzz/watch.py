"""Mutants and bombs in a process of their own, watched from outside.

A packet that kills the process, or that it never finishes, is named, and the next one is read by
a new process.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from tests.fuzz.seeds import NOTICES

MAX_GROWTH_BYTES = 512 * 2**20
"""Most memory that reading one packet may take beyond what was in use [B]: a worker has 2 GB
(deploy/), of which its tables need the rest."""

MAX_PACKET_S = 5.0
"""Longest time for one packet [s of CPU]: a stuck reader stops a partition, and Kafka throws a
consumer out of its group after 300 s."""

MAX_NOTICE_S = 1.0
"""Longest time for one mutant of a notice or of its map [s of CPU]: one that comes seconds late
is of less worth than the slew that it asks for."""

MAX_SILENT_S = 60.0
"""Longest time for one packet by the wall clock [s]: a reader that sleeps uses no CPU."""

_ROOT = Path(__file__).parents[2]


@dataclass
class Report:
    """What became of the packets of one kind (or of the bombs)."""

    max_s: float = MAX_PACKET_S
    n: int = 0
    values: int = 0
    refused: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    growth_bytes: int = 0
    largest: object = None
    slowest_s: float = 0.0
    slowest: object = None
    lines: list[str] = field(default_factory=list)
    accepted: set[str] = field(default_factory=set)

    def add(self, told: dict[str, Any], name: str) -> None:
        """Count one packet, and note it if it went over a bound."""
        self.n += 1
        self.refused += told["errors"] > 0 or not told["values"]
        self.values += told["values"] > 0 and not told["errors"]
        self.rules.update(told["rules"])
        growth, seconds = told["growth"], told["seconds"]
        if growth > self.growth_bytes:
            self.growth_bytes, self.largest = growth, told["end"]
        if seconds > self.slowest_s:
            self.slowest_s, self.slowest = seconds, told["end"]
        if "size" in told:
            self._note_bomb(told)
        if told["failure"]:
            self.failures.append(f"{name}: {told['failure']}")
        if growth > MAX_GROWTH_BYTES:
            self.failures.append(f"{name}: {growth / 2**20:.0f} MiB of memory")
        if seconds > self.max_s:
            self.failures.append(f"{name}: {seconds:.1f} s")

    def _note_bomb(self, told: dict[str, Any]) -> None:
        rule = told["rules"][0] if told["rules"] else "accepted"
        if not told["rules"]:
            self.accepted.add(told["end"])
        size, growth = told["size"] / 2**20, told["growth"] / 2**20
        self.lines.append(
            f"{told['end']} ({size:.1f} MiB): {rule}; {growth:.0f} MiB, {told['seconds']:.2f} s"
        )


def mutant_job(kind: str, seed: int, count: int, real: str | None) -> dict[str, Any]:
    """The job of reading ``count`` mutants of a kind."""
    return {"kind": kind, "seed": seed, "start": 0, "stop": count, "real": real}


def bomb_job(names: Iterable[str]) -> dict[str, Any]:
    """The job of reading bombs."""
    return {"kind": "bombs", "seed": 0, "start": 0, "bombs": list(names)}


def packet_job(kind: str, packets: Iterable[bytes]) -> dict[str, Any]:
    """The job of reading packets as they are."""
    return {"kind": kind, "seed": 0, "start": 0, "packets": [p.decode() for p in packets]}


def run(jobs: list[dict[str, Any]]) -> dict[str, Report]:
    """Do jobs in child processes, one at a time; a report by the kind of the job."""
    reports = {job["kind"]: Report(_longest_s(job)) for job in jobs}
    rest = [dict(job) for job in jobs]
    while rest:
        died = _run_child(rest, reports)
        if died is not None:
            reports[rest[0]["kind"]].failures.append(died)
            reports[rest[0]["kind"]].n += 1
            rest[0]["start"] += 1
            rest = [job for job in rest if job["start"] < _stop(job)]
    return reports


def _longest_s(job: dict[str, Any]) -> float:
    return MAX_NOTICE_S if job["kind"] in (*NOTICES, "fits") else MAX_PACKET_S


def _stop(job: dict[str, Any]) -> int:
    return next((len(job[key]) for key in ("bombs", "packets") if key in job), job.get("stop", 0))


def _run_child(rest: list[dict[str, Any]], reports: dict[str, Report]) -> str | None:
    """Do what is left of the jobs, striking off what is done; how the child died, if it did."""
    with tempfile.TemporaryFile() as errors:
        command = [sys.executable, "-m", "tests.fuzz.child"]
        child = subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(rest).encode())
        child.stdin.close()
        lines: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=_pump, args=(child.stdout, lines), daemon=True).start()
        try:
            hung = _follow(child, lines, rest, reports)
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
        if hung is not None or not rest:
            return hung
        errors.seek(0)
        said = errors.read()[-2_000:].decode(errors="replace")
        return f"{_name(rest[0])}: the process died ({child.returncode}): {said}"


def _pump(stream: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _follow(
    child: subprocess.Popen[bytes],
    lines: queue.Queue[bytes | None],
    rest: list[dict[str, Any]],
    reports: dict[str, Report],
) -> str | None:
    clock = _Clock(child.pid)
    while rest:
        try:
            line = lines.get(timeout=0.2)
        except queue.Empty:
            if clock.is_over():
                return f"{_name(rest[0])}: no answer after {clock.said()}"
            continue
        if line is None:
            child.wait()
            return None
        told = json.loads(line)
        if "end" not in told:
            clock.restart()
            continue
        reports[rest[0]["kind"]].add(told, _name(rest[0]))
        rest[0]["start"] += 1
        clock.pause()
        if rest[0]["start"] >= _stop(rest[0]):
            rest.pop(0)
    return None


def _name(job: dict[str, Any]) -> str:
    """How to make the packet again."""
    if "bombs" in job:
        return f"bomb {job['bombs'][job['start']]}"
    if "packets" in job:
        return f"packet {job['packets'][job['start']]}"
    return f"mutant {job['kind']} seed={job['seed']} index={job['start']} real={job['real']}"


class _Clock:
    """How long the child has been at one packet."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._begun: tuple[float, float] | None = None

    def restart(self) -> None:
        self._begun = time.monotonic(), self._cpu_s()

    def pause(self) -> None:
        self._begun = None

    def is_over(self) -> bool:
        if self._begun is None:
            return False
        wall_s, cpu_s = self._spent()
        # Twice the bound: the child itself reports what only exceeds it.
        return wall_s > MAX_SILENT_S or cpu_s > 2.0 * MAX_PACKET_S

    def said(self) -> str:
        return "{:.0f} s, {:.0f} s of CPU".format(*self._spent())

    def _spent(self) -> tuple[float, float]:
        assert self._begun is not None
        return time.monotonic() - self._begun[0], self._cpu_s() - self._begun[1]

    def _cpu_s(self) -> float:
        try:
            times = self._process.cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return float(times.user + times.system)
