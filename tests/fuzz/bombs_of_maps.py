"""Bombs in FITS files, alone and inside of alerts, and in the wire form of localizations."""

from __future__ import annotations

import base64
import gzip
import json
import struct
import zlib

import numpy as np

from ingest_vo.fetched_map import SCHEMA
from tests.fuzz.bomb_parts import HUNDRED_MB, MB, Bombs, gzip_of_pattern, gzip_of_zeros
from tests.ingest_vo import notice_factory as notices


def _fits_header(**cards: object) -> bytes:
    shown = "".join(f"{key:8}= {value!s:>20}".ljust(80) for key, value in cards.items())
    text = shown + "END".ljust(80)
    return text.ljust(-(-len(text) // 2880) * 2880).encode()


_PRIMARY = _fits_header(SIMPLE="T", BITPIX=8, NAXIS=0)


def _flat_head(nside: int, code: str = "E", width: int = 4, **other: object) -> bytes:
    cards: dict[str, object] = {
        "XTENSION": "'BINTABLE'", "BITPIX": 8, "NAXIS": 2, "NAXIS1": width,
        "NAXIS2": 12 * nside**2, "PCOUNT": 0, "GCOUNT": 1, "TFIELDS": 1, "TTYPE1": "'PROB'",
        "TFORM1": f"'1{code}'", "ORDERING": "'NESTED'", "NSIDE": nside,
    }  # fmt: skip
    return _PRIMARY + _fits_header(**(cards | other))


_DISTANCE = ("DISTMU", "DISTSIGMA", "DISTNORM")


def _cards(columns: dict[str, str], n: int, **other: object) -> dict[str, object]:
    """The header of a table of columns, by name and format."""
    named = [(f"TTYPE{i}", f"'{name}'") for i, name in enumerate(columns, 1)]
    formed = [(f"TFORM{i}", f"'{form}'") for i, form in enumerate(columns.values(), 1)]
    width = sum(4 if form == "E" else 8 for form in columns.values())
    size = {"BITPIX": 8, "NAXIS": 2, "NAXIS1": width, "NAXIS2": n, "PCOUNT": 0, "GCOUNT": 1}
    fields = {"TFIELDS": len(columns), **dict(named), **dict(formed)}
    return {"XTENSION": "'BINTABLE'", **size, **fields, **other}


def _pattern(nside: int, form: str = "E", layers: int = 1) -> bytes:
    """A gzipped flat map of which no two neighbours are equal, so that nothing merges."""
    n = 12 * nside**2
    columns = dict.fromkeys(("PROB", *_DISTANCE)[:layers], form)
    cards = _cards(columns, n, ORDERING="'NESTED'", NSIDE=nside)
    values = np.arange(1.0, 4097.0) * (1.0 / (2048.0 * n))
    rows = np.repeat(values[:, np.newaxis], layers, axis=1)
    pattern = rows.astype(">f4" if form == "E" else ">f8").tobytes()
    return gzip_of_pattern(pattern, n // 4096, _PRIMARY + _fits_header(**cards))


def _multi_order(n: int, layers: int) -> bytes:
    """A multi-order map of ``n`` cells of order 10, with no two neighbours equal."""
    columns = {"UNIQ": "K", **dict.fromkeys(("PROBDENSITY", *_DISTANCE)[:layers], "D")}
    rows = np.empty((n, 1 + layers), dtype=">f8")
    rows[:, 0] = (4**11 + np.arange(n)).astype(">i8").view(">f8")
    rows[:, 1:] = (4**10 / n * (1.0 + np.arange(n) % 4096) / 2048.0)[:, np.newaxis]
    cards = _cards(columns, n, ORDERING="'NUNIQ'")
    return _PRIMARY + _fits_header(**cards) + rows.tobytes()


def _in_igwn(content: bytes) -> bytes:
    return notices.igwn(skymap=base64.b64encode(content).decode())


def _in_envelope(content: bytes) -> bytes:
    """A fetched map with its notice, as whoever fetched it would never have made it."""
    url = "http://x.y/z.fits"
    notice = notices.gbm("Fin_Pos", 115, params={"LocationMap_URL": url})
    fields = {
        "$schema": SCHEMA, "url": url, "sha256": "0" * 64, "form": "multi-order",
        "notice": base64.b64encode(notice).decode(),
        "fetched_map": base64.b64encode(content).decode(),
    }  # fmt: skip
    return json.dumps(fields).encode()


def _in_envelopes(depth: int) -> bytes:
    packet = _in_envelope(notices.multi_order_map())
    for _ in range(depth):
        fields = json.loads(packet) | {"notice": base64.b64encode(packet).decode()}
        packet = json.dumps(fields).encode()
    return packet


def _in_gcn(content: bytes) -> bytes:
    return notices.gcn(ra=1, dec=2, healpix_file=base64.b64encode(content).decode())


def _many_axes() -> bytes:
    axes = {f"NAXIS{n}": 999_999_999_999_999_999 for n in range(1, 1000)}
    return _fits_header(SIMPLE="T", BITPIX=8, NAXIS=999, **axes)


def _wire_map(n: int, layers: int = 1) -> bytes:
    """The wire form of a map of cells of order 12, each with values of its own."""
    order = np.full(n, 12, dtype="u1").tobytes()
    density = (1.0 + np.arange(n) % 4096) * (4**12 / n / 2048) + 1e-9
    flags = 2 if layers == 4 else 0
    body = struct.pack("<4sBBHI", b"SKYM", 1, flags, 0, n) + order + layers * density.tobytes()
    return body + struct.pack("<I", zlib.crc32(body))


BOMBS: Bombs = {
    # FITS, bare and in JSON
    "a header of 1e9 rows": ("fits", lambda: _flat_head(64, NAXIS2=10**9)),
    "a gzipped header of 1e9 rows": (
        "fits",
        lambda: gzip.compress(_flat_head(64, NAXIS2=10**9, NSIDE=2**14)),
    ),
    "negative NAXIS2": ("fits", lambda: _flat_head(64, NAXIS2=-1)),
    "huge NAXIS1": ("fits", lambda: _flat_head(64, NAXIS1=10**17)),
    "999 huge axes": ("fits", _many_axes),
    "NSIDE 2**29": ("fits", lambda: _flat_head(2**29)),
    "a header without an end": (
        "fits",
        lambda: gzip_of_pattern(b"COMMENT ".ljust(80), 10**6, b"SIMPLE  =".ljust(80)),
    ),
    "64 empty parts": (
        "fits",
        lambda: _PRIMARY + _fits_header(XTENSION="'IMAGE'", BITPIX=8, NAXIS=0) * 2_000,
    ),
    "a gzip bomb of 1 GB": ("fits", lambda: gzip_of_zeros(10**9, _flat_head(2**14))),
    "a gzip bomb before the table": (
        "fits",
        lambda: gzip_of_zeros(10**9, _fits_header(SIMPLE="T", BITPIX=8, NAXIS=1, NAXIS1=10**9)),
    ),
    "zeros after the table": (
        "fits",
        lambda: gzip_of_zeros(10**9, _flat_head(1, NSIDE=1) + b"\x3f\x80\0\0" * 12),
    ),
    "a map of zeros": ("fits", lambda: gzip_of_zeros(2**26, _flat_head(1024))),
    "a map of 786,432 cells": ("fits", lambda: _pattern(256)),
    "a map of 3 million cells": ("fits", lambda: _pattern(512)),
    "a map of 6 million doubles": ("fits", lambda: _pattern(1024, "D")),
    "a map of 12 million cells": ("fits", lambda: _pattern(1024)),
    "a map of 786,432 distances": ("fits", lambda: _pattern(256, "D", 4)),
    "a multi-order map of 2 million cells": ("fits", lambda: _multi_order(1_990_000, 1)),
    "a multi-order map of 1.6 million distances": ("fits", lambda: _multi_order(1_600_000, 4)),
    "a multi-order map of 4 million cells": ("fits", lambda: _multi_order(4_000_000, 1)),
    "a gzip bomb in an alert": (
        "igwn",
        lambda: _in_igwn(gzip_of_zeros(10**9, _flat_head(2**13))),
    ),
    "a gzip bomb in an envelope": (
        "igwn",
        lambda: _in_envelope(gzip_of_zeros(10**9, _flat_head(2**13))),
    ),
    "12 envelopes in each other": ("igwn", lambda: _in_envelopes(12)),
    "3 million cells in an envelope": ("igwn", lambda: _in_envelope(_pattern(512))),
    "a gzip bomb in a GCN notice": (
        "gcn",
        lambda: _in_gcn(gzip_of_zeros(10**9, _flat_head(2**13))),
    ),
    "a header of 1e9 rows in an alert": ("igwn", lambda: _in_igwn(_flat_head(64, NAXIS2=10**9))),
    "a header of 1e9 rows in a GCN notice": (
        "gcn",
        lambda: _in_gcn(_flat_head(64, NAXIS2=10**9)),
    ),
    "a gzipped header of 1e9 rows in an alert": (
        "igwn",
        lambda: _in_igwn(gzip.compress(_flat_head(64, NAXIS2=10**9, NSIDE=2**14))),
    ),
    "3 million cells in a GCN notice": ("gcn", lambda: _in_gcn(_pattern(512))),
    "3 million cells in an alert": ("igwn", lambda: _in_igwn(_pattern(512))),
    "empty gzip members": ("fits", lambda: gzip.compress(b"", mtime=0) * 500_000),
    "empty gzip members in an alert": (
        "igwn",
        lambda: _in_igwn(gzip.compress(b"", mtime=0) * 280_000),
    ),
    "a gzip file in a gzip file": ("fits", lambda: gzip.compress(gzip_of_zeros(10**8))),
    "100 MB of base64": ("igwn", lambda: notices.igwn(skymap="A" * HUNDRED_MB)),
    "100 MB of FITS": ("fits", lambda: _flat_head(64, NAXIS2=25 * MB) + bytes(HUNDRED_MB)),
    # The wire form of localizations
    "a wire map of 2 million cells": ("localization", lambda: _wire_map(2_000_000)),
    "a wire map of 2 million distances": ("localization", lambda: _wire_map(2_000_000, 4)),
    "a wire map of 10 million cells": ("localization", lambda: _wire_map(10_000_000)),
    "a wire map that says 4e9 cells": (
        "localization",
        lambda: struct.pack("<4sBBHI", b"SKYM", 1, 0, 0, 2**32 - 1) + bytes(10**6),
    ),
    "a deep circle": ("localization", lambda: b"[" * 16_000),
    "a circle with a number of 16 kB": (
        "localization",
        lambda: b'{"kind":"circle","version":' + b"9" * 16_000 + b"}",
    ),
    "a circle of 100 MB": ("localization", lambda: b'{"kind":"' + b"a" * HUNDRED_MB + b'"}'),
}
