"""The process that reads mutants: one line before each, one line after, so that a death has a name.

Run by ``watch.py`` as ``python -m tests.fuzz.child``; the jobs come as JSON on standard input.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import json
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.fuzz import broken

ADDRESS_SPACE_BYTES = 4 * 2**30
"""A runaway ends here [B beyond what the process has], before it hurts the machine."""


def main() -> None:
    """Read the jobs, do them, say what became of each packet."""
    faulthandler.enable()
    warnings.simplefilter("error")
    _limit_memory()
    with tempfile.TemporaryDirectory() as folder:
        for job in json.load(sys.stdin):
            if "bombs" in job:
                _explode(job, Path(folder))
            else:
                _read_all(job, Path(folder))


def _read_all(job: dict[str, Any], folder: Path) -> None:
    kind = job["kind"]
    packets = _given(job) if "packets" in job else _mutants(job, folder)
    before = _restart_peak()
    for index, make in packets:
        packet = make()
        _forget_peak()
        _say(kind=kind, begin=index)
        _say(**_told(kind, index, packet, folder), growth=_peak() - before)


_Numbered = list[tuple[int, Callable[[], bytes]]]


def _given(job: dict[str, Any]) -> _Numbered:
    return [(n, said.encode) for n, said in enumerate(job["packets"]) if n >= job["start"]]


def _mutants(job: dict[str, Any], folder: Path) -> _Numbered:
    from tests.fuzz import mutations, seeds

    kind, seed = job["kind"], job["seed"]
    sound = seeds.made(kind)
    if job["real"]:
        sound += seeds.real(kind, job["real"])
    for packet in sound:  # so that imports and caches are not charged to a mutant
        _told(kind, "warm-up", packet, folder)
    numbers = range(job["start"], job["stop"])
    return [(n, partial(mutations.mutant, sound, kind, seed, n)) for n in numbers]


def _explode(job: dict[str, Any], folder: Path) -> None:
    from tests.fuzz import bombs, seeds

    warm = set()
    for name in job["bombs"][job["start"] :]:
        kind, make = bombs.BOMBS[name]
        if kind not in warm:
            warm.add(kind)
            for packet in seeds.made(kind):
                _told(kind, "warm-up", packet, folder)
            gc.freeze()  # modules need not be searched for garbage before every bomb
        packet = make()
        before = _restart_peak()
        _say(kind=kind, begin=name)
        told = _told(kind, name, packet, folder)
        _say(**told, growth=_peak() - before, size=len(packet))


def _told(kind: str, which: object, packet: bytes, folder: Path) -> dict[str, Any]:
    """What became of one packet."""
    wall, cpu = time.perf_counter(), time.process_time()
    failure = None
    values, rules = 0, []
    try:
        values, rules = _read(kind, packet, folder)
    except BaseException as error:  # whatever escapes is the finding
        where = "".join(traceback.format_tb(error.__traceback__)[-3:])
        failure = f"{type(error).__name__}: {str(error)[:300]}\n{where}"
    seconds = min(time.perf_counter() - wall, time.process_time() - cpu)
    return {
        "kind": kind,
        "end": which,
        "values": values,
        "rules": rules[:20],
        "errors": len(rules),
        "seconds": seconds,
        "failure": failure,
    }


def _read(kind: str, packet: bytes, folder: Path) -> tuple[int, list[str]]:
    if kind == "broken":
        return broken.read(packet)
    from tests.fuzz import readers  # heavy: not needed by the tests of this very module

    return readers.read(kind, packet, folder)


def _say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def _limit_memory() -> None:
    now = _status("VmSize") or 0
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + ADDRESS_SPACE_BYTES, hard))


def _restart_peak() -> int:
    """Give free memory back, forget the peak so far, and return what is in use [B]."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    _forget_peak()
    return _peak()


def _forget_peak() -> None:
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak() -> int:
    """Most memory of this process since the restart, or else since it began [B]."""
    linux = _status("VmHWM")
    if linux is not None:
        return linux
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _status(name: str) -> int | None:
    if not os.path.exists("/proc/self/status"):
        return None
    with open("/proc/self/status", "rb") as file:
        for line in file:
            if line.startswith(name.encode()):
                return int(line.split()[1]) * 1024
    return None


if __name__ == "__main__":
    main()
