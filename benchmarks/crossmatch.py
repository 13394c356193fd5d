"""Positions against a catalogue of millions: ours and four ways of others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.agreement import require
from benchmarks.crossmatch_peers import Peer, peers_of
from benchmarks.sky_inputs import anywhere, visit
from benchmarks.timing import Effort, Row
from skymaps.healpix import Positions
from skymaps.neighbours import Neighbours
from storage.catalogs.build import build_catalog
from storage.catalogs.catalog import Catalog, CatalogStore
from storage.catalogs.mapping import Mapping, ValueOf

RADIUS_ARCSEC = 5.0
BAR_PER_S = 50_000.0
"""Positions a second that issue 6 asks for."""

N_BATCHES = 10
"""Batches a call, all of other places: the processor's caches do not help much."""

NIGHT = 100
"""A night's batch is so many times as large; it spares the peers what each call costs them."""

_WRITTEN_ROWS = 500_000
_MB = 1e6

MAPPING = Mapping(
    "synthetic", "Synthetic", ("ra",), ("dec",), id=("id",), type=("type",),
    values={name: ValueOf((name,)) for name in ("mag_r", "z", "parallax_mas")},
)  # fmt: skip

Batch = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Right ascensions and declinations [deg]."""


def crossmatch(effort: Effort, n_rows: int, n_positions: int, folder: Path) -> Iterator[Row]:
    """All rows; what is compared was found equal first.

    Parameters
    ----------
    n_rows
        Entries of the catalogue.
    n_positions
        Positions of a batch.
    folder
        For the catalogue.
    """
    path = folder / "synthetic.parquet"
    written(path, *places(n_rows))
    build = replace(effort, rounds=1, sample_s=0.0)
    yield build.rate_of(
        "crossmatch-build", n_rows, "entries/s",
        lambda: build_catalog(folder, "synthetic", [path], MAPPING),
    )  # fmt: skip
    catalog, whole_mb = _measured(lambda: _loaded(CatalogStore(folder, 2**40).open("synthetic")))
    ra_deg, dec_deg = places(n_rows)
    peers, peers_mb = _measured(lambda: peers_of(ra_deg, dec_deg, RADIUS_ARCSEC))
    yield Row("crossmatch-memory-places", 24.0 * n_rows / _MB, "MB")
    memory = catalog.description.memory_bytes / _MB
    yield Row("crossmatch-memory-entries", memory, "MB", "growth of the process", whole_mb)
    yield Row("crossmatch-memory-peers", peers_mb, "MB")
    bounded = CatalogStore(folder, catalog.description.memory_bytes // 4).open("synthetic")
    shapes = {
        "anywhere": (n_positions, N_BATCHES),
        "visit": (n_positions, N_BATCHES),
        "night": (NIGHT * n_positions, 1),
    }
    for shape, (n, n_batches) in shapes.items():
        batches = [_batch(shape, n, seed, ra_deg, dec_deg) for seed in range(n_batches)]
        for batch in batches[:2]:
            _check(catalog, bounded, peers, batch, ra_deg, dec_deg)
        yield from _rates(effort, shape, catalog, bounded, peers, batches)


def places(n_rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Right ascension and declination [deg]: anywhere, a third within a belt of 20 deg."""
    rng = np.random.default_rng(29)
    ra = rng.uniform(0.0, 360.0, n_rows)
    z = rng.uniform(-1.0, 1.0, n_rows)
    z[: n_rows // 3] *= math.sin(math.radians(10.0))
    return ra, np.degrees(np.arcsin(z))


def written(path: Path, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> None:
    """Write entries at some places [deg] as Parquet."""
    n_rows = len(ra)
    rng = np.random.default_rng(30)
    writer = None
    for begin in range(0, n_rows, _WRITTEN_ROWS):
        end = min(begin + _WRITTEN_ROWS, n_rows)
        n = end - begin
        table = pa.table(
            {
                "id": pa.array(np.arange(begin, end) + 4_000_000_000_000),
                "ra": ra[begin:end],
                "dec": dec[begin:end],
                "type": pa.array(np.array(["G", "Q"])[rng.integers(0, 2, n)]),
                "mag_r": rng.uniform(14.0, 23.0, n),
                "z": rng.uniform(0.0, 1.0, n),
                "parallax_mas": rng.normal(0.0, 1.0, n),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _batch(
    shape: str, n: int, seed: int, ra: NDArray[np.float64], dec: NDArray[np.float64]
) -> Batch:
    """Half of the positions of a batch are moved to within 3 arcsec of an entry."""
    batch = visit(n, seed) if shape == "visit" else anywhere(n, seed)
    ra_deg, dec_deg = batch.ra_deg.copy(), batch.dec_deg.copy()
    rng = np.random.default_rng((31, seed))
    if shape == "visit":
        here = np.flatnonzero(
            (np.abs(dec - dec_deg.mean()) < 1.5)
            & (np.abs((ra - ra_deg[0] + 180.0) % 360.0 - 180.0) < 3.0)
        )
    else:
        here = np.arange(len(ra))
    if len(here):
        at = rng.choice(here, n // 2)
        ra_deg[: n // 2] = ra[at]
        dec_deg[: n // 2] = np.clip(dec[at] + rng.uniform(-3.0, 3.0, n // 2) / 3600.0, -90.0, 90.0)
    return ra_deg, dec_deg


def _rates(
    effort: Effort,
    shape: str,
    catalog: Catalog,
    bounded: Catalog,
    peers: dict[str, Peer],
    batches: list[Batch],
) -> Iterator[Row]:
    n = sum(len(ra) for ra, _ in batches)

    def ours() -> None:
        for ra, dec in batches:
            nearest(catalog, ra, dec)

    def with_tags() -> None:
        for ra, dec in batches:
            catalog.tags_of(nearest(catalog, ra, dec))

    def in_cells() -> None:
        for ra, dec in batches:
            nearest(bounded, ra, dec)

    def by(peer: Peer) -> None:
        for ra, dec in batches:
            peer.nearest(ra, dec)

    unit = "positions/s"
    for name, peer in peers.items():
        theirs = partial(by, peer)
        yield effort.rate_of(f"crossmatch-{shape}-{name}", n, unit, ours, peer.said, theirs)
    yield _against_bar(effort.rate_of(f"crossmatch-{shape}", n, unit, ours))
    yield _against_bar(effort.rate_of(f"crossmatch-{shape}-tags", n, unit, with_tags))
    if shape == "visit":
        yield effort.rate_of(f"crossmatch-{shape}-quarter-of-memory", n, unit, in_cells)


def _against_bar(row: Row) -> Row:
    said = "issue 6: at least so many"
    return replace(row, peer=said, peer_value=BAR_PER_S, ratio=row.value / BAR_PER_S, bar=1.0)


def nearest(catalog: Catalog, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> Neighbours:
    """Nearest entries within the radius, from coordinates on."""
    return catalog.match(Positions.of(ra, dec), RADIUS_ARCSEC).nearest()


def _check(
    catalog: Catalog,
    bounded: Catalog,
    peers: dict[str, Peer],
    batch: Batch,
    ra_deg: NDArray[np.float64],
    dec_deg: NDArray[np.float64],
) -> None:
    found = nearest(catalog, *batch)
    tags = catalog.tags_of(found)
    require(len(found) > 0, "some positions and their entries")
    for peer in peers.values():
        theirs = peer.nearest(*batch)
        require(np.array_equal(theirs.row, found.row), f"{peer.name}'s and our positions")
        same_ra = ra_deg[theirs.entry] == [tag.ra_deg for tag in tags]
        same_dec = dec_deg[theirs.entry] == [tag.dec_deg for tag in tags]
        require(bool((same_ra & same_dec).all()), f"{peer.name}'s and our entries")
    again = nearest(bounded, *batch)
    require(bounded.tags_of(again) == tags, "entries of all memory and of a quarter")


def _loaded(catalog: Catalog) -> Catalog:
    catalog.match(Positions.of([0.0], [0.0]), RADIUS_ARCSEC)
    return catalog


def _measured(make: Callable[[], Any]) -> tuple[Any, float]:
    """What is made, and by how much the process grew [MB]."""
    process = psutil.Process()
    before = process.memory_info().rss
    made = make()
    return made, (process.memory_info().rss - before) / _MB
