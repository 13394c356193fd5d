"""The one wire form of our nouns: canonical JSON, the same bytes for the same value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec
import numpy as np
from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

from correlator.alert import Alert
from correlator.audience import PUBLIC, Audience, is_audience
from correlator.errors import MalformedPacketError
from correlator.event import Event, EventState
from correlator.joint import JointEvent, JointLink
from correlator.nature import Verdict
from correlator.notice import Messenger
from correlator.object import OpticalObject
from correlator.pair import PairEvidence
from skymaps.healpix import END_29
from skymaps.localization import Localization

T = TypeVar("T")


MAX_TEXT_LENGTH = 1_000
"""Longest text in a record [characters]; the longest that we write are reasons of one line."""

MAX_ID_LENGTH = 450
"""Longest id or key [characters]: two ids of a packet, each of at most 200, and what joins them."""

MAX_FLUX_NJY = 1e31
"""Largest flux or error, and the inverse of the smallest error [nJy]: their ratios are finite."""

MIN_ERROR_NJY = 1.0 / MAX_FLUX_NJY

EARLIEST_UNIX_S, LATEST_UNIX_S = 631_152_000.0, 4_102_444_800.0
"""1990-01-01 and 2100-01-01, as for the packets that records are made of."""


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
    verdicts: tuple[Verdict, ...] = ()
    """Empty in the records of releases that did not have them."""
    audience: Audience = PUBLIC


@dataclass(frozen=True, slots=True)
class PairRecord:
    """A pair as it travels and is stored: its evidence, or why it was withdrawn.

    The versions are those of the event and the object that were compared; a record replaces
    another of the same id when its event version is higher, or equal and its object version not
    lower. One that was withdrawn is for whoever may read the event and the object, too.
    """

    coincidence_id: str
    event_key: str
    object_key: str
    event_version: int
    object_version: int
    evidence: PairEvidence | None
    withdrawn_reason: str | None = None
    audience: Audience = PUBLIC


@dataclass(frozen=True, slots=True)
class JointRecord:
    """A joint event as it travels and is stored: its localization by hash, its members by key.

    Its version is the sum of those of its members.
    """

    joint_id: str
    version: int
    aliases: tuple[str, ...]
    event_keys: tuple[str, ...]
    event_unix_s: float
    far_hz: float
    log_overlap: float | None
    localization_sha256: str | None
    links: tuple[JointLink, ...]
    audience: Audience = PUBLIC


def record_of_joint(joint: JointEvent) -> JointRecord:
    """The wire form of a joint event; what it is to the join follows from its members."""
    return JointRecord(
        joint_id=joint.joint_id,
        version=joint.event.version,
        aliases=joint.aliases,
        event_keys=joint.event_keys,
        event_unix_s=joint.event_unix_s,
        far_hz=joint.far_hz,
        log_overlap=joint.event.log_overlap,
        localization_sha256=joint.localization.sha256 if joint.localization else None,
        links=joint.links,
        audience=joint.audience,
    )


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
        verdicts=event.verdicts,
        audience=event.audience,
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
        verdicts=record.verdicts,
        audience=record.audience,
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
        audience=evidence.audience,
    )


_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""A NUL in JSON; with a backslash more, ``\\\\u0000``, it is six letters that a packet had."""


def to_json(value: object) -> bytes:
    """Canonical JSON of one of our dataclasses: fields in order, floats to the last bit.

    The audience of what is public is left out: it is as it was before there were any.
    """
    data = _ENCODER.encode(value)
    if type(value) in _AUDIENCE_LAST:  # looking through a whole alert takes a sixth of its writing
        return data[: -len(_OF_ALL_LAST)] + b"}" if data.endswith(_OF_ALL_LAST) else data
    # In a text a quote has a backslash before it: what is cut out is that field and nothing else.
    return data.replace(_OF_ALL, b"")


_OF_ALL, _OF_ALL_LAST = b',"audience":[]', b',"audience":[]}'

_AUDIENCE_LAST = frozenset({Alert, OpticalObject, EventRecord, PairEvidence})
"""Nouns of which the audience is the last field, and no other has one inside."""


def of_json(kind: type[T], data: bytes, name: str = "record") -> T:
    """The value of canonical JSON; the inverse of :func:`to_json`.

    Raises
    ------
    MalformedPacketError
        The bytes are no JSON of that kind, or say what nobody can mean; says where and why.
    """
    # No database takes it in a text. Most data have no backslash at all, which is soon seen.
    if b"\\" in data and b"\\u0000" in data and _NUL.search(data):
        raise MalformedPacketError(name, f"no NUL in a {kind.__name__}", data)
    try:
        value = cast(T, _validator(kind).validate_json(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(part for part in first["loc"] if isinstance(part, str)) or "it"
        raise MalformedPacketError(
            name, f"a {kind.__name__} is expected; {where}: {first['type']}", first["msg"]
        ) from error
    for rule, holds in _RULES.get(kind, ()):
        if not holds(value):
            raise MalformedPacketError(name, f"{rule} of a {kind.__name__}", data)
    return value


def alerts_of_json(records: Iterable[tuple[bytes, str]]) -> list[Alert]:
    """The alerts of pairs of canonical JSON and name, as :func:`of_json` gives them.

    What msgspec decodes and we find sound is an alert, in two thirds of the time; anything else
    is for :func:`of_json` to judge.

    Raises
    ------
    MalformedPacketError
        Of the first that is no alert.
    """
    alerts = []
    for data, name in records:
        alert = _alert_at_once(data)
        alerts.append(of_json(Alert, data, name) if alert is None else alert)
    return alerts


_LARGEST_QUICK = 2**18
"""Longest alert that is read twice when it turns out to be none [bytes]: a real one has 4 kB."""


def _alert_at_once(data: bytes) -> Alert | None:
    """The alert of plain data; None where only the full reading can tell."""
    if len(data) > _LARGEST_QUICK or not data.isascii() or b"\\" in data:
        return None
    try:
        alert = _ALERT_DECODER.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not (_is_shallow(data, alert) and _has_no_long_run(data) and _fits(alert)):
        return None
    for _, holds in _RULES[Alert]:
        if not holds(alert):
            return None
    return alert


def _is_shallow(data: bytes, alert: Alert) -> bool:
    """Whether fields that we do not know can hide nothing too deep for the full reading."""
    tags = [tag for answer in alert.tags for tag in answer.tags]
    light_curve = len(alert.history) + len(alert.limits) + len(alert.forced)
    n_records = light_curve + len(alert.tags) + len(tags)
    n_lists = len(alert.tags) + sum(1 + len(tag.values) for tag in tags)
    is_narrow = data.count(b"[") < n_lists + _MAX_NESTED
    return is_narrow and data.count(b"{") <= n_records + _MAX_NESTED


def _has_no_long_run(data: bytes) -> bool:
    """Whether no two quotes lie farther apart than the longest text allows.

    Then no whole number has the thousands of digits that the full reading refuses either, be it
    in a field that we do not know.
    """
    at = 0
    while at >= 0 and len(data) - at > MAX_TEXT_LENGTH:
        at = data.rfind(b'"', at + 1, at + MAX_TEXT_LENGTH + 2)
    return at >= 0


def _fits(alert: Alert) -> bool:
    """Whether the whole number that has no rule of its own fits 64 bits."""
    n_bad = alert.quality.n_bad_pixels
    return n_bad is None or -(2**63) <= n_bad < 2**63


def _is_id(*ids: str) -> bool:
    joined = "".join(ids)
    if len(joined) <= MAX_ID_LENGTH and joined.isprintable() and " " not in joined:
        return all(ids)
    return all(i.strip() and i.isprintable() and len(i) <= MAX_ID_LENGTH for i in ids)


def _is_time(*times_unix_s: float | None) -> bool:
    return all(t is None or EARLIEST_UNIX_S <= t < LATEST_UNIX_S for t in times_unix_s)


def _has_times(alert: Alert) -> bool:
    times = [d.time_unix_s for d in alert.history]
    times += [limit.time_unix_s for limit in alert.limits]
    times += [f.time_unix_s for f in alert.forced]
    times.append(alert.detection.time_unix_s)
    if alert.survey_first_unix_s is not None:
        times.append(alert.survey_first_unix_s)
    # The extremes speak for all: none is a NaN.
    return min(times) >= EARLIEST_UNIX_S and max(times) < LATEST_UNIX_S


def _has_fluxes(alert: Alert) -> bool:
    for d in (alert.detection, *alert.history):
        error_njy = d.flux_err_njy
        if not -MAX_FLUX_NJY <= d.flux_njy <= MAX_FLUX_NJY or (
            error_njy is not None and not MIN_ERROR_NJY <= error_njy <= MAX_FLUX_NJY
        ):
            return False
    for f in alert.forced:
        if not (
            -MAX_FLUX_NJY <= f.flux_njy <= MAX_FLUX_NJY
            and MIN_ERROR_NJY <= f.flux_err_njy <= MAX_FLUX_NJY
        ):
            return False
    return True


def _agrees(pair: PairRecord) -> bool:
    evidence = pair.evidence
    own = (pair.coincidence_id, pair.event_key, pair.object_key, pair.audience)
    return evidence is None or own == (
        evidence.coincidence_id,
        evidence.event_key,
        evidence.object_key,
        evidence.audience,
    )


def _has_audience(value: Alert | EventRecord | PairRecord | JointRecord) -> bool:
    return is_audience(value.audience)


_RULES: dict[object, tuple[tuple[str, Callable[[Any], bool]], ...]] = {
    Alert: (
        ("the ids", lambda x: _is_id(x.survey, x.schema_version, x.alert_id, x.object_id)),
        (
            "the sources' ids",
            lambda x: _is_id(x.detection.source_id, *[d.source_id for d in x.history]),
        ),
        ("the ids of forced photometry", lambda x: _is_id(*[f.forced_id for f in x.forced])),
        ("RA in [0, 360] deg", lambda x: 0.0 <= x.ra_deg <= 360.0),
        ("dec in [-90, 90] deg", lambda x: -90.0 <= x.dec_deg <= 90.0),
        ("the HEALPix index", lambda x: 0 <= x.index_29 < END_29),
        ("times in 1990..2100", _has_times),
        ("fluxes and errors that can be", _has_fluxes),
        ("tags of an audience, sorted", _has_audience),
    ),
    EventRecord: (
        ("the ids", lambda x: _is_id(x.event_key, x.event_id, x.mission, *x.notice_ids)),
        ("a version of 1 or more", lambda x: x.version >= 1),
        ("times in 1990..2100", lambda x: _is_time(x.event_unix_s, x.event_end_unix_s)),
        ("an end after the begin", lambda x: (x.event_end_unix_s or 0) >= (x.event_unix_s or 0)),
        ("tags of an audience, sorted", _has_audience),
    ),
    PairRecord: (
        ("the ids", lambda x: _is_id(x.coincidence_id, x.event_key, x.object_key)),
        ("evidence of the same pair", _agrees),
        ("a time in 1990..2100", lambda x: not x.evidence or _is_time(x.evidence.event_unix_s)),
        ("tags of an audience, sorted", _has_audience),
    ),
}
"""What the types alone do not say of a record that comes off a topic."""


def _plain(value: object) -> object:
    """A number as numpy computed it."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} has no canonical JSON")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)
_ALERT_DECODER = msgspec.json.Decoder(Alert)

_MAX_NESTED = 60
"""Objects and arrays, each, apart from the records of a light curve and of catalogues: far above
what an alert has, and together below the depth of 200 at which the full reading gives up."""

_ADAPTERS: dict[object, TypeAdapter[Any]] = {}
_VALIDATORS: dict[object, SchemaValidator] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _validator(kind: Any) -> SchemaValidator:
    if kind not in _VALIDATORS:
        _VALIDATORS[kind] = SchemaValidator(_bounded(_adapter(kind).core_schema))
    return _VALIDATORS[kind]


_BOUNDS: dict[object, dict[str, object]] = {
    "float": {"allow_inf_nan": False, "strict": True},
    "int": {"ge": -(2**63), "le": 2**63 - 1, "strict": True},
    "str": {"max_length": MAX_TEXT_LENGTH, "strict": True},
    "bool": {"strict": True},
}


def _bounded(schema: Any) -> Any:
    """A schema whose numbers are finite and fit 64 bits, and whose texts have an end."""
    if isinstance(schema, dict):
        bounds = _BOUNDS.get(schema.get("type"), {})
        return {key: _bounded(value) for key, value in schema.items()} | bounds
    if isinstance(schema, list):
        return [_bounded(part) for part in schema]
    return schema
