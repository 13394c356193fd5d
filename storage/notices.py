"""Notices as received: the bytes, and what we understood of them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from correlator.notice import Notice
from storage.columns import nature_columns
from storage.database import Database, equal_to, plain_text
from storage.schema import notices


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
        """Store a notice with its packet; a repeated one changes nothing."""
        row = {name: getattr(notice, name) for name in _COPIED}
        row["messenger"] = str(notice.messenger)
        row |= nature_columns(notice.verdicts)
        row["localization_sha256"] = notice.localization.sha256 if notice.localization else None
        row |= {"packet": packet, "packet_name": plain_text(packet_name)}
        row["received_unix_s"] = received_unix_s
        self._database.upsert(notices, [row])

    def packets_of_event(self, event_key: str) -> list[tuple[str, bytes]]:
        """Name and bytes of every packet of an event, by notice id: not in order of arrival."""
        c = notices.c
        found = (
            select(c.packet_name, c.packet)
            .where(c.event_key == event_key)
            .order_by(c.notice_id, c.content_sha256)
        )
        with self._database.reading() as connection:
            return [(row.packet_name, row.packet) for row in connection.execute(found)]

    def packet(self, notice_id: str) -> bytes | None:
        """Bytes of a notice as received; of several contents, that of the lowest hash."""
        found = (
            select(notices.c.packet)
            .where(notices.c.notice_id == notice_id)
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
            return [NoticeRecord(*row) for row in connection.execute(found)]
