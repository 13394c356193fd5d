"""Columns that several tables have, of values that they hold whole."""

from __future__ import annotations

from correlator.filters.fields import FIELDS, place_of
from correlator.nature import Verdict, foremost
from correlator.ranking import Coincidence
from skymaps.place import index_29_at
from storage.database import Row

_RENAMED = {"case": "case_name", "event_time": "event_unix_s", "last_time": "last_unix_s"}

COLUMN_OF = {name: _RENAMED.get(name, name) for name in FIELDS}
"""Column of the table ``coincidences`` that holds a field of filters."""

_KEYS = frozenset({"coincidence_id", "event_key", "object_key", "case"})
"""Fields whose columns a revision has though its coincidence is gone."""

UNIT_COLUMNS = "unit_x", "unit_y", "unit_z"
"""Columns of the place on the unit sphere."""

COINCIDENCE_COLUMNS = (
    *(COLUMN_OF[name] for name in FIELDS if name not in _KEYS),
    *UNIT_COLUMNS,
)
"""Columns that :func:`coincidence_columns` gives."""


def coincidence_columns(body: Coincidence | None) -> Row:
    """What filters can ask of a coincidence, by column; all None when it is gone."""
    if body is None:
        return dict.fromkeys(COINCIDENCE_COLUMNS)
    said = {COLUMN_OF[n]: f.take(body) for n, f in FIELDS.items() if n not in _KEYS}
    return said | dict(zip(UNIT_COLUMNS, place_of(body) or (None, None, None), strict=True))


def index_29_of_body(body: Coincidence) -> int | None:
    """Order-29 index of the object's place; None where it has none."""
    obj = body.pair.object
    return None if place_of(body) is None else index_29_at(obj.ra_deg, obj.dec_deg)


def nature_columns(verdicts: tuple[Verdict, ...]) -> Row:
    """The foremost verdict, for queries: ``nature`` and the packet's field that says so."""
    said = foremost(verdicts)
    return {
        "nature": None if said is None else str(said.nature),
        "nature_field": None if said is None else said.field,
    }
