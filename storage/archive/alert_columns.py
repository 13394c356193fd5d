"""The fields of an alert as columns, and back; they follow from the dataclasses of the alert.

A number, a text or a truth of the alert, of its own detection, of its quality or of its
surroundings is a column of the same name; a tuple of texts is a list. A tuple of flat records, such
as the history, is a struct of lists, field by field, which nested-pandas takes for a light curve; a
tuple of deeper ones is a list of structs. A field that an alert gets is a column that the archive
gets.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from correlator.alert import Alert
from storage.sky_runs import INDEX

T = TypeVar("T")

_KINDS: dict[object, pa.DataType] = {
    str: pa.string(),
    float: pa.float64(),
    int: pa.int64(),
    bool: pa.bool_(),
}

TEXTS = pa.list_(pa.string())

_RENAMED = {"index_29": INDEX}

_UNITS = {
    "_unix_s": "s since 1970-01-01T00:00:00 UTC",
    "_s": "s",
    "_deg": "deg",
    "_arcsec": "arcsec",
    "_njy": "nJy",
    "_px": "pixel",
    "mag_ab": "mag AB",
    "mag_err_ab": "mag",
    "mag_difference": "mag",
    "n_sigma": "sigma",
}
"""Units by the end of a name; the first that fits."""

_MEANINGS = {
    INDEX: "order-29 NESTED HEALPix index of the position",
    "survey": "ztf or lsst",
    "schema_version": "version of the packet's schema",
    "alert_id": "the survey's id of the alert: candid, diaSourceId",
    "object_id": "the survey's id of the object: objectId, diaObjectId, sso and ssObjectId",
    "ra_deg": "right ascension of this detection, ICRS",
    "dec_deg": "declination of this detection, ICRS",
    "exposure_s": "length of the exposure",
    "source_id": "the survey's id of the measurement",
    "time_unix_s": "middle of the exposure",
    "band": "u g r i z y",
    "flux_njy": "difference flux, negative where fainter than the template",
    "flux_err_njy": "its error",
    "survey_first_unix_s": "beginning of the object's history, as the survey counts (jdstarthist)",
    "real_bogus": "0 bogus to 1 real: ZTF drb, else rb; LSST reliability",
    "real_bogus_forest": "ZTF rb",
    "snr": "signal-to-noise ratio that the survey says",
    "n_bad_pixels": "bad pixels of the stamp",
    "fwhm_px": "width",
    "elongation": "ratio of the axes",
    "mag_difference": "aperture minus PSF magnitude",
    "flags": "names of the survey's flags that are set",
    "solar_system_name": "nearest known Solar System object",
    "solar_system_sep_arcsec": "its distance",
    "star_score": "0 galaxy to 1 star: the nearest reference source",
    "star_sep_arcsec": "its distance",
    "gaia_sep_arcsec": "distance of the nearest Gaia source",
    "history": "earlier measurements of the object, by time",
    "limits": "exposures of the place that showed nothing, by time",
    "forced": "forced photometry at the object's place, by time",
    "tags": "what each catalogue that was asked has near the position",
    "audience": "tags of those who may read it; none at all is public",
}


def described(name: str, kind: pa.DataType, unit: str | None = None, text: str = "") -> pa.Field:
    """A column with its unit and meaning in the metadata, where there are any."""
    known = next((u for end, u in _UNITS.items() if name.endswith(end)), "")
    said = {"unit": known if unit is None else unit, "description": text or _MEANINGS.get(name, "")}
    return pa.field(name, kind, metadata={key: value for key, value in said.items() if value})


@dataclass(frozen=True, slots=True)
class Column:
    """One field of an alert, or of a record that every alert has one of.

    Attributes
    ----------
    field
        Name, kind, unit and meaning.
    path
        Where it is: ``quality.real_bogus``.
    record
        Type of the flat records of a tuple; None for anything else.
    nested
        Type of a tuple of deeper records; None for anything else.
    """

    field: pa.Field
    path: str
    record: type | None = None
    nested: Any = None

    @property
    def name(self) -> str:
        """Of the column."""
        return str(self.field.name)

    def of(self, alerts: Sequence[Alert]) -> pa.Array:
        """The column of some alerts."""
        values = list(map(attrgetter(self.path), alerts))
        if self.nested is not None:
            values = [msgspec.to_builtins(each) for each in values]
        if self.record is None:
            return pa.array(values, self.field.type)
        ends = np.cumsum([0, *map(len, values)], dtype=np.int32)
        flat = [record for records in values for record in records]
        lists = [
            pa.ListArray.from_arrays(
                ends, pa.array(list(map(attrgetter(part.name), flat)), part.type.value_type)
            )
            for part in self.field.type
        ]
        return pa.StructArray.from_arrays(lists, fields=list(self.field.type))

    def values(self, column: pa.ChunkedArray) -> list[Any]:
        """What the alerts had; a list that is unknown is of a release that did not have it."""
        values: list[Any] = column.to_pylist()
        if self.nested is not None:
            return [msgspec.convert(each or (), self.nested) for each in values]
        if self.record is not None:
            return [
                tuple(self.record(*row) for row in zip(*lists.values(), strict=True))
                if lists
                else ()
                for lists in values
            ]
        if self.field.type == TEXTS:
            return [tuple(each or ()) for each in values]
        return values


def _columns_of(kind: type, before: str = "") -> list[Column]:
    hints = typing.get_type_hints(kind)
    found: list[Column] = []
    for each in fields(kind):
        hint, path = hints[each.name], before + each.name
        if is_dataclass(hint) and isinstance(hint, type):
            found += _columns_of(hint, f"{path}.")
            continue
        name = _RENAMED.get(each.name, each.name)
        item = _item_of(hint)
        if isinstance(item, type) and is_dataclass(item):
            found.append(_column_of_records(name, path, item, hint))
        else:
            found.append(Column(described(name, _arrow_of(hint, path)), path))
    return found


def _column_of_records(name: str, path: str, item: type, hint: Any) -> Column:
    columns = _columns_of(item)
    if any(pa.types.is_nested(c.field.type) for c in columns):
        return Column(described(name, _arrow_of(hint, path)), path, nested=hint)
    parts = [c.field.with_type(pa.list_(c.field.type)) for c in columns]
    return Column(described(name, pa.struct(parts)), path, record=item)


def _arrow_of(hint: Any, path: str) -> pa.DataType:
    """The type of a column by that of a field; a tuple of names with values is a map."""
    if isinstance(hint, types.UnionType):  # T | None
        [hint] = [part for part in typing.get_args(hint) if part is not types.NoneType]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return pa.string()
    if hint in _KINDS:
        return _KINDS[hint]
    if isinstance(hint, type) and is_dataclass(hint):
        known = typing.get_type_hints(hint)
        return pa.struct(
            [described(f.name, _arrow_of(known[f.name], f"{path}.{f.name}")) for f in fields(hint)]
        )
    item = _item_of(hint)
    if typing.get_origin(item) is tuple and len(typing.get_args(item)) == 2:
        return pa.map_(*(_arrow_of(part, path) for part in typing.get_args(item)))
    if item is not None:
        return pa.list_(_arrow_of(item, path))
    raise TypeError(f"{path}: a field of the kind {hint} has no column")


def _item_of(hint: Any) -> Any:
    """Of what a tuple of any length is; None for anything else."""
    args = typing.get_args(hint)
    is_tuple = typing.get_origin(hint) is tuple and len(args) == 2 and args[1] is Ellipsis
    return args[0] if is_tuple else None


COLUMNS: tuple[Column, ...] = tuple(_columns_of(Alert))
"""Every field of an alert, in the order of the dataclasses."""

PLAIN: tuple[Column, ...] = tuple(c for c in COLUMNS if c.record is None and c.nested is None)
"""Those that are no tuples of records: what stands in a packet before its past."""


def alerts_of(table: pa.Table) -> list[Alert]:
    """The alerts of rows; a field whose column a former release did not have is as by default.

    Raises
    ------
    TypeError
        A column is missing without which there is no alert.
    """
    known = [column for column in COLUMNS if column.name in table.column_names]
    by_path = {column.path: column.values(table.column(column.name)) for column in known}
    return _records(Alert, "", by_path)


def _records(kind: type[T], before: str, by_path: dict[str, list[Any]]) -> list[T]:
    hints = typing.get_type_hints(kind)
    columns: dict[str, list[Any]] = {}
    for each in fields(kind):  # type: ignore[arg-type]
        path = before + each.name
        if path in by_path:
            columns[each.name] = by_path[path]
        elif any(known.startswith(f"{path}.") for known in by_path):
            columns[each.name] = _records(hints[each.name], f"{path}.", by_path)
    rows = zip(*columns.values(), strict=True)
    return [kind(**dict(zip(columns, row, strict=True))) for row in rows]
