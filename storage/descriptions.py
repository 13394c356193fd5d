"""What each table and column of the store holds, in words."""

from __future__ import annotations

from sqlalchemy import Column, Table

from correlator.filters import FIELDS
from storage.columns import COLUMN_OF

TABLES = {
    "notices": "Each content of each notice, with the packet that it was read from. Never changed.",
    "localizations": "Where something happened, as a notice says it, by its hash. Never changed.",
    "events": "What the notices of one occurrence imply together: the highest version of each.",
    "alerts": "Optical alerts in our words. Of one id with two contents the greater stays.",
    "objects": "What the stored alerts of one object imply together.",
    "pairs": "An object and an event that belong together: the evidence, or why it is gone.",
    "coincidences": "Every revision of every published coincidence, in each science case.",
    "targets": "Every object that ever was in a list of targets, with its rank or why it left.",
    "dead_letters": "Packets that were refused, with their bytes and the reason.",
    "owners": "Who does what only one may do.",
    "joint_events": "Events of several missions that are one burst: the latest revision of each.",
    "joint_members": "Which events a joint event has, or had when it was dissolved.",
    "lookbacks": "Up to which version an event was searched for among the stored objects.",
    "tokens": "Who may do what over HTTP. A secret is held as its hash alone.",
    "subscriptions": "Filters by which coincidences are sent to a topic of a user's own.",
    "feedback": "What follow-up teams say of coincidences. Rows are only added.",
}
"""One line a table."""

COLUMNS = {
    "alert_id": "id of the alert inside its object",
    "area_90_deg2": "area of the 90 % credible region [deg2]",
    "as_of_unix_s": "moment of the list that said it last [s]",
    "audience": "tags that a reader must all hold, with blanks between; null for everybody",
    "author": "who said it",
    "band": "filter of the detection",
    "body": "the whole as canonical JSON",
    "case_name": "science case: kilonova",
    "coincidence_id": "id of object and event together",
    "comment": "in free words",
    "content_sha256": "hash of the content",
    "created_unix_s": "when it was made [s]",
    "dead_letter_id": "hash of source, packet and reason",
    "dec_deg": "declination, ICRS [deg]",
    "epoch": "number of takeovers",
    "event_id": "the mission's own id of the event",
    "event_key": "the event: lvk:S240115k",
    "event_unix_s": "T0 [s]; null where nobody says it",
    "expires_unix_s": "from when on it is worth nothing [s]; null for never",
    "far_hz": "false-alarm rate [Hz]",
    "feedback_id": "hash of the rest",
    "filter": "text of the filter, in its one form",
    "first_unix_s": "time of the earliest detection [s]",
    "flux_njy": "difference flux of the detection [nJy]",
    "holder": "who took it last",
    "index_29": "order-29 NESTED HEALPix index of the place",
    "instrument": "instrument of the mission",
    "is_active": "whether something is sent",
    "is_removed": "whether it is gone for all but its owner, who alone may use the name again",
    "is_burst": "whether the mission holds it for a burst; null where it does not say",
    "is_contested": "whether one alert id of it came with two contents",
    "is_current": "whether no later revision is stored",
    "is_live": "whether the pair holds",
    "is_retraction": "whether the notice takes the event back",
    "is_test": "whether it is a test, a mock or a drill",
    "joint_id": "the joint event: joint:...",
    "key_hash": "crc32 of the object's id, by which objects are shared out",
    "kind": "map or circle",
    "localization_rank": "stage of the mission's analysis, which wins over earlier ones",
    "localization_sha256": "hash of the localization; null without one",
    "mag_ab": "AB magnitude of the detection; null for a negative flux",
    "messenger": "what carried the news",
    "mission": "mission that says it: LVK, SVOM",
    "n_bytes": "length of the body [bytes]",
    "n_detections": "how many detections are known",
    "n_partitions": "number of partitions that the objects were shared out in",
    "name": "what it is called",
    "nature": "what the packet says that it reports: test, no-burst; null where nothing",
    "nature_field": "field of the packet that says so",
    "notice_id": "id of the notice",
    "notice_type": "the mission's own word for it",
    "notice_unix_s": "when the mission said it [s]",
    "object_hash": "crc32 of the object's id, as objects.key_hash",
    "object_id": "the survey's id of the object",
    "object_key": "the object: ztf:ZTF25aaaaaaa",
    "owner": "who may change and remove it",
    "packet": "the bytes as received",
    "packet_name": "file, or topic and offset",
    "packet_sha256": "hash of the bytes",
    "partition": "number of the partition",
    "priority": "sum of the priority's terms",
    "published_unix_s": "when it was published [s]",
    "ra_deg": "right ascension, ICRS [deg]",
    "rank": "place in the list, 1 the first; null for who left it",
    "rate_hz": "requests a second that it may make; null as everybody",
    "real_bogus": "0 bogus, 1 real; null where the survey does not say",
    "reason": "why, in words; null where nothing is to be explained",
    "received_unix_s": "when it came to us [s]",
    "record_key": "key of its record on the topic",
    "replayed_unix_s": "when it was put back and understood [s]",
    "retired_reason": "why it left the list",
    "revision": "counts from 1",
    "revoked_unix_s": "when it was taken back [s]",
    "role": "the packet's own role: observation, test, utility, prediction",
    "rule": "the rule that it breaks, by which one counts",
    "scopes": "some of read, subscribe, write, admin",
    "secret_sha256": "SHA-256 of the secret",
    "sequence": "what counts inside a stage: time created, or revision",
    "sha256": "hash of the body",
    "significance": "as the mission has it",
    "significance_kind": "what that is: snr, image_snr",
    "skymap_url": "where the notice says that its map is",
    "source": "feed that it came from",
    "state": "where it stands",
    "status": "pending, confirmed, ambiguous or rejected",
    "stream": "series of notices: svom, einstein-probe-wxt",
    "survey": "ztf or lsst",
    "target_id": "science case and object together",
    "time_unix_s": "time of the exposure [s]; of an object that of its latest alert",
    "token_id": "the part of the secret that may be shown",
    "touched": "count of what may have changed the coincidences of a joint event, in one sequence",
    "unit_x": "place on the unit sphere, towards RA 0",
    "unit_y": "place on the unit sphere, towards RA 90 deg",
    "unit_z": "place on the unit sphere, towards the north pole",
    "version": "grows with what is behind it",
    "viability_reason": "why it is viable, or not",
    "viable": "whether it may be the counterpart; null where nothing was said of it",
    "withdrawn_reason": "why the pair holds no more",
}  # fmt: skip
"""Columns by name: one that several tables have means the same in all, or stands in `_OWN`."""

_OWN = {
    "coincidences.content_sha256": "hash of the content: the same is not published twice",
    "coincidences.state": "active, superseded, retracted or expired",
    "coincidences.index_29": "order-29 NESTED HEALPix index of the object, also of what is gone",
    "coincidences.body": "the whole as canonical JSON; null where the coincidence is gone",
    "events.state": "live, retracted or test",
    "events.version": "number of distinct notices, and of tags, behind it",
    "feedback.coincidence_id": "the coincidence that it is about",
    "joint_events.event_unix_s": "T0 of its first member [s]",
    "joint_events.state": "live or dissolved",
    "localizations.body": "the map or circle in our own binary form",
    "lookbacks.version": "version of the event that was searched for",
    "objects.version": "number of distinct alerts, and of tags, behind it",
    "pairs.body": "the evidence as canonical JSON; null where the pair is withdrawn",
    "pairs.event_version": "version of the event that was compared",
    "pairs.object_version": "version of the object that was compared",
    "subscriptions.audience": "tags that the owner held when it was put, with blanks between",
    "subscriptions.is_of_token": "whether only tags that a valid token of the owner holds count",
    "subscriptions.name": "last word of the topic",
    "targets.state": "active or retired",
    "targets.event_key": "the event of its best coincidence",
    "tokens.audience": "tags that the reader holds, with blanks between; null for none",
    "tokens.name": "of whom it was given to",
    "owners.name": "what is owned",
}  # fmt: skip
"""What a column means in one table only."""

_OF_FILTERS = {COLUMN_OF[name]: field.meaning for name, field in FIELDS.items()}
"""Columns of coincidences that filters ask for, in the filters' words."""


def table_text(table: Table) -> str:
    """What a table holds.

    Raises
    ------
    KeyError
        Nobody has described it.
    """
    return TABLES[table.name]


def column_text(column: Column[object]) -> str:
    """What a column holds.

    Raises
    ------
    KeyError
        Nobody has described it.
    """
    table = column.table.name
    if (own := _OWN.get(f"{table}.{column.name}")) is not None:
        return own
    if table in {"coincidences", "pairs"} and column.name in _OF_FILTERS:
        return _OF_FILTERS[column.name]
    return COLUMNS[column.name]


def unused() -> set[str]:
    """Descriptions of what no table has, by name; every one is a mistake."""
    from storage.schema import metadata

    columns = {(t.name, c.name) for t in metadata.tables.values() for c in t.c}
    names = {name for _, name in columns}
    own = {said for said in _OWN if tuple(said.split(".")) not in columns}
    return own | (COLUMNS.keys() - names) | (TABLES.keys() - metadata.tables.keys())
