"""What catalogues are and what they say of positions, as rows for people and for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from correlator.crossmatch import CatalogAnswer
from correlator.errors import ConfigurationError
from correlator.service.cds import ask_cds
from correlator.service.rows import tag_columns
from skymaps.healpix import Positions
from storage.catalogs.catalog import Catalog, CatalogStore
from storage.catalogs.description import Description
from storage.catalogs.entries import Refused, entries_of
from storage.catalogs.mapping import Mapping
from storage.catalogs.tables import read_chunks
from streams.cds_settings import CdsSettings

Row = dict[str, Any]

POSITIONS = Mapping(
    "positions",
    "Positions",
    ra=("ra_deg", "ra", "RA", "RAdeg"),
    dec=("dec_deg", "dec", "DEC", "Dec", "DEdeg"),
    id=("object_id", "objectId", "id", "name"),
)
"""How a file of positions is read: the same kinds of files as a catalogue's."""


def files_of(mapping: Mapping) -> list[Path]:
    """The file that the Python package of a mapping brings.

    Raises
    ------
    ConfigurationError
        The mapping names no package, or it is not installed.
    """
    if mapping.package is None or mapping.package_file is None:
        raise ConfigurationError(f"mapping {mapping.name}: name the files of the catalogue")
    found = find_spec(mapping.package)
    if found is None or found.origin is None:
        raise ConfigurationError(
            f"mapping {mapping.name}: its catalogue comes with the package {mapping.package}: "
            "pip install multimessenger-correlator[catalogs]"
        )
    return [Path(found.origin).parent / mapping.package_file]


def description_row(description: Description, *, is_current: bool) -> Row:
    """One version of a catalogue."""
    return {
        "catalog": description.name,
        "version": description.version,
        "is_current": is_current,
        "title": description.title,
        "release": description.release,
        "licence": description.licence,
        "mapping": description.mapping,
        "n_rows": description.n_rows,
        "n_files": len(description.partitions),
        "memory_bytes": description.memory_bytes,
        "radius_arcsec": description.radius_arcsec,
        "epoch_year": description.epoch_year,
        "values": description.values,
        "sources": [{"file": name, "sha256": sha256} for name, sha256 in description.sources],
        "refused": [
            {"rule": refusal.rule, "n_rows": refusal.n_rows, "first": refusal.first}
            for refusal in description.refused
        ],
    }


def description_rows(store: CatalogStore) -> list[Row]:
    """All versions of all catalogues of a store."""
    rows = []
    for name in store.names():
        current = store.open(name).description.version
        for version in store.versions(name):
            known = store.open(f"{name}@{version}").description
            rows.append(description_row(known, is_current=version == current))
    return rows


def read_positions(path: Path) -> tuple[list[str], Positions]:
    """Names and positions in a file.

    Raises
    ------
    ConfigurationError
        It cannot be read, or a row has no position: then none is left out silently.
    """
    refused = Refused()
    ids: list[str] = []
    ra, dec = [np.empty(0)], [np.empty(0)]
    for chunk in read_chunks(path, POSITIONS, refused.add):
        # In the file's order, which `entries_of` keeps.
        entries = entries_of(chunk, POSITIONS, path, refused)
        ids += entries.column("object_id").to_pylist()
        ra.append(entries.column("ra_deg").to_numpy())
        dec.append(entries.column("dec_deg").to_numpy())
    if refused.total:
        rule, n_rows = refused.n_rows.most_common(1)[0]
        raise ConfigurationError(f"{rule}: {n_rows} rows, the first is {refused.first[rule]}")
    return ids, Positions.of(np.concatenate(ra), np.concatenate(dec))


def match_rows(
    catalogs: Sequence[Catalog],
    ids: Sequence[str | None],
    positions: Positions,
    radius_arcsec: float | None,
    *,
    nearest: bool,
    cds: CdsSettings | None = None,
    more: Sequence[Sequence[CatalogAnswer]] = (),
) -> Iterator[Row]:
    """What each catalogue says of each position, and what follows from it.

    ``cds``: how the service of CDS is asked, too; None for not at all. ``more``: what others said
    of each position.
    """
    asked = [catalog.answers(positions, radius_arcsec, nearest=nearest) for catalog in catalogs]
    if cds is not None:
        asked.append(ask_cds(cds, positions))
    asked += map(list, more)
    places = zip(ids, positions.ra_deg.tolist(), positions.dec_deg.tolist(), strict=True)
    for (name, ra_deg, dec_deg), answers in zip(places, zip(*asked, strict=True), strict=True):
        said = tag_columns(ra_deg, dec_deg, answers)
        yield {
            "id": name,
            "ra_deg": ra_deg,
            "dec_deg": dec_deg,
            "is_extragalactic": said["is_extragalactic"],
            "reasons": said["is_extragalactic_reasons"],
            "answers": said["catalogs"],
            "hosts": said["hosts"],
        }
