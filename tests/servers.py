"""Real servers for tests: a Kafka broker and a PostgreSQL, each in a folder of its own.

They are run by the scripts in deploy/. Ports are chosen free at the first start and kept, so that
a client finds a server again that was stopped or killed; what was written is still there.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import ClassVar, Self, TextIO, TypeVar

from sqlalchemy import create_engine, make_url, text

DEPLOY = Path(__file__).parent.parent / "deploy"

_UNAVAILABLE = 69
"""Exit code of a script on a machine that lacks the software."""


_WATCH = """
cd /
while sleep 1 && [ -d "$1" ]; do
  for user in "$1"/users/*; do [ -d "/proc/${user##*/}" ] && continue 2; done
  "$0" kill "$2"
  rm -rf "$1"
done
"""
"""Ends a server whose users are all gone, as when a test run was killed."""


class MissingServerError(Exception):
    """This machine lacks the software, and nobody asked for its installation."""


class ServerError(Exception):
    """A server did not do what it was told; the message is what its script said."""


class Server(AbstractContextManager["Server"]):
    """A server of one folder; the folder outlives the process.

    Parameters
    ----------
    folder
        Where it keeps everything. The user postgres must reach it: not below `tmp_path`.
    """

    script: ClassVar[Path]
    environment: ClassVar[Mapping[str, str]] = {}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._address: str | None = None

    def start(self) -> None:
        """Start, and return when it answers.

        Raises
        ------
        MissingServerError
            If this machine lacks the software.
        """
        is_new = not self.folder.exists()
        self._run("start", *(["0"] if is_new else []))
        self._address = self._run("status").split()[2]

    def stop(self) -> None:
        """End in order; harmless if it does not run."""
        self._run("stop")

    def kill(self) -> None:
        """End as by a power cut; harmless if it does not run."""
        self._run("kill")

    def restart(self) -> None:
        """Stop in order, then start on the same port."""
        self.stop()
        self.start()

    @property
    def is_running(self) -> bool:
        return self._run("status", may_fail=True).startswith("running")

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``, known from the first start on."""
        if self._address is None:  # another process started it
            self._address = self._run("status").split()[2]
        return self._address

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self, *words: str, may_fail: bool = False) -> str:
        command = [str(self.script), words[0], str(self.folder), *words[1:]]
        done = subprocess.run(
            command,
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == _UNAVAILABLE:
            raise MissingServerError(done.stderr.strip())
        if done.returncode and not may_fail:
            raise ServerError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout


class KafkaServer(Server):
    """A Kafka broker; topics are made up front, as it makes none by itself."""

    script = DEPLOY / "kafka" / "kafka.sh"

    @property
    def bootstrap(self) -> str:
        return self.address

    @property
    def url(self) -> str:
        """The broker's URL for Faust and for CORRELATOR_BROKER."""
        return f"kafka://{self.address}"


class KafkaOfUsers(KafkaServer):
    """A broker with a second door, by which users come in with a password.

    Parameters
    ----------
    pem
        Key and certificate of that door; without them what goes through it can be overheard.
    """

    def __init__(self, folder: Path, pem: Path | None = None) -> None:
        super().__init__(folder)
        self.environment = {"KAFKA_USERS_PORT": "0"}  # type: ignore[misc]
        if pem is not None:
            self.environment |= {"KAFKA_USERS_PEM": str(pem)}  # type: ignore[operator]

    @property
    def users_address(self) -> str:
        """``127.0.0.1:PORT`` of that door."""
        said = (self.folder / "server.properties").read_text()
        return re.findall(r"^advertised.listeners=.*USERS://(\S+)$", said, re.MULTILINE)[-1]


class PostgresServer(Server):
    """A PostgreSQL that survives being killed, but not a power cut."""

    script = DEPLOY / "postgres" / "postgres.sh"
    environment: ClassVar = {"POSTGRES_FSYNC": "off"}

    @property
    def url(self) -> str:
        """The first database's URL for SQLAlchemy."""
        return f"postgresql+psycopg://correlator@{self.address}/correlator"

    def new_database(self) -> str:
        """URL of an empty database that nobody else knows."""
        return made_database(self.url, f"test_{uuid.uuid4().hex}")


def made_database(url: str, name: str) -> str:
    """URL of a database beside the one of the given URL; made if it is not there."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        found = text("SELECT 1 FROM pg_database WHERE datname = :name")
        if connection.scalar(found, {"name": name}) is None:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def own_database(url: str) -> str:
    """URL of this process's database: one for each worker of pytest-xdist.

    Tests empty the database that CORRELATOR_TEST_POSTGRES names, so no two may do it at once.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    return made_database(url, f"{make_url(url).database}_{worker}") if worker else url


ServerT = TypeVar("ServerT", bound=Server)


@contextmanager
def temporary(kind: type[ServerT]) -> Iterator[ServerT]:
    """A running server for one test, which may stop and kill it; nothing of it is left."""
    server = _new(kind)
    try:
        server.start()
        yield server
    finally:
        _remove(server)


@contextmanager
def shared(kind: type[ServerT], registry: Path) -> Iterator[ServerT]:
    """A running server that several processes use; the last to leave removes it.

    Parameters
    ----------
    registry
        A folder that these processes, and no others, have in common.
    """
    with _alone(kind, registry) as file:
        server = _known(kind, file) or _new(kind)
        _users(server).joinpath(str(os.getpid())).touch()
        file.truncate(0)
        file.write(str(server.folder))
        try:
            if not server.is_running:
                server.start()
        except (MissingServerError, ServerError):
            _remove(server)
            raise
    try:
        yield server
    finally:
        with _alone(kind, registry):
            mine = _users(server) / str(os.getpid())
            if set(_users(server).iterdir()) == {mine}:
                _remove(server)
            else:
                mine.unlink()


@contextmanager
def _alone(kind: type[Server], registry: Path) -> Iterator[TextIO]:
    """The file that names the shared server's folder, to read and change while nobody else does."""
    registry.mkdir(parents=True, exist_ok=True)
    with (registry / kind.__name__).open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _known(kind: type[ServerT], file: TextIO) -> ServerT | None:
    file.seek(0)
    folder = Path(file.read())
    return kind(folder) if folder.name and folder.parent.exists() else None


def _new(kind: type[ServerT]) -> ServerT:
    # Not below pytest's folder, which is for its user alone.
    home = Path(tempfile.mkdtemp(prefix="correlator-server-"))
    home.chmod(0o755)
    server = kind(home / kind.__name__.lower())
    _users(server).mkdir()
    _users(server).joinpath(str(os.getpid())).touch()
    # In the background of a shell that ends at once: it must outlive us.
    subprocess.run(
        ["bash", "-c", f"({_WATCH}) &", str(server.script), str(home), str(server.folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=True,
    )
    return server


def _users(server: Server) -> Path:
    """A folder that holds a file for each process that uses the server, named by its id."""
    return server.folder.parent / "users"


def _remove(server: Server) -> None:
    try:
        server.stop()
    finally:
        # Renamed first, so that the watch finds it either whole or gone.
        home = server.folder.parent
        shutil.rmtree(home.rename(f"{home}-gone"))
