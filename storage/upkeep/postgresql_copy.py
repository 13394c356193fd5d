"""A PostgreSQL store as one file, by pg_dump and pg_restore of PostgreSQL itself."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from correlator.errors import ConfigurationError
from storage.schema import metadata

_VERSION_TABLE = "alembic_version"

_BINARIES = Path("/usr/lib/postgresql")
"""Where Debian has the tools of each version; the newest copies from every older server."""


def dump(engine: Engine, path: Path) -> None:
    """Copy our tables as they stand at one moment; nobody waits.

    Raises
    ------
    ConfigurationError
        There is no pg_dump, or it says why it cannot.
    """
    tables = [f"--table={name}" for name in (*sorted(metadata.tables), _VERSION_TABLE)]
    with _reached(engine) as where:
        _run(
            "pg_dump", "--format=custom", "--compress=1", "--no-owner", "--no-privileges",
            f"--file={path}", *tables, where,
        )  # fmt: skip


def version_of(path: Path) -> str | None:
    """Version of the tables in a dump; None where there are none.

    Raises
    ------
    ConfigurationError
        There is no pg_restore, or the dump is damaged.
    """
    said = _run("pg_restore", "--data-only", f"--table={_VERSION_TABLE}", "--file=-", str(path))
    match = re.search(r"^COPY .*alembic_version .*FROM stdin;\n(\w+)$", said, re.MULTILINE)
    return match[1] if match else None


def load(engine: Engine, path: Path) -> None:
    """Make our tables what a dump says, in one transaction.

    Raises
    ------
    ConfigurationError
        pg_restore says why it cannot; the store is as before.
    """
    with _reached(engine) as where:
        _run(
            "pg_restore", "--single-transaction", "--exit-on-error", "--clean", "--if-exists",
            "--no-owner", "--no-privileges", where, str(path),
        )  # fmt: skip


@contextmanager
def _reached(engine: Engine) -> Iterator[str]:
    """Option that names the database; the password stands in a file that only we can read."""
    from psycopg.conninfo import make_conninfo

    _, said = engine.dialect.create_connect_args(engine.url)
    # What is of the driver itself is neither.
    known: dict[str, Any] = {k: v for k, v in said.items() if isinstance(v, str | int)}
    password = known.pop("password", None)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:  # of mode 0600
        if password is not None:
            escaped = re.sub(r"([:\\])", r"\\\1", str(password))
            file.write(f"*:*:*:*:{escaped}\n")
            file.flush()
            known["passfile"] = file.name
        yield f"--dbname={make_conninfo(**known)}"


def _run(program: str, *words: str) -> str:
    """What a tool prints.

    Raises
    ------
    ConfigurationError
        It is missing, or it fails; with what it says.
    """
    done = subprocess.run(
        [_found(program), *words], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ConfigurationError(f"{program} failed: {' '.join(said[:3]) or done.returncode}")
    return done.stdout.decode(errors="replace")


def _found(program: str) -> str:
    """Path of a tool, of the newest version that there is.

    Raises
    ------
    ConfigurationError
        There is none.
    """
    ours = [path for path in _BINARIES.glob(f"*/bin/{program}") if path.parts[-3].isdigit()]
    if ours:
        return str(max(ours, key=lambda path: int(path.parts[-3])))
    if (other := shutil.which(program)) is None:
        raise ConfigurationError(
            f"{program} is missing: install PostgreSQL's client (Debian: postgresql-client)"
        )
    return other
