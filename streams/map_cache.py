"""Fetched files by the hash of their content, and which of them are not on their topic yet."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

MAX_FILES, MAX_BYTES = 2_000, 2 * 2**30
"""Most that is kept: files, and their size [bytes]; the ones used least lately go first."""

_GZIP = b"\x1f\x8b"
_BEGUN = "begun"


class MapCache:
    """A folder of fetched files: ``SHA256.fits``, or ``SHA256.fits.gz`` for what is gzipped.

    A file appears whole or not at all, the same content once. Several processes may share it.

    Between the fetch of a map and the broker's word that it is on its topic stands a mark, by which
    a process that starts after a crash finds the file and need not fetch it again.

    Parameters
    ----------
    folder
        It is made when something is kept.
    """

    def __init__(
        self, folder: Path, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES
    ) -> None:
        self._folder = folder
        self._max_files, self._max_bytes = max_files, max_bytes

    def keep(self, content: bytes) -> Path:
        """Keep a file, and drop what is too much; where it is.

        Raises
        ------
        OSError
            The disk does not take it.
        """
        name = hashlib.sha256(content).hexdigest()
        path = self._folder / (f"{name}.fits.gz" if content[:2] == _GZIP else f"{name}.fits")
        if self._read(path) is None:
            _write(path, content)
        else:
            os.utime(path)
        self._prune(path)
        return path

    def begin(self, wanted: str, content: bytes) -> None:
        """Keep a file, and note whom it is for until :meth:`end`.

        Raises
        ------
        OSError
            The disk does not take it.
        """
        path = self.keep(content)
        _write(self._mark(wanted), path.name.encode())

    def begun(self, wanted: str) -> bytes | None:
        """The file that was fetched for someone and has not ended; None when there is none."""
        try:
            name = self._mark(wanted).read_bytes().decode()
        except (OSError, ValueError):
            return None
        return self._read(self._folder / Path(name).name)

    def end(self, wanted: str) -> None:
        """The file is where it belongs."""
        with contextlib.suppress(OSError):
            self._mark(wanted).unlink(missing_ok=True)

    def _mark(self, wanted: str) -> Path:
        return self._folder / _BEGUN / hashlib.sha256(wanted.encode()).hexdigest()

    def _read(self, path: Path) -> bytes | None:
        """Content of a file whose name is its hash; None for one that is away or was changed."""
        try:
            content = path.read_bytes()
        except OSError:
            return None
        is_whole = hashlib.sha256(content).hexdigest() == path.name.partition(".")[0]
        return content if is_whole else None

    def _prune(self, kept: Path) -> None:
        found = []
        for path in (*self._folder.glob("*.fits*"), *self._folder.glob(f"{_BEGUN}/*")):
            with contextlib.suppress(OSError):  # another process may drop it meanwhile
                status = path.stat()
                found.append((path == kept, status.st_mtime, status.st_size, path))
        n_bytes = n_files = 0
        for _, _, size, path in sorted(found, reverse=True):
            n_files, n_bytes = n_files + 1, n_bytes + size
            if n_files > self._max_files or n_bytes > self._max_bytes:
                with contextlib.suppress(OSError):
                    path.unlink()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
