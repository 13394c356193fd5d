"""Rows of a published catalogue as entries of ours, and which of them break a rule."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from skymaps.healpix import index_29_of
from storage.catalogs.mapping import Mapping, Names
from storage.catalogs.tables import Chunk, chosen
from storage.sky_runs import INDEX

FIXED = (INDEX, "ra_deg", "dec_deg", "object_id", "type", "sky_class")
"""Columns of every catalogue; the numbers of its mapping follow."""

MAX_TEXT_LENGTH = 200
"""Longest name or type of an entry [characters], as of texts in packets: they travel in alerts, and
no record may have a text of more than 1,000 or a NUL."""

_SEXAGESIMAL = re.compile(r"\s*([+-]?)(\d{1,3})[ :]+(\d{1,2})[ :]+(\d{1,2}(?:\.\d*)?)\s*")


@dataclass
class Refused:
    """Rows that were not taken, by the rule that they break, each with the first of them.

    Attributes
    ----------
    n_rows
        How many, by rule.
    first
        The first one: file, row, value.
    """

    n_rows: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, rule: str, example: str, n_rows: int = 1) -> None:
        """Some more rows that break a rule."""
        self.n_rows[rule] += n_rows
        self.first.setdefault(rule, example[:200])

    @property
    def total(self) -> int:
        """All of them."""
        return self.n_rows.total()


def schema_of(mapping: Mapping) -> pa.Schema:
    """Columns of a catalogue that is read by a mapping."""
    kinds = (pa.int64(), pa.float64(), pa.float64(), pa.string(), pa.string(), pa.string())
    fixed = [pa.field(name, kind) for name, kind in zip(FIXED, kinds, strict=True)]
    return pa.schema([*fixed, *(pa.field(name, pa.float64()) for name in mapping.values)])


def entries_of(chunk: Chunk, mapping: Mapping, path: Path, refused: Refused) -> pa.Table:
    """Entries of the rows of a chunk, in its order; rows that break a rule are told and left out.

    An unreadable number other than a coordinate is unknown, and told as ``unreadable``; the row
    stays.
    """
    ra_deg, dec_deg = _coordinates(chunk, mapping)
    type_name = _type(chunk, mapping)
    kept = _kept(chunk, path, ra_deg, dec_deg, type_name, mapping, refused)
    at = np.flatnonzero(kept)
    ra, dec = np.mod(ra_deg[at], 360.0), dec_deg[at]
    ra[ra == 360.0] = 0.0  # a tiny negative one, rounded
    types = type_name.take(pa.array(at))
    class_of = {word: mapping.class_of(word) for word in types.unique().to_pylist()}
    columns = [
        pa.array(index_29_of(ra, dec)),
        pa.array(ra),
        pa.array(dec),
        _ids(chunk, mapping, at, ra, dec),
        types,
        pa.array([class_of[word] for word in types.to_pylist()], pa.string()),
    ]
    columns += [
        _value(chunk, name, mapping, path, refused).take(pa.array(at)) for name in mapping.values
    ]
    return pa.table(columns, schema=schema_of(mapping))


def _kept(
    chunk: Chunk,
    path: Path,
    ra_deg: NDArray[np.float64],
    dec_deg: NDArray[np.float64],
    type_name: pa.Array,
    mapping: Mapping,
    refused: Refused,
) -> NDArray[np.bool_]:
    finite = np.isfinite(ra_deg) & np.isfinite(dec_deg)
    with np.errstate(invalid="ignore"):
        checks = (
            ("ra and dec must be numbers", finite),
            ("ra must lie in [-360, 360] deg", ~finite | (np.abs(ra_deg) <= 360.0)),
            ("dec must lie in [-90, 90] deg", ~finite | (np.abs(dec_deg) <= 90.0)),
            ("its type says that it is none", _is_one(type_name, mapping)),
            (_TEXT_RULE, _can_travel(_trimmed(chunk, mapping.id)) & _can_travel(type_name)),
        )
    kept = np.ones(len(chunk), dtype=bool)
    for rule, holds in checks:
        broken = np.flatnonzero(kept & ~holds)
        if len(broken):
            refused.add(rule, _said(chunk, path, mapping, int(broken[0])), len(broken))
        kept &= holds
    return kept


_TEXT_RULE = f"its name and type must have at most {MAX_TEXT_LENGTH} printable characters"


def _can_travel(texts: pa.Array) -> NDArray[np.bool_]:
    control = pc.match_substring_regex(texts, r"\p{C}")
    broken = pc.or_(control, pc.greater(pc.utf8_length(texts), MAX_TEXT_LENGTH))
    return ~np.asarray(pc.fill_null(broken, False), dtype=bool)


def _said(chunk: Chunk, path: Path, mapping: Mapping, row: int) -> str:
    """A row as a person finds it again."""
    names = (
        chosen(names, list(chunk.columns)) for names in (mapping.ra, mapping.dec, mapping.type)
    )
    values = [f"{name}={chunk.columns[name][row].as_py()!r}" for name in names if name is not None]
    return f"{path.name}, row {chunk.first_row + row}: {', '.join(values)}"


def _is_one(type_name: pa.Array, mapping: Mapping) -> NDArray[np.bool_]:
    if not mapping.left_out:
        return np.ones(len(type_name), dtype=bool)
    left_out = pc.is_in(type_name, value_set=pa.array(sorted(mapping.left_out)))
    return np.asarray(~np.asarray(left_out, dtype=bool))


def _coordinates(chunk: Chunk, mapping: Mapping) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Right ascension and declination [deg]; NaN for what is no number."""
    found = []
    for names, unit_deg in ((mapping.ra, 15.0), (mapping.dec, 1.0)):
        column = _column(chunk, names)
        values, _ = _numbers(column)
        if mapping.angle_unit == "rad":
            values = np.degrees(values)
        if mapping.sexagesimal and pa.types.is_string(column.type):
            for row in np.flatnonzero(~np.isfinite(values)).tolist():
                values[row] = _sexagesimal_deg(column[row].as_py(), unit_deg)
        for number in mapping.missing:
            values[values == number] = np.nan
        found.append(values)
    return found[0], found[1]


def _sexagesimal_deg(text: str | None, unit_deg: float) -> float:
    """Degrees of "12 34 56.7", hours or degrees by the unit; NaN for anything else."""
    match = _SEXAGESIMAL.fullmatch(text or "")
    if match is None:
        return math.nan
    sign, whole, minutes, seconds = match.groups()
    value = int(whole) + int(minutes) / 60.0 + float(seconds) / 3600.0
    return unit_deg * (-value if sign == "-" else value)


def _type(chunk: Chunk, mapping: Mapping) -> pa.Array:
    return _trimmed(chunk, mapping.type)


def _trimmed(chunk: Chunk, names: Names) -> pa.Array:
    """The texts of a column, null where there is none."""
    name = chosen(names, list(chunk.columns))
    if name is None:
        return pa.nulls(len(chunk), pa.string())
    trimmed = pc.utf8_trim_whitespace(_strings(chunk.columns[name]))
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _ids(
    chunk: Chunk,
    mapping: Mapping,
    at: NDArray[np.int64],
    ra_deg: NDArray[np.float64],
    dec_deg: NDArray[np.float64],
) -> pa.Array:
    """Names of entries; those without one are named by their place."""
    places = [f"{ra:.6f}{dec:+.6f}" for ra, dec in zip(ra_deg, dec_deg, strict=True)]
    name = chosen(mapping.id, list(chunk.columns))
    if name is None:
        return pa.array(places, pa.string())
    trimmed = pc.utf8_trim_whitespace(_strings(chunk.columns[name].take(pa.array(at))))
    named = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
    return pc.coalesce(named, pa.array(places, pa.string()))


def _value(chunk: Chunk, name: str, mapping: Mapping, path: Path, refused: Refused) -> pa.Array:
    """Numbers of a value in our unit; null for what is not known."""
    how = mapping.values[name]
    known = list(chunk.columns)
    if chosen(how.column, known) is None or (how.over and chosen(how.over, known) is None):
        return pa.nulls(len(chunk), pa.float64())
    column = _column(chunk, how.column)
    values, unreadable = _numbers(column)
    if len(unreadable):
        row = int(unreadable[0])
        example = f"{path.name}, row {chunk.first_row + row}: {column[row].as_py()!r}"
        refused.add(f"unreadable: {name} must be a number", example, len(unreadable))
    for number in mapping.missing:
        values[values == number] = np.nan
    values *= how.scale
    if how.over:
        below, _ = _numbers(_column(chunk, how.over))
        below[below == 0.0] = np.nan
        values /= below
    return pa.array(values, mask=~np.isfinite(values))


def _column(chunk: Chunk, names: Names) -> pa.Array:
    return chunk.columns[next(name for name in names if name in chunk.columns)]


def _strings(column: pa.Array) -> pa.Array:
    if pa.types.is_floating(column.type) and column.null_count == 0:
        whole = pc.all(pc.equal(column, pc.floor(column))).as_py()
        if whole and pc.max(pc.abs(column)).as_py() < 2.0**53:
            column = pc.cast(column, pa.int64())  # an id that went through a table of floats
    return pc.cast(column, pa.string())


def _numbers(column: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Numbers of a column, NaN where there is none, and the rows whose text is none."""
    none = np.empty(0, dtype=np.int64)
    try:
        numbers = pc.cast(column, pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        texts = pc.cast(column, pa.string()).to_pylist()
        values = np.array([_number(text) for text in texts], dtype=np.float64)
        said = np.array([text is not None and text.strip() != "" for text in texts], dtype=bool)
        return values, np.flatnonzero(said & np.isnan(values))
    filled = numbers.fill_null(math.nan)
    return np.array(filled.to_numpy(zero_copy_only=False), dtype=np.float64), none


def _number(text: str | None) -> float:
    try:
        return float(text) if text is not None else math.nan
    except ValueError:
        return math.nan
