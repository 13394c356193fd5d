"""The tables of the first release.

There is no way back: to go down would delete history.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("survey", TEXT, nullable=False),
        sa.Column("alert_id", TEXT, nullable=False),
        sa.Column("object_id", TEXT, nullable=False),
        sa.Column("time_unix_s", sa.Double(), nullable=False),
        sa.Column("ra_deg", sa.Double(), nullable=False),
        sa.Column("dec_deg", sa.Double(), nullable=False),
        sa.Column("index_29", sa.BigInteger(), nullable=False),
        sa.Column("band", TEXT, nullable=False),
        sa.Column("flux_njy", sa.Double(), nullable=False),
        sa.Column("mag_ab", sa.Double()),
        sa.Column("real_bogus", sa.Double()),
        sa.Column("body", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("survey", "alert_id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_index_29_time_unix_s", "alerts", ["index_29", "time_unix_s"])
    op.create_index("ix_alerts_survey_object_id", "alerts", ["survey", "object_id"])
    op.create_index("ix_alerts_time_unix_s", "alerts", ["time_unix_s"])

    op.create_table(
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
        sa.Column("rank", sa.Integer()),
        sa.Column("log_lr", sa.Double()),
        sa.Column("priority", sa.Double()),
        sa.Column("body", TEXT),
        sa.PrimaryKeyConstraint("coincidence_id", "case_name", "revision", name="pk_coincidences"),
    )
    op.create_index(
        "ix_coincidences_case_name_is_current", "coincidences", ["case_name", "is_current"]
    )
    op.create_index(
        "ix_coincidences_event_key_is_current", "coincidences", ["event_key", "is_current"]
    )
    op.create_index("ix_coincidences_object_key", "coincidences", ["object_key"])
    op.create_index("ix_coincidences_published_unix_s", "coincidences", ["published_unix_s"])

    op.create_table(
        "dead_letters",
        sa.Column("dead_letter_id", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("packet_name", TEXT, nullable=False),
        sa.Column("packet_sha256", TEXT, nullable=False),
        sa.Column("rule", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("received_unix_s", sa.Double(), nullable=False),
        sa.Column("packet", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("dead_letter_id", name="pk_dead_letters"),
    )
    op.create_index("ix_dead_letters_received_unix_s", "dead_letters", ["received_unix_s"])
    op.create_index("ix_dead_letters_rule", "dead_letters", ["rule"])
    op.create_index("ix_dead_letters_source", "dead_letters", ["source"])

    op.create_table(
        "events",
        sa.Column("event_key", TEXT, nullable=False),
        sa.Column("event_id", TEXT, nullable=False),
        sa.Column("mission", TEXT, nullable=False),
        sa.Column("messenger", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_burst", sa.Boolean()),
        sa.Column("event_unix_s", sa.Double()),
        sa.Column("localization_sha256", TEXT),
        sa.Column("far_hz", sa.Double()),
        sa.Column("significance", sa.Double()),
        sa.Column("significance_kind", TEXT),
        sa.Column("body", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("event_key", name="pk_events"),
    )
    op.create_index("ix_events_event_unix_s", "events", ["event_unix_s"])
    op.create_index("ix_events_mission_event_unix_s", "events", ["mission", "event_unix_s"])

    op.create_table(
        "localizations",
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("area_90_deg2", sa.Double(), nullable=False),
        sa.Column("n_bytes", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_localizations"),
    )
    op.create_table(
        "notices",
        sa.Column("notice_id", TEXT, nullable=False),
        sa.Column("content_sha256", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("mission", TEXT, nullable=False),
        sa.Column("instrument", TEXT),
        sa.Column("notice_type", TEXT, nullable=False),
        sa.Column("event_key", TEXT, nullable=False),
        sa.Column("event_id", TEXT, nullable=False),
        sa.Column("stream", TEXT, nullable=False),
        sa.Column("messenger", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("is_retraction", sa.Boolean(), nullable=False),
        sa.Column("is_burst", sa.Boolean()),
        sa.Column("event_unix_s", sa.Double()),
        sa.Column("notice_unix_s", sa.Double()),
        sa.Column("localization_sha256", TEXT),
        sa.Column("localization_rank", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Double(), nullable=False),
        sa.Column("skymap_url", TEXT),
        sa.Column("far_hz", sa.Double()),
        sa.Column("significance", sa.Double()),
        sa.Column("significance_kind", TEXT),
        sa.Column("packet_name", TEXT, nullable=False),
        sa.Column("received_unix_s", sa.Double(), nullable=False),
        sa.Column("packet", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", "content_sha256", name="pk_notices"),
    )
    op.create_index("ix_notices_event_key", "notices", ["event_key"])
    op.create_index("ix_notices_mission_notice_unix_s", "notices", ["mission", "notice_unix_s"])
    op.create_index("ix_notices_notice_unix_s", "notices", ["notice_unix_s"])

    op.create_table(
        "objects",
        sa.Column("object_key", TEXT, nullable=False),
        sa.Column("survey", TEXT, nullable=False),
        sa.Column("object_id", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("ra_deg", sa.Double(), nullable=False),
        sa.Column("dec_deg", sa.Double(), nullable=False),
        sa.Column("index_29", sa.BigInteger(), nullable=False),
        sa.Column("time_unix_s", sa.Double(), nullable=False),
        sa.Column("n_detections", sa.Integer(), nullable=False),
        sa.Column("real_bogus", sa.Double()),
        sa.Column("body", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("object_key", name="pk_objects"),
    )
    op.create_index("ix_objects_index_29_time_unix_s", "objects", ["index_29", "time_unix_s"])
    op.create_index("ix_objects_time_unix_s", "objects", ["time_unix_s"])

    op.create_table(
        "pairs",
        sa.Column("coincidence_id", TEXT, nullable=False),
        sa.Column("event_key", TEXT, nullable=False),
        sa.Column("object_key", TEXT, nullable=False),
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
    op.create_index("ix_pairs_event_key_is_live", "pairs", ["event_key", "is_live"])
    op.create_index("ix_pairs_object_key", "pairs", ["object_key"])

    op.create_table(
        "targets",
        sa.Column("target_id", TEXT, nullable=False),
        sa.Column("case_name", TEXT, nullable=False),
        sa.Column("object_key", TEXT, nullable=False),
        sa.Column("event_key", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("rank", sa.Integer()),
        sa.Column("priority", sa.Double(), nullable=False),
        sa.Column("ra_deg", sa.Double(), nullable=False),
        sa.Column("dec_deg", sa.Double(), nullable=False),
        sa.Column("retired_reason", TEXT),
        sa.Column("as_of_unix_s", sa.Double(), nullable=False),
        sa.Column("content_sha256", TEXT, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("target_id", name="pk_targets"),
    )
    op.create_index("ix_targets_case_name_state", "targets", ["case_name", "state"])
    op.create_index("ix_targets_object_key", "targets", ["object_key"])
