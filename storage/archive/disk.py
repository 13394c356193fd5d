"""Files that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq


def write_whole(table: pa.Table, path: Path) -> None:
    """Write a table under another name, put it on the disk, and give it its own name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{uuid4().hex}.half")
    with half.open("xb") as file:
        pq.write_table(table, file, compression="zstd", compression_level=1)
        file.flush()
        os.fsync(file.fileno())
    half.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a new file's name outlast a power cut too, where the system can."""
    with suppress(OSError):  # not on every file system
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_file(path: Path) -> None:
    """Put a file that is written on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
