"""Notices of each mission, bytes to value: our readers and, on the same packets, the peers.

A row is of one mission and one peer, over the real packets that this peer reads; all take turns
in one process. What a peer gives is compared with ours first: id, role, times, position, citations.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import notice_peers
from benchmarks.agreement import require
from benchmarks.sky_rows import SkyRow
from benchmarks.timing import Effort
from correlator.errors import ConfigurationError, MalformedNoticeError
from correlator.notice import Notice
from ingest_vo.reader import of_voevent, to_notice
from ingest_vo.voevent import checked
from ingest_vo.voevent_shapes import LEARN_EVERY
from ingest_vo.voevent_xml import spelled_of_xml

BARS = {"voevent-parse": 3.0, "gcn-notice-parser": 3.0, "ligo.skymap": None}
"""Least ratio to each peer (issue 5)."""

Read = Callable[[bytes], object]

TREE, MODEL, MAP = "voevent-parse", "gcn-notice-parser", "ligo.skymap"

DOES = {
    TREE: "loads, time, position, params in groups and outside, citations",
    MODEL: "parse, of a message with its topic",
    MAP: "json.loads, base64, read_sky_map (does not rank the cells)",
}
"""What each peer does."""


def notice_rows(effort: Effort, real_data: Path) -> Iterator[SkyRow]:
    """Rows of each mission: against each peer that reads packets of it, or alone.

    Raises
    ------
    ConfigurationError
        No real packets, or a peer is not installed.
    DisagreementError
        A peer reads a packet otherwise.
    """
    notice_peers.require_peers()
    peers: dict[str, Read] = {TREE: notice_peers.voevent_parse, MODEL: _model, MAP: _map}
    every: dict[str, list[bytes]] = {}
    for name, packets in packets_by_mission(real_data).items():
        if name.endswith("-voevent"):
            _accustom(packets)
        found = {peer: _readable(packets, read) for peer, read in peers.items()}
        for peer, readable in found.items():
            if readable:
                _check(readable, peer, peers[peer])
                yield _row(effort, name, readable, peer, peers[peer])
                every.setdefault(peer, []).extend(readable)
        if not any(found.values()):
            yield _row(effort, name, packets)
    for peer in (TREE, MODEL):
        yield _row(effort, "all", every[peer], peer, peers[peer])
    first = _row(effort, "all-first-of-their-kind", every[TREE], TREE, peers[TREE], _unseen)
    yield replace(first, bar=None)


def _accustom(packets: Sequence[bytes]) -> None:
    """Read packets until all their shapes are learned, as they are of a stream that goes on."""
    for _ in range(3 * LEARN_EVERY):
        _each(_ours, packets)


def packets_by_mission(real_data: Path) -> dict[str, list[bytes]]:
    """Packets that we understand, by mission and wire form: ``fermi-voevent``, ``lvk-igwn``.

    Raises
    ------
    ConfigurationError
        The folder has none.
    """
    listed = real_data / "notices" / "MANIFEST.csv"
    if not listed.is_file():
        raise ConfigurationError(f"{listed} must list real packets, and is not there")
    with listed.open() as lines:
        paths = [listed.parent / row["path"] for row in csv.DictReader(lines)]
    found: dict[str, list[bytes]] = {}
    for path in paths:
        data = path.read_bytes()
        try:
            notice = to_notice(data, path.name)
        except MalformedNoticeError:
            continue
        found.setdefault(f"{_slug(notice.mission)}-{notice.source}", []).append(data)
    return dict(sorted(found.items()))


def _slug(mission: str) -> str:
    return mission.lower().replace(" ", "-")


def _row(
    effort: Effort,
    name: str,
    packets: Sequence[bytes],
    peer: str = "",
    read: Read | None = None,
    own: Read | None = None,
) -> SkyRow:
    n = len(packets)
    ways = [partial(_each, own or _ours, packets)]
    ways += [partial(_each, read, packets)] if read else []
    ours, *others = effort.in_turn(*ways)
    load = round(os.getloadavg()[0], 2)
    value, unit = n / median(ours), "packets/s"
    if not others:
        return SkyRow(f"notices-{name}", value, unit, load_1min=load)
    ratios = [their / our for our, their in zip(ours, others[0], strict=True)]
    return SkyRow(
        f"notices-{name}-{peer}", value, unit, f"{peer}: {DOES[peer]}; {n} packets",
        n / median(others[0]), median(ratios), BARS[peer], min(ratios), max(ratios), load,
    )  # fmt: skip


def _each(read: Read, packets: Sequence[bytes]) -> None:
    for packet in packets:
        read(packet)


def _ours(packet: bytes) -> Notice:
    return to_notice(packet, "packet")


def _unseen(packet: bytes) -> Notice:
    """As the first of its kind is read: by the XML reader."""
    said = spelled_of_xml(packet, "packet")
    return of_voevent(checked(said, packet, "packet"))


def _model(packet: bytes) -> Any:
    topic = notice_peers.topic_of(packet)
    if topic is None:
        raise ValueError("gcn-notice-parser has no topic for it")
    return notice_peers.gcn_notice_parser(packet, topic)


def _map(packet: bytes) -> Any:
    said = json.loads(packet)
    if "superevent_id" not in said or not said["event"]:
        raise ValueError("no alert with a map")
    return said, _ligo_read()(io.BytesIO(base64.b64decode(said["event"]["skymap"])), moc=True)


def _ligo_read() -> Any:
    with warnings.catch_warnings():  # of its own dependencies, at import
        warnings.simplefilter("ignore")
        return import_module("ligo.skymap.io").read_sky_map


def _readable(packets: Sequence[bytes], read: Read) -> list[bytes]:
    """Packets that a peer reads; how it fails on the others is its own affair."""
    found = []
    for packet in packets:
        try:
            read(packet)
        except Exception:  # noqa: BLE001 - KeyError, ValueError, AttributeError, ParseError ...
            continue
        found.append(packet)
    return found


def _check(packets: Sequence[bytes], peer: str, read: Read) -> None:
    for packet in packets:
        notice = _ours(packet)
        require(_is_same(notice, read(packet)), f"{peer}'s and our {notice.notice_id}")


def _is_same(notice: Notice, said: Any) -> bool:
    """Whether a peer has our id, and our place where we have one."""
    place: Any = notice.localization
    if isinstance(said, tuple):  # of the map
        return bool(said[0]["superevent_id"] == notice.event_id and len(said[1]) == place.n_rows)
    is_tree = isinstance(said, notice_peers.Said)
    theirs = said.place if is_tree else said
    radii = (getattr(theirs, name, None) for name in ("err", "error_radius", "ra_dec_error"))
    radius_deg = next((radius for radius in radii if radius is not None), None)
    same = (
        said.ivorn == notice.notice_id if hasattr(said, "ivorn") else said.id[0] == notice.event_id
    )
    return bool(same) and (
        place is None
        or (place.ra_deg, place.dec_deg, place.radius_deg) == (theirs.ra, theirs.dec, radius_deg)
    )
