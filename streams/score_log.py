"""Scores and states in files, for the pipeline whose topics end with its process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

MAX_FILE_BYTES = 64 * 2**20
"""When a file of scores is full; the one before it is kept too [bytes]."""

_FOLDER, _NEW, _OLD, _STATES = ".scores", "scores.jsonl", "scores-before.jsonl", "states.json"


class ScoreLog:
    """Two files of scores, one JSON a line, and one of the latest states.

    A folder that cannot be written is a warning: scores may be missing. Calls block.

    Parameters
    ----------
    models
        The folder of models, in which the files have a folder of their own.
    """

    def __init__(self, models: Path, max_file_bytes: int = MAX_FILE_BYTES) -> None:
        self._folder = models / _FOLDER
        self._max_file_bytes = max_file_bytes

    def scores(self, values: Sequence[bytes]) -> None:
        """Add records."""
        path = self._folder / _NEW
        try:
            self._folder.mkdir(exist_ok=True)
            with path.open("ab") as file:
                file.write(b"".join(value + b"\n" for value in values))
                is_full = file.tell() >= self._max_file_bytes
            if is_full:
                path.replace(self._folder / _OLD)
        except OSError as error:
            log.warning("scores_not_kept", file=str(path), error=str(error))

    def states(self, value: bytes) -> None:
        """Keep the latest states."""
        path = self._folder / _STATES
        try:
            self._folder.mkdir(exist_ok=True)
            (new := path.with_suffix(".new")).write_bytes(value)
            new.replace(path)
        except OSError as error:
            log.warning("states_not_kept", file=str(path), error=str(error))


def kept_scores(models: Path) -> Iterator[bytes]:
    """The records that are kept, by their age."""
    for name in (_OLD, _NEW):
        path = models / _FOLDER / name
        if path.exists():
            yield from lines_of(path)


def kept_states(models: Path) -> list[bytes]:
    """The latest states that are kept, if any."""
    path = models / _FOLDER / _STATES
    return [path.read_bytes()] if path.exists() else []


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a file."""
    with path.open("rb") as file:
        for line in file:
            yield line.rstrip(b"\n")
