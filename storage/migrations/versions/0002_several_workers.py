"""What several workers need: shares of the objects, regions by index only, owners, look backs.

The tables that get a column before their body, or another key, are written anew: a column behind
a long body is slow to read in SQLite, and neither database changes a key in place.
There is no way back: to go down would delete history.
"""

import json
import zlib
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

Row = dict[str, Any]

PAGE_ROWS = 1000
"""Rows that are read and written at once."""


def upgrade() -> None:
    _alerts()
    _objects()
    _pairs()

    op.create_table(
        "owners",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_owners"),
    )
    op.create_table(
        "lookbacks",
        sa.Column("event_key", TEXT, nullable=False),
        sa.Column("n_partitions", sa.Integer(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("event_key", "n_partitions", "partition", name="pk_lookbacks"),
    )

    op.add_column("dead_letters", sa.Column("record_key", TEXT))
    op.add_column("dead_letters", sa.Column("replayed_unix_s", sa.Double()))

    op.drop_index("ix_coincidences_event_key_is_current", "coincidences")
    op.drop_index("ix_coincidences_case_name_is_current", "coincidences")
    for first in ("event_key", "case_name"):
        columns = [first, "is_current", "state"]
        op.create_index(f"ix_coincidences_{'_'.join(columns)}", "coincidences", columns)


def _alerts() -> None:
    for name in ("index_29_time_unix_s", "survey_object_id", "time_unix_s"):
        op.drop_index(f"ix_alerts_{name}", "alerts")
    old = _set_aside("alerts")
    new = op.create_table(
        "alerts",
        sa.Column("survey", TEXT, nullable=False),
        sa.Column("object_id", TEXT, nullable=False),
        sa.Column("alert_id", TEXT, nullable=False),
        sa.Column("time_unix_s", sa.Double(), nullable=False),
        sa.Column("ra_deg", sa.Double(), nullable=False),
        sa.Column("dec_deg", sa.Double(), nullable=False),
        sa.Column("index_29", sa.BigInteger(), nullable=False),
        sa.Column("band", TEXT, nullable=False),
        sa.Column("flux_njy", sa.Double(), nullable=False),
        sa.Column("mag_ab", sa.Double()),
        sa.Column("real_bogus", sa.Double()),
        sa.Column("body", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("survey", "object_id", "alert_id", name="pk_alerts"),
    )
    columns = [column.name for column in new.c]
    op.execute(new.insert().from_select(columns, sa.select(*(old.c[name] for name in columns))))
    op.drop_table(old.name)


def _objects() -> None:
    for name in ("index_29_time_unix_s", "time_unix_s"):
        op.drop_index(f"ix_objects_{name}", "objects")
    old = _set_aside("objects")
    new = op.create_table(
        "objects",
        sa.Column("object_key", TEXT, nullable=False),
        sa.Column("survey", TEXT, nullable=False),
        sa.Column("object_id", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("ra_deg", sa.Double(), nullable=False),
        sa.Column("dec_deg", sa.Double(), nullable=False),
        sa.Column("index_29", sa.BigInteger(), nullable=False),
        sa.Column("key_hash", sa.BigInteger(), nullable=False),
        sa.Column("first_unix_s", sa.Double(), nullable=False),
        sa.Column("time_unix_s", sa.Double(), nullable=False),
        sa.Column("n_detections", sa.Integer(), nullable=False),
        sa.Column("real_bogus", sa.Double()),
        sa.Column("is_contested", sa.Boolean(), nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("object_key", name="pk_objects"),
    )
    _copy(old, new, "object_key", _of_object)
    op.drop_table(old.name)
    op.create_index(
        "ix_objects_region",
        "objects",
        [
            "index_29",
            "time_unix_s",
            "first_unix_s",
            "key_hash",
            "ra_deg",
            "dec_deg",
            "object_key",
        ],
    )


def _of_object(row: Row) -> Row:
    times = [d["time_unix_s"] for d in json.loads(row["body"])["detections"]]
    key_hash = zlib.crc32(row["object_id"].encode())
    return {"key_hash": key_hash, "first_unix_s": min(times), "is_contested": False}


def _pairs() -> None:
    op.drop_index("ix_pairs_event_key_is_live", "pairs")
    op.drop_index("ix_pairs_object_key", "pairs")
    old = _set_aside("pairs")
    new = op.create_table(
        "pairs",
        sa.Column("coincidence_id", TEXT, nullable=False),
        sa.Column("event_key", TEXT, nullable=False),
        sa.Column("object_key", TEXT, nullable=False),
        sa.Column("object_hash", sa.BigInteger(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("object_version", sa.Integer(), nullable=False),
        sa.Column("is_live", sa.Boolean(), nullable=False),
        sa.Column("withdrawn_reason", TEXT),
        sa.Column("event_class", TEXT),
        sa.Column("delta_t_s", sa.Double()),
        sa.Column("credible_level", sa.Double()),
        sa.Column("probdensity_per_sr", sa.Double()),
        sa.Column("separation_deg", sa.Double()),
        sa.Column("log_lr", sa.Double()),
        sa.Column("body", TEXT),
        sa.PrimaryKeyConstraint("coincidence_id", name="pk_pairs"),
    )
    _copy(old, new, "coincidence_id", _of_pair)
    op.drop_table(old.name)
    op.create_index("ix_pairs_event_key_is_live", "pairs", ["event_key", "is_live"])
    op.create_index("ix_pairs_object_key", "pairs", ["object_key"])


def _of_pair(row: Row) -> Row:
    object_id = row["object_key"].partition(":")[2]
    return {"object_hash": zlib.crc32(object_id.encode())}


def _set_aside(name: str) -> sa.Table:
    """Rename a table, and free the name of its key."""
    old = f"{name}_of_0001"
    op.rename_table(name, old)
    bind = op.get_bind()
    if bind.dialect.name == "postgresql":
        op.execute(f"ALTER INDEX pk_{name} RENAME TO pk_{old}")
    return sa.Table(old, sa.MetaData(), autoload_with=bind)


def _copy(old: sa.Table, new: sa.Table, key: str, more: Callable[[Row], Row]) -> None:
    """Copy rows page by page, each with more columns that are computed from it."""
    bind = op.get_bind()
    page = sa.select(old).order_by(old.c[key]).limit(PAGE_ROWS)
    rows = [dict(row) for row in bind.execute(page).mappings()]
    while rows:
        bind.execute(new.insert(), [row | more(row) for row in rows])
        after = page.where(old.c[key] > rows[-1][key])
        rows = [dict(row) for row in bind.execute(after).mappings()]
