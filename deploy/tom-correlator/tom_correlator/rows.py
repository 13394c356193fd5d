"""What the correlator says of one object, as one flat row: of its REST interface or topics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Json = Mapping[str, Any]
Row = dict[str, Any]

DAY_S = 86_400.0

ACTIVE, RETIRED, RETRACTED, EXPIRED = "active", "retired", "retracted", "expired"
"""``status``: in the list; no longer in it, for the reason beside it; taken back, because the
event or the evidence was; or its event is closed, and nobody took anything back."""

EXTRAS = (
    "status", "viable", "viability_reason", "priority", "priority_reason", "rank", "case",
    "event_id", "event_key", "mission", "event_time", "far_hz", "coincidence_id", "object_key",
    "delta_t_d", "credible_level", "log_lr", "object_class", "last_mag_ab", "last_band",
    "last_time", "rate_mag_per_day", "revision", "updated_at",
)  # fmt: skip
"""The keys of extras that are the correlator's; all others of a target are left alone."""

NAME_LIMIT = 100
"""Longest name that a TOM takes [characters]."""

SAME_SOURCE_ARCSEC = 1.5
"""An entry of TNS so near is the object: the correlator's own radius [arcsec]."""


class BadRowError(ValueError):
    """A row breaks a rule; the text has the record, the rule and the value."""


@contextmanager
def _documented(record: str) -> Iterator[None]:
    """Call what is not as it is documented a row that breaks a rule."""
    try:
        yield
    except (AttributeError, KeyError, TypeError) as error:
        raise BadRowError(
            f"{record}: a part is of another kind than documented: {error}"
        ) from error


@_documented("target")
def row_of_target(target: Json, updated_at: str) -> Row:
    """The row of an item of ``/targets``.

    Parameters
    ----------
    updated_at
        When the service was asked [UTC, ISO 8601].

    Raises
    ------
    BadRowError
        There is no name or no position in it that a TOM can have.
    """
    is_active = target.get("state") == ACTIVE
    return _row(
        target.get("object_key"),
        target.get("ra_deg"),
        target.get("dec_deg"),
        aliases=_tns_names(target.get("catalogs")),
        status=target.get("state"),
        viability_reason=None if is_active else target.get("retired_reason"),
        priority=target.get("priority"),
        priority_reason=_reasons(target.get("priority_terms")),
        rank=target.get("rank"),
        case=target.get("case"),
        event_id=_event_id(target.get("event_key")),
        event_key=target.get("event_key"),
        mission=target.get("mission"),
        event_time=target.get("event_time"),
        far_hz=target.get("far_hz"),
        coincidence_id=target.get("coincidence_id"),
        delta_t_d=_days(target.get("delta_t_s")),
        credible_level=target.get("credible_level"),
        log_lr=target.get("log_lr"),
        object_class=target.get("class"),
        last_mag_ab=target.get("last_mag_ab"),
        last_band=target.get("last_band"),
        last_time=target.get("last_time"),
        rate_mag_per_day=target.get("rate_mag_per_day"),
        updated_at=updated_at,
    )


@_documented("notice")
def row_of_notice(notice: Json) -> Row:
    """The row of a notice of the topics ``coincidence.*``.

    Raises
    ------
    BadRowError
        It has no block of ours, or no name or position that a TOM can have.
    """
    block = _part(notice, "coincidence")
    if not block:
        raise BadRowError("notice: has a block `coincidence`, but this one has none")
    status, reason = _standing(notice, block)
    evidence, light, place = (_part(block, name) for name in ("evidence", "light", "place"))
    events = [event for event in block.get("events") or () if isinstance(event, Mapping)]
    return _row(
        _part(block, "object").get("object_key"),
        light.get("ra_deg"),
        light.get("dec_deg"),
        aliases=_tns_names(_part(block, "surroundings").get("catalogs")),
        status=status,
        viability_reason=reason,
        priority=place.get("priority"),
        priority_reason=_reasons(place.get("priority_terms")),
        rank=place.get("rank"),
        case=block.get("case"),
        event_id=_event_id(block.get("event_key")),
        event_key=block.get("event_key"),
        mission=", ".join(str(event.get("mission")) for event in events) or None,
        event_time=evidence.get("event_time"),
        far_hz=events[0].get("far_hz") if len(events) == 1 else None,
        coincidence_id=block.get("coincidence_id"),
        delta_t_d=_days(evidence.get("delta_t_s")),
        credible_level=evidence.get("credible_level"),
        log_lr=evidence.get("log_lr"),
        object_class=_part(block, "looks").get("object_class"),
        last_mag_ab=light.get("last_mag_ab"),
        last_band=light.get("last_band"),
        last_time=light.get("last_time"),
        rate_mag_per_day=light.get("rate_mag_per_day"),
        revision=block.get("revision"),
        updated_at=block.get("published_time"),
    )


def extras_of(row: Row) -> Row:
    """The extras of a row; what is not known is None."""
    return {key: row.get(key) for key in EXTRAS}


def _row(object_key: Any, ra_deg: Any, dec_deg: Any, aliases: list[str], **extras: Any) -> Row:
    """A row with every key, in the order in which a TOM's table shows them."""
    name = _name_of(object_key)
    place = {"ra": _degrees(name, "ra", ra_deg, 0.0, 360.0)}
    place["dec"] = _degrees(name, "dec", dec_deg, -90.0, 90.0)
    for key, value in extras.items():
        if value is not None and not isinstance(value, (str, int, float)):
            raise BadRowError(f"{name}: {key} is a text or a number, not {value!r}")
    if not isinstance(extras["status"], str) or isinstance(extras.get("revision"), str):
        raise BadRowError(f"{name}: has a state, and counts revisions, not {extras!r}")
    said = {"viable": extras["status"] == ACTIVE, "object_key": object_key, **extras}
    return {"name": name, **place, **extras_of(said), "aliases": aliases}


def _standing(notice: Json, block: Json) -> tuple[Any, Any]:
    """Status and reason; what is taken back from a subscription alone is out of that list."""
    if block.get("state") != ACTIVE or notice.get("alert_type") != "retraction":
        return block.get("state"), block.get("reason")
    targets = _part(notice, "data").get("targets") or [{}]
    return RETIRED, targets[0].get("viability_reason")


def _name_of(object_key: Any) -> str:
    """The survey's own id: of ``ztf:ZTF25aaaaaaa`` what is behind the colon."""
    name = _behind_colon(object_key)
    if name is None or not 0 < len(name) <= NAME_LIMIT:
        rule = f"a key is SURVEY:ID, the id of at most {NAME_LIMIT} characters"
        raise BadRowError(f"target: {rule}, not {object_key!r}")
    return name


def _event_id(event_key: Any) -> str | None:
    """The mission's own id: ``S250101a`` of ``lvk:S250101a``; of joint events their own key."""
    is_joint = isinstance(event_key, str) and event_key.startswith("joint:")
    return event_key if is_joint else _behind_colon(event_key)


def _behind_colon(key: Any) -> str | None:
    """The id in a key that is unique over surveys or missions."""
    parts = key.partition(":") if isinstance(key, str) else ("", "", "")
    return parts[2] if parts[1] else None


def _degrees(name: str, what: str, value: Any, low: float, high: float) -> float | None:
    """An angle; None stays None, which is what a retraction says whose evidence is gone."""
    if value is None:
        return None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        raise BadRowError(f"{name}: {what} is of [{low:g}, {high:g}] deg, not {value!r}")
    return float(value)


def _tns_names(catalogs: Any) -> list[str]:
    """The name that TNS has for the object; none where TNS was not asked or has none so near."""
    names = []
    for answer in catalogs if isinstance(catalogs, list) else ():
        if answer.get("catalog") == "tns":
            for entry in answer.get("tags") or answer.get("entries") or ():
                if entry["separation_arcsec"] <= SAME_SOURCE_ARCSEC:
                    names.append(str(entry["object_id"]))
    return names[:1]


def _reasons(terms: Iterable[Json] | None) -> str | None:
    """The terms of a priority in a line: what each adds, and why."""
    said = [f"{t['name']} {t['ln_factor']:+.2f} ({t['reason']})" for t in terms or ()]
    return "; ".join(said) or None


def _days(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / DAY_S


def _part(whole: Json, name: str) -> Json:
    """A part of an object; empty where it is null."""
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}
