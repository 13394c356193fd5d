"""HEALPix sky maps out of FITS bytes: multi-order, or flat in NESTED or RING order.

The header's identity (OBJECT, DATE-OBS) is not read: real files carry that of other events.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import healpy
import numpy as np
from numpy.typing import ArrayLike, NDArray

from skymaps.bintable import Table, open_table
from skymaps.cells import MapCells, checked_orders
from skymaps.errors import SkyMapError
from skymaps.healpix import (
    DEG2_PER_SR,
    MAX_ORDER,
    cell_area_sr,
    orders_of_ranges,
    ranges_of_cells,
    uniq_of_ranges,
)
from skymaps.skymap import SkyMap

Floats = NDArray[np.float64]
Layers = NDArray[np.float64]
"""Shape ``(n_layers, n)``."""

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MapLimits:
    """Bounds of what is read; the memory that is needed follows from them.

    Attributes
    ----------
    max_bytes
        Length of the FITS file, inflated. It is streamed: this bounds the time (about 4 s a
        GB), not the memory.
    max_rows
        Cells held at a time, after equal siblings are merged and cells of no probability are
        dropped from a flat map; up to 250 bytes a cell at the peak. Ten times the largest real
        map, which has 196,608.
    """

    max_bytes: int = 64 * 2**20
    max_rows: int = 2_000_000


NOTICE_LIMITS = MapLimits()
"""For maps that come with a live notice: 64 MiB hold a multi-order map of 1.6 million rows."""

ARCHIVE_LIMITS = MapLimits(max_bytes=512 * 2**20)
"""For flat maps of observing runs 1 to 3: NSIDE 1024 with distances is 403 MB, gzipped 1.5 MB."""

DENSITY_COLUMNS = ("PROBDENSITY", "PROB", "PROBABILITY")
DISTANCE_COLUMNS = ("DISTMU", "DISTSIGMA", "DISTNORM")

PER_PIXEL = "pix-1"
DENSITY_UNITS = {PER_PIXEL: 1.0, "sr-1": 1.0, "deg-2": DEG2_PER_SR}
"""Factor that makes a unit one per pixel or per steradian."""

MULTI_ORDER_SUM = (0.5, 2.0)
"""What a multi-order map may sum to. Elsewhere its densities would be probabilities per cell, or
the reverse, which normalisation does not heal; real ones sum to 1 within 1e-8."""

EQUATORIAL = frozenset({"", "C", "CELESTIAL", "EQUATORIAL", "ICRS", "J2000"})


def read_sky_map(data: bytes, limits: MapLimits = NOTICE_LIMITS) -> SkyMap:
    """Sky map of the bytes of a FITS file, gzip or not.

    Raises
    ------
    SkyMapError
        Bytes that are no HEALPix map, that exceed a limit, or whose content breaks a rule of
        :class:`SkyMap`.
    """
    return read_cells(data, limits).ranked()


def read_cells(data: bytes, limits: MapLimits = NOTICE_LIMITS) -> MapCells:
    """Cells of the bytes of a FITS file, gzip or not, as they come: neither sorted nor ranked.

    A flat map comes back multi-order: four equal sibling cells are merged, again and again, and
    cells of no probability are left out, neither of which changes a density or an area.

    Raises
    ------
    SkyMapError
        As :func:`read_sky_map`, but cells that overlap are found when they are ranked.
    """
    table = open_table(data, frozenset(DENSITY_COLUMNS), limits.max_bytes)
    if table.header.text("PIXTYPE", "HEALPIX").upper() != "HEALPIX":
        raise SkyMapError("PIXTYPE of a sky map is HEALPIX", table.header.text("PIXTYPE"))
    if table.header.text("COORDSYS").upper() not in EQUATORIAL:
        raise SkyMapError("COORDSYS of a sky map is C (equatorial)", table.header.text("COORDSYS"))
    if "UNIQ" in table.columns:
        return _multi_order(table, limits)
    return _flat(table, limits)


def _multi_order(table: Table, limits: MapLimits) -> MapCells:
    if table.header.text("ORDERING", "NUNIQ").upper() != "NUNIQ":
        told = table.header.text("ORDERING")
        raise SkyMapError("a map with a column UNIQ has ORDERING NUNIQ", told)
    names = ["UNIQ", *_layer_names(table)]
    unit = _unit(table)
    if unit is None:
        raise SkyMapError(f"TUNIT of a density is one of {sorted(DENSITY_UNITS)}", names[1])
    if table.columns["UNIQ"].code not in "JK" or any(table.columns[n].repeat != 1 for n in names):
        raise SkyMapError("a map with a column UNIQ has one cell, a whole number, a row")
    if not 0 < table.n_rows <= limits.max_rows:
        raise SkyMapError(f"a map has 1 to {limits.max_rows} cells", table.n_rows)
    uniq, values = _whole_columns(table, names)
    order = checked_orders(uniq) if unit == PER_PIXEL else 0
    cells = MapCells.of(uniq, _densities(values[0], unit, order), values[1:])
    low, high = MULTI_ORDER_SUM
    if not low <= cells.total <= high:
        cells.ranked()  # it may have a more telling fault
        raise SkyMapError(
            f"a multi-order map, in the unit of its TUNIT, sums to {low} to {high}", cells.total
        )
    return cells


def _flat(table: Table, limits: MapLimits) -> MapCells:
    ordering = table.header.text("ORDERING").upper()
    if ordering not in ("NESTED", "NEST", "RING"):
        raise SkyMapError("ORDERING of a flat map is NESTED or RING", ordering)
    names = _layer_names(table)
    is_explicit = _is_explicit(table)
    if is_explicit:
        names = ["PIXEL", *names]
    repeats = {table.columns[name].repeat for name in names}
    if len(repeats) != 1:
        raise SkyMapError("the columns of a flat map have equal numbers of pixels", repeats)
    order = _flat_order(table, table.n_rows * repeats.pop(), is_explicit)
    kept: list[tuple[Indices, Indices, Layers]] = []
    seen = held = 0
    for chunk in table.chunks(names):
        n = len(chunk[0])
        pixel = chunk[0].astype(np.int64) if is_explicit else np.arange(seen, seen + n)
        values = np.stack(chunk[is_explicit:]).astype(np.float64)
        kept.append(_cells_of_pixels(order, pixel, values, ordering))
        seen += n
        held += len(kept[-1][0])
        if held > limits.max_rows:
            raise SkyMapError(f"a map has at most {limits.max_rows} cells", held)
    # A unit that we do not know is a factor, which normalisation takes out of a flat map.
    lo, hi, values = _joined(kept)
    density = _densities(values[0], _unit(table) or PER_PIXEL, order)
    return MapCells.of(uniq_of_ranges(lo, hi), density, list(values[1:]))


def _whole_columns(table: Table, names: list[str]) -> tuple[Indices, list[Floats]]:
    """Indices of the cells, and layers."""
    chunks = list(table.chunks(names))
    columns = [c[0] if len(c) == 1 else np.concatenate(c) for c in zip(*chunks, strict=True)]
    return columns[0].astype(np.int64, copy=False), [
        c.astype(np.float64, copy=False) for c in columns[1:]
    ]


def _is_explicit(table: Table) -> bool:
    column = table.columns.get("PIXEL")
    if column is not None and column.code not in "BIJK":
        raise SkyMapError("column PIXEL holds whole numbers", column.code)
    told = "IMPLICIT" if column is None else "EXPLICIT"
    if table.header.text("INDXSCHM", told).upper() != told:
        raise SkyMapError(
            "INDXSCHM is EXPLICIT with a column PIXEL, else IMPLICIT", table.header.text("INDXSCHM")
        )
    return column is not None


def _flat_order(table: Table, n_pixels: int, is_explicit: bool) -> int:
    """Order of a flat map, from NSIDE or from the number of its pixels."""
    nside = table.whole("NSIDE") if "NSIDE" in table.header else 0
    if not nside and not is_explicit:
        nside = int(np.sqrt(n_pixels / 12))
    order = nside.bit_length() - 1
    if nside != 2 ** max(order, 0) or order > MAX_ORDER:
        raise SkyMapError(f"NSIDE is a power of 2, at most 2**{MAX_ORDER}", nside)
    if not is_explicit and n_pixels != 12 * nside**2:
        raise SkyMapError(f"a map of NSIDE {nside} has {12 * nside**2} pixels", n_pixels)
    return order


def _cells_of_pixels(
    order: int, pixel: Indices, values: Layers, ordering: str
) -> tuple[Indices, Indices, Layers]:
    """Merge one chunk of pixels to NESTED cells; those of no probability are left out."""
    if len(pixel) and not (pixel.min() >= 0 and pixel.max() < 12 * 4**order):
        raise SkyMapError(f"PIXEL lies in [0, 12 * 4**{order})", (pixel.min(), pixel.max()))
    # UNSEEN is how the HEALPix library marks pixels that a map does not cover.
    filled = (values[0] != 0.0) & (values[0] != np.float32(healpy.UNSEEN))
    filled &= values[0] != healpy.UNSEEN
    pixel, values = pixel[filled], values[:, filled]
    if ordering == "RING":
        pixel = np.asarray(healpy.ring2nest(2**order, pixel), dtype=np.int64)
    lo, hi = ranges_of_cells(order, pixel)
    return _merged(lo, hi, values)


def _merged(lo: Indices, hi: Indices, values: Layers) -> tuple[Indices, Indices, Layers]:
    """Merge four sibling cells that are equal to the last bit in every layer, bottom up."""
    if not len(lo):
        return lo, hi, values
    if (lo[1:] < lo[:-1]).any():
        rows = np.argsort(lo, kind="stable")
        lo, hi, values = lo[rows], hi[rows], values[:, rows]
    for order in range(int(orders_of_ranges(lo, hi).max()), 0, -1):
        span = np.int64(1) << (2 * (MAX_ORDER - order))
        first = np.flatnonzero((hi - lo == span) & (lo % (4 * span) == 0))
        first = first[first + 3 < len(lo)]
        bits = values.view(np.int64)
        for k in (1, 2, 3):
            start = lo[first] + k * span
            first = first[(lo[first + k] == start) & (hi[first + k] == start + span)]
            first = first[(bits[:, first + k] == bits[:, first]).all(axis=0)]
        if not len(first):
            continue
        hi[first] += 3 * span
        keep = np.ones(len(lo), dtype=bool)
        keep[(first[:, np.newaxis] + [1, 2, 3]).ravel()] = False
        lo, hi, values = lo[keep], hi[keep], values[:, keep]
    return lo, hi, values


def _joined(
    parts: list[tuple[Indices, Indices, Layers]],
) -> tuple[Indices, Indices, Layers]:
    """Cells of all chunks, merged across their borders."""
    if not parts:
        raise SkyMapError("a map has at least one cell")
    lo = np.concatenate([part[0] for part in parts])
    hi = np.concatenate([part[1] for part in parts])
    return _merged(lo, hi, np.concatenate([part[2] for part in parts], axis=1))


def _layer_names(table: Table) -> list[str]:
    """Columns of the density and, where there are any, of the distance."""
    density = next(name for name in DENSITY_COLUMNS if name in table.columns)
    distance = [name for name in DISTANCE_COLUMNS if name in table.columns]
    if len(distance) not in (0, len(DISTANCE_COLUMNS)):
        raise SkyMapError("a map has all three distance columns or none", distance)
    for name in (density, *distance):
        if table.columns[name].code not in "ED":
            raise SkyMapError(f"column {name} holds floats", table.columns[name].code)
    return [density, *distance]


def _unit(table: Table) -> str | None:
    """Spell the unit of the density one way; None for one that we do not know."""
    name = _layer_names(table)[0]
    unit = re.sub(r"[\s^*(){}]", "", table.columns[name].unit.lower())
    if not unit:
        return "sr-1" if name == "PROBDENSITY" else PER_PIXEL
    unit = re.sub(
        r"^1?/(.*?)2?$", lambda m: f"{m[1]}-2" if m[0].endswith("2") else f"{m[1]}-1", unit
    )
    unit = unit.replace("pixel", "pix")
    return unit if unit in DENSITY_UNITS else None


def _densities(values: Floats, unit: str, order: ArrayLike) -> Floats:
    """Densities [1/sr] of values in a unit, in cells of each ``order``."""
    factor = DENSITY_UNITS[unit]
    if unit != PER_PIXEL and factor == 1.0:
        return values
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused
        return np.asarray(values * (factor / cell_area_sr(order) if unit == PER_PIXEL else factor))
