"""Room of removed rows, given back."""

from __future__ import annotations

from contextlib import closing

from sqlalchemy import Engine, text

from storage.schema import metadata


def size_bytes(engine: Engine) -> int:
    """Size of the database as it lies on the disk, without logs [bytes]."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            sized = text("SELECT pg_database_size(current_database())")
            return int(connection.execute(sized).scalar_one())
        pages, page = (
            int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
            for name in ("page_count", "page_size")
        )
    return pages * page


def vacuum(engine: Engine, *, whole: bool = False) -> None:
    """Give the room of removed rows back, and tell the planner what is stored.

    In PostgreSQL nobody waits; the room is used again by the same table, and goes back to the disk
    if ``whole`` is said, which writes every table anew and lets nobody read it meanwhile. In SQLite
    the file is written anew either way: writers wait, and it needs twice its size of disk.

    Raises
    ------
    sqlalchemy.exc.SQLAlchemyError
        Somebody writes all the time, or the disk is full; nothing is changed.
    """
    if engine.dialect.name == "postgresql":
        _vacuum_postgresql(engine, "VACUUM (FULL, ANALYZE)" if whole else "VACUUM (ANALYZE)")
        return
    with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("VACUUM")
        # Into the file itself, and the log begun anew: until then it holds the whole once more.
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _vacuum_postgresql(engine: Engine, statement: str) -> None:
    alone = engine.execution_options(isolation_level="AUTOCOMMIT")
    with alone.connect() as connection:
        for name in sorted(metadata.tables):
            connection.exec_driver_sql(f"{statement} {name}")
