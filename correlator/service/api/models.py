"""JSON Schemas of the rows, for the documentation; a test holds every answer against them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from correlator.service.api.formats import MEDIA_TYPES, Format

Json = dict[str, Any]

_KINDS: dict[str, Json] = {
    "text": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "number": {"type": "number"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "rows": {"type": "array", "items": {"type": "object"}},
    "object": {"type": "object"},
    "two": {"type": "array", "items": {"type": "number"}},
}


def _row(**kinds: str) -> Json:
    """An object that has all of some names; a question mark allows null."""
    return {
        "type": "object",
        "required": list(kinds),
        "properties": {name: _kind(kind) for name, kind in kinds.items()},
    }


def _kind(said: str) -> Json:
    kind = _KINDS[said.removesuffix("?")]
    return {"anyOf": [kind, {"type": "null"}]} if said.endswith("?") else kind


_PAIR = {
    "event_class": "text?", "object_version": "int?", "event_version": "int?",
    "event_time": "time?", "delta_t_s": "number?", "onset_s": "two?", "onset_is_assumed": "bool?",
    "prior_activity_days": "number?", "ra_deg": "number?", "dec_deg": "number?",
    "separation_deg": "number?", "credible_level": "number?", "probdensity_per_sr": "number?",
    "localization_sha256": "text?", "log_lr": "number?", "terms": "object?",
    "n_detections": "int?", "span_d": "number?", "last_mag_ab": "number?", "last_band": "text?",
    "last_time": "time?", "rate_mag_per_day": "number?", "rate_error_mag_per_day": "number?",
    "class": "text?", "scores": "object?", "is_extragalactic": "bool?",
    "is_extragalactic_reasons": "texts?", "catalogs": "rows?", "hosts": "rows?",
}  # fmt: skip

_FACTS = {
    "mission": "text?", "messenger": "text?", "far_hz": "number?", "significance": "number?",
    "significance_kind": "text?", "is_significant": "bool?", "classification": "object",
}  # fmt: skip

_PUBLISHED = _PAIR | _FACTS | {
    "rank": "int?", "rival_count": "int?", "priority": "number?", "priority_terms": "rows?",
    "p_assoc": "number?", "p_assoc_reason": "text?",
    "far_per_year": "number?", "far_per_year_reason": "text?",
}  # fmt: skip

ROWS: dict[str, Json] = {
    "Event": _row(
        event_key="text", event_id="text", mission="text", messenger="text", state="text",
        version="int", is_burst="bool?", nature="text?", nature_field="text?", event_time="time?",
        event_end_time="time?", localization_sha256="text?", localization_notice_id="text?",
        far_hz="number?", significance="number?", significance_kind="text?",
        classification="object", is_significant="bool?", notice_ids="texts",
    ),
    "Notice": _row(
        notice_id="text", content_sha256="text", source="text", mission="text", instrument="text?",
        notice_type="text", event_key="text", is_test="bool", is_retraction="bool",
        is_burst="bool?", nature="text?", nature_field="text?", event_time="time?",
        notice_time="time?", received_time="time", localization_sha256="text?", far_hz="number?",
        significance="number?", significance_kind="text?", packet_name="text",
    ),
    "Localization": _row(
        sha256="text", kind="text", area_50_deg2="number", area_90_deg2="number",
        level="number", area_level_deg2="number", n_rows="int?", max_order="int?",
        ra_deg="number?", dec_deg="number?", radius_deg="number?", radius_level="number?",
        distance_mpc="number?", distance_sigma_mpc="number?",
    ),
    "Alert": _row(
        survey="text", alert_id="text", object_id="text", time="time", ra_deg="number",
        dec_deg="number", band="text", mag_ab="number?", flux_njy="number",
        flux_err_njy="number?", is_positive="bool", real_bogus="number?", rejections="texts",
    ),
    "Object": _row(
        object_key="text", survey="text", object_id="text", version="int", ra_deg="number",
        dec_deg="number", first_time="time?", latest_time="time", n_detections="int",
        n_limits="int", n_forced="int", last_mag_ab="number?", last_band="text?",
        real_bogus="number?", alert_ids="texts", is_extragalactic="bool?", catalogs="rows",
        hosts="rows",
    ),
    "Point": _row(
        kind="text", time="time", band="text", flux_njy="number?", flux_err_njy="number?",
        mag_ab="number?", mag_err_ab="number?", n_sigma="number?", source_id="text?",
    ),
    "Coincidence": _row(
        coincidence_id="text", case="text", revision="int", state="text", published_time="time",
        reason="text?", event_key="text", object_key="text", **_PUBLISHED,
    ),
    "Target": _row(
        target_id="text", case="text", state="text", retired_reason="text?", object_key="text",
        event_key="text", coincidence_id="text", **_PUBLISHED,
    ),
    "Pair": _row(
        coincidence_id="text", event_key="text", object_key="text", is_live="bool",
        withdrawn_reason="text?", **_PAIR,
    ),
    "Feedback": _row(
        feedback_id="text", coincidence_id="text", author="text", status="text", viable="bool?",
        viability_reason="text?", comment="text?", created_time="time",
    ),
}  # fmt: skip


def one_of(name: str) -> dict[int | str, Json]:
    """Responses of a route that answers with one row."""
    return {200: {"content": {"application/json": {"schema": _ref(name)}}}} | NOT_MODIFIED


def list_of(name: str, formats: Collection[Format] = (Format.JSON,)) -> dict[int | str, Json]:
    """Responses of a route that answers with a list."""
    schema = {
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "items": _ref(name)},
            "next": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
    }
    content: Json = {"application/json": {"schema": schema}}
    for form in sorted(formats):
        content.setdefault(MEDIA_TYPES[form], {"schema": {"type": "string"}})
    link = {"Link": {"schema": {"type": "string"}, "description": 'The next page, rel="next".'}}
    return {200: {"content": content, "headers": link}} | NOT_MODIFIED


NOT_MODIFIED: dict[int | str, Json] = {304: {"description": "It is what the client has."}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
