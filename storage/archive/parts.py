"""Rows as they come, in small files that wait to be made a catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import compress
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa

from correlator.alert import Alert
from storage.archive import DATA_SETS, NIGHT
from storage.archive.disk import sync_folder, write_whole
from storage.archive.nights import night_of
from storage.archive.tables import Judged, part_of

CHUNK_ROWS = 500
"""Alerts that wait as objects before they become columns."""

MOST_BYTES = 32 * 2**20
"""Columns that wait in memory before they become files [bytes]."""

PARTS = "parts"


class PartWriter:
    """Appends alerts to the nights of an archive.

    What was added is a file of ``parts/night=YYYYMMDD`` at the next :meth:`sync` or before it, when
    ``MOST_BYTES`` wait. A file is there whole or not at all; what a crash takes had not been
    synced. Several writers may write to one archive.

    Parameters
    ----------
    root
        Folder of the archive.
    gates
        Name of the gate of each survey.
    """

    def __init__(self, root: Path, gates: Mapping[str, str]) -> None:
        self._folder = root / PARTS
        self._gates = gates
        self._rows: list[Judged] = []
        self._nights: list[str] = []
        self._tables: dict[tuple[str, str], list[pa.Table]] = {}
        self.n_bytes = 0

    @property
    def n_rows(self) -> int:
        """Alerts that wait as objects."""
        return len(self._rows)

    def add(self, alert: Alert, reasons: tuple[str, ...], slim: bytes | None = None) -> None:
        """Keep an alert that the gate has judged.

        Parameters
        ----------
        alert
            In full if it passed; else without its past.
        reasons
            Why the gate rejected it; none if it passed.
        slim
            Canonical JSON of an alert that passed, where it is at hand.
        """
        self._nights.append(self._night_of(alert))
        self._rows.append(Judged(alert, self._gates[alert.survey], reasons, slim))
        if len(self._rows) >= CHUNK_ROWS:
            self._to_columns()
            if self.n_bytes >= MOST_BYTES:
                self._to_files()

    def sync(self) -> None:
        """Return when everything that was added is on the disk."""
        self._to_columns()
        self._to_files()

    def _night_of(self, alert: Alert) -> str:
        return night_of(alert.survey, alert.time_unix_s)

    def _to_columns(self) -> None:
        for data_set in DATA_SETS:
            chosen = [data_set == NIGHT or not row.reasons for row in self._rows]
            nights = np.array(list(compress(self._nights, chosen)))
            # All at once: a part of a few rows takes as long as one of hundreds.
            part = part_of(data_set, list(compress(self._rows, chosen)))
            for night in sorted(set(nights.tolist())):
                rows = part.filter(pa.array(nights == night))
                self._tables.setdefault((data_set, night), []).append(rows)
                self.n_bytes += rows.nbytes
        self._rows.clear()
        self._nights.clear()

    def _to_files(self) -> None:
        for (data_set, night), tables in self._tables.items():
            folder = self._folder / f"night={night}"
            is_new = not folder.exists()
            write_whole(pa.concat_tables(tables), folder / f"{data_set}-{uuid4().hex}.parquet")
            if is_new:
                sync_folder(self._folder)
        self._tables.clear()
        self.n_bytes = 0


def waiting_nights(root: Path) -> list[str]:
    """Nights of which rows wait, in order."""
    folders = (root / PARTS).glob("night=*")
    return sorted(
        folder.name.removeprefix("night=") for folder in folders if any(folder.glob("*.parquet"))
    )


def waiting_files(root: Path, night: str) -> list[Path]:
    """Files with rows of a night that wait."""
    return sorted((root / PARTS / f"night={night}").glob("*.parquet"))


def of_data_set(files: list[Path], data_set: str) -> Iterator[Path]:
    """Those with rows of one data set."""
    return (path for path in files if path.name.startswith(f"{data_set}-"))
