"""Every table, column and link is described, and the page says what the models say."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage import descriptions
from storage.descriptions import column_text, table_text
from storage.diagram import LINKS, mermaid, schema_page
from storage.schema import metadata

PAGE = Path(__file__).parents[2] / "docs/operations/schema.md"

COLUMNS = [column for table in metadata.tables.values() for column in table.c]


@pytest.mark.parametrize("table", metadata.tables.values(), ids=str)
def test_every_table_and_column_is_described(table):
    assert table_text(table).endswith(".")
    assert all(column_text(column).strip() for column in table.c)


def test_what_is_not_described_is_noticed(monkeypatch):
    monkeypatch.delitem(descriptions.COLUMNS, "audience")
    with pytest.raises(KeyError, match="audience"):
        column_text(metadata.tables["events"].c.audience)


def test_nothing_is_described_that_no_table_has():
    assert descriptions.unused() == set()


@pytest.mark.parametrize("link", LINKS, ids=lambda x: f"{x.table}.{x.columns[-1]}-{x.named}")
def test_a_link_is_between_columns_that_there_are_of_one_kind(link):
    columns = [metadata.tables[link.table].c[name] for name in link.columns]
    key = [metadata.tables[link.named].c[name] for name in link.key]
    assert [type(c.type) for c in columns] == [type(c.type) for c in key]
    assert len(columns) == len(key)


def test_every_column_that_has_the_name_of_another_tables_key_is_a_link():
    """What is new and named like a key is either drawn or said here to be none."""
    keys = {
        table.primary_key.columns[0].name: table.name
        for table in metadata.tables.values()
        if len(table.primary_key.columns) == 1
    } | {"localization_sha256": "localizations", "coincidence_id": "pairs"}
    linked = {(link.table, name) for link in LINKS for name in link.columns}
    found = {
        (column.table.name, column.name)
        for column in COLUMNS
        if column.name in keys and keys[column.name] != column.table.name
    }
    # Names of three different things: of a token, of what is owned, of a topic.
    assert {(t, n) for t, n in found - linked if n != "name"} == set()


def test_the_diagram_has_every_table_with_its_keys():
    said = mermaid()
    for table in metadata.tables.values():
        assert f"    {table.name} {{" in said
    assert 'events ||--o{ pairs : "event_key"' in said
    assert 'localizations |o--o{ notices : "localization_sha256"' in said
    assert "        text object_key FK" in said


def test_the_page_is_up_to_date():
    """If not: correlator db diagram --page > docs/operations/schema.md."""
    assert PAGE.read_text() == schema_page()
