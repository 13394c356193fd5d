"""What the suites of the interface share."""

import pytest

from storage.store import Store
from tests.service.api.asking import Asked


@pytest.fixture
def store():
    with Store.open("sqlite:///:memory:") as opened:
        yield opened


@pytest.fixture
def asked(store):
    return Asked(store)
