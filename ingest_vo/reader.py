"""The one door: a packet's bytes to the notice that they are, by one table of feeds.

Bytes that are not a notice are refused by name, never skipped: the caller sends them to the dead
letter.
"""

from __future__ import annotations

from collections.abc import Callable

from correlator.errors import MalformedNoticeError
from correlator.notice import Notice
from ingest_vo import (
    boom,
    fermi,
    fetched_map,
    gcn,
    generic,
    icecube,
    igwn,
    integral,
    lvc,
    svom,
    swift,
)
from ingest_vo.json_packet import BYTE_ORDER_MARK, JsonPacket, read_json
from ingest_vo.voevent import VOEventPacket, read_voevent

MAX_PACKET_BYTES = 8 * 2**20
"""Largest packet [B]: twice what GCN's broker lets through (4 MiB); the largest real one, with its
map, has 1.1 MB. JSON of empty objects takes up to 50 times its length in memory."""

GCN_BINARY_BYTES = 160
"""Length of every packet of the GCN socket's binary form (40 integers of 4 bytes)."""

VOEVENT_FEEDS: tuple[tuple[str, Callable[[VOEventPacket], Notice]], ...] = (
    ("ivo://nasa.gsfc.gcn/Fermi#", fermi.to_notice),
    ("ivo://nasa.gsfc.gcn/SWIFT#", swift.to_notice),
    ("ivo://org.svom/", svom.to_notice),
    ("ivo://nasa.gsfc.gcn/INTEGRAL#", integral.to_notice),
    ("ivo://nasa.gsfc.gcn/AMON#ICECUBE_", icecube.to_notice),
    ("ivo://gwnet/", lvc.to_notice),
    ("ivo://nasa.gsfc.gcn/LVC#", lvc.to_notice),
    ("ivo://", generic.to_notice),
)
"""Feed by the beginning of the IVORN; the first that fits reads the packet."""

JSON_FEEDS: tuple[tuple[Callable[[JsonPacket], bool], Callable[[JsonPacket], Notice]], ...] = (
    (fetched_map.is_envelope, lambda packet: fetched_map.to_notice(packet, to_notice)),
    (igwn.is_alert, igwn.to_notice),
    (boom.is_list, boom.to_notice),
    (lambda _: True, gcn.to_notice),
)
"""Feed by what the object looks like; the first that fits reads the packet."""

_NOT_OURS = (
    (b"SIMPLE  =", "a sky map names no event it can be trusted with: send its notice"),
    (b"\x1f\x8b", "a compressed file is not a notice"),
    (b"Obj\x01", "an Avro file is not a notice"),
    (b"PAR1", "a Parquet file is not a notice"),
    (b"TITLE:", "the e-mail form of a GCN notice is not read: send its VOEvent or JSON"),
)


def to_notice(packet: bytes, name: str) -> Notice:
    """Notice of a packet of any feed, by its content and never by its name.

    Parameters
    ----------
    packet
        Bytes as received: VOEvent XML, or a JSON object of IGWN or of the GCN schema.
    name
        How a person finds the packet (file, or topic and offset); it is in every error.

    Raises
    ------
    MalformedNoticeError
        Anything that is not understood, with the rule that it breaks and the value.
    """
    if len(packet) > MAX_PACKET_BYTES:
        raise MalformedNoticeError(
            name, f"a packet must have at most {MAX_PACKET_BYTES} B", len(packet)
        )
    text = packet.removeprefix(BYTE_ORDER_MARK).lstrip()
    if text.startswith(b"<"):
        return of_voevent(read_voevent(packet, name))
    if text.startswith((b"{", b"[")):
        return _of_json(read_json(packet, name))
    raise MalformedNoticeError(name, _why_not(packet, text), packet[:16])


def of_voevent(packet: VOEventPacket) -> Notice:
    """Notice of a VOEvent, by the feed that its IVORN names."""
    feed = next(feed for prefix, feed in VOEVENT_FEEDS if packet.ivorn.startswith(prefix))
    return feed(packet)


def _of_json(packet: JsonPacket) -> Notice:
    return next(feed for fits, feed in JSON_FEEDS if fits(packet))(packet)


def _why_not(packet: bytes, text: bytes) -> str:
    if not text:
        return "a packet must not be empty"
    for magic, rule in _NOT_OURS:
        if packet.startswith(magic):
            return rule
    if len(packet) == GCN_BINARY_BYTES:
        return "the binary form of a GCN notice is not read: send its VOEvent or JSON"
    return "a notice must be VOEvent XML or a JSON object"
