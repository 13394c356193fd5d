"""Archived packets as deliveries: what is read from files, in event-time order."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from correlator.alert import Alert
from correlator.audience import PUBLIC, Audience
from correlator.errors import ConfigurationError, MalformedPacketError
from correlator.service.source_audiences import NO_AUDIENCES, SourceAudiences
from correlator.wire import to_json
from ingest_optical.decoder import Rejected, admit, decode
from ingest_optical.packets import MAX_CHUNK_BYTES, MAX_GROUP_VALUES, read_packets
from ingest_optical.parquet_pages import claims_of
from ingest_vo.reader import MAX_PACKET_BYTES, to_notice
from storage.archive import SURVIVORS
from storage.archive.alert_columns import COLUMNS
from storage.archive.errors import ArchiveError
from storage.archive.reading import data_set_of, survivors_in
from storage.catalogs.tagger import Tag, untagged
from streams.audiences import headers_of_audience
from streams.log import Headers
from streams.topics import NOTICES_RAW, OPTICAL_ALERTS

_OPTICAL = (".avro", ".parquet", ".tar.gz", ".tar")
_NOTICES = (".xml", ".json")
TRUTH = "truth.json"
_MAPS = (".fits", ".fit", ".fits.gz", ".fit.gz")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record to be produced: where, under which key, and when it happened."""

    time_unix_s: float
    topic: str
    key: str
    value: bytes
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A packet that the edge could not read: its name, why, the rule that it breaks, its bytes."""

    packet_name: str
    reason: str
    rule: str
    packet: bytes
    audience: Audience = PUBLIC


_TAGGED_AT_ONCE = 1000

_NO_PAST = "rows of every packet have no past and cannot be joined: give the archive's survivors"

_MAP_ALONE = "a sky map alone names no event: give it with the notice it belongs to"


@dataclass
class Archive:
    """What a set of files holds, ready to be delivered.

    Attributes
    ----------
    deliveries
        Admitted alerts and raw notices.
    refusals
        Packets that cannot be read, for the dead letter.
    audiences
        Who may read what is in the files.
    rejected
        Alerts that the quality gate turned away, by reason.
    """

    deliveries: list[Delivery] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    rejected: dict[str, int] = field(default_factory=dict)
    n_alerts: int = 0
    n_notices: int = 0
    audiences: SourceAudiences = NO_AUDIENCES

    def refuse(self, packet_name: str, reason: str, rule: str, packet: bytes) -> None:
        """Note a packet that cannot be read; it may be of any source."""
        audience = self.audiences.of_any
        self.refusals.append(Refusal(packet_name, reason, rule, packet, audience))

    def in_order(self, shuffle_seed: int | None = None) -> list[Delivery]:
        """The deliveries by event time, or permuted after that sorting."""
        ordered = sorted(self.deliveries, key=lambda d: (d.time_unix_s, d.topic, d.key))
        if shuffle_seed is not None:
            random.Random(shuffle_seed).shuffle(ordered)  # noqa: S311 - a replay, not a secret
        return ordered

    @property
    def latest_unix_s(self) -> float | None:
        """When the latest packet happened."""
        return max((d.time_unix_s for d in self.deliveries), default=None)


def files_under(paths: Iterable[Path], endings: tuple[str, ...]) -> list[Path]:
    """Files with one of these endings, folders entered, in sorted order.

    The answer key of a simulated night is no packet.

    Raises
    ------
    ConfigurationError
        A path that does not exist, or a file given by name that has another ending.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            below = (p for p in path.rglob("*") if p.is_file() and p.name != TRUTH)
            found += [p for p in below if _ends(p, endings)]
        elif not path.exists():
            raise ConfigurationError(f"{path}: no such file or folder")
        elif _ends(path, endings):
            found.append(path)
        else:
            raise ConfigurationError(f"{path}: a file must end in one of {' '.join(endings)}")
    return sorted(found)


def read_notice_file(path: Path) -> bytes:
    """Bytes of a notice's file, no more than a notice may have and one: enough to refuse it."""
    with path.open("rb") as file:
        return file.read(MAX_PACKET_BYTES + 1)


def read_archive(
    files: Iterable[Path], tag: Tag = untagged, audiences: SourceAudiences = NO_AUDIENCES
) -> Archive:
    """Read, decode, gate and tag every packet of some files, and say who may read it."""
    archive = Archive(audiences=audiences)
    for path in files:
        if _ends(path, _OPTICAL):
            alerts = _alerts(path, archive)
            while some := tag(list(islice(alerts, _TAGGED_AT_ONCE))):
                archive.deliveries += map(_alert_delivery, some)
        elif _ends(path, _NOTICES):
            _add_notice(path, archive)
        else:
            reason = f"{path}: {_MAP_ALONE}"
            archive.refuse(str(path), reason, _MAP_ALONE, read_notice_file(path))
    return archive


def archive_files(paths: Iterable[Path]) -> list[Path]:
    """The files that a replay reads."""
    return files_under(paths, (*_OPTICAL, *_NOTICES, *_MAPS))


def optical_files(paths: Iterable[Path]) -> list[Path]:
    """The files with optical packets."""
    return files_under(paths, _OPTICAL)


def read_alerts(paths: Iterable[Path], archive: Archive) -> Iterator[Alert]:
    """Every alert of some files, in full and ungated; what cannot be read joins the refusals."""
    for path in optical_files(paths):
        if (kept := _survivors(path, archive)) is not None:
            yield from kept
            continue
        for packet in read_packets(path):
            try:
                yield archive.audiences.of_alert(decode(packet))
            except MalformedPacketError as error:
                archive.refuse(packet.name, str(error), error.rule, packet.data)


def _survivors(path: Path, archive: Archive) -> list[Alert] | None:
    """The alerts of a file of an archive of nights; None for a file of packets.

    They passed a gate, and are not judged again.
    """
    if not _ends(path, (".parquet",)):
        return None
    try:
        data_set = data_set_of(path)
        if data_set is None:
            return None
        if data_set == SURVIVORS:
            _check_claims(path)
            return [archive.audiences.of_alert(alert) for alert in survivors_in(path)]
        rule = _NO_PAST
        reason = f"{path}: {rule}"
    except ArchiveError as error:
        rule, reason = error.rule, str(error)
    archive.refuse(str(path), reason, rule, read_notice_file(path))
    return []


def _check_claims(path: Path) -> None:
    """Refuse a file that claims to hold more than any of ours, before memory is taken for it."""
    try:
        with path.open("rb") as file:
            claims = claims_of(file, {column.name for column in COLUMNS})
    except ValueError as error:
        raise ArchiveError(path, "its files are as they were written", error) from error
    for claim in claims:
        if claim.n_values > MAX_GROUP_VALUES or claim.largest_bytes > MAX_CHUNK_BYTES:
            rule = (
                f"a row group must have at most {MAX_GROUP_VALUES} values and {MAX_CHUNK_BYTES} "
                "bytes a column"
            )
            raise ArchiveError(path, rule, claim)


def _alerts(path: Path, archive: Archive) -> Iterator[Alert]:
    if (kept := _survivors(path, archive)) is not None:
        archive.n_alerts += len(kept)
        yield from kept
        return
    for packet in read_packets(path):
        archive.n_alerts += 1
        try:
            result = admit(packet)
        except MalformedPacketError as error:
            archive.refuse(packet.name, str(error), error.rule, packet.data)
            continue
        if isinstance(result, Rejected):
            for reason in result.reasons:
                archive.rejected[reason] = archive.rejected.get(reason, 0) + 1
        else:
            yield archive.audiences.of_alert(result)


def _alert_delivery(alert: Alert) -> Delivery:
    return Delivery(alert.time_unix_s, OPTICAL_ALERTS.name, alert.object_id, to_json(alert))


def _add_notice(path: Path, archive: Archive) -> None:
    packet = read_notice_file(path)
    archive.n_notices += 1
    try:
        notice = to_notice(packet, path.name)
        said = notice.notice_unix_s if notice.event_unix_s is None else notice.event_unix_s
        audience = archive.audiences.of_notice(notice)
    except MalformedPacketError:
        # The pipeline refuses it again and buries it, as it would a live one.
        said, audience = None, archive.audiences.of_any
    when, headers = 0.0 if said is None else said, headers_of_audience(audience)
    archive.deliveries.append(Delivery(when, NOTICES_RAW.name, path.name, packet, headers))


def _ends(path: Path, endings: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(endings)
