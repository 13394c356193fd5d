"""What passes when one waits, told from what does not; several processes; a server that leaves."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from storage.engine import open_engine
from storage.errors import is_transient
from storage.store import Store
from tests.builders import T0_UNIX_S, an_alert
from tests.storage.conftest import KINDS, on_postgresql
from tests.storage.writers import Writer, objects_of, put_alerts


class OrigError(Exception):
    """What a driver raises."""

    def __init__(self, **said: str) -> None:
        super().__init__("said")
        self.__dict__.update(said)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OperationalError("", {}, OrigError(sqlstate="57P01")), True),
        (OperationalError("", {}, OrigError(sqlite_errorname="SQLITE_BUSY")), True),
        (OperationalError("", {}, OrigError(sqlite_errorname="SQLITE_FULL")), True),
        (OperationalError("", {}, OrigError(sqlite_errorname="SQLITE_ERROR")), False),
        (InterfaceError("", {}, OrigError()), True),
        (DBAPIError("", {}, OrigError(sqlstate="40P01")), True),
        (DBAPIError("", {}, OrigError(sqlstate="40001")), True),
        (DBAPIError("", {}, OrigError(sqlstate="25006")), True),
        (DBAPIError("", {}, OrigError(), connection_invalidated=True), True),
        (DBAPIError("", {}, OrigError(sqlstate="23505")), False),
        (OperationalError("", {}, OrigError(sqlstate="54000")), False),
        (DBAPIError("", {}, OrigError()), False),
        (PoolTimeoutError(), True),
        (TimeoutError(), False),
        (ValueError("no error of a database"), False),
    ],
)
def test_an_error_passes_or_stays(error, expected):
    assert is_transient(error) is expected


@pytest.mark.parametrize("statement", ["SELECT * FROM no_such_table", "SELEC 1", "SELECT mood"])
def test_a_wrong_statement_stays(store, statement):
    with store.engine.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(text(statement))
    assert not is_transient(caught.value)


def test_a_file_that_is_locked_passes(file_url):
    with Store.open(file_url) as one, Store.open(file_url) as two:
        with one._database.writing(), two.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 10")
            with pytest.raises(OperationalError, match="database is locked") as caught:
                connection.execute(text("DELETE FROM alerts"))
        assert is_transient(caught.value)


@on_postgresql
def test_of_a_deadlock_one_passes_and_the_other_writes(store):
    for name in "ab":
        store.owners.take(name, "nobody")
    both = Barrier(2)

    def work(names: str) -> BaseException | None:
        try:
            with store._database.writing() as connection:
                for name in names:
                    update = text("UPDATE owners SET holder = 'x' WHERE name = :name")
                    connection.execute(update, {"name": name})
                    if name == names[0]:
                        both.wait()
        except DBAPIError as error:
            return error
        return None

    with ThreadPoolExecutor(2) as pool:
        errors = [e for e in pool.map(work, ["ab", "ba"]) if e is not None]
    assert [e.orig.sqlstate for e in errors] == ["40P01"]
    assert is_transient(errors[0])


@on_postgresql
def test_of_two_serializable_transactions_one_passes(store):
    store.owners.take("a", "nobody")
    strict = store.engine.execution_options(isolation_level="SERIALIZABLE")
    with strict.connect() as one, strict.connect() as two:
        for connection in (one, two):
            connection.execute(text("SELECT * FROM owners")).all()
        one.execute(text("UPDATE owners SET epoch = epoch + 1"))
        one.commit()
        with pytest.raises(DBAPIError) as caught:
            two.execute(text("UPDATE owners SET epoch = epoch + 1"))
    assert caught.value.orig.sqlstate == "40001"
    assert is_transient(caught.value)


N_PROCESSES, N_ALERTS, N_OBJECTS = 3, 240, 11


def the_alerts(worker: int):
    """What one process stores: a half of it another one stores too."""
    for i in range(worker * N_ALERTS // 2, worker * N_ALERTS // 2 + N_ALERTS):
        yield an_alert(f"{i}", f"ZTF{i % N_OBJECTS}", time_unix_s=T0_UNIX_S + i)


def work_as_a_process(url: str, worker: int) -> None:
    with Store.open(url) as store:
        writer, mine = Writer(store), list(the_alerts(worker))
        for start in range(0, N_ALERTS, 8):
            writer.put(mine[start : start + 8])
            store.owners.take("all", f"{worker}")


@pytest.mark.slow
@pytest.mark.parametrize("shared_store", KINDS[1:], indirect=True)  # memory has one process
def test_three_processes_write_one_store(shared_store, file_url):
    kind = shared_store.engine.url
    url = kind.render_as_string(hide_password=False)
    said = "import sys; from tests.storage.test_errors import work_as_a_process as work; "
    processes = [
        subprocess.Popen([sys.executable, "-c", f"{said}work(sys.argv[1], {worker})", url])
        for worker in range(N_PROCESSES)
    ]
    assert [p.wait(timeout=100) for p in processes] == [0] * N_PROCESSES
    expected = objects_of(a for worker in range(N_PROCESSES) for a in the_alerts(worker))
    assert shared_store.alerts.get_objects(expected) == expected
    assert len(expected) == shared_store.counts()["objects"] == N_OBJECTS
    assert shared_store.owners.epoch("all") == N_PROCESSES * N_ALERTS / 8


@pytest.mark.slow
def test_a_server_that_is_not_there_is_said_soon():
    with socket.socket() as silent:
        # It listens and never answers, as a server behind a broken network seems to.
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        url = f"postgresql+psycopg://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing"
        # Without a limit of ours it would wait until the test's own.
        with pytest.raises(Exception, match="cannot connect"):
            open_engine(url)


def write_meanwhile(store: Store, something: Callable[[], None]) -> None:
    """A transaction in the middle of which something happens."""
    with store._database.writing() as connection:
        connection.execute(text("SELECT 1"))
        something()
        connection.execute(text("SELECT 1"))


@pytest.mark.slow
@pytest.mark.parametrize("leave", ["stop", "kill"])
def test_a_store_goes_on_after_its_server_was_away(own_postgres_server, leave):
    with Store.open(own_postgres_server.url) as store:
        put_alerts(store, an_alert("1"))
        with pytest.raises(DBAPIError) as caught:
            write_meanwhile(store, getattr(own_postgres_server, leave))
        assert is_transient(caught.value)
        for _ in range(3):
            with pytest.raises(DBAPIError) as caught:
                put_alerts(store, an_alert("2"))
            assert is_transient(caught.value)
        own_postgres_server.start()
        (obj,) = put_alerts(store, an_alert("2"))
        assert obj.alert_ids == ("1", "2")
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: store.alerts.latest_unix_s(), range(16))) == {
                an_alert().time_unix_s
            }
