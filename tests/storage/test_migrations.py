"""The schema from nothing, twice, and of another release."""

from __future__ import annotations

from importlib.resources import files

import pytest
from sqlalchemy import Engine, inspect, text

from correlator.errors import ConfigurationError
from storage import migrations
from storage.engine import open_engine
from storage.schema import metadata
from storage.store import Store


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
