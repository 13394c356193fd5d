"""Positions against a catalogue of millions: ours, astropy's and a KD-tree of scipy's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.agreement import require
from benchmarks.sky_inputs import anywhere, visit
from benchmarks.timing import Effort, Row
from skymaps.healpix import Positions, unit_vectors
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

_ASTROPY = "astropy SkyCoord.match_to_catalog_sky (its tree kept; nearest, without a radius)"
_SCIPY = "scipy cKDTree.query of unit vectors (nearest within the radius, unit vectors included)"


@dataclass(frozen=True, slots=True)
class Peers:
    """The two trees."""

    astropy: Any
    scipy: Any


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
    written(path, n_rows)
    build = replace(effort, rounds=1, sample_s=0.0)
    yield build.rate_of(
        "crossmatch-build", n_rows, "entries/s",
        lambda: build_catalog(folder, "synthetic", [path], MAPPING),
    )  # fmt: skip
    catalog, whole_mb = _measured(lambda: _loaded(CatalogStore(folder, 2**40).open("synthetic")))
    ra_deg, dec_deg = places(n_rows)
    astropy, astropy_mb = _measured(lambda: _astropy_tree(ra_deg, dec_deg))
    scipy, scipy_mb = _measured(lambda: _scipy_tree(ra_deg, dec_deg))
    yield Row("crossmatch-memory-places", 24.0 * n_rows / _MB, "MB")
    memory = catalog.description.memory_bytes / _MB
    yield Row("crossmatch-memory-entries", memory, "MB", "growth of the process", whole_mb)
    yield Row("crossmatch-memory-peers", scipy_mb, "MB", "astropy (ours is scipy here)", astropy_mb)
    peers = Peers(astropy, scipy)
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


def written(path: Path, n_rows: int) -> None:
    """Write the rows of the catalogue as Parquet."""
    ra, dec = places(n_rows)
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
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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
    peers: Peers,
    batches: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> Iterator[Row]:
    n = sum(len(ra) for ra, _ in batches)
    skies = [_coordinates(ra, dec) for ra, dec in batches]

    def ours() -> None:
        for ra, dec in batches:
            nearest(catalog, ra, dec)

    def with_tags() -> None:
        for ra, dec in batches:
            catalog.tags_of(nearest(catalog, ra, dec))

    def in_cells() -> None:
        for ra, dec in batches:
            nearest(bounded, ra, dec)

    def by_astropy() -> None:
        for sky in skies:
            sky.match_to_catalog_sky(peers.astropy)

    def by_scipy() -> None:
        for ra, dec in batches:
            _by_scipy(peers.scipy, ra, dec)

    unit = "positions/s"
    for peer, name, theirs in ((_ASTROPY, "astropy", by_astropy), (_SCIPY, "kdtree", by_scipy)):
        yield effort.rate_of(f"crossmatch-{shape}-{name}", n, unit, ours, peer, theirs)
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
    peers: Peers,
    batch: tuple[NDArray[np.float64], NDArray[np.float64]],
    ra_deg: NDArray[np.float64],
    dec_deg: NDArray[np.float64],
) -> None:
    found = nearest(catalog, *batch)
    tags = catalog.tags_of(found)
    which, off, _ = _coordinates(*batch).match_to_catalog_sky(peers.astropy)
    inside = np.flatnonzero(off.arcsec <= RADIUS_ARCSEC)
    require(len(found) > 0 and np.array_equal(inside, found.row), "astropy's and our positions")
    require(np.allclose(off.arcsec[inside], found.separation_arcsec, atol=1e-7), "separations")
    _, tree_which = _by_scipy(peers.scipy, *batch)
    for name, theirs in (("astropy's", which[inside]), ("scipy's", tree_which[inside])):
        same_ra = ra_deg[theirs] == [tag.ra_deg for tag in tags]
        same_dec = dec_deg[theirs] == [tag.dec_deg for tag in tags]
        require(bool((same_ra & same_dec).all()), f"{name} and our entries")
    again = nearest(bounded, *batch)
    require(bounded.tags_of(again) == tags, "entries of all memory and of a quarter")


def _coordinates(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> Any:
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    return SkyCoord(ra * u.deg, dec * u.deg)


def _loaded(catalog: Catalog) -> Catalog:
    catalog.match(Positions.of([0.0], [0.0]), RADIUS_ARCSEC)
    return catalog


def _astropy_tree(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> Any:
    sky = _coordinates(ra, dec)
    _coordinates(ra[:1], dec[:1]).match_to_catalog_sky(sky)  # it builds its tree at the first call
    return sky


def _scipy_tree(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> Any:
    from scipy.spatial import cKDTree

    return cKDTree(unit_vectors(ra, dec))


def _by_scipy(tree: Any, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> Any:
    chord = 2.0 * math.sin(0.5 * math.radians(RADIUS_ARCSEC / 3600.0))
    return tree.query(unit_vectors(ra, dec), distance_upper_bound=chord * (1.0 + 1e-9))


def _measured(make: Callable[[], Any]) -> tuple[Any, float]:
    """What is made, and by how much the process grew [MB]."""
    process = psutil.Process()
    before = process.memory_info().rss
    made = make()
    return made, (process.memory_info().rss - before) / _MB
