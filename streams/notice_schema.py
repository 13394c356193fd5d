"""The JSON Schema (draft 2020-12) of our notices: GCN's core, and the classes of our block.

It is open: what it does not name is allowed, so that a notice of a later minor version is valid by
an earlier one. What it names is required, but for core fields that GCN's types cannot make null.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import orjson
from pydantic import TypeAdapter

from streams.coincidence_block import CoincidenceBlock
from streams.gcn_notice import GCN_URL, SCHEMA_URL, SCHEMA_VERSION

Json = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

FILE_NAME = f"coincidence-{SCHEMA_VERSION}.schema.json"
"""In ``streams/schemas``, as it was published: never changed, a new version is a new file."""


@cache
def published_schema() -> bytes:
    """The schema of this version, as it was published."""
    return (files("streams") / "schemas" / FILE_NAME).read_bytes()


@cache
def published_schemas() -> dict[str, Json]:
    """Every version of the schema that was published, by its ``$id``."""
    folder = files("streams") / "schemas"
    found = [orjson.loads(path.read_bytes()) for path in folder.iterdir()]
    return {str(schema["$id"]): schema for schema in found}


def schema_of_code() -> Json:
    """The schema that the code says; a test holds the published one against it."""
    block = TypeAdapter(CoincidenceBlock).json_schema(
        mode="serialization", ref_template="#/$defs/{model}"
    )
    defs = block.pop("$defs") | {"CoincidenceBlock": block}
    return {
        "$id": SCHEMA_URL,
        "$schema": DIALECT,
        "title": "Optical counterpart of a multi-messenger event",
        "description": (
            "One revision of a coincidence of an optical object with an event of gamma rays, "
            "X-rays, neutrinos or gravitational waves. A later revision takes the place of an "
            "earlier one of the same id; nothing is ever deleted."
        ),
        "type": "object",
        "allOf": [_core(n) for n in _CORE],
        "properties": {
            "$schema": {"type": "string", "description": "This schema, with its version."},
            **{name: {"type": kind, "description": said} for name, (kind, said) in _TOP.items()},
            "coincidence": {"$ref": "#/$defs/CoincidenceBlock"},
            "data": {"$ref": "#/$defs/Data"},
        },
        "required": [
            "$schema", *(n for n in _TOP if n not in _WHERE_KNOWN), "coincidence", "data",
        ],
        "$defs": {name: _tidy(said) for name, said in sorted(defs.items())} | _DATA,
    }  # fmt: skip


def file_of(schema: Json) -> bytes:
    """A schema as its file has it."""
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _core(name: str) -> Json:
    return {"$ref": f"{GCN_URL}/core/{name}.schema.json"}


_CORE = ("Alert", "Reporter", "Event", "DateTime", "Localization", "FollowUp", "AdditionalInfo")

_TOP = {
    "alert_datetime": ("string", "When this revision was published [UTC, ISO 8601]."),
    "alert_tense": ("string", "current; test for what nobody may act on."),
    "alert_type": ("string", "initial, update (an expiry too), or retraction."),
    "mission": ("string", "Who correlates."),
    "messenger": ("string", "EM: the report is of the optical object."),
    "record_number": ("integer", "The revision; with id it names this notice."),
    "instrument": ("string", "Camera of the survey that saw the object."),
    "event_name": ("array", "The survey's name of the object."),
    "id": ("array", "coincidence_id/case: the same for all revisions, and the record's key."),
    "trigger_time": ("string", "T0 of the event [UTC, ISO 8601]."),
    "observation_start": ("string", "First detection since T0 [UTC, ISO 8601]."),
    "observation_stop": ("string", "Last detection [UTC, ISO 8601]."),
    "ra": ("number", "Right ascension of the object, ICRS [deg]."),
    "dec": ("number", "Declination of the object, ICRS [deg]."),
    "ra_dec_error": ("number", "Radius that holds the object [deg]."),
    "ref_type": ("string", "What the event is: GRB, GW, neutrino ...; the first member's."),
    "ref_instrument": ("string", "Mission of the event; the first member's."),
    "ref_ID": ("string", "The mission's id of the event; the first member's."),
    "additional_info": ("string", "The notice in a line for people."),
}

_WHERE_KNOWN = frozenset(
    {
        "trigger_time", "observation_start", "observation_stop", "ra", "dec", "ra_dec_error",
        "ref_type", "ref_instrument", "ref_ID",
    }
)  # fmt: skip
"""Missing of what is gone when what was last said of it, or its event, is not stored any more."""


def _object(said: str, required: dict[str, Json], optional: dict[str, Json], *core: str) -> Json:
    built_on = {"allOf": [_core(name) for name in core]} if core else {}
    return {
        "description": said,
        "type": "object",
        **built_on,
        "properties": required | optional,
        "required": list(required),
    }


def _list_of(name: str, said: str) -> Json:
    return {"type": "array", "items": {"$ref": f"#/$defs/{name}"}, "description": said}


_TEXT, _NUMBER = {"type": "string"}, {"type": "number"}
_MAYBE_TEXT, _MAYBE_NUMBER = {"type": ["string", "null"]}, {"type": ["number", "null"]}

_DATA: Json = {
    "Data": _object(
        "The object in the words of gcn.notices.boom.alert and of Hermes.",
        {
            "targets": _list_of("Target", "The object."),
            "photometry": _list_of("Photometry", "Its last detection, if it has a magnitude."),
            "extra_data": {"type": "object", "description": "For Hermes: which coincidence."},
        },
        {},
    ),
    "Target": _object(
        "The object: event_name, ra, dec, gcn_crossmatch as BOOM has them; name, epoch, aliases as "
        "Hermes; viable, viability_reason, priority as TOMs call them.",
        {
            "event_name": _TEXT,
            "id": _TEXT,
            "name": _TEXT,
            "aliases": {"type": "array", "items": _TEXT},
            "epoch": _NUMBER,
            "classification_scores": {"type": "object", "additionalProperties": _NUMBER},
            "gcn_crossmatch": {"type": "array", "items": _core("FollowUp")},
            "viable": {"type": "boolean"},
            "viability_reason": _MAYBE_TEXT,
            "priority": _MAYBE_NUMBER,
        },
        {"ra": _NUMBER, "dec": _NUMBER, "ra_dec_error": _NUMBER},
        "Localization",
        "Event",
    ),
    "Photometry": _object(
        "One detection: first as BOOM has it, then as Hermes; date_obs is a Julian date (UTC).",
        {
            "event_name": _TEXT,
            "observation_start": _TEXT,
            "telescope": _TEXT,
            "instrument": _TEXT,
            "filter": _TEXT,
            "mag": _NUMBER,
            "mag_system": _TEXT,
            "target_name": _TEXT,
            "date_obs": _NUMBER,
            "bandpass": _TEXT,
            "brightness": _NUMBER,
            "brightness_unit": _TEXT,
        },
        {},
        "Reporter",
        "Photometry",
        "Event",
        "DateTime",
    ),
}


def _tidy(said: Json) -> Json:
    """A class's schema without titles and defaults, every field required."""
    properties = {
        name: {key: value for key, value in field.items() if key not in {"title", "default"}}
        for name, field in said["properties"].items()
    }
    kept = {"description": said["description"], "type": "object", "properties": properties}
    return kept | {"required": list(properties)}
