"""Event stores for benchmarks: a SQLite file, or a PostgreSQL of our own, gone afterwards."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import sqlalchemy

from correlator.errors import ConfigurationError

_SCRIPT = Path(__file__).parent.parent / "deploy" / "postgres" / "postgres.sh"

NewStore = Callable[[], AbstractContextManager[str]]
"""Gives the URL of a new, empty event store, which goes away with the context."""


@contextmanager
def sqlite_store() -> Iterator[str]:
    """URL of a new SQLite file."""
    with tempfile.TemporaryDirectory(prefix="correlator-bench-") as folder:
        yield f"sqlite:///{folder}/store.sqlite"


@contextmanager
def own_postgres() -> Iterator[NewStore]:
    """New databases on a PostgreSQL that ends with the context.

    Raises
    ------
    ConfigurationError
        It does not start; says why.
    """
    folder = Path(tempfile.mkdtemp(prefix="correlator-bench-"))
    folder.chmod(0o755)  # the server runs as somebody else
    try:
        url = _run("start", str(folder / "postgres"), "0").split()[-1]
        yield lambda: new_database(url)
    finally:
        _run("stop", str(folder / "postgres"))
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_database(url: str) -> Iterator[str]:
    """URL of a new database beside that of a URL, on the same server."""
    name = f"bench_{uuid.uuid4().hex[:12]}"
    server = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            parsed = sqlalchemy.make_url(url).set(database=name)
            yield parsed.render_as_string(hide_password=False)
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


def _run(*words: str) -> str:
    done = subprocess.run([str(_SCRIPT), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigurationError(f"{_SCRIPT.name} {words[0]}: {done.stderr.strip()}")
    return done.stdout
