"""What filters ask of coincidences, in columns before the body.

The table is written anew, as in 0002: a column behind a long body is slow to read in SQLite.
"""

import logging
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from correlator.errors import MalformedPacketError
from correlator.ranking import Coincidence
from correlator.wire import of_json
from storage.columns import coincidence_columns

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

Row = dict[str, Any]

PAGE_ROWS = 1000
"""Rows that are read and written at once."""

KEY = ("coincidence_id", "case_name", "revision")
KEPT = (
    *KEY, "is_current", "state", "event_key", "object_key", "published_unix_s", "reason",
    "content_sha256", "body",
)  # fmt: skip


def upgrade() -> None:
    indexes = {
        "ix_coincidences_event_key_is_current_state": ["event_key", "is_current", "state"],
        "ix_coincidences_object_key": ["object_key"],
        "ix_coincidences_case_name_is_current_state": ["case_name", "is_current", "state"],
        "ix_coincidences_published_unix_s": ["published_unix_s"],
    }
    for name in indexes:
        op.drop_index(name, "coincidences")
    old = _set_aside("coincidences")
    new = _new_table()
    _copy(old, new)
    op.drop_table(old.name)
    for name, columns in indexes.items():
        op.create_index(name, "coincidences", columns)


def _new_table() -> sa.Table:
    return op.create_table(
        "coincidences",
        sa.Column("coincidence_id", TEXT, nullable=False),
        sa.Column("case_name", TEXT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("event_key", TEXT, nullable=False),
        sa.Column("object_key", TEXT, nullable=False),
        sa.Column("published_unix_s", sa.Double(), nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("content_sha256", TEXT),
        sa.Column("stream", TEXT),
        sa.Column("is_joint", sa.Boolean()),
        sa.Column("is_test", sa.Boolean()),
        sa.Column("survey", TEXT),
        sa.Column("event_class", TEXT),
        sa.Column("messenger", TEXT),
        sa.Column("mission", TEXT),
        sa.Column("far_hz", sa.Double()),
        sa.Column("significance", sa.Double()),
        sa.Column("significance_kind", TEXT),
        sa.Column("is_significant", sa.Boolean()),
        sa.Column("p_bns", sa.Double()),
        sa.Column("p_nsbh", sa.Double()),
        sa.Column("p_bbh", sa.Double()),
        sa.Column("p_terrestrial", sa.Double()),
        sa.Column("p_neutron_star", sa.Double()),
        sa.Column("event_unix_s", sa.Double()),
        sa.Column("rank", sa.Integer()),
        sa.Column("rival_count", sa.Integer()),
        sa.Column("priority", sa.Double()),
        sa.Column("log_lr", sa.Double()),
        sa.Column("s_sky", sa.Double()),
        sa.Column("s_time", sa.Double()),
        sa.Column("s_prior_activity", sa.Double()),
        sa.Column("s_joint", sa.Double()),
        sa.Column("event_version", sa.Integer()),
        sa.Column("object_version", sa.Integer()),
        sa.Column("delta_t_s", sa.Double()),
        sa.Column("onset_earliest_s", sa.Double()),
        sa.Column("onset_latest_s", sa.Double()),
        sa.Column("onset_is_assumed", sa.Boolean()),
        sa.Column("prior_activity_days", sa.Double()),
        sa.Column("credible_level", sa.Double()),
        sa.Column("cell_probability", sa.Double()),
        sa.Column("probdensity_per_sr", sa.Double()),
        sa.Column("separation_deg", sa.Double()),
        sa.Column("ra_deg", sa.Double()),
        sa.Column("dec_deg", sa.Double()),
        sa.Column("unit_x", sa.Double()),
        sa.Column("unit_y", sa.Double()),
        sa.Column("unit_z", sa.Double()),
        sa.Column("n_detections", sa.Integer()),
        sa.Column("span_s", sa.Double()),
        sa.Column("last_mag_ab", sa.Double()),
        sa.Column("last_band", TEXT),
        sa.Column("last_unix_s", sa.Double()),
        sa.Column("rate_mag_per_day", sa.Double()),
        sa.Column("rate_error_mag_per_day", sa.Double()),
        sa.Column("real_bogus", sa.Double()),
        sa.Column("solar_system_sep_arcsec", sa.Double()),
        sa.Column("star_score", sa.Double()),
        sa.Column("star_sep_arcsec", sa.Double()),
        sa.Column("gaia_sep_arcsec", sa.Double()),
        sa.Column("is_extragalactic", sa.Boolean()),
        sa.Column("object_class", TEXT),
        sa.Column("score_kilonova", sa.Double()),
        sa.Column("score_afterglow", sa.Double()),
        sa.Column("score_early_supernova", sa.Double()),
        sa.Column("body", TEXT),
        sa.PrimaryKeyConstraint("coincidence_id", "case_name", "revision", name="pk_coincidences"),
    )


def _set_aside(name: str) -> sa.Table:
    """Rename a table, and free the name of its key."""
    old = f"{name}_of_0004"
    op.rename_table(name, old)
    bind = op.get_bind()
    if bind.dialect.name == "postgresql":
        op.execute(f"ALTER INDEX pk_{name} RENAME TO pk_{old}")
    return sa.Table(old, sa.MetaData(), autoload_with=bind)


def _copy(old: sa.Table, new: sa.Table) -> None:
    """Copy rows page by page, each with the columns that follow from its body."""
    bind = op.get_bind()
    columns = [old.c[name] for name in KEY]
    key = sa.tuple_(*columns)
    page = sa.select(*(old.c[name] for name in KEPT)).order_by(*columns).limit(PAGE_ROWS)
    rows = [dict(row) for row in bind.execute(page).mappings()]
    while rows:
        bind.execute(new.insert(), [row | _columns(row, new) for row in rows])
        last = sa.tuple_(*(sa.literal(rows[-1][name], old.c[name].type) for name in KEY))
        rows = [dict(row) for row in bind.execute(page.where(key > last)).mappings()]


def _columns(row: Row, new: sa.Table) -> Row:
    """Of a body that nobody can read, nothing: the store cannot read it either."""
    body = None
    if row["body"] is not None:
        name = f"coincidence {row['coincidence_id']}/{row['case_name']}/{row['revision']}"
        try:
            body = of_json(Coincidence, row["body"].encode(), name)
        except MalformedPacketError as error:
            logging.getLogger("alembic.runtime.migration").warning("%s", error)
    # A later release may have more columns than this version of the table.
    return {k: v for k, v in coincidence_columns(body).items() if k in new.c}
