"""Filters as rows: the presets, the fields, and what one would have sent."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from correlator.filters import FIELDS, Filter, filter_id, json_of, text_of
from correlator.filters.preset import Preset, presets
from correlator.service.rows import coincidence_row
from correlator.service.times import iso_utc
from storage.coincidences import Sent

Row = dict[str, Any]


def filter_row(tree: Filter) -> Row:
    """A filter as it was understood, in its one form."""
    return {"filter_id": filter_id(tree), "text": text_of(tree), "json": json_of(tree)}


def preset_rows() -> list[Row]:
    """The presets with their cuts."""
    return [preset_row(preset) for preset in presets().values()]


def preset_row(preset: Preset) -> Row:
    """One preset with its cuts."""
    said = {"text": text_of(preset.filter), "filter_id": filter_id(preset.filter)}
    return asdict(preset) | said


def field_rows() -> list[Row]:
    """What a filter can name."""
    return [
        {
            "name": field.name,
            "kind": str(field.kind),
            "meaning": field.meaning,
            "choices": list(field.choices),
        }
        for field in FIELDS.values()
    ]


def sent_row(sent: Sent) -> Row:
    """A revision that a subscriber would have been sent."""
    revision = sent.revision
    body = {} if revision.body is None else coincidence_row(revision.body)
    return {
        "published_time": iso_utc(revision.published_unix_s),
        "passes": sent.passes,
        "reason": revision.reason,
        "revision": revision.revision,
        "coincidence_id": revision.coincidence_id,
        "case": revision.case,
        "event_key": revision.event_key,
        "object_key": revision.object_key,
    } | body
