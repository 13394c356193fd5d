"""The versions of the schema, and the three things one does with them; needs no alembic.ini."""

from __future__ import annotations

from importlib.resources import as_file, files

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from correlator.errors import ConfigurationError
from storage.database import take_turn
from storage.engine import shown_url, writing
from storage.errors import is_transient
from storage.schema import metadata
from storage.upkeep.analysts import drop_views, renew_views

LOCK_TIMEOUT_S = 120
"""How long an upgrade waits for others: an analyst's question may take a minute [s]."""


def upgrade(engine: Engine, version: str = "head") -> None:
    """Bring the tables to a version, the newest one, in one transaction; nothing to do is fine.

    Raises
    ------
    ConfigurationError
        The store is of a version that this release does not know, or has tables in the way.
    """
    with writing(engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'"))
        take_turn(connection, "upgrade")  # workers that start together upgrade one by one
        config = _config()
        config.attributes["connection"] = connection
        is_behind = MigrationContext.configure(connection).get_current_revision() != newest()
        try:
            if is_behind:
                drop_views(connection)
            command.upgrade(config, version)
            if (
                is_behind
                and MigrationContext.configure(connection).get_current_revision() == newest()
            ):
                renew_views(connection)
        except (CommandError, SQLAlchemyError) as error:
            if is_transient(error):
                raise
            said = getattr(error, "orig", None) or error
            raise ConfigurationError(
                f"event store {shown_url(engine.url)}: its tables are not of this release: {said}"
            ) from error


def current(engine: Engine) -> str | None:
    """Version of the tables in a store; None where there are none yet."""
    with engine.connect() as connection:
        return _version(connection)


def newest() -> str:
    """Version that :func:`upgrade` leads to."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise ConfigurationError("the installation lacks storage/migrations/versions")
    return head


def versions() -> frozenset[str]:
    """Every version that this release knows the way from."""
    script = ScriptDirectory.from_config(_config())
    return frozenset(revision.revision for revision in script.walk_revisions())


def check(engine: Engine) -> tuple[str, ...]:
    """Differences between the tables in a store and :mod:`storage.schema`; empty means none."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return tuple(str(difference) for difference in compare_metadata(context, metadata))


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    with as_file(files(__package__)) as folder:
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
