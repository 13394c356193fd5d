"""One map at a time: reading it, asking it for places, comparing two, sending one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import healpy
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.units import Mpc, deg

from benchmarks import inputs
from benchmarks.agreement import require
from benchmarks.sky_inputs import sky_map_of, two_arcs, visit
from benchmarks.sky_peers import crossmatch, has_numba, ligo_map, raven_overlap
from benchmarks.sky_rows import BARS, Measure, SkyRow, rows_of
from benchmarks.timing import Effort, Way
from skymaps.fits import read_cells, read_sky_map
from skymaps.healpix import FULL_SKY_SR, MAX_ORDER, Positions
from skymaps.overlap import overlap
from skymaps.packed import ROUNDING, map_of_packed, packed_of_map
from skymaps.skymap import SkyMap
from skymaps.volume import match_volume

N_PLACES = 100

_GRID_ERROR = 0.02
"""How far the peer's level in space may be off: its grid of distances is coarse (1 %)."""


def map_rows(effort: Effort, real_data: Path | None) -> Iterator[SkyRow]:
    """Rows of one map of 19,200 cells, a real one where there is one."""
    data = inputs.gw_map(real_data)
    yield from _read_rows(effort, data)
    yield from _match_rows(effort, data)
    yield from _volume_rows(effort, data)
    yield from _overlap_rows(effort)
    yield from _size_rows(data)


def _read_rows(effort: Effort, data: bytes) -> Iterator[SkyRow]:
    cells, theirs = read_cells(data), ligo_map(data)
    columns = cells.uniq, cells.published_density_per_sr, *(cells.distance or ())
    names = "UNIQ", "PROBDENSITY", "DISTMU", "DISTSIGMA", "DISTNORM"
    for name, column in zip(names, columns, strict=True):
        require(np.array_equal(column, theirs[name]), f"the columns {name}")
    peer = "ligo.skymap.io.read_sky_map(moc=True) (a table, neither sorted nor ranked)"
    ways: dict[str, Way] = {
        "numpy": lambda: read_cells(data),
        "and-rank": lambda: read_sky_map(data),
    }
    measure = Measure("map-read", peer, bar=BARS["map-read"])
    for row in rows_of(effort, measure, lambda: ligo_map(data), **ways):
        yield _without_bar(row) if row.name == "map-read-and-rank" else row


def _match_rows(effort: Effort, data: bytes) -> Iterator[SkyRow]:
    sky_map, table = read_sky_map(data), ligo_map(data)["UNIQ", "PROBDENSITY"]
    places = {"anywhere": _half_in(sky_map, N_PLACES), "visit": visit(N_PLACES, 1)}
    for shape, some in places.items():
        coordinates = SkyCoord(some.ra_deg, some.dec_deg, unit="deg")
        ours, theirs = sky_map.match(some), crossmatch(table, coordinates)
        # The peer leaves the sum as published (1 within 1e-8), and ties in another order.
        density = np.allclose(ours.probdensity_per_sr, theirs.probdensity, rtol=1e-7, atol=0.0)
        level = np.allclose(ours.credible_level, theirs.searched_prob, rtol=0.0, atol=1e-6)
        require(density and level, f"densities and levels ({shape})")
        yield from _one_match(effort, shape, sky_map, some, table, coordinates)


def _one_match(
    effort: Effort, shape: str, sky_map: SkyMap, some: Positions, table: Any, coordinates: Any
) -> Iterator[SkyRow]:
    ra_deg, dec_deg = some.ra_deg, some.dec_deg
    peer = "ligo.skymap.postprocess.crossmatch, 2-D (ranks the cells at each call)"
    measure = Measure(f"match-{N_PLACES}-{shape}", peer, bar=BARS[f"match-{N_PLACES}"])
    ways: dict[str, Way] = {"numpy": lambda: sky_map.match(Positions.of(ra_deg, dec_deg))}
    if has_numba():
        ways["compiled"] = lambda: sky_map.match(Positions.of(ra_deg, dec_deg, compiled=True))
    yield from rows_of(effort, measure, lambda: crossmatch(table, coordinates), **ways)


def _volume_rows(effort: Effort, data: bytes) -> Iterator[SkyRow]:
    sky_map, table = read_sky_map(data), ligo_map(data)
    some = _half_in(sky_map, 1)
    found = sky_map.distance_at(some)
    distance = np.maximum(found.mu_mpc if found else np.ones(1), 1.0)
    coordinates = SkyCoord(some.ra_deg * deg, some.dec_deg * deg, distance * Mpc)
    ours = match_volume(sky_map, some, distance).credible_level
    theirs = crossmatch(table, coordinates).searched_prob_vol
    require(np.allclose(ours, theirs, atol=_GRID_ERROR), "credible levels in space")
    peer = "ligo.skymap.postprocess.crossmatch, 3-D (a grid of volumes at each call)"
    yield from rows_of(
        effort,
        Measure("volume-1", peer, bar=BARS["volume-1"]),
        lambda: crossmatch(table, coordinates),
        numpy=lambda: match_volume(sky_map, some, distance),
    )


def _overlap_rows(effort: Effort) -> Iterator[SkyRow]:
    a, b = (sky_map_of(two_arcs(i)) for i in _CROSSING)
    truth = _by_edges(a, b)
    require(np.isclose(overlap(a, b), truth, rtol=1e-10), "the overlap and the sum by edges")
    ways: dict[str, Way] = {"numpy": lambda: overlap(a, b)}
    if has_numba():
        require(overlap(a, b, compiled=True) == overlap(a, b), "the overlaps by numpy and numba")
        ways["compiled"] = lambda: overlap(a, b, compiled=True)
    theirs = raven_overlap(a, b)
    peer = f"ligo.raven.search.skymap_overlap_integral ({theirs() / truth:.3f} of the exact sum)"
    yield from rows_of(effort, Measure("overlap", peer, bar=BARS["overlap"]), theirs, **ways)


def _size_rows(data: bytes) -> Iterator[SkyRow]:
    sky_map = read_sky_map(data)
    for name, with_distance in (("wire", False), ("wire-with-distance", True)):
        packed = packed_of_map(sky_map, with_distance=with_distance)
        told = map_of_packed(packed).published_density_per_sr
        same = np.allclose(told, sky_map.published_density_per_sr, rtol=1.01 * ROUNDING, atol=0.0)
        require(same, "the densities before and after packing")
        peer = "the FITS file as received (density and distance, f8)"
        yield SkyRow(
            name,
            len(packed),
            "bytes",
            peer,
            len(data),
            len(data) / len(packed),
            None if with_distance else BARS["wire"],
        )


_CROSSING = (3, 11)
"""Two synthetic maps whose arcs cross."""


def _by_edges(a: SkyMap, b: SkyMap) -> float:
    """The overlap integral between all edges of cells of both maps."""
    edges = np.unique(np.concatenate([a.lo, a.hi, b.lo, b.hi]))
    lo, width = edges[:-1], np.diff(edges)
    places = Positions(lo * 0.0, lo * 0.0, lo)
    product = a.match(places).probdensity_per_sr * b.match(places).probdensity_per_sr
    return float((product * width).sum() * FULL_SKY_SR * FULL_SKY_SR / (12.0 * 4.0**MAX_ORDER))


def _half_in(sky_map: SkyMap, n: int) -> Positions:
    """Every other position in a cell drawn by its probability, the rest anywhere."""
    rng = np.random.default_rng(1)
    cell = rng.choice(sky_map.n_rows, n, p=sky_map.cell_probability)
    index = rng.integers(sky_map.lo[cell], sky_map.hi[cell])
    ra_deg, dec_deg = healpy.pix2ang(2**MAX_ORDER, index, nest=True, lonlat=True)
    ra_deg[1::2] = rng.uniform(0.0, 360.0, n // 2)
    dec_deg[1::2] = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, n // 2)))
    return Positions.of(ra_deg, dec_deg)


def _without_bar(row: SkyRow) -> SkyRow:
    return replace(row, bar=None)
