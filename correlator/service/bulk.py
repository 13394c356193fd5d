"""Whole lists as files, of any length in flat memory: which rows, and how they are laid out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from correlator.audience import Reader
from correlator.errors import ConfigurationError
from correlator.service.alert_row import alert_row
from correlator.service.api.columns import (
    ALERTS,
    COINCIDENCES,
    EVENTS,
    NOTICES,
    OBJECTS,
    PAIRS,
    TARGETS,
    Column,
    Columns,
    Kind,
    Row,
)
from correlator.service.api.formats import Format
from correlator.service.api.notices import notice_row
from correlator.service.api.objects import object_row
from correlator.service.api.pairs import record_row
from correlator.service.api.tables import streamed, table_of
from correlator.service.api.targets import listed_row
from correlator.service.rows import event_row, revision_row
from skymaps.healpix import Positions
from storage.search.page import Page
from storage.search.walks import STREAM_ROWS, batches_of
from storage.store import Store

HEALPIX = Column("_healpix_29", Kind.INT, "Order-29 NESTED HEALPix index of the place")
"""As HATS calls it, so that its importer takes the files as they are."""

NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"
"""Hive's name of the folder of rows without a date."""

MOST_WAITING = 16_384
"""Rows that are in memory, with a batch more, until a file of those of one day is written."""

MOST_OF_A_TABLE = 200_000
"""Rows of an ECSV or a VOTable, which are made in memory."""

FORMATS = {
    "jsonl": Format.NDJSON,
    "csv": Format.CSV,
    "parquet": Format.PARQUET,
    "ecsv": Format.ECSV,
    "votable": Format.VOTABLE,
}
_SUFFIX = {"votable": "xml"}

Question = dict[str, Any]
Batches = Iterator[Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Noun:
    """A list that can be exported.

    Attributes
    ----------
    rows
        Batches of its rows for a reader and a question.
    takes
        What can be asked of it.
    date
        Column of the time that it is in order of, whose day is the partition; None for one in
        another order, which is not divided.
    """

    name: str
    columns: Columns
    rows: Callable[[Store, Reader, Question], Batches]
    takes: frozenset[str]
    date: str | None

    @property
    def has_place(self) -> bool:
        """Whether its rows are somewhere on the sky."""
        return any(column.name == "ra_deg" for column in self.columns)


class Written(NamedTuple):
    """What an export has written."""

    n_rows: int
    files: list[Path]


def _paged(page: Callable[..., Page[Any]], row: Callable[[Any], Row]) -> Any:
    """Batches of a list that is read page by page."""

    def rows(store: Store, reader: Reader, question: Question) -> Batches:
        found = batches_of(
            lambda after: page(store.search, reader, after=after, limit=STREAM_ROWS, **question)
        )
        return ([row(one) for one in batch] for batch in found)

    return rows


def _noun(
    name: str,
    columns: Columns,
    page: Callable[..., Page[Any]],
    row: Callable[[Any], Row],
    takes: Iterable[str],
    date: str | None,
) -> Noun:
    return Noun(name, columns, _paged(page, row), frozenset(takes), date)


_TIME = ("since_unix_s", "until_unix_s")

NOUNS = {
    noun.name: noun
    for noun in (
        _noun(
            "coincidences", COINCIDENCES, lambda search, *a, **q: search.coincidences(*a, **q),
            revision_row,
            (*_TIME, "event_since_unix_s", "event_until_unix_s", "event_key", "object_key", "case",
             "tree", "region", "is_current"),
            "published_time",
        ),
        _noun(
            "objects", OBJECTS, lambda search, *a, **q: search.objects(*a, **q), object_row,
            (*_TIME, "region"), None,
        ),
        _noun(
            "alerts", ALERTS, lambda search, *a, **q: search.alerts(*a, **q), alert_row,
            (*_TIME, "region", "object_key"), None,
        ),
        _noun(
            "events", EVENTS, lambda search, *a, **q: search.events(*a, **q), event_row,
            (*_TIME, "mission"), "event_time",
        ),
        _noun(
            "notices", NOTICES, lambda search, *a, **q: search.notices(*a, **q), notice_row,
            (*_TIME, "mission", "event_key"), "received_time",
        ),
        _noun(
            "targets", TARGETS, lambda search, *a, **q: search.targets(*a, **q), listed_row,
            ("case", "object_key", "region"), None,
        ),
        _noun(
            "pairs", PAIRS, lambda search, *a, **q: search.pairs(*a, **q), record_row,
            ("event_key", "object_key"), None,
        ),
    )
}  # fmt: skip
"""Lists by name."""


def chosen_columns(noun: Noun, named: Sequence[str] | None) -> Columns:
    """Columns of some names, in their order; all of them if none are named.

    Raises
    ------
    ConfigurationError
        There is none of that name.
    """
    if named is None:
        return noun.columns
    known = {column.name: column for column in noun.columns}
    for name in named:
        if name not in known:
            raise ConfigurationError(f"column {name}: {noun.name} have {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(named))


def export_rows(
    noun: Noun,
    batches: Batches,
    columns: Columns,
    form: str,
    out: Path,
    *,
    date: str | None = None,
    is_narrow: bool = False,
) -> Written:
    """Write rows as a file ``NOUN.FORM`` of a folder, or as files of Parquet in a folder ``NOUN``.

    A file that is there from before is replaced, once all is written; a folder is not.

    Parameters
    ----------
    date
        Column whose day divides Parquet into folders ``date=DAY``.
    is_narrow
        Whether JSON, too, has the columns alone and not the whole rows.

    Raises
    ------
    ConfigurationError
        More rows than a format that is made in memory may have, or a folder is in the way.
    """
    if form == "parquet":
        return _partitioned(noun, batches, columns, out, date)
    path = out / f"{noun.name}.{_SUFFIX.get(form, form)}"
    part = path.with_name(f"{path.name}.part")
    counted = _Counted(batches)
    try:
        with part.open("wb") as file:
            for content in _contents(counted, columns, form, is_narrow=is_narrow):
                file.write(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return Written(counted.n_rows, [path])


class _Counted:
    """Batches, and how many rows they had so far."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self.n_rows = 0

    def __iter__(self) -> Batches:
        for batch in self._batches:
            self.n_rows += len(batch)
            yield batch


def _contents(
    batches: Iterable[Sequence[Row]], columns: Columns, form: str, *, is_narrow: bool
) -> Iterator[bytes]:
    if form == "jsonl" and is_narrow:
        narrow = ([_narrowed(row, columns) for row in batch] for batch in batches)
        yield from streamed(narrow, columns, FORMATS[form])
    elif form in ("jsonl", "csv"):
        yield from streamed(batches, columns, FORMATS[form])
    else:
        rows: list[Row] = []
        for batch in batches:
            rows += batch
            if len(rows) > MOST_OF_A_TABLE:
                rule = f"has at most {MOST_OF_A_TABLE} rows: take parquet or csv"
                raise ConfigurationError(f"a file of {form} {rule}")
        yield table_of(rows, columns, FORMATS[form])


def _narrowed(row: Row, columns: Columns) -> Row:
    return {column.name: column.values([row])[0] for column in columns}


def _partitioned(
    noun: Noun, batches: Batches, columns: Columns, out: Path, date: str | None
) -> Written:
    """Parquet files below ``NOUN``, each of a day, or of part of one."""
    folder = out / noun.name
    if folder.exists():
        raise ConfigurationError(f"{folder}: is there already, and is not replaced")
    part = out / f"{noun.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    parts = _Parts(part, (*columns, HEALPIX) if noun.has_place else columns, date)
    try:
        for batch in batches:
            rows = _placed(batch) if noun.has_place else list(batch)
            parts.add(rows)
        parts.write_all()
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Written(parts.n_rows, [folder / name for name in parts.names])


def _placed(batch: Sequence[Row]) -> list[Row]:
    """Rows with the cell of their place; null where they have none."""
    places = [(row.get("ra_deg"), row.get("dec_deg")) for row in batch]
    known = [n for n, (ra, dec) in enumerate(places) if ra is not None and dec is not None]
    made = [row | {HEALPIX.name: None} for row in batch]
    if known:
        at = np.array([places[n] for n in known], dtype=np.float64)
        for n, index in zip(known, Positions.of(at[:, 0], at[:, 1]).index_29, strict=True):
            made[n][HEALPIX.name] = int(index)
    return made


class _Parts:
    """Rows that wait for the file of their day."""

    def __init__(self, folder: Path, columns: Columns, date: str | None) -> None:
        self._folder, self._columns, self._date = folder, columns, date
        self._waiting: dict[str | None, list[Row]] = {}
        self._n_waiting = 0
        self.n_rows = 0
        self.names: list[str] = []

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            said = None if self._date is None else row.get(self._date)
            self._waiting.setdefault(None if said is None else said[:10], []).append(row)
        self._n_waiting += len(rows)
        while self._n_waiting > MOST_WAITING:
            self._write(max(self._waiting, key=lambda day: len(self._waiting[day])))

    def write_all(self) -> None:
        for day in sorted(self._waiting, key=str):
            self._write(day)

    def _write(self, day: str | None) -> None:
        rows = self._waiting.pop(day)
        self._n_waiting -= len(rows)
        name = f"part-{len(self.names):05}.parquet"
        if self._date is not None:
            name = f"date={day or NO_PARTITION}/{name}"
        path = self._folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            for content in streamed([rows], self._columns, Format.PARQUET):
                file.write(content)
        self.n_rows += len(rows)
        self.names.append(name)


def manifest(noun: Noun, written: Written, asked: dict[str, Any], out: Path) -> bytes:
    """What was exported, as JSON: the question, the rows, the files."""
    files = [str(path.relative_to(out)) for path in written.files]
    said = {"list": noun.name, "asked": asked, "n_rows": written.n_rows, "files": files}
    return orjson.dumps(said, option=orjson.OPT_INDENT_2)
