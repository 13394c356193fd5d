"""Copies of a store that is written to, and the way back."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
from threading import Event, Thread

import pytest
from sqlalchemy import create_engine, func, select, text

from correlator.errors import ConfigurationError
from correlator.service.commands.db import check_schema
from correlator.wire import record_of_event
from storage import migrations
from storage.engine import open_engine
from storage.schema import alerts, objects
from storage.store import Store
from storage.upkeep import postgresql_copy, sqlite_copy
from storage.upkeep.copies import back_up, restore
from tests.builders import T0_UNIX_S, a_notice, a_pair_record, an_alert, an_event
from tests.storage.contents import contents
from tests.storage.writers import Writer


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An empty store, made once."""
    path = tmp_path_factory.mktemp("made") / "events.sqlite"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def file_url(made, tmp_path):
    copyfile(made, tmp_path / "events.sqlite")
    return f"sqlite:///{tmp_path / 'events.sqlite'}"


def step(store: Store, writer: Writer, nth: int) -> None:
    """What a worker does: an event, an alert of each of ten objects, then a pair."""
    event = record_of_event(an_event(a_notice(f"n{nth}", event_id=f"e{nth:06}")))
    store.events.put(event)
    writer.put(
        an_alert(f"{nth}", f"o{of}", time_unix_s=T0_UNIX_S + nth) for of in range(10)
    )  # fmt: skip
    pair = replace(
        a_pair_record(), coincidence_id=f"c{nth:06}", event_key=event.event_key, object_key="ztf:o0"
    )
    store.pairs.put_many([pair])


@contextmanager
def written(url: str):
    """A store that a worker writes to all the time; yields how many steps are done."""
    done, ends, begun = [], Event(), Event()

    def work() -> None:
        with Store.open(url) as store:
            writer = Writer(store)
            while not ends.is_set():
                step(store, writer, len(done))
                done.append(1)
                if len(done) > 3:
                    begun.set()

    thread = Thread(target=work)
    thread.start()
    try:
        assert begun.wait(30)
        yield done
    finally:
        ends.set()
        thread.join()


def check_consistent(url: str) -> int:
    """How many steps a store holds: of the last one, some parts at most are missing."""
    engine = open_engine(url)
    check_schema(engine)
    with engine.connect() as connection:
        counted = select(alerts.c.object_id, func.count()).group_by(alerts.c.object_id)
        n_alerts = dict(map(tuple, connection.execute(counted)))
        versions = select(objects.c.object_id, objects.c.version)
        assert dict(map(tuple, connection.execute(versions))) == n_alerts
        (n_steps,) = set(n_alerts.values())
        for table, key in (("events", "event_key"), ("pairs", "coincidence_id")):
            asked = text(f"SELECT count(*), max({key}) FROM {table}")
            n, last = connection.execute(asked).one()
            assert last.endswith(f"{n - 1:06}")
            assert n - n_steps in ({0, 1} if table == "events" else {0, -1})
    engine.dispose()
    return n_steps


def test_a_copy_that_is_made_beside_a_writer_is_of_one_moment(tmp_path, monkeypatch, file_url):
    monkeypatch.setattr(sqlite_copy, "PAGES_AT_ONCE", 8)
    remaining = []
    with written(file_url) as done:
        engine = open_engine(file_url)
        before = len(done)

        def slowly(_state, remains, _all):
            seen = len(done)
            while remaining and len(done) == seen:  # a step is written between every two
                pass
            remaining.append(remains)
            assert len(remaining) < 500

        sqlite_copy.dump(engine, tmp_path / "copy", slowly)
        after = len(done)
        engine.dispose()
    # Never begun anew, though something was written all the time.
    assert remaining == sorted(remaining, reverse=True)
    assert after - before >= len(remaining) - 1 > 3
    target = f"sqlite:///{tmp_path / 'new.sqlite'}"
    opened = open_engine(target)
    assert restore(opened, tmp_path / "copy") == migrations.newest()
    opened.dispose()
    assert before <= check_consistent(target) < after


def test_a_copy_brings_everything_back(tmp_path, file_url):
    path = tmp_path / "copy.sqlite"
    with Store.open(file_url) as store:
        step(store, Writer(store), 0)
        store.tokens.create("a", ["read"], [], 1.0)
        assert back_up(store.engine, path) == path.stat().st_size
        said = contents(store)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy.sqlite", "events.sqlite"]
    with Store.open(f"sqlite:///{tmp_path}/new.sqlite") as new:  # its tables are there, and empty
        restore(new.engine, path)
        assert contents(new) == said
        step(new, Writer(new), 1)  # and it goes on
        with pytest.raises(ConfigurationError, match=r"not empty \(alerts, events"):
            restore(new.engine, path)
        restore(new.engine, path, replaces=True)
        assert contents(new) == said


def test_a_file_that_is_there_is_replaced_only_if_it_is_said(tmp_path, file_url):
    path = tmp_path / "copy"
    path.write_bytes(b"something dear")
    with Store.open(file_url) as store:
        with pytest.raises(ConfigurationError, match="is there already"):
            back_up(store.engine, path)
        assert path.read_bytes() == b"something dear"
        back_up(store.engine, path, replaces=True)
    with Store.open(f"sqlite:///{path}") as copy:
        assert copy.counts()["alerts"] == 0


def test_what_fails_leaves_no_half_a_copy(tmp_path, file_url, monkeypatch):
    def fail(_engine, path):
        path.write_bytes(b"half")
        raise OSError("the disk is full")

    monkeypatch.setattr(sqlite_copy, "dump", fail)
    with Store.open(file_url) as store, pytest.raises(OSError, match="full"):
        back_up(store.engine, tmp_path / "copy")
    assert [p.name for p in tmp_path.iterdir()] == ["events.sqlite"]


def test_a_store_without_tables_is_not_copied(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/new.sqlite")
    with pytest.raises(ConfigurationError, match="no tables"):
        back_up(engine, tmp_path / "copy")
    engine.dispose()


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(8192, len(data) - 64, 4096):
        data[at : at + 64] = bytes(64)
    path.write_bytes(data)


def of_version(version: str | None):
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as copy:
            if version is None:
                copy.execute("DROP TABLE alembic_version")
            else:
                copy.execute("UPDATE alembic_version SET version_num = ?", (version,))
            copy.commit()

    return change


@pytest.mark.parametrize(("change", "why"), [
    (lambda p: p.write_bytes(b""), "no copy of an event store"),
    (lambda p: p.write_bytes(b"PGDMP" + bytes(100)), "a copy of a postgresql store"),
    (lambda p: p.write_bytes(p.read_bytes()[: 4096 * 5 + 7]), "damaged"),
    (damaged, "damaged"),
    (of_version("9999"), "version 9999, unknown here"),
    (of_version(None), "version None, unknown here"),
])  # fmt: skip
def test_what_is_no_sound_copy_is_refused_and_the_store_is_as_before(
    tmp_path, file_url, change, why
):
    path = tmp_path / "copy"
    with Store.open(file_url) as store:
        step(store, Writer(store), 0)
        back_up(store.engine, path)
        before = contents(store)
        change(path)
        with pytest.raises(ConfigurationError, match=why):
            restore(store.engine, path, replaces=True)
        assert contents(store) == before


def test_a_copy_of_an_earlier_release_is_restored_and_upgraded(tmp_path):
    old = open_engine(f"sqlite:///{tmp_path}/old.sqlite")
    migrations.upgrade(old, "0005")
    back_up(old, tmp_path / "copy")
    old.dispose()
    new = open_engine(f"sqlite:///{tmp_path}/new.sqlite")
    assert restore(new, tmp_path / "copy") == "0005"
    migrations.upgrade(new)
    check_schema(new)
    new.dispose()


def test_postgresqls_tools_are_asked_for_by_name_when_they_are_missing(monkeypatch):
    monkeypatch.setattr(postgresql_copy, "_BINARIES", Path("/nowhere"))
    monkeypatch.setattr(postgresql_copy.shutil, "which", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"pg_dump is missing.*postgresql-client"):
        postgresql_copy._found("pg_dump")


def test_a_password_stands_in_a_file_and_never_among_the_arguments(monkeypatch):
    seen = {}

    def run(_program, *words):
        seen["words"] = words
        (passfile,) = [part for word in words for part in word.split() if "passfile" in part]
        path = Path(passfile.partition("=")[2])
        seen["mode"], seen["said"] = stat.S_IMODE(path.stat().st_mode), path.read_text()
        return ""

    monkeypatch.setattr(postgresql_copy, "_run", run)
    engine = create_engine(
        "postgresql+psycopg://me:p%3Aa%5Css@db.example:5433/night?sslmode=require"
    )
    postgresql_copy.dump(engine, Path("copy"))
    assert seen["said"] == "*:*:*:*:p\\:a\\\\ss\n"
    assert seen["mode"] == 0o600
    said = seen["words"][-1]
    assert not any("a\\ss" in word for word in seen["words"])
    assert {"host=db.example", "port=5433", "user=me", "dbname=night", "sslmode=require"} <= set(
        said.removeprefix("--dbname=").split()
    )


_WORK = """
import sys
from storage.store import Store
from tests.storage.test_copies import step
from tests.storage.writers import Writer
with Store.open(sys.argv[1]) as store:
    writer = Writer(store)
    for nth in range(5000):
        step(store, writer, nth)
        print(nth, flush=True)
"""


@contextmanager
def written_by_another_process(url: str):
    folder = Path(__file__).parents[2]
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORK, url], stdout=subprocess.PIPE, text=True, cwd=folder
    )
    try:
        while worker.stdout.readline().strip() != "150":
            assert worker.poll() is None
        yield
        assert worker.poll() is None
    finally:
        worker.kill()
        worker.communicate()


@pytest.mark.slow
def test_a_copy_beside_another_process_is_of_one_moment(tmp_path, file_url):
    with written_by_another_process(file_url):
        engine = open_engine(file_url)
        for nth in range(3):
            back_up(engine, tmp_path / f"copy{nth}")
        engine.dispose()
    n_steps = []
    for nth in range(3):
        target = open_engine(f"sqlite:///{tmp_path}/new{nth}.sqlite")
        restore(target, tmp_path / f"copy{nth}")
        target.dispose()
        n_steps.append(check_consistent(f"sqlite:///{tmp_path}/new{nth}.sqlite"))
    assert n_steps == sorted(n_steps)
    assert n_steps[0] >= 150


@pytest.mark.slow
def test_a_dump_of_postgresql_beside_another_process_is_of_one_moment(tmp_path, postgres_server):
    url, new = postgres_server.new_database(), postgres_server.new_database()
    path = tmp_path / "copy.dump"
    with written_by_another_process(url):
        engine = open_engine(url)
        back_up(engine, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    target = open_engine(new)
    assert restore(target, path) == migrations.newest()
    assert check_consistent(new) >= 150
    with pytest.raises(ConfigurationError, match="not empty"):
        restore(target, path)
    restore(target, path, replaces=True)  # and what depends on them: keys, indexes
    check_consistent(new)
    with Store.open(new) as store:
        before = contents(store)
        step(store, Writer(store), 9999)
        restore(target, path, replaces=True)
        assert contents(store) == before
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ConfigurationError, match="pg_restore failed"):
            restore(target, path, replaces=True)
        assert contents(store) == before
    with pytest.raises(ConfigurationError, match="a copy of a postgresql store"):
        restore(open_engine(f"sqlite:///{tmp_path}/x.sqlite"), path)
    for opened in (engine, target):
        opened.dispose()


@pytest.mark.slow
def test_a_dump_of_an_earlier_release_needs_a_database_without_tables(tmp_path, postgres_server):
    old, new, other = (open_engine(postgres_server.new_database()) for _ in range(3))
    migrations.upgrade(old, "0005")
    back_up(old, tmp_path / "copy")
    migrations.upgrade(new)
    with pytest.raises(ConfigurationError, match="without tables"):
        restore(new, tmp_path / "copy")
    check_schema(new)
    assert restore(other, tmp_path / "copy") == "0005"
    migrations.upgrade(other)
    check_schema(other)
    for engine in (old, new, other):
        engine.dispose()
