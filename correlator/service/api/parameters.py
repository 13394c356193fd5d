"""What lists can be asked for, each parameter with its rule; others are refused by name."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from correlator.filters import Filter, read_filter
from correlator.filters.preset import presets
from correlator.service.api.formats import Format
from correlator.wire import MAX_ID_LENGTH

MAX_ROWS = 10_000
"""Rows of a page."""

PAGE_ROWS = 1_000
"""Rows of a page of which nobody says how many."""

MAX_MOC_LENGTH = 16_384
"""Longest MOC in a query [characters]; a longer one goes through `event` and `credible`."""

MAX_FILTER_LENGTH = 8_192
"""Longest filter in a query [characters]."""


def _unix_s(said: object) -> object:
    if not isinstance(said, str):
        return said
    try:
        when = datetime.fromisoformat(said.upper())
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("a time in ISO 8601 such as 2026-10-01T00:00:00Z") from None


def _of_a_year(said: float) -> float:
    """A time that can be written: of the years 1 to 9999, UTC."""
    if not _FIRST_UNIX_S <= said <= _LAST_UNIX_S:
        raise ValueError("a time of the years 1 to 9999, UTC")
    return said


_FIRST_UNIX_S = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_LAST_UNIX_S = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


def _numbers_of_box(said: str) -> str:
    parts = said.split(",")
    if len(parts) != 4 or not all(_NUMBER.fullmatch(part.strip()) for part in parts):
        raise ValueError("four numbers with commas: ra_min,ra_max,dec_min,dec_max")
    return said


_NUMBER = re.compile(r"[+-]?\d{1,4}(\.\d{0,20})?")
_BOX_PATTERN = r"^\s*[+-]?\d{1,4}(\.\d{0,20})?\s*(,\s*[+-]?\d{1,4}(\.\d{0,20})?\s*){3}$"

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH)]
"""An id or a key."""

UtcTime = Annotated[
    float,
    BeforeValidator(_unix_s),
    AfterValidator(_of_a_year),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-10-01T00:00:00Z"]}),
]
"""A time in ISO 8601, UTC unless it says otherwise, as seconds since the Unix epoch."""


class Paging(BaseModel):
    """How much of a list, and how it is written."""

    model_config = ConfigDict(extra="forbid")

    limit: int | None = Field(
        None,
        ge=1,
        le=MAX_ROWS,
        description=f"Rows of a page; {PAGE_ROWS} by default. Without it csv, ndjson and parquet "
        "hold the whole list.",
    )
    cursor: str | None = Field(None, description="`next` of the page before; the rest as there.")
    format: Format | None = Field(None, description="Before the header Accept; json by default.")

    def asked(self) -> dict[str, object]:
        """What the pages are of: all but how much of it, and how it is written."""
        return self.model_dump(exclude={"limit", "cursor", "format"}, exclude_none=True)


class Timed(Paging):
    """A half-open time."""

    since: UtcTime | None = Field(None, description="At this time or later.")
    until: UtcTime | None = Field(None, description="Before this time.")


class Placed(BaseModel):
    """One region of the sky: a cone, a box, a MOC, or a credible region of an event."""

    ra: float | None = Field(
        None, ge=0.0, le=360.0, allow_inf_nan=False, description="Centre of a cone [deg]."
    )
    dec: float | None = Field(
        None, ge=-90.0, le=90.0, allow_inf_nan=False, description="Centre of a cone [deg]."
    )
    radius: float | None = Field(
        None, ge=0.0, le=180.0, allow_inf_nan=False, description="Radius of a cone [deg]."
    )
    box: Annotated[str, AfterValidator(_numbers_of_box)] | None = Field(
        None,
        max_length=200,
        description="ra_min,ra_max,dec_min,dec_max [deg], eastward through 0.",
        json_schema_extra={"pattern": _BOX_PATTERN},
        examples=["350,10,-5,5"],
    )
    moc: str | None = Field(
        None,
        max_length=MAX_MOC_LENGTH,
        description="A MOC in ASCII or JSON.",
        examples=["3/8-11,40"],
    )
    event: Id | None = Field(None, description="Key or id of an event.", examples=["S230518h"])
    credible: float | None = Field(
        None, gt=0.0, le=1.0, description="Inside that credible region of `event`."
    )


class Filtered(BaseModel):
    """A choice in the filter language."""

    filter: str | None = Field(
        None,
        max_length=MAX_FILTER_LENGTH,
        description="A filter as text or JSON, or a preset: docs/operations/filters.md.",
        examples=["log_lr >= 5 and last_mag_ab < 20"],
    )

    def tree(self) -> Filter | None:
        """The filter that is said.

        Raises
        ------
        FilterError
            Says where and why it is none.
        """
        return None if self.filter is None else filter_of(self.filter)


def filter_of(said: str) -> Filter:
    """The filter of a preset's name, or of the words themselves.

    Raises
    ------
    FilterError
        Says where and why it is none.
    """
    preset = presets().get(said)
    return read_filter(said) if preset is None else preset.filter
