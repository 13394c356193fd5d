"""A folder of notices that goes on where it stopped: lines a topic, or a file a notice."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

import orjson

from correlator.client.choice import Choice
from correlator.client.errors import ClientError
from correlator.client.listener import Slot
from correlator.client.newest import Newest
from correlator.client.notice import Json, Notice, notice_of

STATE = "positions.json"
"""What was read, and how long each file was then; replaced in one step."""

_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,150}")
_REVISION = re.compile(r"-r([0-9]+)\.json")


class NoticeFolder:
    """Notices on disk, each once: what a crash left half written is written again.

    Parameters
    ----------
    folder
        Made if it is not there.
    one_file_each
        ``TOPIC/COINCIDENCE-CASE-rN.json`` and not a line of ``TOPIC.jsonl``.

    Attributes
    ----------
    positions
        Next offset of each partition, as saved last.

    Raises
    ------
    ClientError
        What the folder says of itself cannot be read, or a file is shorter than it says.
    """

    def __init__(self, folder: Path, *, one_file_each: bool = False) -> None:
        self._folder = folder
        self._each = one_file_each
        self._files: dict[str, IO[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        said = self._state()
        self.positions: dict[Slot, int] = {
            (topic, int(n)): offset
            for topic, partitions in said["positions"].items()
            for n, offset in partitions.items()
        }
        for name, size in said["bytes"].items():
            self._shorten(name, size)

    def remember(self, newest: Newest, choice: Choice) -> None:
        """Let what is there count as seen, and as chosen."""
        for notice in self._written():
            newest.takes(notice)
            choice.judged(notice)

    def _written(self) -> Iterator[Notice]:
        """What is there, of each topic from its oldest notice on."""
        for path in sorted(self._folder.glob("*.jsonl")):
            for content in _lines(path):
                yield notice_of(content, path.stem, 0, 0, 0.0)
        for name in sorted({_safe(topic) for topic, _ in self.positions}):
            for path in sorted((self._folder / name).glob("*.json"), key=_revision_in):
                yield notice_of(path.read_bytes(), name, 0, 0, 0.0)

    def write(self, notices: Iterable[Notice], *, with_passes: bool = False) -> None:
        """Write notices; they count when they are saved.

        Parameters
        ----------
        with_passes
            Say in each whether it passes, as the document does not where the reader filters.
        """
        for notice in notices:
            document = notice.document
            if with_passes:
                document = document | {"passes": notice.passes}
            if self._each:
                self._write_one(notice, document)
            else:
                self._file(notice.topic).write(orjson.dumps(document) + b"\n")

    def save(self, positions: Mapping[Slot, int]) -> None:
        """Make what was written last, and note how far the topics are read."""
        self.positions = dict(positions)
        sizes = {}
        for name, file in self._files.items():
            file.flush()
            os.fsync(file.fileno())
            sizes[name] = file.tell()
        by_topic: dict[str, dict[str, int]] = {}
        for (topic, partition), offset in sorted(positions.items()):
            by_topic.setdefault(topic, {})[str(partition)] = offset
        known = self._state()
        state = {
            "positions": known["positions"] | by_topic,
            "bytes": known["bytes"] | sizes,
        }
        _replace(self._folder / STATE, orjson.dumps(state, option=orjson.OPT_INDENT_2))

    def close(self) -> None:
        """Close the files; what was not saved is written again by the next one."""
        for file in self._files.values():
            file.close()

    def _state(self) -> dict[str, Json]:
        path = self._folder / STATE
        try:
            said = orjson.loads(path.read_bytes())
            return {"positions": dict(said["positions"]), "bytes": dict(said["bytes"])}
        except FileNotFoundError:
            return {"positions": {}, "bytes": {}}
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            rule = "holds the positions of an earlier run"
            raise ClientError(str(path), rule, repr(error)) from error

    def _shorten(self, name: str, size: int) -> None:
        path = self._folder / name
        found = path.stat().st_size if path.exists() else 0
        if found < size:
            raise ClientError(str(path), f"has the {size} bytes that were written", found)
        if found > size:
            os.truncate(path, size)

    def _file(self, topic: str) -> IO[bytes]:
        name = f"{_safe(topic)}.jsonl"
        if name not in self._files:
            self._files[name] = (self._folder / name).open("ab")
            # Before its first line: what a crash leaves of it then is shortened, too.
            self.save(self.positions)
        return self._files[name]

    def _write_one(self, notice: Notice, document: Json) -> None:
        folder = self._folder / _safe(notice.topic)
        folder.mkdir(exist_ok=True)
        name = _safe(f"{notice.key.replace('/', '-')}-r{notice.revision}")
        _replace(folder / f"{name}.json", orjson.dumps(document, option=orjson.OPT_INDENT_2))


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _revision_in(path: Path) -> int:
    """Revision by which a file of one notice is named; 0 where its name is a hash."""
    match = _REVISION.search(path.name)
    return int(match[1]) if match else 0


def _replace(path: Path, content: bytes) -> None:
    """Write a file that is never seen half written."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _safe(name: str) -> str:
    """A name that is one of a file in its folder, whatever a record says."""
    return name if _SAFE.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()[:32]
