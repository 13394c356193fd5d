"""Optical packets to alerts: a first look that is cheap, then everything for those that pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from correlator.alert import Alert
from correlator.errors import MalformedAlertError
from ingest_optical import lsst, ztf
from ingest_optical.avro import (
    CONFLUENT_HEADER_BYTES,
    CONFLUENT_MAGIC,
    MAGIC,
    Body,
    WriterSchema,
    body_of_container,
    check_size,
    confluent_id,
    decode_body,
    writer_schema,
)
from ingest_optical.lightcurve import MAX_POINTS
from ingest_optical.lsst_schemas import schema_json, version_of_id
from ingest_optical.packets import RawPacket
from ingest_optical.quality import DEFAULT_CUTS, QualityCuts, rejections

_PREFIX_FIELDS = {ztf.SURVEY: ztf.PREFIX_FIELDS, lsst.SURVEY: lsst.PREFIX_FIELDS}

_LSST_NAME = re.compile(r"lsst\.v(\d+)_(\d+)\.alert")
_LSST_VERSION = re.compile(r"(?:lsst\.)?v?(\d+)[._](\d+)")

_SPARK_NAME = "topLevelRecord"
"""Name that Spark gives a record, and so Fink's containers have."""

MAX_JSON_BYTES = 8 * 2**20
"""Largest packet in JSON; the deepest Rubin row has 3.5 MB. Empty objects take up to 50 times their
length in memory."""

UNSTATED_VERSION = "unstated"
"""Schema version of an LSST record in JSON, which does not carry it."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An alert that the gate did not let through.

    Attributes
    ----------
    reasons
        As of :func:`ingest_optical.quality.rejections`; never empty.
    alert
        The alert without its past: its exposure still counts as coverage of the sky.
    """

    reasons: tuple[str, ...]
    alert: Alert

    @property
    def survey(self) -> str:
        """Survey of the alert."""
        return self.alert.survey

    @property
    def alert_id(self) -> str:
        """The survey's id of the alert."""
        return self.alert.alert_id


def decode_prefix(packet: RawPacket) -> Alert:
    """The alert without its past, read up to its own detection.

    Equal to :func:`decode` but for ``history``, ``limits`` and, for LSST, ``survey_first_unix_s``
    and the designation and distance of a Solar System object, which stand after the history.

    Raises
    ------
    MalformedAlertError
        The packet cannot be understood.
    """
    return _decode(packet, prefix_only=True, max_points=None)


def decode(packet: RawPacket, max_points: int | None = MAX_POINTS) -> Alert:
    """The whole alert.

    Parameters
    ----------
    packet
        As received.
    max_points
        Most measurements and most limits kept (first ones, onset, latest ones); None for all.

    Raises
    ------
    MalformedAlertError
        The packet cannot be understood.
    """
    return _decode(packet, prefix_only=False, max_points=max_points)


def admit(packet: RawPacket, cuts: Mapping[str, QualityCuts] = DEFAULT_CUTS) -> Alert | Rejected:
    """The whole alert if it passes its survey's gate; its past is read only then.

    Raises
    ------
    MalformedAlertError
        The packet cannot be understood.
    """
    first_look = decode_prefix(packet)
    if reasons := rejections(first_look, cuts[first_look.survey]):
        return Rejected(reasons, first_look)
    alert = decode(packet)
    # Again: the distance to a Rubin ephemeris stands after the history.
    reasons = rejections(alert, cuts[alert.survey])
    return Rejected(reasons, first_look) if reasons else alert


def _decode(packet: RawPacket, *, prefix_only: bool, max_points: int | None) -> Alert:
    if packet.problem is not None:
        raise MalformedAlertError(packet.name, packet.problem)
    if packet.data[:4] == MAGIC:
        survey, version, record = _from_container(packet, prefix_only)
    elif packet.data[:1] == CONFLUENT_MAGIC:
        survey, version, record = _from_confluent(packet, prefix_only)
    else:
        survey, version, record = _from_json(packet, prefix_only)
    if packet.survey not in (None, survey):
        raise MalformedAlertError(packet.name, f"the packet must be of {packet.survey}", survey)
    if survey == ztf.SURVEY:
        return ztf.to_alert(record, packet.name, version, max_points)
    return lsst.to_alert(record, packet.name, version or UNSTATED_VERSION, max_points)


_Record = tuple[str, str | None, dict[str, object]]
"""Survey, schema version and the decoded record."""


def _from_container(packet: RawPacket, prefix_only: bool) -> _Record:
    body = body_of_container(packet.data, packet.name)
    schema = writer_schema(body.schema_json, packet.name)
    survey, version = _survey_of_schema(schema, packet.name)
    through = _PREFIX_FIELDS[survey] if prefix_only else None
    return survey, version, decode_body(body, packet.name, through)


def _survey_of_schema(schema: WriterSchema, packet: str) -> tuple[str, str | None]:
    # By name: simulations and brokers use the same field names with other units.
    if schema.name == "ztf.alert":
        return ztf.SURVEY, schema.version
    if named := _LSST_NAME.fullmatch(schema.name):
        return lsst.SURVEY, f"{named[1]}.{named[2]}"
    if schema.name.startswith(_SPARK_NAME):
        if {"objectId", "candidate"} <= set(schema.fields):
            return ztf.SURVEY, schema.version
        if "diaSource" in schema.fields:
            return lsst.SURVEY, schema.version
    raise MalformedAlertError(packet, "the schema must be an alert of ZTF or LSST", schema.name)


def _from_confluent(packet: RawPacket, prefix_only: bool) -> _Record:
    schema_id = confluent_id(packet.data, packet.name)
    major, minor = version_of_id(schema_id)
    schema = schema_json(major, minor)
    if schema is None:
        raise MalformedAlertError(
            packet.name, "the schema id must be one of a known LSST schema", schema_id
        )
    body = Body(schema, packet.data[CONFLUENT_HEADER_BYTES:])
    through = lsst.PREFIX_FIELDS if prefix_only else None
    return lsst.SURVEY, f"{major}.{minor}", decode_body(body, packet.name, through)


def _from_json(packet: RawPacket, prefix_only: bool) -> _Record:
    check_size(packet.data, packet.name, MAX_JSON_BYTES)
    try:
        record = orjson.loads(packet.data)
    except orjson.JSONDecodeError as problem:
        raise MalformedAlertError(
            packet.name, "a packet must be Avro or JSON", packet.data[:32]
        ) from problem
    if not isinstance(record, dict):
        raise MalformedAlertError(packet.name, "a JSON packet must be an object", record)
    survey = _survey_of_record(record, packet.name)
    if prefix_only:
        past = _PAST_FIELDS[survey]
        record = {name: value for name, value in record.items() if name not in past}
    return survey, _lsst_version(record) if survey == lsst.SURVEY else None, record


_PAST_FIELDS = {
    ztf.SURVEY: frozenset({"prv_candidates"}),
    lsst.SURVEY: frozenset({"prvDiaSources", "prvDiaForcedSources", "diaObject", "ssSource"}),
}
"""What a first look leaves out of a record that is decoded already."""


def _survey_of_record(record: dict[str, object], packet: str) -> str:
    if "diaSource" in record:
        return lsst.SURVEY
    if "candidate" in record or "i:candid" in record:
        return ztf.SURVEY
    raise MalformedAlertError(
        packet, "a JSON alert must have candidate or diaSource", list(record)[:8]
    )


def _lsst_version(record: dict[str, object]) -> str | None:
    said = record.get("lsst_schema_version")
    matched = _LSST_VERSION.match(said) if isinstance(said, str) else None
    return f"{matched[1]}.{matched[2]}" if matched else None
