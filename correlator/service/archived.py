"""Packets of files into an archive of nights; what was written is not written again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import msgspec

from correlator.alert import Alert
from correlator.errors import MalformedPacketError
from ingest_optical.decoder import Rejected, admit
from ingest_optical.packets import read_packets
from ingest_optical.quality import QualityCuts
from storage.archive.compaction import Compacted, compact
from storage.archive.parts import PARTS, PartWriter, waiting_nights
from storage.catalogs.tagger import Tag

_AT_ONCE = 500
"""Packets that are judged before those that passed are tagged together."""

_SYNC_EVERY = 20_000
"""Packets after which what was written is put on the disk, at the end of a file."""

JOURNAL = "written.jsonl"
"""In the folder of the parts: the files that are written, until all of a command are."""


class Counts(msgspec.Struct):
    """How many packets of a file came to what.

    Attributes
    ----------
    n_packets, n_passed
        All, and those that passed the gate.
    rejected
        Packets by the rule of the gate that they broke; one may break several.
    refused
        Packets that cannot be understood, by rule; they have no row.
    first_refused
        What was wrong with the first of each rule, its name included.
    """

    n_packets: int = 0
    n_passed: int = 0
    rejected: dict[str, int] = msgspec.field(default_factory=dict)
    refused: dict[str, int] = msgspec.field(default_factory=dict)
    first_refused: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def n_refused(self) -> int:
        """Packets without a row."""
        return sum(self.refused.values())

    def add(self, other: Counts) -> None:
        """Those of one more file."""
        self.n_packets += other.n_packets
        self.n_passed += other.n_passed
        self.rejected = dict(Counter(self.rejected) + Counter(other.rejected))
        self.refused = dict(Counter(self.refused) + Counter(other.refused))
        self.first_refused = other.first_refused | self.first_refused


class _Line(msgspec.Struct):
    """A file that is written, as the journal has it."""

    file: str
    n_bytes: int
    modified_ns: int
    gates: dict[str, str]
    counts: Counts

    @property
    def name(self) -> str:
        """What tells it from any other, and from itself when it was changed."""
        return f"{self.file} {self.n_bytes} {self.modified_ns} {sorted(self.gates.items())}"


@dataclass
class Written:
    """What became of the packets of some files.

    Attributes
    ----------
    counts
        Of all files, those of an earlier try included.
    n_files, n_files_before
        Files, and how many of them an earlier try that was stopped had written.
    nights
        Catalogues that were made.
    """

    counts: Counts = field(default_factory=Counts)
    n_files: int = 0
    n_files_before: int = 0
    nights: list[Compacted] = field(default_factory=list)


def write_files(
    root: Path, files: Iterable[Path], cuts: Mapping[str, QualityCuts], tag: Tag
) -> Written:
    """Write every packet of some files into an archive, and make the catalogues of its nights.

    When it is stopped and started again with the same files, those that were written are passed
    over; of one that was half written the rows that are there twice are left out.

    Parameters
    ----------
    root
        Folder of the archive; made if it is not there.
    cuts
        Gate of each survey.
    tag
        Gives the alerts that pass what catalogues have near them.
    """
    journal = _Journal(root / PARTS / JOURNAL)
    done, pending = Written(), list[_Line]()
    gates = {survey: gate.name for survey, gate in cuts.items()}
    writer = PartWriter(root, gates)
    n_waiting = 0
    for path in files:
        state = path.stat()
        line = _Line(str(path.resolve()), state.st_size, state.st_mtime_ns, gates, Counts())
        done.n_files += 1
        if (known := journal.lines.get(line.name)) is not None:
            done.n_files_before += 1
            done.counts.add(known.counts)
            continue
        _write_file(path, writer, cuts, tag, line.counts)
        done.counts.add(line.counts)
        pending.append(line)
        n_waiting += line.counts.n_packets
        if n_waiting >= _SYNC_EVERY:
            writer.sync()
            journal.add(pending)
            pending, n_waiting = [], 0
    writer.sync()
    journal.add(pending)
    for night in waiting_nights(root):
        done.nights += compact(root, night)
    journal.remove()
    return done


def _write_file(
    path: Path, writer: PartWriter, cuts: Mapping[str, QualityCuts], tag: Tag, counts: Counts
) -> None:
    judged = _judged(path, cuts, counts)
    while some := list(islice(judged, _AT_ONCE)):
        passed = iter(tag([each for each in some if isinstance(each, Alert)]))
        for each in some:
            if isinstance(each, Alert):
                writer.add(next(passed), ())
            else:
                writer.add(each.alert, each.reasons)


def _judged(
    path: Path, cuts: Mapping[str, QualityCuts], counts: Counts
) -> Iterator[Alert | Rejected]:
    for packet in read_packets(path):
        counts.n_packets += 1
        try:
            result = admit(packet, cuts)
        except MalformedPacketError as error:
            counts.refused[error.rule] = counts.refused.get(error.rule, 0) + 1
            counts.first_refused.setdefault(error.rule, str(error))
            continue
        if isinstance(result, Rejected):
            for reason in result.reasons:
                counts.rejected[reason] = counts.rejected.get(reason, 0) + 1
        else:
            counts.n_passed += 1
        yield result


class _Journal:
    """Which files are written; the lines that a crash cut short are as if they were not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines: dict[str, _Line] = {}
        for data in path.read_bytes().split(b"\n") if path.exists() else ():
            try:
                line = msgspec.json.decode(data, type=_Line)
            except msgspec.MsgspecError:
                continue
            self.lines[line.name] = line

    def add(self, lines: Iterable[_Line]) -> None:
        """Some more files, whose rows are on the disk."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            # A newline first: it ends a line that a crash cut short.
            file.writelines(b"\n" + msgspec.json.encode(line) + b"\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        """All are written."""
        self._path.unlink(missing_ok=True)
