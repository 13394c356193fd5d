"""Connections: pragmas, threads, files, and URLs that do not work."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from correlator.errors import ConfigurationError
from correlator.service.commands import serve as serve_command
from correlator.wire import JointRecord, record_of_event
from storage.engine import BUSY_TIMEOUT_MS, open_engine
from storage.errors import is_transient
from storage.share import Share
from storage.store import Store
from tests.builders import (
    a_coincidence,
    a_notice,
    a_pair_record,
    a_target,
    an_alert,
    an_event,
)
from tests.storage.contents import contents
from tests.storage.writers import put_alerts


def test_a_file_is_in_wal_mode_with_foreign_keys_and_patience(file_url):
    engine = open_engine(file_url)
    with engine.connect() as connection:
        said = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        }
    engine.dispose()
    assert said == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "busy_timeout": BUSY_TIMEOUT_MS,
        "synchronous": 1,
    }


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("no url with secret", "no database URL"),
        ("postgresql//user:secret@host/db?password=secret", "no database URL"),
        ("postgresql://user:secret@host:port/db", "no database URL"),
        ("mysql://user:secret@host/db", "postgresql or sqlite"),
        ("postgresql+nodriver://user:secret@host/db", "no driver"),
        ("sqlite+nodriver:///x?password=secret", "no driver"),
        ("sqlite:////no/such/folder/events.sqlite", "cannot connect"),
    ],
)
def test_a_url_that_does_not_work_is_named_without_its_password(url, rule):
    with pytest.raises(ConfigurationError, match=rule) as caught:
        open_engine(url)
    if url != "no url with secret":  # nothing marks that one as a password
        assert "secret" not in f"{caught.value} {caught.value.__cause__}"


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 100)
    with pytest.raises(ConfigurationError, match="not a database"):
        open_engine(f"sqlite:///{path}")


def fill(store: Store) -> None:
    notice = a_notice()
    event = an_event(notice)
    store.notices.put(notice, b"packet", "a file", 1.0)
    store.localizations.put(notice.localization)
    store.events.put(record_of_event(event))
    put_alerts(store, an_alert())
    if store.owners.epoch("pairs/0") is None:
        store.owners.take("pairs/0", "a worker")
    alone = JointRecord("joint:1", 1, (), (event.event_key,), 1.0, 1e-9, None, None, ())
    store.joint_events.replace([alone], {event.event_key: event.version}, [], 2.0)
    store.lookbacks.mark(event.event_key, 1, Share.everything())
    store.pairs.put_many([a_pair_record()])
    store.coincidences.publish(event.event_key, [a_coincidence()], 2.0, "gone")
    store.targets.replace_list("grb-afterglow", [a_target()], 2.0)
    store.dead_letters.put("tests", "a packet", b"bytes", "a reason", 3.0)
    store.subscriptions.put("mine", "me", "rank <= 10", (), 3.0)
    if not store.tokens.list():
        store.tokens.create("me", ["read"], (), 3.0)
        store.feedback.add(a_coincidence().pair.coincidence_id, "me", "pending", 3.0)


def test_a_file_that_is_opened_again_holds_what_was_stored(file_url):
    with Store.open(file_url) as store:
        fill(store)
        before = contents(store)
    assert all(len(rows) == 1 for rows in before.values())
    with Store.open(file_url) as store:
        assert contents(store) == before
        assert store.counts() == dict.fromkeys(before, 1)
        assert store.alerts.of_object("ztf", "ZTF25aaaaaaa") == [an_alert()]
        localization = a_notice().localization
        assert store.localizations.get(localization.sha256) == localization
        fill(store)
        assert contents(store) == before


def test_threads_write_and_read_at_once(shared_store):
    store = shared_store

    def work(worker: int) -> int:
        for batch in range(10):
            ids = [f"{worker}-{batch}-{i}" for i in range(20)]
            put_alerts(store, *(an_alert(i, object_id=f"ZTF{worker}") for i in ids))
            store.pairs.put_many([a_pair_record(object_version=worker * 10 + batch)])
            key = f"grb:{worker}"
            store.coincidences.publish(
                key, [a_coincidence(event_key=key, object_version=batch)], batch, "gone"
            )
            assert len(store.pairs.all_live()) == 1
        return len(store.alerts.of_object("ztf", f"ZTF{worker}"))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [200] * 8
    counts = store.counts()
    assert (counts["alerts"], counts["pairs"], counts["coincidences"]) == (1600, 1, 80)
    assert store.pairs.all_live()[0].object_version == 79


def publish_at_once(stores: list[Store]) -> None:
    def work(worker: int) -> None:
        store = stores[worker % len(stores)]
        for batch in range(15):
            coincidence = a_coincidence(object_version=random.Random(batch).randrange(99))
            store.coincidences.publish("fermi-gbm:781692805", [coincidence], batch, "gone")
            store.targets.replace_list("grb-afterglow", [a_target(object_version=batch)], batch)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    (last,) = stores[0].coincidences.current()
    history = stores[-1].coincidences.history(last.coincidence_id)
    assert [r.revision for r in history] == list(range(1, last.revision + 1))
    assert [str(r.state) for r in history] == ["superseded"] * (last.revision - 1) + ["active"]


def test_threads_that_publish_one_event_make_one_history(shared_store):
    publish_at_once([shared_store])


def test_two_processes_on_one_file_wait_for_each_other(file_url):
    with Store.open(file_url) as one, Store.open(file_url) as two:
        publish_at_once([one, two])


def test_stores_that_open_at_once_upgrade_one_by_one(file_url):
    with ThreadPoolExecutor(4) as pool:
        for store in list(pool.map(Store.open, [file_url] * 4)):
            assert set(store.counts().values()) == {0}
            store.close()


def test_a_batch_is_stored_whole_or_not_at_all(store):
    too_large = replace(an_alert("2"), index_29=2**70)
    with pytest.raises((OverflowError, DBAPIError)):
        put_alerts(store, an_alert("1"), too_large)
    assert store.counts()["alerts"] == 0
    put_alerts(store, an_alert("1"))
    assert store.counts()["alerts"] == 1


def test_an_empty_batch_is_nothing(store):
    assert store.alerts.put_batch([], []) == []
    store.pairs.put_many([])
    assert set(store.counts().values()) == {0}


def test_postgresql_ends_a_statement_that_takes_too_long_but_not_what_the_url_allows(shared_store):
    if shared_store.engine.dialect.name != "postgresql":
        return
    url = shared_store.engine.url.render_as_string(hide_password=False)
    with Store.open(url, statement_limit_s=0.2) as store:
        for _ in range(2):
            with store.engine.connect() as connection:
                assert connection.execute(text("SHOW lock_timeout")).scalar() == "10s"
                with pytest.raises(DBAPIError, match="statement timeout") as caught:
                    connection.execute(text("SELECT pg_sleep(5)"))
                assert is_transient(caught.value)
                connection.invalidate()
    longer = "&" if "?" in url else "?"
    allowed = f"{url}{longer}options=-c%20statement_timeout%3D7s"
    with Store.open(allowed, statement_limit_s=0.2) as store, store.engine.connect() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar() == "7s"


def test_sqlite_has_no_limit_of_statements(file_url):
    with Store.open(file_url, statement_limit_s=0.2) as store:
        assert set(store.counts().values()) == {0}


def test_serving_limits_its_statements(monkeypatch, file_url):
    limits, whole = [], Store.open

    def opened(url, **said):
        limits.append(said["statement_limit_s"])
        return whole(url, **said)

    async def nothing(*_):
        pass

    monkeypatch.setattr(serve_command.Store, "open", opened)
    monkeypatch.setattr(serve_command, "serve_http", nothing)
    result = CliRunner().invoke(serve_command.serve, ["--store", file_url])
    assert result.exit_code == 0, result.output
    assert limits == [60.0]
