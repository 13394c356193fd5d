"""Audiences of what is stored, and what readers bring: tokens, subscriptions, feedback."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

HAVE_AN_AUDIENCE = (
    "notices", "events", "alerts", "objects", "pairs", "coincidences", "targets", "joint_events",
)  # fmt: skip

REGION = ["index_29", "time_unix_s", "first_unix_s", "key_hash", "ra_deg", "dec_deg", "object_key"]


def upgrade() -> None:
    # Behind the body, where SQLite finds a null without reading through it; what looks for a place
    # has the audience in the index.
    for table in HAVE_AN_AUDIENCE:
        op.add_column(table, sa.Column("audience", TEXT))
    op.drop_index("ix_objects_region", "objects")
    op.create_index("ix_objects_region", "objects", [*REGION, "audience"])
    op.create_table(
        "tokens",
        sa.Column("token_id", TEXT, nullable=False),
        sa.Column("secret_sha256", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("scopes", TEXT, nullable=False),
        sa.Column("audience", TEXT),
        sa.Column("rate_hz", sa.Double()),
        sa.Column("created_unix_s", sa.Double(), nullable=False),
        sa.Column("expires_unix_s", sa.Double()),
        sa.Column("revoked_unix_s", sa.Double()),
        sa.PrimaryKeyConstraint("token_id", name="pk_tokens"),
    )
    op.create_index("ix_tokens_name", "tokens", ["name"])
    op.create_table(
        "subscriptions",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("filter", TEXT, nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_unix_s", sa.Double(), nullable=False),
        sa.Column("audience", TEXT),
        sa.PrimaryKeyConstraint("name", name="pk_subscriptions"),
    )
    op.create_table(
        "feedback",
        sa.Column("feedback_id", TEXT, nullable=False),
        sa.Column("coincidence_id", TEXT, nullable=False),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("viable", sa.Boolean()),
        sa.Column("viability_reason", TEXT),
        sa.Column("comment", TEXT),
        sa.Column("created_unix_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("feedback_id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_coincidence_id", "feedback", ["coincidence_id"])
