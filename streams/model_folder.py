"""The folder of models: what is new in it, what has changed, what has gone."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from streams.model_card import (
    CARD_NAME,
    MAX_CARD_BYTES,
    ModelCard,
    ModelError,
    content_sha256,
    read_card,
)

log = structlog.get_logger(__name__)

MAX_ONNX_BYTES = 2**28
"""Largest file of a model [bytes]."""

MAX_FOLDERS = 1_000
"""Most folders that are looked into, two levels deep."""

MAX_FILES = 100
"""Most files in the folder of a model."""

_KNOWN = ".known"

Signature = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A card and its file.

    Attributes
    ----------
    folder
        Where, below the folder of models.
    sha256
        Of what this version means: see :func:`streams.model_card.content_sha256`.
    """

    folder: str
    card: ModelCard
    onnx: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one model's folder: there is a model, or an error, or nothing any more."""

    folder: str
    model: Model | None = None
    error: ModelError | None = None


def read_model(path: Path, name: str, units: Mapping[str, str]) -> Model:
    """The model in a folder.

    Raises
    ------
    ModelError
        The card or the file is missing or broken.
    """
    card = read_card(_content(path / CARD_NAME, name, MAX_CARD_BYTES), name, units)
    onnx = _content(path / card.file, name, MAX_ONNX_BYTES)
    if not onnx:
        raise ModelError(name, f"{card.file} is not empty")
    return Model(name, card, onnx, content_sha256(card, onnx))


class ModelFolder:
    """Watches the folders in a folder, one or two levels deep, for a card and its file.

    A folder that has only just changed is left for the next look: it may be being copied.
    Calls block.

    Parameters
    ----------
    path
        The folder; it may come and go.
    units
        The unit of each feature that there is.
    """

    def __init__(self, path: Path, units: Mapping[str, str]) -> None:
        self._path = path
        self._units = units
        self._seen: dict[str, Signature] = {}
        self._handled: dict[str, Signature] = {}
        self._known: dict[str, str] = {}

    def look(self) -> list[Change]:
        """What has changed since the last look and is at rest."""
        found = dict(_signatures(self._path))
        changes = [Change(name) for name in sorted(set(self._handled) - set(found))]
        for name, signature in sorted(found.items()):
            if self._handled.get(name) != signature and self._seen.get(name) == signature:
                changes.append(self._change(name))
                self._handled[name] = signature
        self._handled = {name: s for name, s in self._handled.items() if name in found}
        self._seen = found
        return changes

    def known_sha256(self, key: str) -> str | None:
        """The hash that a version is known by, if it ever ran."""
        if key not in self._known:
            try:
                self._known[key] = self._place_of(key).read_text(encoding="ascii").strip()
            except OSError:
                return None
        return self._known[key]

    def remember(self, key: str, sha256: str) -> str:
        """Know a version by a hash from now on, if it is not known yet; the hash it is known by.

        It is kept in the folder, for other processes and later ones; where that cannot be
        written, in memory.
        """
        place = self._place_of(key)
        try:
            place.parent.mkdir(exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".") as new:
                new.write(sha256.encode())
                new.flush()
                with contextlib.suppress(FileExistsError):
                    os.link(new.name, place)
        except OSError as error:
            log.warning("model_hash_not_kept", model=key, file=str(place), error=str(error))
        return self.known_sha256(key) or self._known.setdefault(key, sha256)

    def _place_of(self, key: str) -> Path:
        return self._path / _KNOWN / key

    def _change(self, name: str) -> Change:
        try:
            return Change(name, model=read_model(self._path / name, name, self._units))
        except ModelError as error:
            return Change(name, error=error)


def folders_of(path: Path) -> list[str]:
    """Names of the folders with a card, below a folder."""
    return sorted(name for name, _ in _signatures(path))


def _signatures(path: Path) -> Iterator[tuple[str, Signature]]:
    for n, name in enumerate(_folders(path, "")):
        if n == MAX_FOLDERS:
            log.warning("models_not_looked_at", folder=str(path), most=MAX_FOLDERS)
            return
        signature = _signature(path / name)
        if any(entry[0] == CARD_NAME for entry in signature):
            yield name, signature


def _folders(path: Path, prefix: str) -> Iterator[str]:
    try:
        with os.scandir(path) as entries:
            names = sorted(e.name for e in entries if e.name[0] != "." and e.is_dir())
    except OSError:
        return
    for name in names:
        yield prefix + name
        if not prefix:
            yield from _folders(path / name, f"{name}/")


def _signature(path: Path) -> Signature:
    found: list[tuple[str, int, int, int]] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if len(found) == MAX_FILES:
                    break
                if entry.is_file():
                    s = entry.stat()
                    found.append((entry.name, s.st_size, s.st_mtime_ns, s.st_ino))
    except OSError:
        return ()
    return tuple(sorted(found))


def _content(path: Path, name: str, most_bytes: int) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(name, f"{path.name} is a file")
        if status.st_size <= most_bytes:
            content = path.read_bytes()
            if len(content) <= most_bytes:
                return content
    except OSError as error:
        raise ModelError(name, f"{path.name} can be read", error.strerror) from None
    raise ModelError(name, f"{path.name} has at most {most_bytes} bytes", status.st_size)
