"""The schema from nothing, twice, and of another release."""

from __future__ import annotations

from importlib.resources import files
from zlib import crc32

import pytest
from sqlalchemy import Engine, inspect, make_url, text
from sqlalchemy.exc import OperationalError

from correlator.errors import ConfigurationError
from correlator.wire import to_json
from storage import migrations
from storage.engine import open_engine
from storage.schema import metadata
from storage.store import Store
from tests.builders import T0_UNIX_S, a_withdrawal, an_alert
from tests.storage.conftest import POSTGRES_URL
from tests.storage.writers import objects_of, put_alerts


@pytest.fixture
def engine():
    opened = open_engine("sqlite://")
    yield opened
    opened.dispose()


def described(engine: Engine) -> dict[str, object]:
    """Columns, keys and indexes of every table but Alembic's own."""
    seen = inspect(engine)
    return {
        name: (
            [
                (c["name"], repr(c["type"]), c["nullable"], c["default"])
                for c in seen.get_columns(name)
            ],
            seen.get_pk_constraint(name),
            sorted(seen.get_indexes(name), key=lambda index: index["name"]),
        )
        for name in seen.get_table_names()
        if name != "alembic_version"
    }


def test_the_migrations_lead_to_the_tables_of_the_schema(engine):
    assert migrations.current(engine) is None
    migrations.upgrade(engine)
    assert migrations.current(engine) == migrations.newest()
    assert migrations.check(engine) == ()
    direct = open_engine("sqlite://")
    metadata.create_all(direct)
    assert described(engine) == described(direct)
    direct.dispose()


def test_to_upgrade_twice_changes_nothing(file_url):
    with Store.open(file_url) as store:
        store.dead_letters.put("tests", "a packet", b"bytes", "a reason", 1.0)
        migrations.upgrade(store.engine)
        assert store.counts()["dead_letters"] == 1
        assert migrations.check(store.engine) == ()


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRES_URL else [])])
def old_engine(request, file_url):
    """A store of the first release, with something in it."""
    url = file_url
    if request.param == "postgresql":
        # A schema beside the tables of the other tests.
        aside = open_engine(POSTGRES_URL)
        with aside.begin() as connection:
            connection.execute(text("DROP SCHEMA IF EXISTS old_release CASCADE"))
            connection.execute(text("CREATE SCHEMA old_release"))
        aside.dispose()
        url = make_url(POSTGRES_URL).update_query_dict({"options": "-c search_path=old_release"})
        url = url.render_as_string(hide_password=False)
    opened = open_engine(url)
    migrations.upgrade(opened, "0001")
    yield opened
    opened.dispose()


def put_rows_of_the_first_release(engine: Engine, alerts, objects, pairs) -> None:
    """Rows with the columns of release 0.1; those of no interest here are made up."""
    alert_rows = [
        {
            "survey": a.survey,
            "alert_id": a.alert_id,
            "object_id": a.object_id,
            "index_29": a.index_29,
            "t": a.time_unix_s,
            "body": to_json(a).decode(),
        }
        for a in alerts
    ]
    object_rows = [
        {
            "key": o.object_key,
            "survey": o.survey,
            "object_id": o.object_id,
            "version": o.version,
            "index_29": o.index_29,
            "t": o.latest_unix_s,
            "body": to_json(o).decode(),
        }
        for o in objects
    ]
    pair_rows = [
        {"id": p.coincidence_id, "event": p.event_key, "object": p.object_key} for p in pairs
    ]
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO alerts VALUES (:survey, :alert_id, :object_id, :t, 1.0, 2.0, "
                ":index_29, 'r', 1.0, NULL, 0.5, :body)"
            ),
            alert_rows,
        )
        connection.execute(
            text(
                "INSERT INTO objects VALUES (:key, :survey, :object_id, :version, 1.0, 2.0, "
                ":index_29, :t, 2, NULL, :body)"
            ),
            object_rows,
        )
        connection.execute(
            text(
                "INSERT INTO pairs VALUES (:id, :event, :object, 1, 1, FALSE, 'no longer', "
                "NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
            ),
            pair_rows,
        )


def test_what_the_first_release_stored_is_there_after_the_upgrade(old_engine):
    alerts = [
        an_alert(f"{i}", f"ZTF{i % 1103}", time_unix_s=T0_UNIX_S + i, ra_deg=i / 10)
        for i in range(1108)  # more objects than a page of the migration holds
    ]
    objects = objects_of(alerts)
    records = [a_withdrawal(object_key=key) for key in objects]
    put_rows_of_the_first_release(old_engine, alerts, objects.values(), records)
    migrations.upgrade(old_engine)
    assert migrations.check(old_engine) == ()
    store = Store(old_engine)
    assert store.alerts.get_objects(objects) == objects
    assert store.alerts.of_object("ztf", "ZTF3") == alerts[3::1103]
    with old_engine.connect() as connection:
        rows = connection.execute(
            text("SELECT object_key, key_hash, first_unix_s, is_contested FROM objects")
        ).all()
        pair_rows = connection.execute(text("SELECT object_key, object_hash FROM pairs")).all()
    assert {key: tuple(rest) for key, *rest in rows} == {
        key: (crc32(o.object_id.encode()), min(d.time_unix_s for d in o.detections), False)
        for key, o in objects.items()
    }
    assert dict(tuple(r) for r in pair_rows) == {k: crc32(k[4:].encode()) for k in objects}
    (obj,) = put_alerts(store, an_alert("new", "ZTF3"))
    assert obj.version == 3


def test_a_store_that_someone_altered_is_found_out(engine):
    migrations.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE pairs ADD COLUMN mood TEXT"))
        connection.execute(text("DROP INDEX ix_pairs_object_key"))
    differences = migrations.check(engine)
    assert len(differences) == 2
    assert any("mood" in d for d in differences)
    assert any("ix_pairs_object_key" in d for d in differences)


def test_a_failed_upgrade_leaves_nothing_behind(engine, monkeypatch):
    with engine.begin() as connection:
        # The first migration makes this table after others and stumbles over it.
        connection.execute(text("CREATE TABLE notices (own TEXT)"))
    with pytest.raises(ConfigurationError, match="notices"):
        migrations.upgrade(engine)
    assert inspect(engine).get_table_names() == ["notices"]


def test_a_server_that_leaves_during_an_upgrade_is_no_wrong_schema(engine, monkeypatch):
    error = OperationalError("SELECT", {}, Exception("away"))

    def leave(*_args):
        raise error

    monkeypatch.setattr(migrations.command, "upgrade", leave)
    with pytest.raises(OperationalError):
        migrations.upgrade(engine)


def test_a_store_of_a_newer_release_is_refused(file_url):
    with Store.open(file_url) as store, store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for migrate in (True, False):
        with pytest.raises(ConfigurationError, match="9999"):
            Store.open(file_url, migrate=migrate)


def test_a_store_that_is_not_up_to_date_is_refused_when_it_may_not_be_upgraded(file_url):
    with pytest.raises(ConfigurationError, match="correlator db upgrade"):
        Store.open(file_url, migrate=False)
    Store.open(file_url).close()
    Store.open(file_url, migrate=False).close()


def test_the_migrations_are_found_inside_the_package():
    inside = {entry.name for entry in files("storage.migrations").iterdir()}
    assert {"env.py", "script.py.mako", "versions"} <= inside
