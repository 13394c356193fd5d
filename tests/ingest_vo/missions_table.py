"""The table of docs/missions.md: every real packet understood, wrongly understood, or refused.

``python -m tests.ingest_vo.missions_table FOLDER`` prints it, FOLDER being the real data.
"Understood" is: made into a notice, whose every field agrees with every other reading that has it,
but for the differences that ``known_differences.py`` names. "Wrongly" is the rest of them.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from correlator.errors import MalformedNoticeError
from ingest_vo.reader import to_notice
from tests.ingest_vo import readings
from tests.ingest_vo.known_differences import (
    JSON,
    KINDS,
    MANIFEST,
    MAP,
    MODEL,
    NIGHT,
    TREE,
    Difference,
    kind_of,
)  # fmt: skip
from tests.ingest_vo.readings import Reading

COLLECTIONS = ("data/notices", "the night of 2024-01-15", "examples of gcn-schema")


@dataclass(frozen=True, slots=True, eq=False)
class Packet:
    """One file, and what its collection says of it."""

    path: str
    collection: str
    data: bytes
    listed: tuple[tuple[str, Reading], ...]
    mission: str
    kind: str


@dataclass(slots=True)
class Outcome:
    """What became of one packet.

    Attributes
    ----------
    refusal
        The rule by which it was refused; None for a notice.
    read_by
        Sources that read it too, its list excepted.
    wrong
        Differences that nothing explains, in words.
    explained
        Names of the kinds that explain differences, with their sources.
    """

    packet: Packet
    refusal: str | None = None
    read_by: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    explained: set[tuple[str, str]] = field(default_factory=set)


@cache
def outcomes(real_data: Path) -> tuple[Outcome, ...]:
    """What became of each packet of each collection."""
    return tuple(outcome(packet) for packet in packets(real_data))


def packets(real_data: Path) -> Iterator[Packet]:
    """All files of all collections."""
    with (real_data / "notices" / "MANIFEST.csv").open() as lines:
        for row in csv.DictReader(lines):
            data = (real_data / "notices" / row["path"]).read_bytes()
            listed = ((MANIFEST, readings.of_manifest(row)),)
            yield Packet(row["path"], COLLECTIONS[0], data, listed, *_label(row, data))
    night = real_data / "nights" / "2024-01-15"
    with (night / "NOTICES.csv").open() as lines:
        for row in csv.DictReader(lines):
            data = (night / "notices" / row["file"]).read_bytes()
            listed = ((NIGHT, readings.of_night(row)),)
            yield Packet(row["file"], COLLECTIONS[1], data, listed, *_label({}, data))
    for path in sorted((real_data / "gcn-schema").rglob("*.example.json")):
        data = path.read_bytes()
        yield Packet(str(path), COLLECTIONS[2], data, (), *_label({}, data))


def _label(row: dict[str, str], data: bytes) -> tuple[str, str]:
    """Mission and type of a packet, by its list and by its own bytes."""
    form = row.get("format", "")
    if form.startswith("FITS"):
        return "all", "a sky map without its notice"
    if form.startswith("GCN binary"):
        return "all", "the binary form, 160 B"
    if data.lstrip().startswith(b"{"):
        return _json_label(json.loads(data))
    return _xml_label(data)


_IVORN = re.compile(rb"""ivorn=["'](?:ivo://)?([^"'#]+)""")
_PACKET_TYPE = re.compile(rb"""name=["']Packet_Type["']\s[^>]*?value=["'](\d{1,3})["']""")

_MISSIONS = {
    "SWIFT": "Swift", "fsc": "SVOM", "AMON": "IceCube", "LVC": "LVK", "gcn_sender": "LVK",
    "KONUS": "Konus", "Antares_Alert": "ANTARES", "KM3NeT_Neutrino": "KM3NeT",
    "einstein_probe": "Einstein Probe", "icecube": "IceCube", "superk": "Super-Kamiokande",
    "fermi": "Fermi", "swift": "Swift", "svom": "SVOM", "maxi": "MAXI", "km3net": "KM3NeT",
    "chime": "CHIME", "dsa110": "DSA-110", "burstcube": "BurstCube", "glowbug": "GLOWBUG",
    "boom": "BOOM", "heasarc": "HEASARC",
}  # fmt: skip
"""By the last part of an IVORN's authority, or the first of a schema's path."""


def _xml_label(data: bytes) -> tuple[str, str]:
    authority = _IVORN.search(data)
    number = _PACKET_TYPE.search(data)
    series = authority[1].decode().rpartition("/")[2] if authority else "none"
    kind = number[1].decode() if number else ""
    return _MISSIONS.get(series, series), f"VOEvent {kind} {readings.TYPES.get(kind, '')}".strip()


def _json_label(said: dict[str, object]) -> tuple[str, str]:
    if "superevent_id" in said:
        is_alert = "alert_type" in said
        return "LVK", f"igwn.gwalert {said['alert_type']}" if is_alert else "JSON of GraceDB"
    path = str(said.get("$schema", "")).partition("/gcn/")[2].removeprefix("notices/")
    path = path.removesuffix(".schema.json")
    folder = path.partition("/")[0]
    if folder in ("core", "circulars", ""):
        mission = str(said["mission"]) if not folder and "mission" in said else "all"
        return mission, f"JSON {path}" if path else "JSON without a schema"
    return _MISSIONS[folder], f"JSON {path.partition('/')[2]}"


def outcome(packet: Packet) -> Outcome:
    found = Outcome(packet)
    try:
        notice = to_notice(packet.data, packet.path)
    except MalformedNoticeError as error:
        found.refusal = error.rule
        return found
    mine = readings.ours(notice)
    for source, other in other_readings(packet):
        if source not in (MANIFEST, NIGHT):
            found.read_by.add(source)
        for name, value in other.items():
            if not readings.agree(name, mine[name], value):
                _judge(found, Difference(packet.data, source, name, mine, other))
    return found


@cache
def other_readings(packet: Packet) -> tuple[tuple[str, Reading], ...]:
    """What others read in a packet, by source."""
    data = packet.data
    if data.lstrip().startswith(b"{"):
        read = [(JSON, readings.of_json(data)), (MAP, readings.of_ligo_skymap(data))]
    else:
        read = [(TREE, readings.of_voevent_parse(data))]
    read.append((MODEL, readings.of_gcn_notice_parser(data)))
    return (*packet.listed, *((source, said) for source, said in read if said is not None))


def _judge(found: Outcome, difference: Difference) -> None:
    kind = kind_of(difference)
    if kind is None:
        mine, other = difference.said
        found.wrong.append(f"{difference.field}: {mine!r}, {difference.source} {other!r}")
    else:
        found.explained.add((kind.name, difference.source))


HEADS = ("mission", "notice", "packets", "understood", "read by others too", "wrongly", "not")


def mission_rows(found: tuple[Outcome, ...]) -> list[tuple[str, ...]]:
    """Rows by mission and type, then by collection."""
    by_label: dict[tuple[str, str], list[Outcome]] = {}
    for one in found:
        by_label.setdefault((one.packet.mission, one.packet.kind), []).append(one)
    rows = [(*label, *_counts(by_label[label])) for label in sorted(by_label, key=_order)]
    for name in COLLECTIONS:
        rows.append(("sum", name, *_counts([o for o in found if o.packet.collection == name])))
    return rows


def _order(label: tuple[str, str]) -> tuple[bool, str, str]:
    mission, kind = label
    return mission == "all", mission.lower(), kind


def _counts(found: list[Outcome]) -> tuple[str, ...]:
    wrong = sum(bool(o.wrong) for o in found)
    refused = sum(o.refusal is not None for o in found)
    second = sum(bool(o.read_by - {JSON}) and not o.wrong for o in found)
    counts = len(found), len(found) - wrong - refused, second, wrong, refused
    return tuple(map(str, counts))


def refusal_rows(found: tuple[Outcome, ...]) -> list[tuple[str, ...]]:
    """Rules by which packets were refused, and how many."""
    rules = Counter(one.refusal for one in found if one.refusal is not None)
    return [(rule, str(n)) for rule, n in rules.most_common()]


def difference_rows(found: tuple[Outcome, ...]) -> list[tuple[str, ...]]:
    """Kinds of differences that are explained: who reads so, in how many packets, why not we."""
    seen = Counter(kind for one in found for kind in one.explained)
    rows = []
    for kind in KINDS:
        by = ", ".join(f"{source} {n}" for (name, source), n in sorted(seen.items())
                       if name == kind.name)  # fmt: skip
        rows.append((kind.name, by, kind.why))
    return rows


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of a table in Markdown."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def tables(found: tuple[Outcome, ...]) -> list[list[str]]:
    """The tables of the page, in its order."""
    return [
        table(HEADS, mission_rows(found)),
        table(("rule", "packets"), refusal_rows(found)),
        table(("another reading", "of whom, in how many packets", "why ours"),
              difference_rows(found)),
    ]  # fmt: skip


def main() -> None:
    """Print the tables, and what is wrong."""
    found = outcomes(Path(sys.argv[1]))
    print("\n\n".join("\n".join(lines) for lines in tables(found)))
    for one in found:
        for what in one.wrong:
            print(f"WRONG {one.packet.path}: {what}", file=sys.stderr)


if __name__ == "__main__":
    main()
