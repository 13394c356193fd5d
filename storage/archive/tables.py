"""The two tables of an archive, and the short form in which their rows wait in parts.

A part holds what is known at the gate, in columns that can be sorted: lists as JSON, and of an
alert that passed its canonical JSON. What follows from it is computed when the final files are
made, by the scorers of that day.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from correlator.alert import AB_ZERO_POINT_NJY, Alert
from correlator.features import FEATURES, features_of_many
from correlator.object import object_of
from correlator.scorers import class_of, scores_of_many
from correlator.wire import alerts_of_json, to_json
from storage.archive import NIGHT, SURVIVORS
from storage.archive.alert_columns import COLUMNS, PLAIN, TEXTS, Column, alerts_of, described
from storage.sky_runs import INDEX

KEY = (INDEX, "survey", "alert_id")
"""What a final table is sorted by; no two rows of one have the same survey and id."""

FEATURE_PREFIX = "feature_"


class Judged(NamedTuple):
    """An alert and what the gate said of it.

    Attributes
    ----------
    alert
        In full if it passed; else without its past.
    gate
        Name of the gate's cuts.
    reasons
        Of the rejection; empty if it passed.
    slim
        Canonical JSON of an alert that passed.
    """

    alert: Alert
    gate: str
    reasons: tuple[str, ...]
    slim: bytes | None


_SCORES = pa.map_(
    pa.string(),
    pa.struct(
        [
            pa.field("version", pa.string()),
            pa.field("value", pa.float64()),
            pa.field("reason", pa.string()),
        ]
    ),
)

_GATE = described("gate", pa.string(), "", "name of the gate's cuts")
_PASSED = described("passed", pa.bool_(), "", "whether the gate let the alert through")
_REJECTIONS = described("rejections", TEXTS, "", "rules that it broke; none if it passed")

_DERIVED = (
    described("time", pa.timestamp("us", "UTC"), "", "middle of the exposure, UTC; to 1 us"),
    described("mag_ab", pa.float64(), None, "of a positive difference flux"),
    described("mag_err_ab", pa.float64(), None, "its error, to first order"),
)

_FEATURES = tuple(
    described(FEATURE_PREFIX + name, pa.float64(), meaning.unit, meaning.text)
    for name, meaning in FEATURES.items()
)

_MORE = (
    described("class", pa.string(), "", "what the object looks like from this alert"),
    described("scores", _SCORES, "", "scores by name: version, value or null, reason"),
    *_FEATURES,
)


def _first_the_key(fields: Sequence[pa.Field]) -> pa.Schema:
    by_name = {field.name: field for field in fields}
    return pa.schema([*(by_name.pop(name) for name in KEY), *by_name.values()])


def _sortable(field: pa.Field) -> pa.Field:
    return field.with_type(pa.string()) if field.type == TEXTS else field


SCHEMAS = {
    NIGHT: _first_the_key([*(c.field for c in PLAIN), *_DERIVED, _GATE, _PASSED, _REJECTIONS]),
    SURVIVORS: _first_the_key([*(c.field for c in COLUMNS), *_DERIVED, _GATE, *_MORE]),
}
"""Columns of the final files, by data set."""

PART_SCHEMAS = {
    # A row that passed comes before one that did not.
    NIGHT: _first_the_key([_sortable(_REJECTIONS), *(_sortable(c.field) for c in PLAIN), _GATE]),
    SURVIVORS: _first_the_key(
        [*(c.field for c in PLAIN if c.name in KEY), _GATE, pa.field("alert", pa.binary())]
    ),
}
"""Columns of parts, by data set."""


def part_of(data_set: str, rows: Sequence[Judged]) -> pa.Table:
    """Rows as they wait; of the survivors only those that passed."""
    chosen = rows if data_set == NIGHT else [row for row in rows if not row.reasons]
    alerts = [row.alert for row in chosen]
    schema = PART_SCHEMAS[data_set]
    columns = {c.name: _sortable_column(c, alerts) for c in PLAIN if c.name in schema.names}
    columns["gate"] = pa.array([row.gate for row in chosen], pa.string())
    if data_set == NIGHT:
        columns["rejections"] = pa.array([_as_text(row.reasons) for row in chosen], pa.string())
    else:
        columns["alert"] = pa.array([row.slim or to_json(row.alert) for row in chosen])
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _sortable_column(column: Column, alerts: Sequence[Alert]) -> pa.Array:
    values = column.of(alerts)
    if column.field.type != TEXTS:
        return values
    return pa.array([_as_text(texts) for texts in values.to_pylist()], pa.string())


def _as_text(texts: Sequence[str]) -> str:
    """Texts as one that comes before all others when there are none."""
    return orjson.dumps(texts).decode() if texts else ""


def final_of(data_set: str, part: pa.Table) -> pa.Table:
    """Final rows of rows that waited, in the same order.

    Raises
    ------
    MalformedPacketError
        A survivor is none of our alerts.
    """
    if data_set == NIGHT:
        return _night_of(part)
    if not len(part):
        return SCHEMAS[SURVIVORS].empty_table()
    names = zip(part.column("survey").to_pylist(), part.column("alert_id").to_pylist(), strict=True)
    slims = part.column("alert").to_pylist()
    alerts = alerts_of_json(zip(slims, (f"{s} {i}" for s, i in names), strict=True))
    columns = {c.name: c.of(alerts) for c in COLUMNS}
    columns |= _derived(columns) | _judgements(alerts)
    columns["gate"] = part.column("gate")
    schema = SCHEMAS[SURVIVORS]
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _night_of(part: pa.Table) -> pa.Table:
    columns = {name: part.column(name) for name in part.column_names}
    for field in SCHEMAS[NIGHT]:
        if field.type == TEXTS:
            texts = columns[field.name].to_pylist()
            columns[field.name] = pa.array(
                [orjson.loads(text) if text else [] for text in texts], TEXTS
            )
    columns["passed"] = pc.equal(pc.list_value_length(columns["rejections"]), 0)
    columns |= _derived(columns)
    return pa.table([columns[name] for name in SCHEMAS[NIGHT].names], schema=SCHEMAS[NIGHT])


def waiting_of(data_set: str, final: pa.Table) -> pa.Table:
    """Rows that wait of final ones: the inverse of :func:`final_of`.

    A column that a former release did not have is unknown.
    """
    columns = {name: final.column(name) for name in final.column_names}
    if data_set == NIGHT:
        for field in SCHEMAS[NIGHT]:
            if field.type == TEXTS and field.name in columns:
                texts = columns[field.name].to_pylist()
                columns[field.name] = pa.array([_as_text(each) for each in texts], pa.string())
    else:
        columns["alert"] = pa.array([to_json(alert) for alert in alerts_of(final)], pa.binary())
    return completed(data_set, pa.table(columns))


def completed(data_set: str, part: pa.Table) -> pa.Table:
    """Rows that wait with every column; one that they do not have is unknown."""
    columns = [
        part.column(field.name) if field.name in part.column_names
        else pa.nulls(len(part), field.type)
        for field in PART_SCHEMAS[data_set]
    ]  # fmt: skip
    return pa.table(columns, PART_SCHEMAS[data_set].names).cast(PART_SCHEMAS[data_set])


Columns = dict[str, pa.Array]

_MAG_PER_RELATIVE_ERROR = 2.5 / np.log(10.0)


def _derived(columns: Columns) -> Columns:
    """What is said twice, for readers: the time as a timestamp, the flux as a magnitude."""
    time_us = np.rint(np.asarray(columns["time_unix_s"]) * 1e6).astype(np.int64)
    flux, error = (
        np.asarray(pc.fill_null(columns[name], np.nan)) for name in ("flux_njy", "flux_err_njy")
    )
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mag = AB_ZERO_POINT_NJY - 2.5 * np.log10(flux)
        mag_err = _MAG_PER_RELATIVE_ERROR * error / flux
    positive = flux > 0.0
    return {
        "time": pa.array(time_us).cast(pa.timestamp("us", "UTC")),
        "mag_ab": pa.array(mag, mask=~positive),
        "mag_err_ab": pa.array(mag_err, mask=~(positive & np.isfinite(mag_err))),
    }


def _judgements(alerts: Sequence[Alert]) -> Columns:
    """Class, scores and features of each alert's object by itself."""
    objects = [object_of(alert) for alert in alerts]
    features = features_of_many(objects)
    scores = scores_of_many(objects, features)
    flat = [score for row in scores for score in row.values()]
    ends = np.cumsum([0, *map(len, scores)], dtype=np.int32)
    items = pa.StructArray.from_arrays(
        [
            pa.array([score.version for score in flat], pa.string()),
            pa.array([score.value for score in flat], pa.float64()),
            pa.array([score.reason for score in flat], pa.string()),
        ],
        fields=list(_SCORES.item_type),
    )
    names = pa.array([score.name for score in flat], pa.string())
    classes = [str(class_of(s, f)) for s, f in zip(scores, features, strict=True)]
    columns = {
        "class": pa.array(classes, pa.string()),
        "scores": pa.MapArray.from_arrays(ends, names, items).cast(_SCORES),
    }
    for name in FEATURES:
        values = list(map(attrgetter(name), features))
        columns[FEATURE_PREFIX + name] = pa.array(values, pa.float64())
    return columns
