"""Stores in memory, on disk, and in PostgreSQL where CORRELATOR_TEST_POSTGRES names one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.store import Store
from tests.storage.contents import emptied

POSTGRES_URL = os.environ.get("CORRELATOR_TEST_POSTGRES")
"""URL of a database that the tests may empty."""

URLS = ["sqlite://", *([POSTGRES_URL] if POSTGRES_URL else [])]

on_postgresql = pytest.mark.parametrize(
    "store", [POSTGRES_URL] if POSTGRES_URL else [], indirect=True, ids=lambda _: "postgresql"
)
"""For what SQLite has not: a SQLite writer is alone."""

named = {"params": URLS, "ids": lambda url: url.split(":")[0]}


@pytest.fixture(**named)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store."""
    with Store.open(request.param) as opened:
        yield emptied(opened)


@pytest.fixture(scope="module", **named)
def reused_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store for many examples of a law; each example empties it first."""
    with Store.open(request.param) as opened:
        yield opened


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """URL of a store that is not there yet."""
    return f"sqlite:///{tmp_path / 'events.sqlite'}"


KINDS = ["memory", "file", *(["postgresql"] if POSTGRES_URL else [])]
"""Kinds of store that threads may share."""


@pytest.fixture(params=KINDS)
def shared_store(request: pytest.FixtureRequest, file_url: str) -> Iterator[Store]:
    """An empty store of every kind that threads may share."""
    urls = {"memory": "sqlite://", "file": file_url, "postgresql": POSTGRES_URL}
    with Store.open(urls[request.param]) as opened:
        yield emptied(opened)
