"""The wire form of localizations: the same content gives the same bytes on every machine.

A circle is canonical JSON. A map is binary, little-endian:

    header  "SKYM", version u1, flags u1, reserved u2 = 0, number of cells u4
    order   u1 a cell; cells are sorted, so a complete tiling needs no positions
    gap     i8 a cell, order-29 indices left out before it; only under flag PARTIAL
    layers  density as published [1/sr], then mu, sigma, norm under flag DISTANCE:
            f4 where that is exact for every cell (flag NARROW << layer), else f8
    crc     u4, CRC-32 of all that precedes

It is not compressed: the output of deflate differs between builds of zlib, so its hash would
differ too; real maps shrink by a fifth only, and stores and Kafka compress for themselves.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import cast

import numpy as np
from numpy.typing import NDArray

from skymaps.errors import SkyMapError
from skymaps.healpix import END_29, MAX_ORDER
from skymaps.localization import Localization
from skymaps.shapes import Circle, SystematicComponent
from skymaps.skymap import SkyMap

MAGIC = b"SKYM"
VERSION = 1
PARTIAL, DISTANCE, NARROW = 1, 2, 4
_HEADER = struct.Struct("<4sBBHI")
_CRC = struct.Struct("<I")

MAX_CIRCLE_BYTES = 16_384
"""Longest circle that is decoded: one of MAX_SOURCE_LENGTH escaped characters needs 14 kB."""

MAX_MAP_ROWS = 2_000_000
"""Most cells that are decoded, as many as the reader of FITS files lets pass; the length of the
bytes must agree before anything is made."""


def localization_to_bytes(localization: Circle | SkyMap) -> bytes:
    """Wire form of a localization; its SHA-256 is :attr:`Localization.sha256`."""
    if isinstance(localization, Circle):
        return _circle_to_bytes(localization)
    return _map_to_bytes(localization)


def localization_of_bytes(data: bytes) -> Localization:
    """Localization of its wire form, every float exactly as it was.

    Raises
    ------
    SkyMapError
        Bytes that :func:`localization_to_bytes` does not make.
    """
    localization = _map_of_bytes(data) if data[:4] == MAGIC else _circle_of_bytes(data)
    if localization.to_bytes() != data:
        raise SkyMapError("the wire form of a localization is canonical", data[:40])
    return localization


def _circle_to_bytes(circle: Circle) -> bytes:
    said = {
        "version": VERSION,
        "kind": circle.kind,
        "ra_deg": circle.ra_deg,
        "dec_deg": circle.dec_deg,
        "radius_deg": circle.radius_deg,
        "level": circle.level,
        "includes_systematics": circle.includes_systematics,
        "systematics": [[part.weight, part.r68_deg] for part in circle.systematics],
        "source": circle.source,
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _circle_of_bytes(data: bytes) -> Circle:
    if len(data) > MAX_CIRCLE_BYTES:
        raise SkyMapError(f"a circle has at most {MAX_CIRCLE_BYTES} bytes", len(data))
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SkyMapError("a localization begins with SKYM or is JSON", data[:40]) from error
    if not isinstance(said, dict) or said.pop("kind", None) != "circle":
        raise SkyMapError("a localization in JSON is a circle", data[:40])
    if said.pop("version", None) != VERSION:
        raise SkyMapError(f"the wire form of a circle has version {VERSION}", data[:40])
    parts = said.pop("systematics", None)
    if not isinstance(parts, list) or not all(isinstance(p, list) and len(p) == 2 for p in parts):
        raise SkyMapError("systematics are pairs of weight and r68", parts)
    systematics = tuple(SystematicComponent(*part) for part in parts)
    try:
        return Circle(**said, systematics=systematics)
    except TypeError as error:
        raise SkyMapError("a circle has its own fields and no others", sorted(said)) from error


def _map_to_bytes(sky_map: SkyMap) -> bytes:
    gap = sky_map.lo - np.append(np.int64(0), sky_map.hi[:-1])
    layers = [sky_map.published_density_per_sr]
    if sky_map.has_distance:
        distance = (sky_map.dist_mu_mpc, sky_map.dist_sigma_mpc, sky_map.dist_norm)
        layers += cast("list[NDArray[np.float64]]", distance)
    flags = DISTANCE if sky_map.has_distance else 0
    parts = [sky_map.order.astype("u1").tobytes()]
    if gap.any():
        flags |= PARTIAL
        parts.append(gap.astype("<i8").tobytes())
    for i, layer in enumerate(layers):
        narrow = _is_exact_in_f4(layer)
        flags |= narrow * (NARROW << i)
        parts.append(layer.astype("<f4" if narrow else "<f8").tobytes())
    body = b"".join([_HEADER.pack(MAGIC, VERSION, flags, 0, sky_map.n_rows), *parts])
    return body + _CRC.pack(zlib.crc32(body))


def _map_of_bytes(data: bytes) -> SkyMap:
    flags, n = _checked_header(data)
    at = _HEADER.size
    order = np.frombuffer(data, "u1", n, at).astype(np.int64)
    if (order > MAX_ORDER).any():
        raise SkyMapError(f"an order lies in [0, {MAX_ORDER}]", int(order.max()))
    at += n
    gap = np.zeros(n, dtype=np.int64)
    if flags & PARTIAL:
        gap = np.frombuffer(data, "<i8", n, at).astype(np.int64)
        at += 8 * n
    lo, hi = tiled_ranges(order, gap)
    layers = []
    for form in _forms(flags):
        layers.append(np.frombuffer(data, form, n, at).astype(np.float64))
        at += np.dtype(form).itemsize * n
    density, *distance = layers
    if not distance:
        return SkyMap(lo, hi, density)
    return SkyMap(lo, hi, density, (distance[0], distance[1], distance[2]))


def _checked_header(data: bytes) -> tuple[int, int]:
    """Read the flags and the number of cells of a map whose length and checksum are right."""
    if len(data) < _HEADER.size + _CRC.size:
        raise SkyMapError("the wire form of a map is not cut short", len(data))
    _, version, flags, reserved, n = _HEADER.unpack_from(data)
    if version != VERSION or reserved:
        raise SkyMapError(f"the wire form of a map has version {VERSION}", version)
    n_layers = 4 if flags & DISTANCE else 1
    if flags >= NARROW << n_layers:
        raise SkyMapError("the wire form of a map has no unknown flags", flags)
    if n > MAX_MAP_ROWS:
        raise SkyMapError(f"a map has at most {MAX_MAP_ROWS} cells", n)
    row = 1 + 8 * bool(flags & PARTIAL) + sum(np.dtype(form).itemsize for form in _forms(flags))
    if len(data) != _HEADER.size + n * row + _CRC.size:
        raise SkyMapError(f"a map of {n} cells has {n * row} bytes of cells", len(data))
    if zlib.crc32(data[: -_CRC.size]) != _CRC.unpack(data[-_CRC.size :])[0]:
        raise SkyMapError("the checksum of a map is right")
    return flags, n


def _forms(flags: int) -> list[str]:
    n_layers = 4 if flags & DISTANCE else 1
    return ["<f4" if flags & (NARROW << i) else "<f8" for i in range(n_layers)]


def tiled_ranges(
    order: NDArray[np.int64], gap: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ranges of consecutive cells after their gaps, refused once they leave the sky."""
    span = np.int64(1) << (2 * (MAX_ORDER - order))
    step = gap.astype(np.float64) + span
    # In floats first: integers would wrap around and look innocent.
    if (gap < 0).any() or step.sum() > 2.0 * END_29:
        raise SkyMapError("the cells of a map fit on the sky")
    hi = np.cumsum(gap + span)
    return hi - span, hi


def _is_exact_in_f4(layer: NDArray[np.float64]) -> bool:
    with np.errstate(over="ignore", under="ignore"):
        return bool((layer.astype(np.float32) == layer).all())
