"""What analysts may read of PostgreSQL with a role of their own: views of public rows, no more.

The views stand in a schema of their own and have the names of the tables. A role may use that
schema and nothing of ours beside it. They are security barriers: no condition of a query is tried
on a row that it may not see, so no error can tell what is in one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError

from correlator.errors import ConfigurationError
from storage.database import take_turn
from storage.engine import writing
from storage.schema import metadata

SCHEMA = "analysts"
"""Where the views stand."""

STATEMENT_TIMEOUT_S = 60
"""How long a statement of such a role may take, if it does not ask for more [s]."""

CONNECTIONS = 10
"""How many connections such a role may have at once."""

FOR_NOBODY = ("tokens", "subscriptions", "dead_letters", "owners", "lookbacks")
"""Tables of the service's own, which no analyst sees."""

_ROWS = {
    **{
        name: "t.audience IS NULL"
        for name, table in metadata.tables.items()
        if "audience" in table.c and name not in FOR_NOBODY
    },
    # What is without an audience is as public as what names it.
    "localizations": "EXISTS (SELECT FROM {ours}.notices AS n"
    " WHERE n.localization_sha256 = t.sha256 AND n.audience IS NULL)",
    "joint_members": "EXISTS (SELECT FROM {ours}.joint_events AS j"
    " WHERE j.joint_id = t.joint_id AND j.audience IS NULL)"
    " AND EXISTS (SELECT FROM {ours}.events AS e"
    " WHERE e.event_key = t.event_key AND e.audience IS NULL)",
    "feedback": "EXISTS (SELECT FROM {ours}.coincidences AS c"
    " WHERE c.coincidence_id = t.coincidence_id AND c.is_current AND c.audience IS NULL)",
}  # fmt: skip
"""Which rows of a table are for everybody."""

VIEWS = tuple(_ROWS)
"""Tables that analysts see."""

_ASK = "give what --sql prints to who runs the server"

_NAME = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")


def give_role(
    engine: Engine,
    name: str,
    statement_timeout_s: int = STATEMENT_TIMEOUT_S,
    connections: int = CONNECTIONS,
) -> None:
    """Make the views, and a role that may read them and nothing else of ours.

    One that is there keeps its password; a new one has none, and cannot log in by one.

    Raises
    ------
    ConfigurationError
        The store is none of PostgreSQL, the name cannot be one, a role of that name has other
        rights, or we may make none.
    """
    _check(engine, name)
    with writing(engine).begin() as connection:
        take_turn(connection, "upgrade")
        _check_role(connection, name)
        try:
            if not _exists(connection, name):
                connection.exec_driver_sql(_CREATE.format(name=name))
            ours = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
            database = connection.exec_driver_sql(
                "SELECT quote_ident(current_database())"
            ).scalar_one()
            for statement in _statements(name, ours, database, statement_timeout_s, connections):
                connection.exec_driver_sql(statement)
        except ProgrammingError as error:
            raise ConfigurationError(
                f"role {name}: {str(error.orig).splitlines()[0]}; {_ASK}"
            ) from error
        if left := _rights(connection, name):
            raise ConfigurationError(f"role {name} could still {', '.join(left)}; {_ASK}")


def role_sql(
    engine: Engine,
    name: str,
    statement_timeout_s: int = STATEMENT_TIMEOUT_S,
    connections: int = CONNECTIONS,
) -> str:
    """What :func:`give_role` would say to the server, for whoever may say it.

    Raises
    ------
    ConfigurationError
        The store is none of PostgreSQL, or the name cannot be one.
    """
    _check(engine, name)
    with engine.connect() as connection:
        ours, database = connection.exec_driver_sql(
            "SELECT quote_ident(current_schema()), quote_ident(current_database())"
        ).one()
    said = [_CREATE.format(name=name)]
    said += _statements(name, ours, database, statement_timeout_s, connections)
    return "".join(f"{statement};\n" for statement in said)


def drop_views(connection: Connection) -> None:
    """Take the views away, so that tables can be changed; nothing to do without them."""
    if _has_schema(connection):
        for table in VIEWS:
            connection.exec_driver_sql(f"DROP VIEW IF EXISTS {SCHEMA}.{table}")


def renew_views(connection: Connection) -> None:
    """Make the views as the tables are now, where analysts have any; roles may read them again."""
    if _has_schema(connection):
        ours = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
        for statement in _view_statements(str(ours)):
            connection.exec_driver_sql(statement)


def _statements(
    name: str, ours: str, database: str, statement_timeout_s: int, connections: int
) -> list[str]:
    in_database = f"ALTER ROLE {name} IN DATABASE {database} SET"
    return [
        f"ALTER ROLE {name} CONNECTION LIMIT {connections}",
        f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
        f"REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC",
        # Every role may make tables of its own otherwise.
        f"REVOKE CREATE ON SCHEMA {ours} FROM PUBLIC",
        f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {ours} FROM {name}",
        f"GRANT CONNECT ON DATABASE {database} TO {name}",
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {name}",
        # Of views that are made anew, too: after an upgrade.
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {SCHEMA} GRANT SELECT ON TABLES TO {name}",
        *_view_statements(ours),
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {name}",
        f"{in_database} search_path = {SCHEMA}",
        f"{in_database} default_transaction_read_only = on",
        f"{in_database} statement_timeout = '{statement_timeout_s}s'",
        f"{in_database} idle_in_transaction_session_timeout = '{statement_timeout_s}s'",
    ]


def _view_statements(ours: str) -> list[str]:
    said = []
    for table, rows in _ROWS.items():
        columns = ", ".join(f"t.{column.name}" for column in metadata.tables[table].c)
        said += [
            f"DROP VIEW IF EXISTS {SCHEMA}.{table}",
            f"CREATE VIEW {SCHEMA}.{table} WITH (security_barrier) AS"  # noqa: S608 - our own names
            f" SELECT {columns} FROM {ours}.{table} AS t WHERE {rows.format(ours=ours)}",
        ]
    return said


_CREATE = "CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"


def _check(engine: Engine, name: str) -> None:
    if engine.dialect.name != "postgresql":
        raise ConfigurationError(
            "roles are PostgreSQL's: who can read a SQLite file reads all of it, private rows too"
        )
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"role {name[:64]!r}: expected up to 63 of a-z, 0-9 and '_', no digit and no pg_ first"
        )


def _exists(connection: Connection, name: str) -> bool:
    found = text("SELECT 1 FROM pg_roles WHERE rolname = :name")
    return connection.execute(found, {"name": name}).first() is not None


def _check_role(connection: Connection, name: str) -> None:
    """Refuse a role that may do more than what it is given."""
    found = text("""
        SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls
            OR rolname = current_user
            OR EXISTS (SELECT FROM pg_auth_members AS m WHERE m.member = r.oid)
        FROM pg_roles AS r WHERE rolname = :name
    """)
    if connection.execute(found, {"name": name}).scalar():
        raise ConfigurationError(f"role {name} is there and has other rights: choose another name")


def _rights(connection: Connection, name: str) -> Sequence[str]:
    """What a role may do though it should not."""
    found = text("""
        SELECT 'read or write ' || c.relname FROM pg_class AS c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
          AND has_table_privilege(:name, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
        UNION ALL
        SELECT 'write ' || c.relname FROM pg_class AS c
        WHERE c.relnamespace = to_regnamespace(:schema)
          AND has_table_privilege(:name, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
        UNION ALL
        SELECT 'make tables in ' || n.nspname FROM pg_namespace AS n
        WHERE n.nspname IN (current_schema(), :schema)
          AND has_schema_privilege(:name, n.oid, 'CREATE')
        UNION ALL
        SELECT 'make temporary tables'
        WHERE has_database_privilege(:name, current_database(), 'TEMPORARY, CREATE')
    """)
    rows = connection.execute(found, {"name": name, "schema": SCHEMA})
    return [str(said) for (said,) in rows]


def _has_schema(connection: Connection) -> bool:
    if connection.dialect.name != "postgresql":
        return False
    found = text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
    return connection.execute(found, {"name": SCHEMA}).first() is not None
