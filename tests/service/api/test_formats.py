"""Every format of every list, read by the tools of whoever asks for it."""

import csv
import io
import tracemalloc

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.io.misc import parquet
from astropy.io.votable import parse_single_table
from astropy.table import Table
from mocpy import MOC

from correlator.service.api import tables
from correlator.service.api.columns import (
    ALERTS,
    COINCIDENCES,
    EVENTS,
    LIGHT_CURVE,
    NOTICES,
    OBJECTS,
    PAIRS,
    TARGETS,
    Column,
    Columns,
    Kind,
)
from correlator.service.api.formats import Format
from correlator.service.api.tables import csv_of, streamed, table_of
from skymaps.fits import read_sky_map
from tests.service.api.filling import EVENT, OBJECT, localization_of

LISTS = {
    "coincidences?current=false&": COINCIDENCES,
    "targets?state=all&": TARGETS,
    "pairs?": PAIRS,
    "events?": EVENTS,
    "notices?": NOTICES,
    "objects?": OBJECTS,
    "alerts?": ALERTS,
    f"objects/{OBJECT}/lightcurve?": LIGHT_CURVE,
}
TABLES = {
    Format.CSV: "ascii.csv",
    Format.ECSV: "ascii.ecsv",
    Format.VOTABLE: "votable",
    Format.PARQUET: "parquet",
}


def read(form: Format, content: bytes, columns: Columns) -> Table:
    """What Astropy reads of a table; of a CSV it is told what is text, for ids may be digits."""
    if form is Format.CSV:
        texts = {c.name: str for c in columns if c.kind in {Kind.TEXT, Kind.TIME}}
        return Table.read(content.decode(), format="ascii.csv", converters=texts)
    file = content.decode() if form is Format.ECSV else io.BytesIO(content)
    return Table.read(file, format=TABLES[form])


@pytest.fixture(autouse=True)
def _parquet_without_pandas(monkeypatch):
    # Astropy asks for it, and uses it for times with zones only, which we do not write.
    monkeypatch.setattr(parquet, "HAS_PANDAS", True)


@pytest.mark.parametrize(
    "path",
    [
        path if n in {0, 5} else pytest.param(path, marks=pytest.mark.slow)
        for n, path in enumerate(LISTS)
    ],
)
@pytest.mark.parametrize("form", TABLES)
async def test_astropy_reads_every_format_of_every_list(filled, path, form):
    async with filled.client() as client:
        items = (await client.get(f"/{path}limit=100")).json()["items"]
        answer = await client.get(f"/{path}limit=100&format={form}")
    columns = LISTS[path]
    table = read(form, answer.content, columns)
    assert table.colnames == [column.name for column in columns]
    assert len(table) == len(items) > 0
    for column in columns:
        said, found = column.values(items), table[column.name]
        if form is not Format.CSV:
            assert found.unit == (u.Unit(column.unit) if column.unit else None)
        for value, cell in zip(said, found, strict=True):
            assert agree(value, cell, form), (column.name, value, cell)


def agree(value, cell, form) -> bool:
    """Whether a cell is the value; how a null is told depends on the format."""
    if value is None:
        # Astropy's reader of Parquet knows no masks.
        unmasked = form is Format.PARQUET and (cell is None or str(cell) in {"None", "nan"})
        # A VOTable has no other null of a text than the empty one.
        is_empty = form is Format.VOTABLE and isinstance(cell, str) and cell == ""
        return cell is np.ma.masked or unmasked or is_empty
    if isinstance(value, bool):
        return str(cell).lower() == str(value).lower()
    if isinstance(value, int | float):
        return float(cell) == value
    return str(cell) == value


async def test_parquet_has_nulls_kinds_and_units(filled):
    async with filled.client() as client:
        answer = await client.get("/coincidences?current=false&format=parquet")
    file = pq.ParquetFile(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    table = file.read()
    assert table["ra_deg"].null_count == 1
    assert table["revision"].to_pylist() == [1, 1, 2]
    told = file.metadata.metadata[b"IVOA.VOTable-Parquet.content"]
    fields = {f.name: f for f in parse_single_table(io.BytesIO(told)).fields}
    assert list(fields) == table.column_names
    assert (fields["ra_deg"].unit, fields["ra_deg"].ucd) == (u.deg, "pos.eq.ra;meta.main")


async def test_votable_says_what_its_columns_are(filled):
    async with filled.client() as client:
        answer = await client.get("/coincidences?format=votable")
    text = answer.text
    assert 'ucd="pos.eq.ra;meta.main"' in text
    assert 'ucd="meta.id;meta.main"' in text
    assert 'ucd="time.epoch"' in text
    assert 'unit="deg"' in text


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/x-votable+xml, */*;q=0.1", "application/x-votable+xml"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("text/html,*/*", "application/json"),
        ("image/png", "application/json"),
    ],
)
async def test_the_header_accept_chooses_too(filled, accept, media_type):
    async with filled.client() as client:
        answer = await client.get("/events", headers={"Accept": accept})
    assert answer.headers["content-type"] == media_type


async def test_a_tom_gets_each_object_once_by_its_survey_name(filled):
    async with filled.client() as client:
        targets = await client.get("/targets?format=tom-csv&state=all")
        objects = await client.get("/objects?format=tom-csv")
    first, second = csv.DictReader(io.StringIO(targets.text))
    assert list(first)[:5] == ["name", "type", "ra", "dec", "name2"]
    assert (first["name"], first["type"], first["name2"]) == ("ZTF25aaaaaaa", "SIDEREAL", OBJECT)
    assert (first["event_id"], first["event_key"]) == (EVENT.partition(":")[2], EVENT)
    assert (first["status"], second["status"]) == ("active", "retired")
    assert float(first["far_hz"]) == 1e-8
    (one,) = csv.DictReader(io.StringIO(objects.text))
    assert one["name"] == "ZTF25aaaaaaa"


@pytest.mark.parametrize("hostile", ["=1+1", "@SUM(A1)", "+1", "-1", "\t=1", "\r=1", "a\nb,\"c'"])
def test_no_cell_of_a_csv_is_a_formula(hostile):
    text = io.StringIO(csv_of([(hostile, -1.5)], ("a", "b")), newline="")
    names, (cell, number) = csv.reader(text)
    assert names == ["a", "b"]
    assert not cell.startswith(("=", "@", "+", "-", "\t", "\r"))
    assert cell.removeprefix("'") == hostile
    assert number == "-1.5"


async def test_a_localization_is_a_map_and_a_moc_for_others(filled, tmp_path):
    sha256 = localization_of(filled.store)
    stored = filled.store.localizations.get(sha256)
    async with filled.client() as client:
        path = f"/localizations/{sha256}"
        said = (await client.get(path)).json()
        fits = (await client.get(f"{path}?format=fits")).content
        moc = (await client.get(f"{path}?format=moc&level=0.5")).content
        text = (await client.get(f"{path}?format=moc-ascii&level=0.5")).text
        json = (await client.get(f"{path}?format=moc-json&level=0.5")).text
    area = stored.area_deg2(0.9)
    assert said["area_90_deg2"] == pytest.approx(area)
    assert read_sky_map(fits).area_deg2(0.9) == pytest.approx(area, rel=0.02)
    ours = MOC.from_string(text, "ascii")
    (tmp_path / "moc.fits").write_bytes(moc)
    assert ours == MOC.from_string(json, "json") == MOC.load(tmp_path / "moc.fits", "fits")
    assert ours.sky_fraction * 41252.96 == pytest.approx(stored.area_deg2(0.5), rel=0.05)


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_begin_of_a_formula_begins_a_cell(begin):
    (row,) = csv.reader(io.StringIO(csv_of([[f"{begin}1+1"]], ()), newline=""))
    assert row == [f"'{begin}1+1"]


def test_tables_without_rows_are_tables():
    for form in TABLES:
        table = read(form, table_of([], COINCIDENCES, form), COINCIDENCES)
        assert table.colnames == [column.name for column in COINCIDENCES]
        assert len(table) == 0


WORDS = (
    Column("word", Kind.TEXT, "A text", ucd="meta.note"),
    Column("number", Kind.INT, "A number"),
)


@pytest.mark.parametrize("form", [Format.ECSV, Format.VOTABLE])
def test_one_long_text_does_not_make_all_of_its_column_as_long(form):
    rows = [{"word": "short", "number": n} for n in range(1000)]
    rows[500] = {"word": "x" * 50_000, "number": 500}
    table_of(rows[:1], WORDS, form)  # what Astropy keeps once and for all
    tracemalloc.start()
    try:
        content = table_of(rows, WORDS, form)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(content) > 50_000
    assert most < 40e6


@pytest.mark.parametrize("form", [Format.ECSV, Format.VOTABLE])
def test_texts_of_any_length_are_read_as_they_were(form, monkeypatch):
    words = ["a", "# b", None, "two\nlines", "é☃", "x" * 300, 'with "quotes"', "last"]
    rows = [{"word": word, "number": n} for n, word in enumerate(words)]
    whole = table_of(rows, WORDS, form)
    monkeypatch.setattr(tables, "PORTION_CHARACTERS", 5)
    assert table_of(rows, WORDS, form) == whole
    found = read(form, whole, WORDS)
    assert all(agree(a, b, form) for a, b in zip(words, found["word"], strict=True))
    assert list(found["number"]) == list(range(len(words)))


def test_parquet_comes_in_row_groups_as_the_rows_come():
    taken = 0

    def batches():
        nonlocal taken
        for _ in range(20):
            taken += 1
            yield [{"object_key": "ztf:1", "ra_deg": 1.0}] * 2_000

    pieces = streamed(batches(), OBJECTS, Format.PARQUET)
    first = next(pieces)
    assert first.startswith(b"PAR1")
    assert taken < 20
    file = pq.ParquetFile(io.BytesIO(first + b"".join(pieces)))
    assert (file.metadata.num_rows, file.metadata.num_row_groups) == (40_000, 3)
