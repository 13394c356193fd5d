"""The formats of lists, and which one a request wants."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from fastapi import Request

from correlator.service.api.problems import bad_parameter


class Format(StrEnum):
    """How a list is written."""

    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    ECSV = "ecsv"
    VOTABLE = "votable"
    PARQUET = "parquet"
    TOM_CSV = "tom-csv"


MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.NDJSON: "application/x-ndjson",
    Format.CSV: "text/csv",
    Format.ECSV: "text/x-ecsv",
    Format.VOTABLE: "application/x-votable+xml",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.TOM_CSV: "text/csv",
}

TABLES = frozenset(Format) - {Format.TOM_CSV}
"""What every list can be written as."""

WITH_TOM = frozenset(Format)
"""The same, and the file that a TOM imports as targets."""

STREAMED = frozenset({Format.NDJSON, Format.CSV, Format.PARQUET})
"""Those that hold a whole list of any length, row after row."""

_OF_MEDIA_TYPE = {
    media_type: form for form, media_type in MEDIA_TYPES.items() if form is not Format.TOM_CSV
} | {"application/vnd.apache.votable": Format.VOTABLE, "text/xml": Format.VOTABLE}

_SUFFIX = {Format.VOTABLE: "xml", Format.TOM_CSV: "csv"}


def format_of(request: Request, named: Format | None, known: Collection[Format]) -> Format:
    """The format that a request names, or else the first of its header ``Accept`` that we have.

    Raises
    ------
    Problem
        400, where this list has no such format.
    """
    if named is not None:
        if named not in known:
            said = ", ".join(sorted(known))
            raise bad_parameter("format", f"it must be one of {said}", named)
        return named
    for one in request.headers.get("accept", "").split(","):
        form = _OF_MEDIA_TYPE.get(one.partition(";")[0].strip().lower())
        if form is not None and form in known:
            return form
    return Format.JSON


def content_type(form: Format) -> str:
    """Header ``Content-Type``."""
    said = MEDIA_TYPES[form]
    return f"{said}; charset=utf-8" if said.startswith("text/") else said


def file_name(noun: str, form: Format) -> str:
    """What a browser calls the file."""
    return f"{noun}.{_SUFFIX.get(form, str(form))}"
