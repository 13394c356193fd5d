"""The one wire form of our nouns: canonical JSON, the same bytes for the same value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from correlator.coincidence import PairEvidence
from correlator.errors import MalformedPacketError
from correlator.event import Event, EventState
from correlator.notice import Messenger
from skymaps.localization import Localization

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event as it travels and is stored: its localization by hash, its notices by id."""

    event_key: str
    event_id: str
    mission: str
    messenger: Messenger
    state: EventState
    version: int
    is_burst: bool | None
    event_unix_s: float | None
    event_end_unix_s: float | None
    localization_sha256: str | None
    localization_notice_id: str | None
    far_hz: float | None
    significance: float | None
    significance_kind: str | None
    classification: tuple[tuple[str, float | None], ...]
    is_significant: bool | None
    notice_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PairRecord:
    """A pair as it travels and is stored: its evidence, or why it was withdrawn.

    The versions are those of the event and the object that were compared; a record replaces
    another of the same id when neither of its versions is lower.
    """

    coincidence_id: str
    event_key: str
    object_key: str
    event_version: int
    object_version: int
    evidence: PairEvidence | None
    withdrawn_reason: str | None = None


def record_of_event(event: Event) -> EventRecord:
    """The wire form of an event; its localization travels apart, by hash."""
    return EventRecord(
        event_key=event.event_key,
        event_id=event.event_id,
        mission=event.mission,
        messenger=event.messenger,
        state=event.state,
        version=event.version,
        is_burst=event.is_burst,
        event_unix_s=event.event_unix_s,
        event_end_unix_s=event.event_end_unix_s,
        localization_sha256=event.localization.sha256 if event.localization else None,
        localization_notice_id=event.localization_notice_id,
        far_hz=event.far_hz,
        significance=event.significance,
        significance_kind=event.significance_kind,
        classification=event.classification,
        is_significant=event.is_significant,
        notice_ids=tuple(n.notice_id for n in event.notices),
    )


def event_of_record(record: EventRecord, localization: Localization | None) -> Event:
    """The event of a record, ready for the join; it carries no notices to reduce further."""
    return Event(
        event_key=record.event_key,
        event_id=record.event_id,
        mission=record.mission,
        messenger=record.messenger,
        state=record.state,
        version=record.version,
        is_burst=record.is_burst,
        event_unix_s=record.event_unix_s,
        event_end_unix_s=record.event_end_unix_s,
        localization=localization,
        localization_notice_id=record.localization_notice_id,
        far_hz=record.far_hz,
        significance=record.significance,
        significance_kind=record.significance_kind,
        classification=record.classification,
        is_significant=record.is_significant,
        notices=(),
    )


def pair_record(evidence: PairEvidence) -> PairRecord:
    """The record of a pair that holds."""
    return PairRecord(
        evidence.coincidence_id,
        evidence.event_key,
        evidence.object_key,
        evidence.event_version,
        evidence.object_version,
        evidence,
    )


def to_json(value: object) -> bytes:
    """Canonical JSON of one of our dataclasses: fields in order, floats to the last bit."""
    return bytes(_adapter(type(value)).dump_json(value))


def of_json(kind: type[T], data: bytes, name: str = "record") -> T:
    """The value of canonical JSON; the inverse of :func:`to_json`.

    Raises
    ------
    MalformedPacketError
        The bytes are no JSON of that kind; says where and why.
    """
    try:
        return cast(T, _adapter(kind).validate_json(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MalformedPacketError(
            name, f"a {kind.__name__} is expected; {where or 'it'}: {first['msg']}", data
        ) from error


_ADAPTERS: dict[object, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
