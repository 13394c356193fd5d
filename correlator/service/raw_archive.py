"""The packets of admitted alerts as the survey sent them, in a tar file for each night."""

from __future__ import annotations

import os
import tarfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from correlator.alert import Alert
from ingest_optical.packets import RawPacket
from storage.archive.disk import sync_folder
from storage.archive.nights import night_of

_BLOCK_BYTES = 512
"""What a tar file is made of (POSIX.1-1988)."""

_OPEN_NIGHTS = 4
"""Files that are open at a time: of this night, the last, and some that are read again."""

_NO_MORE = bytes(2 * _BLOCK_BYTES)
"""End of a tar file."""


class RawArchive:
    """Files ``SURVEY/YYYYMMDD/SURVEY-START-PID.tar`` below a folder.

    A tar file has no index, so one that a crash cuts short holds every packet before the cut; it
    is never written again. A packet that is read again after a crash is archived again: the same
    alert, which changes nothing when it is replayed.

    Parameters
    ----------
    folder
        Where the surveys' folders are.
    now
        The clock [s since the Unix epoch].
    """

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now = now
        self._files: dict[tuple[str, str], BinaryIO] = {}
        self._written: set[tuple[str, str]] = set()

    def append(self, alert: Alert, packet: RawPacket, slot: tuple[str, int], offset: int) -> None:
        """Keep the packet of an alert, under the name of its record."""
        night = alert.survey, night_of(alert.survey, alert.time_unix_s)
        file = self._files.get(night) or self._opened(night)
        member = tarfile.TarInfo(f"{slot[0]}-{slot[1]}-{offset}.avro")
        member.size = len(packet.data)
        member.mtime = int(alert.time_unix_s)
        file.write(member.tobuf(tarfile.PAX_FORMAT))
        file.write(packet.data)
        file.write(bytes(-len(packet.data) % _BLOCK_BYTES))
        self._written.add(night)

    def sync(self) -> None:
        """Return when everything that was appended is on the disk."""
        for night in self._written:
            file = self._files[night]
            file.flush()
            os.fsync(file.fileno())
        self._written.clear()

    def close(self) -> None:
        """End the files."""
        for night in list(self._files):
            self._end(night)

    def _opened(self, night: tuple[str, str]) -> BinaryIO:
        while len(self._files) >= _OPEN_NIGHTS:
            self._end(next(iter(self._files)))
        survey, date = night
        folder = self._folder / survey / date
        folder.mkdir(parents=True, exist_ok=True)
        start = datetime.fromtimestamp(self._now(), UTC)
        name = f"{survey}-{start:%Y%m%dT%H%M%S%f}-{os.getpid()}.tar"
        file = self._files[night] = (folder / name).open("xb")
        sync_folder(folder)
        return file

    def _end(self, night: tuple[str, str]) -> None:
        file = self._files.pop(night)
        file.write(_NO_MORE)
        file.flush()
        os.fsync(file.fileno())
        file.close()
        self._written.discard(night)
