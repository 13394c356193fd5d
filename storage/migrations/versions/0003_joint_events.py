"""Joint events, and which of them an event is a member of."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "joint_events",
        sa.Column("joint_id", TEXT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("event_unix_s", sa.Double(), nullable=False),
        sa.Column("touched", sa.BigInteger(), nullable=False),
        sa.Column("published_unix_s", sa.Double(), nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("body", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("joint_id", name="pk_joint_events"),
    )
    op.create_index("ix_joint_events_touched", "joint_events", ["touched"])
    op.create_index("ix_joint_events_event_unix_s", "joint_events", ["event_unix_s"])
    op.create_table(
        "joint_members",
        sa.Column("event_key", TEXT, nullable=False),
        sa.Column("joint_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("event_key", "joint_id", name="pk_joint_members"),
    )
    op.create_index("ix_joint_members_joint_id", "joint_members", ["joint_id"])
