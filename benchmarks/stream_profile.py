"""Where a worker's time goes, by piece of its work, from the stacks that py-spy saw.

Of each sample the innermost of our functions that names a piece counts; what no function of ours
has called is Faust's, aiokafka's or the event loop's.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.timing import Row
from correlator.errors import ConfigurationError

SAMPLES_PER_S = 250

PIECES = {
    "alerts_of_json": "read the alerts",
    "_alerts": "read the alerts",
    "apply_alert": "fold into objects",
    "_object_row": "write objects as JSON",
    "_refolded": "fold anew what another wrote",
    "write_batch": "store alerts and objects",
    "put_batch": "store alerts and objects",
    "get_objects": "read objects that are not in memory",
    "fold": "fold into objects",
    "_to_compare": "match with the book",
    "_reach_back_to": "match with the book",
    "_compared": "compare pairs",
    "put_many": "store pairs",
    "_join": "the rest of the join",
    "add_alerts": "the rest of the join",
    "activate": "look back",
    "rank_changed": "rank and publish",
    "publish": "rank and publish",
    "refresh": "target lists",
    "send": "send",
    "take_pairs": "take pairs",
    "consume": "take records from Faust",
    "_fetch_records": "fetch (aiokafka)",
}
"""Functions by name, and the piece that they are."""

_FROM_FILES = ("correlator/", "storage/", "streams/", "aiokafka.py")
_CHECKPOINT = "checkpoint of SQLite, in the background"
_REST_IN_LOOP, _REST_IN_THREADS = "Faust, aiokafka, event loop", "threads that wait to begin"


def recorded(pid: int, seconds: float, file: Path) -> list[str]:
    """Stacks of all threads of a process that compute, each line with its number of samples.

    Raises
    ------
    ConfigurationError
        There is no py-spy, or it may not look.
    """
    if (program := shutil.which("py-spy")) is None:
        raise ConfigurationError("py-spy is needed for a profile: pip install py-spy")
    options = ["--format", "raw", "--threads", "--nonblocking", "--rate", str(SAMPLES_PER_S)]
    words = ["record", "--pid", str(pid), "--duration", str(round(seconds)), "--output", str(file)]
    done = subprocess.run([program, *words, *options], capture_output=True, text=True, check=False)
    if done.returncode or not file.exists():
        raise ConfigurationError(f"py-spy: {done.stderr.strip()[-300:]}")
    return file.read_text(errors="replace").splitlines()


def pieces_of(stacks: Iterable[str]) -> dict[str, int]:
    """Samples of each piece, the largest first; a stack is ``FRAME;...;FRAME SAMPLES``."""
    counts: Counter[str] = Counter()
    for line in stacks:
        stack, _, n = line.rpartition(" ")
        counts[_piece_of(stack.split(";"))] += int(n)
    return dict(counts.most_common())


def profile_rows(name: str, stacks: list[str], seconds: float, rate: float) -> Iterator[Row]:
    """Time of all threads together for one alert, by piece [us]."""
    for piece, n in pieces_of(stacks).items():
        us = 1e6 * n / SAMPLES_PER_S / seconds / rate
        yield Row(f"{name}-profile: {piece}", us, "us an alert")


def _piece_of(frames: list[str]) -> str:
    for frame in reversed(frames):
        function, _, where = frame.partition(" (")
        if where.startswith(_FROM_FILES) or "/drivers/aiokafka.py" in where:
            piece = PIECES.get(function.rpartition(".")[2])
            if piece is not None:
                return piece
    if any("checkpoint" in frame for frame in frames[:1]) or _has(frames, "Checkpoints"):
        return _CHECKPOINT
    return _REST_IN_THREADS if _has(frames, "_worker (concurrent") else _REST_IN_LOOP


def _has(frames: list[str], part: str) -> bool:
    return any(part in frame for frame in frames)
