"""The tables of the store as an entity-relationship diagram, and as a page.

Nouns have no foreign keys (`storage.schema`), so which column names a row of which other table is
said here.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column, Table

from storage.descriptions import column_text, table_text
from storage.schema import metadata


@dataclass(frozen=True, slots=True)
class Link:
    """Columns of one table that name a row of another.

    Attributes
    ----------
    table, columns
        Who names.
    named, key
        Who is named, by columns of the same kinds.
    is_one
        Whether at most one row names the same.
    """

    table: str
    columns: tuple[str, ...]
    named: str
    key: tuple[str, ...]
    is_one: bool = False

    @property
    def is_optional(self) -> bool:
        """Whether the columns may be null."""
        return any(metadata.tables[self.table].c[name].nullable for name in self.columns)


LINKS = (
    Link("notices", ("event_key",), "events", ("event_key",)),
    Link("notices", ("localization_sha256",), "localizations", ("sha256",)),
    Link("events", ("localization_sha256",), "localizations", ("sha256",)),
    Link("alerts", ("survey", "object_id"), "objects", ("survey", "object_id")),
    Link("pairs", ("event_key",), "events", ("event_key",)),
    Link("pairs", ("object_key",), "objects", ("object_key",)),
    Link("coincidences", ("event_key",), "events", ("event_key",)),
    Link("coincidences", ("event_key",), "joint_events", ("joint_id",)),
    Link("coincidences", ("object_key",), "objects", ("object_key",)),
    Link("coincidences", ("coincidence_id",), "pairs", ("coincidence_id",)),
    Link("targets", ("object_key",), "objects", ("object_key",)),
    Link("targets", ("event_key",), "events", ("event_key",)),
    Link("targets", ("event_key",), "joint_events", ("joint_id",)),
    Link("joint_members", ("event_key",), "events", ("event_key",), is_one=True),
    Link("joint_members", ("joint_id",), "joint_events", ("joint_id",)),
    Link("lookbacks", ("event_key",), "events", ("event_key",)),
    Link("feedback", ("coincidence_id",), "coincidences", ("coincidence_id",)),
)
"""Every link; the database enforces none, for either side may come first."""


def mermaid() -> str:
    """The diagram in Mermaid's words: every table, with its keys and links only."""
    lines = ["erDiagram"]
    for link in LINKS:
        left = "|o" if link.is_optional or _has_rival(link) else "||"
        right = "o|" if link.is_one else "o{"
        said = " ".join(link.columns)
        lines.append(f'    {link.named} {left}--{right} {link.table} : "{said}"')
    for table in _tables():
        named = {name for link in LINKS if link.table == table.name for name in link.columns}
        lines.append(f"    {table.name} {{")
        for column in table.c:
            marks = ["PK"] * column.primary_key + ["FK"] * (column.name in named)
            if marks:
                lines.append(f"        {_kind(column)} {column.name} {', '.join(marks)}")
        lines.append("    }")
    return "\n".join(lines) + "\n"


def schema_page() -> str:
    """Page of the documentation: the diagram, then every table with every column."""
    parts = [_HEAD, "```mermaid\n" + mermaid() + "```\n", _CONVENTIONS]
    for table in _tables():
        rows = [
            f"| `{column.name}` | {_kind(column)} | {_null(column)} | {column_text(column)} |"
            for column in table.c
        ]
        parts.append(
            f"## {table.name}\n{table_text(table)}\n\n"
            "| column | kind | | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
        )
    return "\n".join(parts)


_HEAD = """# Tables of the event store
Made by `correlator db diagram --page`; do not edit. How the store is kept: [store.md](store.md).
"""

_CONVENTIONS = """The lines are links that the database does not enforce: streams deliver independently, so a pair may be stored before its
event. Only keys and links are drawn. Times are seconds since the Unix epoch (UTC), angles degrees (ICRS); `text` sorts by its
bytes in both databases. A coincidence names an event or a joint event.
"""  # noqa: E501


def _tables() -> list[Table]:
    return list(metadata.tables.values())


def _kind(column: Column[object]) -> str:
    """Kind of a column, in one word that both databases understand."""
    return type(column.type).__name__.lower()


def _null(column: Column[object]) -> str:
    if column.primary_key:
        return "key"
    return "may be null" if column.nullable else ""


def _has_rival(link: Link) -> bool:
    """Whether the same columns may name a row of another table instead."""
    rivals = [one for one in LINKS if (one.table, one.columns) == (link.table, link.columns)]
    # The id of a joint coincidence is of no pair.
    return len(rivals) > 1 or (link.table, link.named) == ("coincidences", "pairs")
