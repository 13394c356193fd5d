"""A sky map that was fetched for a notice, as one more packet of its event.

Notices name maps by URL that do not exist yet. What is fetched later becomes an envelope: a JSON
object with the notice's own packet and the map's file, which needs nothing else to be understood.
It has no time of its own, so that the same map for the same notice is the same packet, whoever
fetches it and when (ADR 0015).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace

import orjson

from correlator.errors import MalformedNoticeError
from correlator.notice import Notice
from ingest_vo.igwn import embedded_fits, localization_of_fits
from ingest_vo.json_packet import JsonPacket
from skymaps.cells import MapCells
from skymaps.errors import SkyMapError
from skymaps.fits import ARCHIVE_LIMITS, NOTICE_LIMITS, MapLimits, read_cells
from skymaps.map_file import fits_of_cells

SCHEMA = "urn:multimessenger-correlator:fetched-map:1"
"""What an envelope says that it is; a later form has another number and is refused here."""

SOURCE = "map"
"""``source`` of a notice that came with a fetched map."""

SUFFIX = "+map"
"""What a map's notice has at the end of its id, after the id of the notice that named it."""

MAX_NOTICE_BYTES = 768 * 2**10
MAX_MAP_BYTES = 5 * 2**20
"""Largest notice and largest file in an envelope [bytes]: in base64, and together, they stay below
the 8 MiB of a packet."""

FETCHED_LIMITS = MapLimits(ARCHIVE_LIMITS.max_bytes, 500_000)
"""Bounds of a file as fetched: flat maps of LVK's first runs inflate to 400 MB. The cells bound the
memory (125 MB); more of them would not fit into an envelope in any form."""

Read = Callable[[bytes, str], Notice]


def envelope_of(notice_packet: bytes, url: str, content: bytes) -> bytes:
    """Envelope of a notice's packet and the file that was fetched for it.

    A file that is too large, or that inflates to more than a live notice's map may, is written anew
    as a multi-order map of the same cells: in full precision, or in half of it if need be.

    Raises
    ------
    SkyMapError
        The file is no map, or does not fit in any form.
    """
    if len(notice_packet) > MAX_NOTICE_BYTES:
        raise SkyMapError(
            f"a notice with a fetched map has at most {MAX_NOTICE_BYTES} B", len(notice_packet)
        )
    cells = read_cells(content, FETCHED_LIMITS)
    cells.ranked()
    kept, form = _fitting(content, cells)
    return orjson.dumps(
        {
            "$schema": SCHEMA,
            "url": url,
            "sha256": hashlib.sha256(content).hexdigest(),
            "form": form,
            "notice": base64.b64encode(notice_packet).decode(),
            "fetched_map": base64.b64encode(kept).decode(),
        }
    )


def _fitting(content: bytes, cells: MapCells) -> tuple[bytes, str]:
    if len(content) <= MAX_MAP_BYTES and _is_small(content):
        return content, "as fetched"
    for is_double, form in ((True, "multi-order"), (False, "multi-order, single precision")):
        written = fits_of_cells(cells, is_double=is_double)
        if len(written) <= MAX_MAP_BYTES:
            return written, form
    raise SkyMapError(f"a fetched map can be written in {MAX_MAP_BYTES} B", len(written))


def _is_small(content: bytes) -> bool:
    try:
        read_cells(content, NOTICE_LIMITS)
    except SkyMapError:
        return False
    return True


def is_envelope(packet: JsonPacket) -> bool:
    """Whether a JSON object is a fetched map with its notice."""
    return "fetched_map" in packet


def to_notice(packet: JsonPacket, read: Read) -> Notice:
    """Notice of an envelope: that of the packet inside, with the map as its localization.

    It ranks with the notice that named the map and stands above that one alone: a map of an earlier
    stage does not outrank the circle of a later one.

    Parameters
    ----------
    read
        How the packet inside is read.

    Raises
    ------
    MalformedNoticeError
        An envelope that holds no notice, no map, another envelope, or a map of another URL.
    """
    _check_schema(packet)
    inner = _decoded(packet, "notice", MAX_NOTICE_BYTES)
    notice = read(inner, packet.name)
    if notice.source == SOURCE:
        raise MalformedNoticeError(packet.name, "a fetched map is of a notice, not of another map")
    url = packet.required_text("url")
    if url != notice.skymap_url:
        raise MalformedNoticeError(packet.name, "url must be the one that the notice names", url)
    content = _decoded(packet, "fetched_map", MAX_MAP_BYTES)
    sha256 = packet.required_text("sha256")
    if packet.required_text("form") == "as fetched" and (
        hashlib.sha256(content).hexdigest() != sha256
    ):
        raise MalformedNoticeError(packet.name, "sha256 must be that of the map", sha256)
    return replace(
        notice,
        source=SOURCE,
        notice_id=f"{notice.notice_id}{SUFFIX}",
        content_sha256=packet.content_sha256,
        localization=localization_of_fits(packet, "fetched_map", content),
    )


def _check_schema(packet: JsonPacket) -> None:
    schema = packet.required_text("$schema")
    if schema != SCHEMA:
        raise MalformedNoticeError(
            packet.name, f"$schema of a fetched map must be {SCHEMA}", schema
        )


def _decoded(packet: JsonPacket, key: str, most_bytes: int) -> bytes:
    content = embedded_fits(packet, key)
    if not content:
        raise MalformedNoticeError(packet.name, f"{key} must be present")
    if len(content) > most_bytes:
        raise MalformedNoticeError(
            packet.name, f"{key} must have at most {most_bytes} B", len(content)
        )
    return content
