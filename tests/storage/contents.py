"""What a store holds, read past its own methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st
from sqlalchemy import delete, select

from storage.schema import metadata
from storage.store import Store

T = TypeVar("T")

OUTSIDE_THE_LAW = frozenset({"received_unix_s", "packet_name", "published_unix_s"})
"""Columns that may depend on the order of delivery."""


def emptied(store: Store) -> Store:
    with store.engine.begin() as connection:
        for table in metadata.tables.values():
            connection.execute(delete(table))
    return store


def contents(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, sorted, without what is outside the law."""
    with store.engine.connect() as connection:
        return {
            table.name: sorted(
                (
                    tuple(row)
                    for row in connection.execute(
                        select(*(c for c in table.c if c.name not in OUTSIDE_THE_LAW))
                    )
                ),
                key=repr,
            )
            for table in metadata.tables.values()
        }


def delivered(items: st.SearchStrategy[Sequence[T]]) -> st.SearchStrategy[tuple[Any, Any]]:
    """Items, and one delivery of them: all, in any order, with duplicates, in batches."""
    return items.flatmap(
        lambda known: st.tuples(
            st.just(known),
            st.builds(
                in_batches,
                st.lists(st.sampled_from(known), max_size=len(known)).flatmap(
                    lambda twice: st.permutations([*known, *twice])
                ),
                st.lists(st.integers(1, 4), min_size=1, max_size=5),
            ),
        )
    )


def in_batches(items: list[T], sizes: list[int]) -> list[list[T]]:
    batches, start = [], 0
    while start < len(items):
        size = sizes[len(batches) % len(sizes)]
        batches.append(items[start : start + size])
        start += size
    return batches
