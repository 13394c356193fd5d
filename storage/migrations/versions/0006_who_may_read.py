"""What readers ask of: audiences, places of coincidences, tokens, subscriptions, feedback."""

import numpy as np
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from skymaps.healpix import index_29_of

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

HAVE_AN_AUDIENCE = (
    "notices", "events", "alerts", "objects", "pairs", "coincidences", "targets", "joint_events",
    "dead_letters",
)  # fmt: skip

REGION = ["index_29", "time_unix_s", "first_unix_s", "key_hash", "ra_deg", "dec_deg", "object_key"]

PUBLISHED = [
    "published_unix_s", "coincidence_id", "case_name", "revision", "is_current", "state",
    "audience",
]  # fmt: skip

PAGE_ROWS = 5000
"""Coincidences that get their place at once."""


def upgrade() -> None:
    op.add_column("coincidences", sa.Column("index_29", sa.BigInteger()))
    _place_coincidences()
    # Behind the body, where SQLite finds a null without reading through it; what looks for a place
    # has the audience in the index.
    for table in HAVE_AN_AUDIENCE:
        op.add_column(table, sa.Column("audience", TEXT))
    op.drop_index("ix_objects_region", "objects")
    op.create_index("ix_objects_region", "objects", [*REGION, "audience"])
    _index_for_lists()
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
        sa.Column("is_of_token", sa.Boolean(), nullable=False),
        sa.Column("is_removed", sa.Boolean(), nullable=False),
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


def _index_for_lists() -> None:
    op.create_index(
        "ix_notices_received", "notices", ["received_unix_s", "notice_id", "content_sha256"]
    )
    for table in ("notices", "events"):
        op.create_index(f"ix_{table}_localization_sha256", table, ["localization_sha256"])
    op.drop_index("ix_pairs_event_key_is_live", "pairs")
    op.create_index("ix_pairs_event_key", "pairs", ["event_key", "is_live", "coincidence_id"])
    op.drop_index("ix_coincidences_case_name_is_current_state", "coincidences")
    op.drop_index("ix_coincidences_published_unix_s", "coincidences")
    lists = {
        "ix_coincidences_event_key_published": ["event_key", *PUBLISHED],
        "ix_coincidences_case_name_published": [
            "case_name", "is_current", "state", "published_unix_s", "coincidence_id", "revision",
            "audience",
        ],
        "ix_coincidences_published": PUBLISHED,
        "ix_coincidences_region": [
            "index_29", "coincidence_id", "case_name", "revision", "published_unix_s",
            "is_current", "state", "event_key", "audience",
        ],
    }  # fmt: skip
    for name, columns in lists.items():
        op.create_index(name, "coincidences", columns)


def _place_coincidences() -> None:
    """The place of each, and of what is gone that of the revision before."""
    bind = op.get_bind()
    table = sa.table(
        "coincidences",
        *(sa.column(name, TEXT) for name in ("coincidence_id", "case_name", "body")),
        sa.column("revision", sa.Integer()),
        sa.column("index_29", sa.BigInteger()),
        *(sa.column(name, sa.Double()) for name in ("ra_deg", "dec_deg")),
    )
    c = table.c
    key = [c.coincidence_id, c.case_name, c.revision]
    placed = sa.update(table).values(index_29=sa.bindparam("at"))
    placed = placed.where(*(one == sa.bindparam(f"of_{one.name}") for one in key))
    known = sa.select(*key, c.ra_deg, c.dec_deg).where(c.ra_deg.is_not(None))
    page = known.order_by(*key).limit(PAGE_ROWS)
    rows = bind.execute(page).all()
    while rows:
        at = index_29_of(np.array([r.ra_deg for r in rows]), np.array([r.dec_deg for r in rows]))
        keys = [{f"of_{one.name}": row[i] for i, one in enumerate(key)} for row in rows]
        bind.execute(placed, [k | {"at": a} for k, a in zip(keys, at.tolist(), strict=True)])
        last = sa.tuple_(*(sa.literal(rows[-1][i], one.type) for i, one in enumerate(key)))
        rows = bind.execute(page.where(sa.tuple_(*key) > last)).all()
    before = table.alias("before")
    of_before = sa.select(before.c.index_29).where(
        before.c.coincidence_id == c.coincidence_id,
        before.c.case_name == c.case_name,
        before.c.revision == c.revision - 1,
    )
    gone = sa.update(table).where(c.body.is_(None))
    bind.execute(gone.values(index_29=of_before.scalar_subquery()))
