"""What the suites of the interface share: a store and an application take half a second to make."""

from collections.abc import Iterator

import pytest

from storage.store import Store
from tests.service.api.asking import Asked
from tests.service.api.filling import fill


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """A store that is empty, but for the tokens of other tests."""
    with Store.open("sqlite:///:memory:") as opened:
        yield opened


@pytest.fixture(scope="module")
def asked(store: Store) -> Asked:
    """An interface over it."""
    return Asked(store)


@pytest.fixture(scope="module")
def filled() -> Iterator[Asked]:
    """An interface over a store that nobody writes to."""
    with Store.open("sqlite:///:memory:") as opened:
        fill(opened)
        yield Asked(opened)


@pytest.fixture(scope="module")
def written() -> Iterator[Asked]:
    """The same, and every test may add to it."""
    with Store.open("sqlite:///:memory:") as opened:
        fill(opened)
        yield Asked(opened)
