"""Optical packets to alerts: a first look that is cheap, then everything for those that pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from correlator.alert import Alert
from correlator.errors import MalformedAlertError
from ingest_optical import json_text, lsst
from ingest_optical.avro import (
    CONFLUENT_HEADER_BYTES,
    CONFLUENT_MAGIC,
    Reading,
    body_of_container,
    check_size,
    confluent_id,
    read_body,
    writer_schema,
)
from ingest_optical.avro_container import MAGIC, Body, container_of
from ingest_optical.first_look import FirstLook
from ingest_optical.forms import OF_SURVEY, Form, form_of_record, form_of_schema
from ingest_optical.lightcurve import MAX_POINTS
from ingest_optical.lsst_schemas import schema_of_id as schema_of_package
from ingest_optical.packets import RawPacket
from ingest_optical.quality import DEFAULT_CUTS, QualityCuts, rejections

MAX_JSON_BYTES = 8 * 2**20
"""Largest packet in JSON; the deepest Rubin row has 3.5 MB. Empty objects take up to 50 times their
length in memory."""


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


SchemaOfId = Callable[[int], bytes | None]
"""Finds the writer schema of a Confluent id; None for one that nobody knows."""


def decode_prefix(packet: RawPacket) -> Alert:
    """The alert without its past, read up to its own detection.

    Equal to :func:`decode` but for ``history``, ``limits`` and, for LSST, ``survey_first_unix_s``
    and the designation and distance of a Solar System object, which stand after the history.

    Raises
    ------
    MalformedAlertError
        The packet cannot be understood.
    """
    return look_at(packet).to_alert()


def look_at(packet: RawPacket, schema_of_id: SchemaOfId = schema_of_package) -> FirstLook:
    """The first look at a packet: :func:`decode_prefix` without a place in the HEALPix grid.

    Parameters
    ----------
    packet
        As received.
    schema_of_id
        Where the schemas of Confluent-framed packets come from.

    Raises
    ------
    MalformedAlertError
        The packet cannot be understood.
    """
    form, version, record, reading = _record(packet, True, schema_of_id)
    look = form.look(record, packet.name, version)
    look.reading = reading
    return look


def decode(
    packet: RawPacket,
    max_points: int | None = MAX_POINTS,
    schema_of_id: SchemaOfId = schema_of_package,
) -> Alert:
    """The whole alert.

    Parameters
    ----------
    packet
        As received.
    max_points
        Most measurements and most limits kept (first ones, onset, latest ones); None for all.
    schema_of_id
        Where the schemas of Confluent-framed packets come from.

    Raises
    ------
    MalformedAlertError
        The packet cannot be understood.
    """
    form, version, record, _ = _record(packet, False, schema_of_id)
    return form.look(record, packet.name, version).with_past(record, max_points)


def admit(packet: RawPacket, cuts: Mapping[str, QualityCuts] = DEFAULT_CUTS) -> Alert | Rejected:
    """The whole alert if it passes its survey's gate; its past is read only then.

    Raises
    ------
    MalformedAlertError
        The packet cannot be understood.
    """
    first_look = look_at(packet)
    if reasons := rejections(first_look, cuts[first_look.survey]):
        return Rejected(reasons, first_look.to_alert())
    return admit_looked_at(packet, first_look, cuts)


def admit_looked_at(
    packet: RawPacket,
    first_look: FirstLook,
    cuts: Mapping[str, QualityCuts] = DEFAULT_CUTS,
    schema_of_id: SchemaOfId = schema_of_package,
) -> Alert | Rejected:
    """The whole alert of a packet that passed its survey's gate at first look.

    Raises
    ------
    MalformedAlertError
        The packet cannot be understood.
    """
    alert = _gone_on_with(packet, first_look) or decode(packet, schema_of_id=schema_of_id)
    if alert.survey == lsst.SURVEY:
        # Again: the distance to a Rubin ephemeris stands after the history.
        reasons = rejections(alert, cuts[alert.survey])
        if reasons:
            return Rejected(reasons, first_look.to_alert())
    return alert


def _gone_on_with(packet: RawPacket, first_look: FirstLook) -> Alert | None:
    """The whole alert of a first look that a pattern has read; None for any other."""
    begun = first_look.reading
    if begun is None or begun.pattern is None:
        return None
    form = OF_SURVEY[first_look.survey]  # the others' are read without a pattern
    through = _through(packet, form, False)
    whole = read_body(begun.body, packet.name, through, form.wanted, begun)
    return first_look.with_past(whole.record, MAX_POINTS)


class _Record(NamedTuple):
    """A decoded record, of which form and schema it is, and how it was read if it is Avro."""

    form: Form
    version: str | None
    record: Mapping[str, object]
    reading: Reading | None = None


def self_describing(packet: RawPacket, schema_of_id: SchemaOfId) -> RawPacket:
    """A packet that can be read without ``schema_of_id``.

    One whose schema the package of the observatory does not have becomes a container with it; any
    other packet stays as it is.
    """
    if packet.data[:1] != CONFLUENT_MAGIC:
        return packet
    schema_id = confluent_id(packet.data, packet.name)
    schema = None if schema_of_package(schema_id) else schema_of_id(schema_id)
    if schema is None:
        return packet
    return replace(packet, data=container_of(schema, packet.data[CONFLUENT_HEADER_BYTES:]))


def _record(packet: RawPacket, prefix_only: bool, schema_of_id: SchemaOfId) -> _Record:
    if packet.problem is not None:
        raise MalformedAlertError(packet.name, packet.problem)
    if packet.data[:4] == MAGIC:
        found = _from_container(packet, prefix_only)
    elif packet.data[:1] == CONFLUENT_MAGIC:
        found = _from_confluent(packet, prefix_only, schema_of_id)
    else:
        found = _from_json(packet, prefix_only)
    if packet.survey not in (None, found.form.survey):
        rule = f"the packet must be of {packet.survey}"
        raise MalformedAlertError(packet.name, rule, found.form.survey)
    return found


def _from_container(packet: RawPacket, prefix_only: bool) -> _Record:
    body = body_of_container(packet.data, packet.name)
    form, version = _form_of_schema(body.schema_json, packet.name)
    reading = read_body(body, packet.name, _through(packet, form, prefix_only), form.wanted)
    return _Record(form, version, reading.record, reading)


def _through(packet: RawPacket, form: Form, prefix_only: bool) -> tuple[str, ...] | None:
    """The fields that are read: what stands after the last of them is not judged; None for all."""
    if prefix_only:
        return form.prefix
    if packet.data[:1] == CONFLUENT_MAGIC:
        # The schema is not in the packet, and a wrong one rarely ends where the body does.
        return None
    return form.whole


_forms: dict[bytes, tuple[Form, str | None]] = {}
"""Form and version of the schemas seen."""

_MAX_FORMS = 32


def _form_of_schema(schema_json: bytes, packet: str) -> tuple[Form, str | None]:
    known = _forms.get(schema_json)
    if known is None:
        if len(_forms) >= _MAX_FORMS:
            _forms.clear()
        known = _forms[schema_json] = form_of_schema(writer_schema(schema_json, packet), packet)
    return known


def _from_confluent(packet: RawPacket, prefix_only: bool, schema_of_id: SchemaOfId) -> _Record:
    schema_id = confluent_id(packet.data, packet.name)
    schema = schema_of_id(schema_id)
    if schema is None:
        raise MalformedAlertError(
            packet.name, "the schema id must be one of a known LSST schema", schema_id
        )
    body = Body(schema, packet.data, CONFLUENT_HEADER_BYTES)
    form, version = _form_of_schema(schema, packet.name)
    reading = read_body(body, packet.name, _through(packet, form, prefix_only), form.wanted)
    return _Record(form, version, reading.record, reading)


_MAX_JSON_NESTED = 500_000
"""Objects and lists of a JSON packet; each takes some 230 bytes of memory once it is read."""


def _from_json(packet: RawPacket, prefix_only: bool) -> _Record:
    check_size(packet.data, packet.name, MAX_JSON_BYTES)
    n_nested = packet.data.count(b"{") + packet.data.count(b"[")
    if n_nested > _MAX_JSON_NESTED:
        rule = f"a JSON packet must hold at most {_MAX_JSON_NESTED} objects and lists"
        raise MalformedAlertError(packet.name, rule, n_nested)
    try:
        record = json_text.loads(packet.data)
    except json_text.JSONDecodeError as problem:
        raise MalformedAlertError(
            packet.name, "a packet must be Avro or JSON", packet.data[:32]
        ) from problem
    if not isinstance(record, dict):
        raise MalformedAlertError(packet.name, "a JSON packet must be an object", record)
    form, version, record = form_of_record(record, packet.name)
    if prefix_only:
        record = {name: value for name, value in record.items() if name not in form.past}
    return _Record(form, version, record)
