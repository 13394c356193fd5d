"""Targets as the file that the TOM Toolkit's own importer reads.

``name``, ``type``, ``ra`` and ``dec`` are fields of a TOM's target, ``name2`` is an alias, and
every other column becomes an extra (tom_targets/utils.py, import_targets, tomtoolkit 3.1.0). A TOM
has each name once, so an object stands once, by its first row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from correlator.service.api.columns import Row
from correlator.service.api.tables import csv_of

_FIELDS = ("name", "type", "ra", "dec", "name2")


def tom_csv(rows: Sequence[Row], extras: Sequence[str]) -> str:
    """Rows with ``object_key``, ``ra_deg`` and ``dec_deg``; those without a place are left out."""
    named = {_behind_colon(row["object_key"]): row for row in reversed(rows)}
    placed = [(name, row) for name, row in reversed(named.items()) if row["ra_deg"] is not None]
    cells = [_cells(name, row, extras) for name, row in placed]
    return csv_of(cells, (*_FIELDS, *extras))


def _cells(name: str, row: Row, extras: Sequence[str]) -> list[Any]:
    place = [row["ra_deg"], row["dec_deg"]]
    return [name, "SIDEREAL", *place, row["object_key"], *(row.get(key) for key in extras)]


def _behind_colon(key: str) -> str:
    """The survey's own id: of ``ztf:ZTF25aaaaaaa`` what is behind the colon."""
    return key.partition(":")[2] or key
