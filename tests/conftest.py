"""Fixtures shared by all suites."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest
from hypothesis import settings

from tests.servers import (
    KafkaServer,
    MissingServerError,
    PostgresServer,
    own_database,
    shared,
    temporary,
)

if not os.environ.get("CI"):  # where Hypothesis has a profile of its own
    settings.register_profile("no deadline", deadline=None)
    settings.load_profile("no deadline")

# No test asks the internet for a map; those of the fetching bring a server of their own.
os.environ["CORRELATOR_FETCH_MAPS"] = "false"

if named := os.environ.get("CORRELATOR_TEST_POSTGRES"):
    # Here, as the suites read it when they are imported.
    os.environ["CORRELATOR_TEST_POSTGRES"] = own_database(named)


ServerT = TypeVar("ServerT", KafkaServer, PostgresServer)


def _missing(said: str) -> NoReturn:
    """Skip the test for what this machine lacks; CI lacks nothing."""
    if os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real packets; a machine without it skips, CI fails."""
    folder = os.environ.get("CORRELATOR_REAL_DATA")
    if folder and Path(folder).is_dir():
        return Path(folder)
    _missing("CORRELATOR_REAL_DATA does not name the folder of real packets")


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the processes of this test run have in common."""
    mine = tmp_path_factory.getbasetemp()
    is_one_of_several = "PYTEST_XDIST_WORKER" in os.environ
    return (mine.parent if is_one_of_several else mine) / "servers"


@pytest.fixture(scope="session")
def kafka_server(registry: Path) -> Iterator[KafkaServer]:
    """A broker of all tests: name topics and groups anew, and leave it running."""
    with ExitStack() as stack:
        yield _entered(stack, shared(KafkaServer, registry))


@pytest.fixture(scope="session")
def postgres_server(registry: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL of all tests: take a ``new_database()``, and leave it running."""
    with ExitStack() as stack:
        yield _entered(stack, shared(PostgresServer, registry))


@pytest.fixture
def own_kafka_server() -> Iterator[KafkaServer]:
    """A broker of one test, which may stop and kill it."""
    with ExitStack() as stack:
        yield _entered(stack, temporary(KafkaServer))


@pytest.fixture
def own_postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of one test, which may stop and kill it."""
    with ExitStack() as stack:
        yield _entered(stack, temporary(PostgresServer))


def _entered(stack: ExitStack, server: AbstractContextManager[ServerT]) -> ServerT:
    try:
        return stack.enter_context(server)
    except MissingServerError as error:
        _missing(str(error))
