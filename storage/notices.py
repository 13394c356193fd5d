"""Notices as received: the bytes, and what we understood of them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import exists, select, tuple_, update

from correlator.audience import Audience, audience_of_text, audience_text, union
from correlator.event import EventState
from correlator.notice import Notice
from storage.columns import nature_columns
from storage.database import Database, equal_to, plain_text, upsert
from storage.schema import events, notices


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """What the store says of a notice; :meth:`NoticeStore.packet` has its bytes."""

    notice_id: str
    content_sha256: str
    source: str
    mission: str
    instrument: str | None
    notice_type: str
    event_key: str
    is_test: bool
    is_retraction: bool
    is_burst: bool | None
    nature: str | None
    nature_field: str | None
    event_unix_s: float | None
    notice_unix_s: float | None
    localization_sha256: str | None
    far_hz: float | None
    significance: float | None
    significance_kind: str | None
    packet_name: str
    received_unix_s: float
    audience: Audience


@dataclass(frozen=True, slots=True)
class WantedMap:
    """A notice that names a sky map which it does not have.

    Attributes
    ----------
    url
        As the notice spells it.
    received_unix_s
        When the notice came first.
    audience
        Who may read the notice, and so the map.
    """

    notice_id: str
    content_sha256: str
    event_key: str
    is_test: bool
    url: str
    received_unix_s: float
    audience: Audience


_RECORD = [notices.c[name] for name in NoticeRecord.__dataclass_fields__]

_COPIED = (
    "notice_id",
    "content_sha256",
    "source",
    "mission",
    "instrument",
    "notice_type",
    "event_key",
    "event_id",
    "stream",
    "role",
    "is_test",
    "is_retraction",
    "is_burst",
    "event_unix_s",
    "notice_unix_s",
    "localization_rank",
    "sequence",
    "skymap_url",
    "far_hz",
    "significance",
    "significance_kind",
)


class NoticeStore:
    """Immutable notices, one row for each content of each notice id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, notice: Notice, packet: bytes, packet_name: str, received_unix_s: float) -> None:
        """Store a notice with its packet; a repeated one changes nothing but its audience.

        It is for whoever may read all the streams that it came by.
        """
        row = {name: getattr(notice, name) for name in _COPIED}
        row["messenger"] = str(notice.messenger)
        row |= nature_columns(notice.verdicts)
        row["localization_sha256"] = notice.localization.sha256 if notice.localization else None
        row |= {"packet": packet, "packet_name": plain_text(packet_name)}
        row["received_unix_s"] = received_unix_s
        row["audience"] = audience_text(notice.audience)
        c = notices.c
        same = (c.notice_id == notice.notice_id, c.content_sha256 == notice.content_sha256)
        with self._database.writing() as connection:
            upsert(connection, notices, [row])
            if not notice.audience:
                return
            stored = select(c.audience).where(*same).with_for_update()
            known = audience_of_text(connection.execute(stored).scalar_one())
            both = union((known, notice.audience))
            if both != known:
                changed = update(notices).where(*same).values(audience=audience_text(both))
                connection.execute(changed)

    def packets_of_event(self, event_key: str) -> list[tuple[str, bytes, Audience]]:
        """Name, bytes and audience of every packet of an event, by notice id: not as they came."""
        c = notices.c
        found = (
            select(c.packet_name, c.packet, c.audience)
            .where(c.event_key == event_key)
            .order_by(c.notice_id, c.content_sha256)
        )
        with self._database.reading() as connection:
            rows = connection.execute(found).all()
        return [(row.packet_name, row.packet, audience_of_text(row.audience)) for row in rows]

    def wanted_maps(
        self, source: str, suffix: str, since_unix_s: float, notice_id: str | None = None
    ) -> list[WantedMap]:
        """Maps that notices received since a moment name and nobody fetched, by time of receipt.

        A notice that has a place of no rank (a retraction, a known source) and one of an event that
        is retracted want none. Of several notices of one event that name the same URL only the
        most authoritative one does: what is there will be of that one.

        Parameters
        ----------
        source, suffix
            What a fetched map is known by: ``source`` of its notice, whose id is the one of the
            notice that named the map with that suffix.
        notice_id
            That of one notice alone.
        """
        c, later, fetched = notices.c, notices.alias("later").c, notices.alias("fetched").c
        is_later = tuple_(later.localization_rank, later.sequence, later.notice_id) > tuple_(
            c.localization_rank, c.sequence, c.notice_id
        )
        found = (
            select(
                c.notice_id,
                c.content_sha256,
                c.event_key,
                c.is_test,
                c.skymap_url,
                c.received_unix_s,
                c.audience,
            )
            .join(events, events.c.event_key == c.event_key)
            .where(
                c.skymap_url.is_not(None),
                c.received_unix_s >= since_unix_s,
                c.source != source,
                c.localization_rank >= 0,
                c.is_retraction.is_(False),
                events.c.state != str(EventState.RETRACTED),
                ~exists().where(
                    later.event_key == c.event_key,
                    later.skymap_url == c.skymap_url,
                    later.source != source,
                    is_later,
                ),
                ~exists().where(
                    fetched.event_key == c.event_key,
                    fetched.notice_id == c.notice_id.concat(suffix),
                ),
                *equal_to(notices, notice_id=notice_id),
            )
            .order_by(c.received_unix_s, c.notice_id, c.content_sha256)
        )
        with self._database.reading() as connection:
            rows = connection.execute(found).all()
        return [WantedMap(*row[:-1], audience_of_text(row.audience)) for row in rows]

    def has_map(self, source: str, event_key: str, url: str, localization_sha256: str) -> bool:
        """Whether an event has a fetched map of that content from that URL."""
        c = notices.c
        found = select(c.notice_id).where(
            c.source == source,
            c.event_key == event_key,
            c.skymap_url == url,
            c.localization_sha256 == localization_sha256,
        )
        with self._database.reading() as connection:
            return connection.execute(found.limit(1)).scalar() is not None

    def packet(self, notice_id: str, content_sha256: str | None = None) -> bytes | None:
        """Bytes of a notice as received; of several contents, that of a hash, or of the lowest."""
        found = (
            select(notices.c.packet)
            .where(*equal_to(notices, notice_id=notice_id, content_sha256=content_sha256))
            .order_by(notices.c.content_sha256)
            .limit(1)
        )
        with self._database.reading() as connection:
            return connection.execute(found).scalar()

    def find(
        self,
        event_key: str | None = None,
        mission: str | None = None,
        start_unix_s: float | None = None,
        end_unix_s: float | None = None,
        limit: int = 1000,
    ) -> list[NoticeRecord]:
        """Latest notices of an event, a mission, or a time ``[start, end)`` of notice."""
        c = notices.c
        conditions = equal_to(notices, event_key=event_key, mission=mission)
        if start_unix_s is not None:
            conditions.append(c.notice_unix_s >= start_unix_s)
        if end_unix_s is not None:
            conditions.append(c.notice_unix_s < end_unix_s)
        found = (
            select(*_RECORD)
            .where(*conditions)
            .order_by(c.notice_unix_s.desc().nulls_last(), c.notice_id, c.content_sha256)
            .limit(limit)
        )
        with self._database.reading() as connection:
            rows = connection.execute(found).all()
        return [
            NoticeRecord(**{**row._mapping, "audience": audience_of_text(row.audience)})
            for row in rows
        ]
