"""The packed form of a map: small, for topics and pages; rounded, so it is not its wire form.

Little-endian:

    header  "SKYP", version u1, flags u1, steps an octave u2, number of cells u4
    body    deflated, byte by byte of all values of a layer together:
        order     u1 a cell; cells are sorted, so a complete tiling needs no positions
        gap       i8 a cell, order-29 indices left out before it; only under flag PARTIAL
        density   i4 a cell: log2 of the density [1/sr] in whole steps, less that of the cell before
        distance  mu, sigma and norm, f4 each a cell, f8 under flag WIDE << layer; only under
                  flag DISTANCE
    crc     u4, CRC-32 of all that precedes

A density comes back within :data:`ROUNDING` of itself, and equal ones equal; so a credible level
comes back between those of the densities that are twice as far off, within twice as much. A
distance comes back within the rounding of f4; layers that f4 cannot hold stay as they are (norms
of real maps exceed 1e38 where mu is far below zero).

The wire form (`skymaps.wire`) is exact and names the localization by its hash (docs/adr/0006); the
output of deflate names nothing.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from skymaps.errors import SkyMapError
from skymaps.healpix import MAX_ORDER
from skymaps.skymap import SkyMap
from skymaps.wire import MAX_MAP_ROWS, tiled_ranges

MAGIC = b"SKYP"
VERSION = 1
PARTIAL, DISTANCE, WIDE = 1, 2, 4

STEPS = 1024
"""Steps of log2 of the density to a factor of two."""

ROUNDING = 2.0 ** (0.5 / STEPS) - 1.0
"""Most that a density is changed by, relative to it: 0.034 %."""

_NONE = -(2**24)
"""Step of a density of 0, far below that of the least float (-1074 octaves)."""

_HEADER = struct.Struct("<4sBBHI")
_CRC = struct.Struct("<I")
_LEVEL = 6
_MAX_INFLATION = 1_032
"""Most that deflate can expand (zlib's own figure)."""

_F4_ROUNDING = 1e-7
"""f4 rounds by 6e-8; what it cannot hold becomes 0 or infinite, or loses digits near 1e-38."""


def packed_of_map(sky_map: SkyMap, *, with_distance: bool = True) -> bytes:
    """Packed form of a map, with its distance layers unless they are not wanted."""
    gap = sky_map.lo - np.append(np.int64(0), sky_map.hi[:-1])
    is_partial, with_distance = bool(gap.any()), with_distance and sky_map.has_distance
    layers = [sky_map.order.astype("u1")]
    if is_partial:
        layers.append(gap.astype("<i8"))
    steps = _steps_of(sky_map.published_density_per_sr)
    layers.append(np.diff(steps, prepend=0).astype("<i4"))
    flags = PARTIAL * is_partial | DISTANCE * with_distance
    distance = (sky_map.dist_mu_mpc, sky_map.dist_sigma_mpc, sky_map.dist_norm)
    for i, layer in enumerate(distance if with_distance else ()):
        assert layer is not None  # noqa: S101 - it has all three or none
        narrow = _narrow(layer)
        flags |= (WIDE << i) * (narrow is None)
        layers.append(layer.astype("<f8") if narrow is None else narrow)
    body = zlib.compress(b"".join(_shuffled(layer) for layer in layers), _LEVEL)
    data = _HEADER.pack(MAGIC, VERSION, flags, STEPS, sky_map.n_rows) + body
    return data + _CRC.pack(zlib.crc32(data))


def map_of_packed(data: bytes) -> SkyMap:
    """Map of its packed form.

    Raises
    ------
    SkyMapError
        Bytes that are no packed map, that are cut short or changed, or that stand for more than
        `wire.MAX_MAP_ROWS` cells.
    """
    flags, n_steps, n = _checked_header(data)
    forms = ["u1", *(["<i8"] if flags & PARTIAL else []), "<i4"]
    if flags & DISTANCE:
        forms += ["<f8" if flags & (WIDE << i) else "<f4" for i in range(3)]
    body = _inflated(data[_HEADER.size : -_CRC.size], n * sum(np.dtype(f).itemsize for f in forms))
    layers, at = [], 0
    for form in forms:
        size = n * np.dtype(form).itemsize
        layers.append(_unshuffled(body[at : at + size], form))
        at += size
    order = layers.pop(0).astype(np.int64)
    if (order > MAX_ORDER).any():
        raise SkyMapError(f"an order lies in [0, {MAX_ORDER}]", int(order.max()))
    gap = layers.pop(0).astype(np.int64) if flags & PARTIAL else np.zeros(n, dtype=np.int64)
    lo, hi = tiled_ranges(order, gap)
    density = _density_of(np.cumsum(layers.pop(0), dtype=np.int64), n_steps)
    if not layers:
        return SkyMap(lo, hi, density)
    mu, sigma, norm = (layer.astype(np.float64) for layer in layers)
    return SkyMap(lo, hi, density, (mu, sigma, norm))


def _steps_of(density: NDArray[np.float64]) -> NDArray[np.int64]:
    some = density > 0.0
    steps = np.full(len(density), _NONE, dtype=np.int64)
    steps[some] = np.rint(np.log2(density[some]) * STEPS).astype(np.int64)
    return steps


def _density_of(steps: NDArray[np.int64], n_steps: int) -> NDArray[np.float64]:
    octaves = steps / n_steps
    if (octaves >= 1024.0).any():
        raise SkyMapError("a packed density is finite", float(octaves.max()))
    density = np.exp2(np.maximum(octaves, -1100.0))
    density[steps == _NONE] = 0.0
    return density


def _narrow(layer: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """The layer in four bytes a value, if they can hold it."""
    with np.errstate(over="ignore", under="ignore"):
        narrow = layer.astype("<f4")
    return narrow if np.allclose(narrow, layer, rtol=_F4_ROUNDING, atol=0.0) else None


def _checked_header(data: bytes) -> tuple[int, int, int]:
    """Flags, steps an octave and number of cells of a packed map whose checksum is right."""
    if len(data) < _HEADER.size + _CRC.size or data[: len(MAGIC)] != MAGIC:
        raise SkyMapError("a packed map begins with SKYP and is not cut short", data[:40])
    _, version, flags, n_steps, n = _HEADER.unpack_from(data)
    if version != VERSION:
        raise SkyMapError(f"the packed form of a map has version {VERSION}", version)
    if zlib.crc32(data[: -_CRC.size]) != _CRC.unpack(data[-_CRC.size :])[0]:
        raise SkyMapError("the checksum of a packed map is right")
    if flags >= (WIDE << 3 if flags & DISTANCE else DISTANCE):
        raise SkyMapError("the packed form of a map has no unknown flags", flags)
    if not n_steps:
        raise SkyMapError("a packed map has one step an octave or more", n_steps)
    if not 0 < n <= MAX_MAP_ROWS:
        raise SkyMapError(f"a map has 1 to {MAX_MAP_ROWS} cells", n)
    return flags, n_steps, n


def _inflated(body: bytes, size: int) -> bytes:
    """Inflate a body that must have a size."""
    if size > _MAX_INFLATION * len(body):
        raise SkyMapError("a packed map has as many cells as it says", size)
    inflate = zlib.decompressobj()
    try:
        data = inflate.decompress(body, size + 1)
    except zlib.error as error:
        raise SkyMapError("a packed map can be inflated", str(error)) from error
    if len(data) != size or not inflate.eof or inflate.unused_data:
        raise SkyMapError("a packed map has as many cells as it says", len(data))
    return data


def _shuffled(layer: NDArray[np.generic]) -> bytes:
    """First bytes of all values, then the second ones, and so on."""
    return layer.view("u1").reshape(len(layer), -1).T.tobytes()


def _unshuffled(data: bytes, form: str) -> NDArray[np.generic]:
    size = np.dtype(form).itemsize
    return np.frombuffer(data, "u1").reshape(size, -1).T.copy().view(form).reshape(-1)
