"""Decoding real packets against fastavro: a first look with its verdict, and the whole alert.

Each packet is a comparison of its own: both ways read it in turn, round by round, and its ratio is
the median over the rounds; a row is the median over the packets. Before anything is timed, each
field that we use is found equal to what fastavro's whole record says.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.agreement import require
from benchmarks.real_packets import (
    RealPacket,
    alert_of_record,
    lsst_packets,
    ztf_packets,
)
from benchmarks.timing import Row
from correlator.alert import Alert
from ingest_optical.decoder import Rejected, admit_looked_at, decode, decode_prefix, look_at
from ingest_optical.lightcurve import MAX_POINTS
from ingest_optical.quality import DEFAULT_CUTS, PRESETS, rejections

NO_CUTS = {"ztf": PRESETS["none"], "lsst": PRESETS["none"]}

_WHOLE_RECORD = {
    "ztf": "fastavro.reader, which parses the schema of each packet (whole record, no gate)",
    "lsst": "fastavro.schemaless_reader with a parsed schema (whole record, no gate)",
}
_PARSED_ONCE = "fastavro.schemaless_reader with a parsed schema (whole record, no gate)"
_SAME_ALERT = "fastavro.schemaless_reader with a parsed schema, and the same alert of its record"


Way = Callable[[RealPacket], object]


@dataclass(frozen=True, slots=True)
class DecodeSetting:
    """Where the packets are, and how many rounds."""

    real_data: Path
    rounds: int = 5


def decode_rows(setting: DecodeSetting) -> Iterator[Row]:
    """Rows of each kind of packet."""
    for kind, packets in _kinds(setting).items():
        for real in packets:
            require_equal(real)
        with _one_core():
            yield from _rows(kind, packets, setting.rounds)


def require_equal(real: RealPacket) -> None:
    """Refuse a packet of which a field that we use differs from fastavro's.

    Raises
    ------
    DisagreementError
        One does.
    """
    packet, record = real.packet, real.whole_record()
    for most in (MAX_POINTS, None):
        whole = alert_of_record(real, record, most)
        require(decode(packet, most) == whole, f"the readings of {packet.name}")
    whole = alert_of_record(real, record, MAX_POINTS)
    look, alone = look_at(packet), decode_prefix(packet)
    require(_before_past(whole) == _before_past(alone), f"the first looks at {packet.name}")
    require(_in_two_steps(real) == whole, f"the readings of {packet.name} in two steps")
    for cuts in PRESETS.values():
        # The distance to a Rubin ephemeris stands after the history.
        if whole.survey == "ztf" or cuts.solar_system_sep_arcsec is None:
            same = rejections(look, cuts) == rejections(whole, cuts)
            require(same, f"the verdicts of {cuts.name} on {packet.name}")


def _before_past(alert: Alert) -> Alert:
    """What of an alert stands before its history."""
    alone = replace(alert, history=(), limits=(), forced=())
    if alert.survey == "ztf":
        return alone
    linked = alert.surroundings.solar_system_name is not None
    near = replace(
        alert.surroundings,
        solar_system_name="linked" if linked else None,
        solar_system_sep_arcsec=None,
    )
    return replace(alone, survey_first_unix_s=None, surroundings=near)


def _kinds(setting: DecodeSetting) -> dict[str, Sequence[RealPacket]]:
    lsst = lsst_packets(setting.real_data)
    return {
        "ztf": ztf_packets(setting.real_data),
        "lsst-history": [p for p in lsst if p.n_past],
        "lsst-no-history": [p for p in lsst if not p.n_past],
    }


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Two ways to read a packet, and the least ratio (issue 6, 1)."""

    name: str
    ours: Way
    peer: str
    theirs: Way
    bar: float | None = None


def _rows(kind: str, packets: Sequence[RealPacket], rounds: int) -> Iterator[Row]:
    survivors = [real for real in packets if not _gate(real)]
    for of, some in ((_of_all, packets), (_of_survivors, survivors)):
        for each in of(kind):
            ours, theirs = _in_turn([each.ours, each.theirs], some, rounds)
            yield _row(f"decode-{kind}-{each.name}", ours, each.peer, theirs, each.bar)


def _of_all(kind: str) -> Iterator[_Comparison]:
    bar = {"ztf": 12.0, "lsst-history": 300.0, "lsst-no-history": 1.3}[kind]
    peer, theirs = _WHOLE_RECORD[kind.partition("-")[0]], RealPacket.whole_record
    yield _Comparison("gate", _gate, peer, theirs, bar)
    yield _Comparison("prefix", _prefix, peer, theirs)
    if kind == "ztf":
        yield _Comparison("gate-parsed-once", _gate, _PARSED_ONCE, RealPacket.parsed_once)


def _of_survivors(kind: str) -> Iterator[_Comparison]:
    peer, theirs = _WHOLE_RECORD[kind.partition("-")[0]], RealPacket.whole_record
    yield _Comparison("full", _whole, peer, theirs, 2.0)
    yield _Comparison("full-same-alert", _whole, _SAME_ALERT, _whole_by_peer)


def _gate(real: RealPacket) -> tuple[str, ...]:
    """As the edge judges a packet: what the gate does not ask for is not read."""
    look = look_at(real.packet)
    return rejections(look, DEFAULT_CUTS[look.survey])


def _prefix(real: RealPacket) -> object:
    """Everything before the history, with its place in the HEALPix grid, and the verdict."""
    alert = decode_prefix(real.packet)
    return rejections(alert, DEFAULT_CUTS[alert.survey])


def _whole(real: RealPacket) -> object:
    return decode(real.packet)


def _whole_by_peer(real: RealPacket) -> object:
    """The same alert of fastavro's record."""
    return alert_of_record(real, real.parsed_once(), MAX_POINTS)


def _in_two_steps(real: RealPacket) -> Alert | Rejected:
    """As the edge reads a packet that passes: a first look, and then the rest."""
    return admit_looked_at(real.packet, look_at(real.packet), NO_CUTS)


def _in_turn(
    ways: Sequence[Way], packets: Sequence[RealPacket], rounds: int
) -> list[list[list[float]]]:
    """Seconds of each way, packet by packet, round by round."""
    seconds: list[list[list[float]]] = [[[] for _ in packets] for _ in ways]
    clock = time.perf_counter
    for _ in range(rounds):
        for way, taken in zip(ways, seconds, strict=True):
            gc.collect()  # nobody pays for the other's garbage
            for real, of_packet in zip(packets, taken, strict=True):
                began = clock()
                way(real)
                of_packet.append(clock() - began)
    return seconds


def _row(
    name: str,
    ours: Sequence[Sequence[float]],
    peer: str,
    theirs: Sequence[Sequence[float]],
    bar: float | None,
) -> Row:
    pairs = zip(ours, theirs, strict=True)
    ratios = [median(b / a for a, b in zip(mine, peers, strict=True)) for mine, peers in pairs]
    our_us, peer_us = (1e6 * median(map(median, seconds)) for seconds in (ours, theirs))
    return Row(name, our_us, "us/packet", peer, peer_us, median(ratios), bar)


@contextmanager
def _one_core() -> Iterator[None]:
    """Stay on one processor, without collecting garbage but between the rounds."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    gc.collect()
    gc.freeze()  # the packets are no garbage
    try:
        if before is not None:
            os.sched_setaffinity(0, {max(before)})
        yield
    finally:
        if before is not None:
            os.sched_setaffinity(0, before)
        gc.unfreeze()
