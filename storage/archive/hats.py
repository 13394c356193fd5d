"""The catalogue of a night on disk, as HATS lays catalogues out (hats 0.11).

``night=YYYYMMDD/`` holds ``hats.properties`` (and the older ``properties``),
``partition_info.csv``, ``dataset/_metadata``, ``dataset/_common_metadata``, and the rows in
``dataset/Norder=K/Dir=D/Npix=N.parquet``, sorted by place.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from skymaps.healpix import MAX_ORDER
from storage.archive import NIGHT, SURVIVORS
from storage.archive.disk import sync_file, sync_folder
from storage.archive.errors import ArchiveError
from storage.archive.tables import KEY, SCHEMAS, final_of
from storage.sky_runs import INDEX, Partition, SkyReader, cells_of

FILE_ROWS = {NIGHT: 262_144, SURVIVORS: 32_768}
"""Rows of a file, unless more are in one cell of the finest order."""

GROUP_ROWS = {NIGHT: 8_192, SURVIVORS: 1_024}
"""Rows of a row group, the least that is read: of a night of 10 million alerts over 10,000 deg² one
of ``night`` covers 8 deg², and one of 1 million ``survivors`` 10 deg²."""

_PROPERTIES, _OLD_PROPERTIES = "hats.properties", "properties"

PARTITIONS = "partition_info.csv"


def night_folder(root: Path, data_set: str, night: str) -> Path:
    """Where the catalogue of a night is, or would be."""
    return root / data_set / f"night={night}"


def nights_of(root: Path, data_set: str) -> list[str]:
    """Nights that have a catalogue, in order."""
    found = (root / data_set).glob(f"night=*/{PARTITIONS}")
    return sorted(path.parent.name.removeprefix("night=") for path in found)


def partitions_of(folder: Path) -> list[Partition]:
    """The files of a catalogue, by place.

    Raises
    ------
    ArchiveError
        It has no list of them.
    """
    try:
        with (folder / PARTITIONS).open(newline="") as file:
            return [
                Partition(int(row["Norder"]), int(row["Npix"]), int(row["num_rows"]))
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise ArchiveError(folder, f"a catalogue has its {PARTITIONS}", error) from error


def write_catalog(
    folder: Path, data_set: str, night: str, rows: SkyReader, counts: NDArray[np.int64]
) -> list[Partition]:
    """Write rows that waited, in the order of the sky, as a catalogue; they are then on the disk.

    Parameters
    ----------
    folder
        Made here.
    counts
        How many rows each cell of one order has.
    """
    cells = cells_of(counts, FILE_ROWS[data_set])
    schema, footers = SCHEMAS[data_set], []
    for cell in cells:
        path = folder / cell.file
        path.parent.mkdir(parents=True, exist_ok=True)
        groups = _groups(rows.below(cell.end_29), GROUP_ROWS[data_set])
        footers.append(_write_cell(path, data_set, groups))
        footers[-1].set_file_path(str(path.relative_to(folder / "dataset")))
    pq.write_metadata(schema, folder / "dataset" / "_common_metadata")
    pq.write_metadata(schema, folder / "dataset" / "_metadata", metadata_collector=footers)
    with (folder / PARTITIONS).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["Norder", "Npix", "num_rows"])
        writer.writerows((cell.order, cell.pixel, cell.n_rows) for cell in cells)
    said = _properties(data_set, night, cells)
    for name in (_PROPERTIES, _OLD_PROPERTIES):
        (folder / name).write_text(said)
    for path in folder.rglob("*"):
        sync_folder(path) if path.is_dir() else sync_file(path)
    sync_folder(folder)
    return cells


def _write_cell(path: Path, data_set: str, groups: Iterable[pa.Table]) -> pq.FileMetaData:
    schema = SCHEMAS[data_set]
    footer: list[pq.FileMetaData] = []
    order = pq.SortingColumn.from_ordering(schema, [(name, "ascending") for name in KEY])
    with pq.ParquetWriter(
        path, schema, compression="zstd", sorting_columns=order, write_page_index=True,
        metadata_collector=footer,
    ) as writer:  # fmt: skip
        for group in groups:
            rows = final_of(data_set, group).combine_chunks()
            writer.write_table(rows, row_group_size=GROUP_ROWS[data_set])
    return footer[0]


def _groups(batches: Iterable[pa.RecordBatch], n_rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of so many, the last one with what is left."""
    waiting: list[pa.RecordBatch] = []
    n_waiting = 0
    for batch in batches:
        at = 0
        while at < len(batch):
            piece = batch.slice(at, n_rows - n_waiting)
            at += len(piece)
            n_waiting += len(piece)
            waiting.append(piece)
            if n_waiting == n_rows:
                yield pa.Table.from_batches(waiting)
                waiting, n_waiting = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def _properties(data_set: str, night: str, cells: list[Partition]) -> str:
    said = {
        "obs_collection": f"{data_set}_{night}",
        "dataproduct_type": "source",
        "hats_nrows": sum(cell.n_rows for cell in cells),
        "hats_col_ra": "ra_deg",
        "hats_col_dec": "dec_deg",
        "hats_col_healpix": INDEX,
        "hats_col_healpix_order": MAX_ORDER,
        "hats_npix_suffix": ".parquet",
        "hats_order": max((cell.order for cell in cells), default=0),
        "hats_max_rows": max((cell.n_rows for cell in cells), default=0),
        "hats_builder": "multimessenger-correlator",
    }
    return "".join(f"{name}={value}\n" for name, value in said.items())
