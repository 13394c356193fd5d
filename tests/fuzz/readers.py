"""The readers under test, and what nothing that they accept may be."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from correlator.alert import Alert
from correlator.coincidence import correlate
from correlator.errors import MalformedAlertError, MalformedNoticeError, MalformedPacketError
from correlator.event import event_of
from correlator.object import OpticalObject, object_of
from correlator.pair import PairEvidence
from correlator.policy import Policy
from correlator.wire import (
    EventRecord,
    PairRecord,
    of_json,
    pair_record,
    record_of_event,
    to_json,
)
from ingest_optical.decoder import admit, decode
from ingest_optical.packets import RawPacket, read_packets
from ingest_vo.reader import to_notice
from skymaps.errors import SkyMapError
from skymaps.fits import read_sky_map
from skymaps.healpix import Positions
from skymaps.shapes import Circle
from skymaps.skymap import SkyMap
from skymaps.wire import localization_of_bytes
from tests.builders import a_circle, an_event
from tests.fuzz import as_written
from tests.fuzz.seeds import NOTICES

EARLIEST_UNIX_S, LATEST_UNIX_S = 631_152_000.0, 4_102_444_800.0
"""1990-01-01 to 2100-01-01: no time of ours lies outside."""

MAX_SAID = 1_000
"""Longest message of an error [characters]: it goes into logs, tables and headers."""

MAX_TEXT = 2_000
"""Longest text inside an accepted value; the longest real one (a URL of a map) has 120."""

MAX_ROWS_COPIED = 100_000
"""Larger maps are not written and read again: that doubles the memory that is measured."""

PLACES = Positions.of([0.0, 150.0, 266.4, 359.9999], [-90.0, 20.0, -28.9, 90.0])

POLICY = Policy()

SECRET = "root:x:0"
"""What an external entity that was followed would have brought in."""

FILE_ENDINGS = {
    "avro_file": ".avro",
    "parquet_file": ".parquet",
    "tar_file": ".tar.gz",
    "json_file": ".json",
}


class NonsenseError(AssertionError):
    """A reader accepted what nobody can mean, or refused without a name."""


Reading = tuple[int, list[str]]
"""How many values a packet gave, and the rules by which the rest of it was refused."""


def read(kind: str, packet: bytes, folder: Path) -> Reading:
    """Read a packet of a kind; whatever it is, it ends as values or as named errors.

    Raises
    ------
    NonsenseError
        A value out of range, or an error without its name, rule or bytes.
    """
    if kind in FILE_ENDINGS:
        return _read_file(packet, folder / f"packet{FILE_ENDINGS[kind]}")
    reader, error, check = _READERS[kind]
    try:
        value = reader(packet)
    except error as refused:
        return 0, [_named(refused)]
    check(value)
    if kind in NOTICES:
        different = as_written.difference(packet, value)
        _demand(different is None, "a notice says what is written", different)
    return 1, []


def _read_file(content: bytes, path: Path) -> Reading:
    path.write_bytes(content)
    values, rules = 0, []
    for packet in read_packets(path):
        try:
            _check_alert(_of_raw(packet))
        except MalformedAlertError as refused:
            rules.append(_named(refused))
            empty = packet.data == b"" and (content == b"" or "!" in packet.name)
            _demand(bool(packet.data) or empty, "a refused packet brings its bytes", packet)
        else:
            values += 1
    return values, rules


def _of_raw(packet: RawPacket) -> Alert:
    result = admit(packet)
    return result if isinstance(result, Alert) else decode(packet)


def _named(refused: MalformedPacketError | SkyMapError) -> str:
    said = str(refused)
    _demand(0 < len(said) <= MAX_SAID, "an error says what, and not too much", len(said))
    _demand(bool(refused.rule), "an error names its rule", said)
    if isinstance(refused, MalformedPacketError):
        _demand(bool(refused.packet), "an error names its packet", said)
    return refused.rule


def _demand(holds: bool, what: str, value: object) -> None:
    if not holds:
        raise NonsenseError(f"{what}: {value!r:.300}")


def _check_notice(notice: Any) -> None:
    _check_fields(notice)
    for name in ("notice_id", "event_id", "stream", "mission", "notice_type"):
        _check_id(name, getattr(notice, name))
    _check_time(notice.event_unix_s, notice.event_end_unix_s, notice.notice_unix_s)
    for _, probability in notice.classification:
        _demand(
            probability is None or 0.0 <= probability <= 1.0, "a probability", notice.classification
        )
    _demand(notice.far_hz is None or notice.far_hz >= 0.0, "a rate", notice.far_hz)
    start, end = notice.event_unix_s, notice.event_end_unix_s
    _demand(start is None or end is None or start <= end, "an interval", (start, end))
    if notice.localization is not None:
        _check_localization(notice.localization)
    record = record_of_event(event_of([notice]))
    _demand(of_json(EventRecord, to_json(record)) == record, "a record of it", record)


def _check_localization(localization: Any) -> None:
    if isinstance(localization, Circle):
        _demand(0.0 <= localization.ra_deg <= 360.0, "RA of a circle", localization)
        _demand(-90.0 <= localization.dec_deg <= 90.0, "dec of a circle", localization)
        _demand(0.0 < localization.radius_deg <= 180.0, "radius of a circle", localization)
        _demand(0.0 < localization.level < 1.0, "level of a circle", localization)
        _check_match(localization)
    else:
        _check_map(localization)


def _check_match(localization: Any) -> None:
    """The join can ask it about any place, and the store gives it back."""
    match = localization.match(PLACES)
    _demand(bool(np.isfinite(match.probdensity_per_sr).all()), "densities", localization)
    _demand(bool((match.credible_level <= 1.0 + 1e-9).all()), "levels", localization)
    if localization.kind == "circle" or localization.n_rows <= MAX_ROWS_COPIED:
        copy = localization_of_bytes(localization.to_bytes())
        _demand(copy == localization, "the wire form", localization)


def _check_map(sky_map: SkyMap) -> None:
    density, level = sky_map.probdensity_per_sr, sky_map.credible_level
    _demand(bool(np.isfinite(density).all() and (density >= 0.0).all()), "densities", sky_map)
    _demand(bool((level >= 0.0).all() and (level <= 1.0 + 1e-9).all()), "levels", sky_map)
    _demand(abs(float(sky_map.cell_probability.sum()) - 1.0) < 1e-6, "a sum of 1", sky_map)
    _demand(bool((sky_map.lo[1:] >= sky_map.hi[:-1]).all()), "disjoint cells", sky_map)
    _demand(sky_map.lo[0] >= 0 and sky_map.hi[-1] <= 12 * 4**29, "cells of the sky", sky_map)
    _check_match(sky_map)


def _check_alert(alert: Alert) -> None:
    _check_fields(alert)
    for name in ("survey", "alert_id", "object_id", "schema_version"):
        _check_id(name, getattr(alert, name))
    _demand(0.0 <= alert.ra_deg <= 360.0, "RA of an alert", alert.ra_deg)
    _demand(-90.0 <= alert.dec_deg <= 90.0, "dec of an alert", alert.dec_deg)
    _demand(0 <= alert.index_29 < 12 * 4**29, "index of an alert", alert.index_29)
    _check_time(
        alert.survey_first_unix_s, *(d.time_unix_s for d in (alert.detection, *alert.history))
    )
    _check_time(*(limit.time_unix_s for limit in alert.limits))
    for detection in (alert.detection, *alert.history):
        _check_id("source_id", detection.source_id)
        error = detection.flux_err_njy
        _demand(error is None or error > 0.0, "an error is positive", detection)
    _demand(of_json(Alert, to_json(alert)) == alert, "a record of it", alert)
    _check_join(alert)


def _check_join(alert: Alert) -> None:
    """The join gets a result of it, that can be sent and stored."""
    obj = object_of(alert)
    _demand(of_json(OpticalObject, to_json(obj)) == obj, "an object of it", obj)
    place = a_circle(alert.ra_deg % 360.0, alert.dec_deg)
    for before_s in (0.0, 3_600.0, 3e6):
        t0 = max(alert.time_unix_s - before_s, EARLIEST_UNIX_S)
        event = an_event(localization=place, event_unix_s=t0, notice_unix_s=t0)
        result = correlate(obj, event, POLICY)
        if isinstance(result, PairEvidence):
            record = pair_record(result)
            _demand(of_json(PairRecord, to_json(record)) == record, "a pair of it", record)


def _check_event(record: EventRecord) -> None:
    _check_fields(record)
    for name in ("event_key", "event_id", "mission"):
        _check_id(name, getattr(record, name))
    _check_time(record.event_unix_s, record.event_end_unix_s)
    _demand(record.version >= 1, "version of an event", record.version)


def _check_pair(record: PairRecord) -> None:
    _check_fields(record)
    for name in ("coincidence_id", "event_key", "object_key"):
        _check_id(name, getattr(record, name))
    if record.evidence is not None:
        _check_time(record.evidence.event_unix_s)
        same = ("coincidence_id", "event_key", "object_key")
        _demand(
            all(getattr(record, n) == getattr(record.evidence, n) for n in same), "one pair", record
        )


def _check_id(name: str, said: str) -> None:
    _demand(bool(said.strip()) and said.isprintable() and len(said) <= 450, name, said)


def _check_time(*times_unix_s: float | None) -> None:
    for time in times_unix_s:
        _demand(time is None or EARLIEST_UNIX_S <= time < LATEST_UNIX_S, "a time", time)


def _check_fields(value: Any) -> None:
    for part in _parts(value):
        if isinstance(part, float):
            _demand(math.isfinite(part), "every number is finite", part)
        elif isinstance(part, int):
            _demand(-(2**63) <= part < 2**63, "every integer fits a column", part)
        elif isinstance(part, str):
            _demand(len(part) <= MAX_TEXT, "no text is endless", len(part))
            _demand("\0" not in part, "no text holds a NUL", part)
            _demand(SECRET not in part, "no packet reads a file", part)


def _parts(value: Any) -> Iterator[Any]:
    """Every number and text inside a noun, those of a localization excepted."""
    if isinstance(value, Circle | SkyMap):
        return
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _parts(getattr(value, field.name))
    elif isinstance(value, tuple):
        for each in value:
            yield from _parts(each)
    else:
        yield value


_Reader = tuple[
    Callable[[bytes], Any], type[MalformedPacketError | SkyMapError], Callable[[Any], None]
]
"""How a packet is read, how it may be refused, and what its value must be."""


def _notice(packet: bytes) -> Any:
    return to_notice(packet, "topic/0@1")


def _alert(packet: bytes) -> Alert:
    return _of_raw(RawPacket("topic/0@1", None, packet))


def _record(noun: type[Any]) -> Callable[[bytes], Any]:
    return lambda data: of_json(noun, data, "topic/0@1")


_READERS: dict[str, _Reader] = {
    **dict.fromkeys(("voevent", "igwn", "gcn"), (_notice, MalformedNoticeError, _check_notice)),
    "fits": (read_sky_map, SkyMapError, _check_map),
    "localization": (localization_of_bytes, SkyMapError, _check_localization),
    **dict.fromkeys(
        ("ztf", "lsst", "confluent", "optical_json"), (_alert, MalformedAlertError, _check_alert)
    ),
    "alert_record": (_record(Alert), MalformedPacketError, _check_alert),
    "event_record": (_record(EventRecord), MalformedPacketError, _check_event),
    "pair_record": (_record(PairRecord), MalformedPacketError, _check_pair),
}
