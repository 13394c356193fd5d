"""A role that reads what is public: no private row, no token, no packet; and writes nothing."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import NullPool, create_engine, make_url, text, update
from sqlalchemy.exc import DBAPIError

from correlator.errors import ConfigurationError
from correlator.wire import record_of_event
from storage import migrations
from storage.engine import open_engine
from storage.schema import metadata
from storage.store import Store
from storage.upkeep import analysts
from storage.upkeep.analysts import FOR_NOBODY, VIEWS, give_role, role_sql
from storage.upkeep.copies import back_up, restore
from tests.builders import (
    a_circle,
    a_coincidence,
    a_notice,
    a_pair_record,
    a_target,
    an_alert,
    an_event,
)
from tests.storage.writers import put_alerts

SECRET = "private"


def fill(store: Store, name: str, audience: str | None) -> None:
    """A row in every table, all of which say a name."""
    place = a_circle(radius_deg=2.0 if audience is None else 3.0)
    notice = a_notice(f"{name}-notice", event_id=name, localization=place)
    event = record_of_event(an_event(notice))
    store.localizations.put(place)
    store.notices.put(notice, f"{name} packet".encode(), f"{name} file", 1.0)
    store.events.put(event)
    put_alerts(store, an_alert("1", name))
    key = f"ztf:{name}"
    coincidence = a_coincidence(event_key=event.event_key, object_key=key)
    pair = replace(a_pair_record(), coincidence_id=coincidence.pair.coincidence_id,
                   event_key=event.event_key, object_key=key)  # fmt: skip
    store.pairs.put_many([pair])
    store.coincidences.publish(event.event_key, [coincidence], 1.0, name)
    target = a_target(event_key=event.event_key, object_key=key)
    store.targets.replace_list("grb-afterglow", [target], 1.0)  # the one before is retired
    store.feedback.add(coincidence.pair.coincidence_id, name, "confirmed", 1.0, comment=name)
    store.subscriptions.put(name, name, "rank = 1", [], 1.0)
    store.tokens.create(name, ["read"], [], 1.0)
    store.dead_letters.put(name, name, name.encode(), name, 1.0)
    store.owners.take(name, name)
    with store.engine.begin() as connection:
        joint = "INSERT INTO joint_events VALUES (:j, 1, 'live', 1.0, 1, 1.0, NULL, :n, :a)"
        connection.execute(text(joint), {"j": f"joint:{name}", "n": name, "a": audience})
        member = "INSERT INTO joint_members (event_key, joint_id) VALUES (:e, :j)"
        connection.execute(text(member), {"e": event.event_key, "j": f"joint:{name}"})
        seen = "INSERT INTO lookbacks VALUES (:e, 1, 0, 1)"
        connection.execute(text(seen), {"e": event.event_key})
        if audience is not None:
            for table in metadata.tables.values():
                if table.name in VIEWS and "audience" in table.c:
                    mine = " OR ".join(
                        f"{c.name} LIKE '%{name}%'" for c in table.c if str(c.type) == "TEXT"
                    )
                    private = update(table).where(text(mine)).values(audience=audience)
                    connection.execute(private)


@pytest.fixture(scope="module")
def role(postgres_server):
    """A store with a public and a private row of everything, and an engine of an analyst."""
    url = postgres_server.new_database()
    name = f"analyst_{uuid4().hex[:8]}"
    with Store.open(url) as store:
        fill(store, "open", None)
        fill(store, SECRET, "svom")
        give_role(store.engine, name)
        give_role(store.engine, name, statement_timeout_s=2)  # twice is once
        reader = create_engine(make_url(url).set(username=name), poolclass=NullPool)
        yield store, reader, name
        reader.dispose()
        with store.engine.begin() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {name}")
            connection.exec_driver_sql(f"DROP ROLE {name}")


def rows(engine, sql):
    with engine.connect() as connection:
        return connection.exec_driver_sql(sql).fetchall()


def test_every_table_is_either_seen_or_said_to_be_for_nobody():
    assert set(VIEWS) | set(FOR_NOBODY) == set(metadata.tables)
    assert not set(VIEWS) & set(FOR_NOBODY)


@pytest.mark.parametrize("name", ["", "Analyst", "pg_analyst", "1a", "a" * 64, 'a"; DROP', "a\n"])
def test_a_name_that_is_none_is_refused(name):
    engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with pytest.raises(ConfigurationError, match="expected up to 63"):
        give_role(engine, name)
    with pytest.raises(ConfigurationError, match="expected up to 63"):
        role_sql(engine, name)


def test_sqlite_has_no_roles(file_url):
    engine = open_engine(file_url)
    with pytest.raises(ConfigurationError, match="reads all of it"):
        give_role(engine, "analyst")
    engine.dispose()


def test_a_sqlite_file_is_read_beside_the_worker_by_a_url_that_cannot_write(file_url):
    path = file_url.removeprefix("sqlite:///")
    read_only = f"file:{path}?mode=ro"
    with Store.open(file_url) as store, closing(sqlite3.connect(read_only, uri=True)) as reader:
        for n in (1, 2):
            put_alerts(store, an_alert(str(n), "a"))
            assert reader.execute("SELECT count(*) FROM alerts").fetchone() == (n,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM alerts")


@pytest.mark.slow
@pytest.mark.parametrize("table", VIEWS)
def test_the_public_row_is_read_and_the_private_one_is_not(role, table):
    store, reader, _ = role
    assert len(rows(store.engine, f"SELECT * FROM {table}")) == 2
    (row,) = rows(reader, f"SELECT * FROM {table}")
    assert SECRET not in str(row)
    if table != "localizations":
        assert "open" in str(row)
    assert rows(reader, f"SELECT count(*) FROM {table}") == [(1,)]


@pytest.mark.slow
@pytest.mark.parametrize("table", sorted(metadata.tables))
def test_no_table_is_read_or_written(role, table):
    _, reader, _ = role
    with pytest.raises(DBAPIError, match="permission denied"):
        rows(reader, f"SELECT * FROM public.{table}")
    column = metadata.tables[table].primary_key.columns[0].name
    for target in (f"public.{table}", *([f"analysts.{table}"] if table in VIEWS else [])):
        for statement in (
            f"UPDATE {target} SET {column} = {column}",
            f"DELETE FROM {target}",
            f"INSERT INTO {target} ({column}) VALUES ('x')",
        ):
            with reader.connect() as connection:
                # What keeps it from writing is no setting that it may change.
                connection.exec_driver_sql("SET default_transaction_read_only = off")
                connection.commit()
                with pytest.raises(DBAPIError, match="permission denied"):
                    connection.exec_driver_sql(statement)


@pytest.mark.slow
@pytest.mark.parametrize("statement", [
    "CREATE TABLE analysts.mine (a int)", "CREATE TABLE public.mine (a int)",
    "CREATE TEMPORARY TABLE mine (a int)", "CREATE SCHEMA mine", "CREATE ROLE mine",
    "COPY analysts.events TO '/tmp/events'", "SELECT pg_read_file('/etc/passwd')",
    "SET ROLE correlator", "SELECT * FROM pg_authid", "DROP VIEW analysts.events",
    "ALTER ROLE CURRENT_USER SUPERUSER",
])  # fmt: skip
def test_nothing_else_is_done(role, statement):
    _, reader, _ = role
    with reader.connect() as connection:
        connection.exec_driver_sql("SET default_transaction_read_only = off")
        connection.commit()
        with pytest.raises(DBAPIError, match=r"permission denied|must be"):
            connection.exec_driver_sql(statement)


def ends_at(condition: str) -> str:
    """A condition that no row passes the server with of which this is true."""
    return f"1 / (CASE WHEN {condition} THEN 0 ELSE 1 END) = 1"


@pytest.mark.slow
@pytest.mark.parametrize(("table", "condition"), [
    ("notices", "packet_name::int = 1"),
    ("notices", "convert_from(packet, 'UTF8')::json IS NULL"),
    ("notices", ends_at("position('private' in notice_id) > 0")),
    # Which of their rows are public is dear to find out, so the server would do it last.
    ("feedback", ends_at("position('private' in comment) > 0")),
    ("joint_members", ends_at("position('private' in joint_id) > 0")),
    ("localizations", ends_at("area_90_deg2 > 20")),
])  # fmt: skip
def test_no_error_tells_what_is_in_a_private_row(role, table, condition):
    store, reader, _ = role
    tells = re.compile("private|division by zero")
    # Whoever owns the table gets there.
    private = " AND audience IS NOT NULL" if table == "notices" else ""
    assert tells.search(error_of(store.engine, f"SELECT * FROM {table} WHERE {condition}{private}"))
    assert not tells.search(error_of(reader, f"SELECT * FROM {table} WHERE {condition}"))


_PLAN = "enable_nestloop", "enable_indexscan", "enable_bitmapscan", "enable_indexonlyscan"
"""Whoever asks may choose how the server looks: here table by table."""


def error_of(engine, sql):
    """What the server says against a query; nothing if it has an answer."""
    try:
        with engine.connect() as connection:
            for name in _PLAN:
                connection.exec_driver_sql(f"SET LOCAL {name} = off")
            connection.exec_driver_sql(sql).fetchall()
    except DBAPIError as error:
        return str(error.orig)
    return ""


@pytest.mark.slow
def test_statistics_tell_nothing_and_a_long_statement_is_ended(role):
    store, reader, _ = role
    rows_of = "SELECT tablename FROM pg_stats WHERE schemaname = 'public'"
    with store.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("ANALYZE")
    assert rows(store.engine, rows_of)
    assert rows(reader, rows_of) == []
    assert rows(reader, "SHOW statement_timeout") == [("2s",)]
    assert rows(reader, "SHOW default_transaction_read_only") == [("on",)]
    with pytest.raises(DBAPIError, match="statement timeout"):
        rows(reader, "SELECT pg_sleep(10)")


@pytest.mark.slow
def test_the_views_outlive_an_upgrade_and_a_restore(role, tmp_path, monkeypatch):
    store, reader, _ = role
    back_up(store.engine, tmp_path / "copy")
    restore(store.engine, tmp_path / "copy", replaces=True)
    assert len(rows(reader, "SELECT * FROM events")) == 1
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('behind')")
    upgraded = []

    def upgrade(config, _version):
        # What a view would keep from being changed.
        connection = config.attributes["connection"]
        connection.exec_driver_sql("ALTER TABLE events ALTER COLUMN version TYPE bigint")
        connection.exec_driver_sql("ALTER TABLE events ALTER COLUMN version TYPE integer")
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{newest}'")
        upgraded.append(True)

    newest = migrations.newest()
    monkeypatch.setattr(migrations.command, "upgrade", upgrade)
    migrations.upgrade(store.engine)
    assert upgraded
    assert len(rows(reader, "SELECT * FROM events")) == 1


@pytest.mark.slow
def test_a_role_that_may_do_more_is_refused(role):
    store, _, name = role
    with pytest.raises(ConfigurationError, match="other rights"):
        give_role(store.engine, "correlator")
    with store.engine.begin() as connection:
        connection.exec_driver_sql(f"GRANT pg_read_all_data TO {name}")
    with pytest.raises(ConfigurationError, match="other rights"):
        give_role(store.engine, name)
    with store.engine.begin() as connection:
        connection.exec_driver_sql(f"REVOKE pg_read_all_data FROM {name}")
        connection.exec_driver_sql("GRANT SELECT ON tokens TO PUBLIC")
    with pytest.raises(ConfigurationError, match="could still read or write tokens"):
        give_role(store.engine, name)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("REVOKE SELECT ON tokens FROM PUBLIC")
    give_role(store.engine, name, 2)


@pytest.mark.slow
def test_who_may_make_no_role_is_told_what_to_do(role):
    store, _, _ = role
    plain = f"plain_{uuid4().hex[:8]}"
    with store.engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {plain} LOGIN")
    engine = create_engine(store.engine.url.set(username=plain), poolclass=NullPool)
    with pytest.raises(ConfigurationError, match=r"permission denied.*; give what --sql prints"):
        give_role(engine, "another")
    with store.engine.begin() as connection:
        connection.exec_driver_sql(f"DROP ROLE {plain}")


@pytest.mark.slow
def test_what_is_printed_is_what_is_done(role, postgres_server):
    other = f"other_{uuid4().hex[:8]}"
    with Store.open(postgres_server.new_database()) as store:
        said = role_sql(store.engine, other)
        with store.engine.begin() as connection:
            for statement in said.split(";\n")[:-1]:
                connection.exec_driver_sql(statement)
            assert analysts._rights(connection, other) == []
        reader = create_engine(store.engine.url.set(username=other))
        assert rows(reader, "SELECT * FROM events") == []
        with pytest.raises(DBAPIError, match="permission denied"):
            rows(reader, "SELECT * FROM public.tokens")
        reader.dispose()
        with store.engine.begin() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {other}")
            connection.exec_driver_sql(f"DROP ROLE {other}")
