"""The tables of the event store.

Each noun is stored whole, as its canonical JSON (``body``), beside the columns that people query.
There are no foreign keys between nouns: at-least-once delivery from independent streams means
that a pair may arrive before its event does. Times are seconds since the Unix epoch (UTC),
angles degrees (ICRS), ``index_29`` the order-29 NESTED HEALPix index. ``audience`` names who may
read a row (`correlator.audience`), null for everybody; it stands last, where SQLite finds a null
without reading through the body.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)


TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
"""Text in the order of its bytes, as in SQLite: so both databases sort and compare alike."""

Kind = TypeEngine[Any] | type[TypeEngine[Any]]


def _key(name: str, kind: Kind = TEXT) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _said(name: str, kind: Kind = TEXT) -> Column[Any]:
    return Column(name, kind, nullable=False)


notices = Table(
    "notices",
    metadata,
    _key("notice_id"),
    _key("content_sha256"),
    _said("source"),
    _said("mission"),
    Column("instrument", TEXT),
    _said("notice_type"),
    _said("event_key"),
    _said("event_id"),
    _said("stream"),
    _said("messenger"),
    _said("role"),
    _said("is_test", Boolean),
    _said("is_retraction", Boolean),
    Column("is_burst", Boolean),
    Column("event_unix_s", Double),
    Column("notice_unix_s", Double),
    Column("localization_sha256", TEXT),
    _said("localization_rank", Integer),
    _said("sequence", Double),
    Column("skymap_url", TEXT),
    Column("far_hz", Double),
    Column("significance", Double),
    Column("significance_kind", TEXT),
    _said("packet_name"),
    _said("received_unix_s", Double),
    _said("packet", LargeBinary),
    Column("nature", TEXT),
    Column("nature_field", TEXT),
    Column("audience", TEXT),
    Index(None, "event_key"),
    Index(None, "mission", "notice_unix_s"),
    Index(None, "notice_unix_s"),
    Index(None, "localization_sha256"),
    Index("ix_notices_received", "received_unix_s", "notice_id", "content_sha256"),
)

localizations = Table(
    "localizations",
    metadata,
    _key("sha256"),
    _said("kind"),
    _said("area_90_deg2", Double),
    _said("n_bytes", Integer),
    _said("body", LargeBinary),
)

events = Table(
    "events",
    metadata,
    _key("event_key"),
    _said("event_id"),
    _said("mission"),
    _said("messenger"),
    _said("state"),
    _said("version", Integer),
    Column("is_burst", Boolean),
    Column("event_unix_s", Double),
    Column("localization_sha256", TEXT),
    Column("far_hz", Double),
    Column("significance", Double),
    Column("significance_kind", TEXT),
    _said("body"),
    Column("nature", TEXT),
    Column("nature_field", TEXT),
    Column("audience", TEXT),
    Index(None, "event_unix_s"),
    Index(None, "mission", "event_unix_s"),
    Index(None, "localization_sha256"),
)

alerts = Table(
    "alerts",
    metadata,
    _key("survey"),
    _key("object_id"),
    _key("alert_id"),
    _said("time_unix_s", Double),
    _said("ra_deg", Double),
    _said("dec_deg", Double),
    _said("index_29", BigInteger),
    _said("band"),
    _said("flux_njy", Double),
    Column("mag_ab", Double),
    Column("real_bogus", Double),
    _said("body"),
    Column("audience", TEXT),
)
"""One index only, for thousands come a second: whoever looks for a place or a time finds the
object first, and its alerts lie together in the key."""

objects = Table(
    "objects",
    metadata,
    _key("object_key"),
    _said("survey"),
    _said("object_id"),
    _said("version", Integer),
    _said("ra_deg", Double),
    _said("dec_deg", Double),
    _said("index_29", BigInteger),
    _said("key_hash", BigInteger),
    _said("first_unix_s", Double),
    _said("time_unix_s", Double),
    _said("n_detections", Integer),
    Column("real_bogus", Double),
    _said("is_contested", Boolean),
    _said("body"),
    Column("audience", TEXT),
    # All that a look back reads, so that it never touches the rows themselves.
    Index(
        "ix_objects_region",
        "index_29",
        "time_unix_s",
        "first_unix_s",
        "key_hash",
        "ra_deg",
        "dec_deg",
        "object_key",
        "audience",
    ),
)
"""``first_unix_s`` and ``time_unix_s`` are of the earliest detection and of the latest alert,
``key_hash`` is :func:`storage.share.key_hash`; an object is contested when one alert id of it came
with two contents: then only the stored alerts tell what it is."""

pairs = Table(
    "pairs",
    metadata,
    _key("coincidence_id"),
    _said("event_key"),
    _said("object_key"),
    _said("object_hash", BigInteger),
    _said("event_version", Integer),
    _said("object_version", Integer),
    _said("is_live", Boolean),
    Column("withdrawn_reason", TEXT),
    Column("event_class", TEXT),
    Column("delta_t_s", Double),
    Column("credible_level", Double),
    Column("probdensity_per_sr", Double),
    Column("separation_deg", Double),
    Column("log_lr", Double),
    Column("body", TEXT),
    Column("audience", TEXT),
    Index("ix_pairs_event_key", "event_key", "is_live", "coincidence_id"),
    Index(None, "object_key"),
)

_PUBLISHED = (
    *("published_unix_s", "coincidence_id", "case_name", "revision"),
    *("is_current", "state", "audience"),
)
"""The order of a list of coincidences, and what most lists ask for beside it."""

coincidences = Table(
    "coincidences",
    metadata,
    _key("coincidence_id"),
    _key("case_name"),
    _key("revision", Integer),
    _said("is_current", Boolean),
    _said("state"),
    _said("event_key"),
    _said("object_key"),
    _said("published_unix_s", Double),
    Column("reason", TEXT),
    Column("content_sha256", TEXT),
    Column("stream", TEXT),
    Column("is_joint", Boolean),
    Column("is_test", Boolean),
    Column("survey", TEXT),
    Column("event_class", TEXT),
    Column("messenger", TEXT),
    Column("mission", TEXT),
    Column("far_hz", Double),
    Column("significance", Double),
    Column("significance_kind", TEXT),
    Column("is_significant", Boolean),
    Column("p_bns", Double),
    Column("p_nsbh", Double),
    Column("p_bbh", Double),
    Column("p_terrestrial", Double),
    Column("p_neutron_star", Double),
    Column("event_unix_s", Double),
    Column("rank", Integer),
    Column("rival_count", Integer),
    Column("priority", Double),
    Column("log_lr", Double),
    Column("s_sky", Double),
    Column("s_time", Double),
    Column("s_prior_activity", Double),
    Column("s_joint", Double),
    Column("event_version", Integer),
    Column("object_version", Integer),
    Column("delta_t_s", Double),
    Column("onset_earliest_s", Double),
    Column("onset_latest_s", Double),
    Column("onset_is_assumed", Boolean),
    Column("prior_activity_days", Double),
    Column("credible_level", Double),
    Column("cell_probability", Double),
    Column("probdensity_per_sr", Double),
    Column("separation_deg", Double),
    Column("ra_deg", Double),
    Column("dec_deg", Double),
    Column("unit_x", Double),
    Column("unit_y", Double),
    Column("unit_z", Double),
    Column("n_detections", Integer),
    Column("span_s", Double),
    Column("last_mag_ab", Double),
    Column("last_band", TEXT),
    Column("last_unix_s", Double),
    Column("rate_mag_per_day", Double),
    Column("rate_error_mag_per_day", Double),
    Column("real_bogus", Double),
    Column("solar_system_sep_arcsec", Double),
    Column("star_score", Double),
    Column("star_sep_arcsec", Double),
    Column("gaia_sep_arcsec", Double),
    Column("is_extragalactic", Boolean),
    Column("object_class", TEXT),
    Column("score_kilonova", Double),
    Column("score_afterglow", Double),
    Column("score_early_supernova", Double),
    Column("body", TEXT),
    Column("index_29", BigInteger),
    Column("audience", TEXT),
    Index(None, "event_key", "is_current", "state"),
    Index("ix_coincidences_event_key_published", "event_key", *_PUBLISHED),
    Index(None, "object_key"),
    Index(
        "ix_coincidences_case_name_published",
        "case_name",
        "is_current",
        "state",
        "published_unix_s",
        "coincidence_id",
        "revision",
        "audience",
    ),
    Index("ix_coincidences_published", *_PUBLISHED),
    # All that a question without a filter asks for, in the order of its pages.
    Index(
        "ix_coincidences_region",
        "index_29",
        "coincidence_id",
        "case_name",
        "revision",
        "published_unix_s",
        "is_current",
        "state",
        "event_key",
        "audience",
    ),
)
"""From ``stream`` to ``score_early_supernova`` what filters can ask for (`storage.columns`), all
null where a coincidence is gone; ``unit_x``, ``unit_y`` and ``unit_z`` are the place on the unit
sphere. They stand before the body, for SQLite reads through a long one to what is behind it.
``index_29`` is where the object lies, or lay when a coincidence that is gone was last seen."""

targets = Table(
    "targets",
    metadata,
    _key("target_id"),
    _said("case_name"),
    _said("object_key"),
    _said("event_key"),
    _said("state"),
    Column("rank", Integer),
    _said("priority", Double),
    _said("ra_deg", Double),
    _said("dec_deg", Double),
    Column("retired_reason", TEXT),
    _said("as_of_unix_s", Double),
    _said("content_sha256"),
    _said("body"),
    Column("audience", TEXT),
    Index(None, "case_name", "state"),
    Index(None, "object_key"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    _key("dead_letter_id"),
    _said("source"),
    _said("packet_name"),
    _said("packet_sha256"),
    _said("rule"),
    _said("reason"),
    _said("received_unix_s", Double),
    _said("packet", LargeBinary),
    Column("record_key", TEXT),
    Column("replayed_unix_s", Double),
    Column("audience", TEXT),
    Index(None, "source"),
    Index(None, "rule"),
    Index(None, "received_unix_s"),
)

owners = Table(
    "owners",
    metadata,
    _key("name"),
    _said("epoch", BigInteger),
    _said("holder"),
)
"""Who does what only one may do; the epoch counts the takeovers."""

joint_events = Table(
    "joint_events",
    metadata,
    _key("joint_id"),
    _said("revision", Integer),
    _said("state"),
    _said("event_unix_s", Double),
    _said("touched", BigInteger),
    _said("published_unix_s", Double),
    Column("reason", TEXT),
    _said("body"),
    Column("audience", TEXT),
    Index(None, "touched"),
    Index(None, "event_unix_s"),
)
"""``touched`` counts what may have changed the coincidences of any joint event, in one sequence:
whoever ranks them asks for what is above the last count that it saw."""

joint_members = Table(
    "joint_members",
    metadata,
    _key("event_key"),
    _key("joint_id"),
    Index(None, "joint_id"),
)
"""Members of each joint event; of one that is dissolved, those that it had."""

lookbacks = Table(
    "lookbacks",
    metadata,
    _key("event_key"),
    _key("n_partitions", Integer),
    _key("partition", Integer),
    _said("version", Integer),
)
"""Version of an event that was searched for in a partition of the objects, of so many."""

tokens = Table(
    "tokens",
    metadata,
    _key("token_id"),
    _said("secret_sha256"),
    _said("name"),
    _said("scopes"),
    Column("audience", TEXT),
    Column("rate_hz", Double),
    _said("created_unix_s", Double),
    Column("expires_unix_s", Double),
    Column("revoked_unix_s", Double),
    Index(None, "name"),
)
"""Who may do what over HTTP; ``audience`` holds the audiences that a reader belongs to."""

subscriptions = Table(
    "subscriptions",
    metadata,
    _key("name"),
    _said("owner"),
    _said("filter"),
    _said("is_active", Boolean),
    _said("created_unix_s", Double),
    Column("audience", TEXT),
    _said("is_of_token", Boolean),
    _said("is_removed", Boolean),
)
"""Filters by which coincidences are sent to a topic of a user's own; a removed one keeps its name
for its owner, as its topic does what was sent to it."""

feedback = Table(
    "feedback",
    metadata,
    _key("feedback_id"),
    _said("coincidence_id"),
    _said("author"),
    _said("status"),
    Column("viable", Boolean),
    Column("viability_reason", TEXT),
    Column("comment", TEXT),
    _said("created_unix_s", Double),
    Index(None, "coincidence_id"),
)
"""What follow-up teams say of coincidences; rows are only added."""
