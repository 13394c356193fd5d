"""A night with a proprietary survey and a proprietary mission, streamed through the pipeline."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from correlator.alert import Alert
from correlator.policy import Policy
from correlator.service.archive import Archive, Delivery, archive_files, read_archive
from correlator.service.source_audiences import SourceAudiences
from correlator.service.wiring import running
from correlator.wire import of_json, to_json
from skymaps.healpix import Positions
from storage.store import Store
from streams.outgoing import Outgoing
from streams.settings import StreamSettings
from streams.topics import OPTICAL_ALERTS

AUDIENCES = SourceAudiences({"lsst": ("rubin",), "fermi": ("gbm",)})
"""Of the survey to which a third of the objects is moved, and of a mission of the night."""

SUBSCRIBERS = {"public": (), "wrong": ("ep",), "one": ("rubin",), "all": ("gbm", "rubin")}
"""Who has a subscription to everything, with the audiences that it has."""


@dataclass
class Night:
    """What was sent, by topic, while a night went through."""

    sent: dict[str, list[Outgoing]] = field(default_factory=dict)

    def bytes_of(self, topic: str) -> bytes:
        """Everything on a topic: keys, headers and values."""
        records = self.sent.get(topic, [])
        return b"\n".join(
            part
            for r in records
            for part in (r.key.encode(), *(said for _, said in r.headers), r.value)
        )


def the_archive(folder: Path) -> Archive:
    """The packets of a night's folder, with what is private among them."""
    archive = read_archive(archive_files([folder]), audiences=AUDIENCES)
    archive.deliveries = list(map(_delivery, archive.deliveries))
    return archive


async def stream(archive: Archive, store: Store, as_of_unix_s: float) -> Night:
    """Stream a night with subscribers; in the middle something is published already."""
    for name, audience in SUBSCRIBERS.items():
        store.subscriptions.put(name, name, "rank >= 1", audience, as_of_unix_s)
    night, name = Night(), f"memory://leaks-{uuid.uuid4().hex}"
    settings = StreamSettings(broker_url=name)
    async with running(settings, store, Policy(), lambda: as_of_unix_s) as pipeline:
        send = pipeline.agents.send

        async def noted(records: Iterable[Outgoing]) -> None:
            said = list(records)
            for record in said:
                night.sent.setdefault(record.topic, []).append(record)
            await send(said)

        pipeline.agents.send = noted
        deliveries = archive.in_order(shuffle_seed=7)
        for part in (deliveries[: len(deliveries) // 2], deliveries[len(deliveries) // 2 :]):
            for each in part:
                await pipeline.send(each.topic, each.key, each.value, each.headers)
            await pipeline.idle()
            await pipeline.agents.rank_changed()
        await pipeline.agents.rank_all()
        await pipeline.idle()
    return night


def _delivery(delivery: Delivery) -> Delivery:
    if delivery.topic != OPTICAL_ALERTS.name or zlib.crc32(delivery.key.encode()) % 3:
        return delivery
    return _moved(of_json(Alert, delivery.value), delivery)


def _moved(alert: Alert, delivery: Delivery) -> Delivery:
    """The same alert of the other survey, under other ids and a tenth of an arcminute away."""
    number = zlib.crc32(alert.object_id.encode())
    ra_deg, dec_deg = alert.ra_deg, alert.dec_deg + 0.1 / 60.0
    own = replace(alert.detection, source_id=f"77{alert.alert_id}")
    moved = replace(
        alert,
        survey="lsst",
        alert_id=own.source_id,
        object_id=f"31300{number:010d}",
        dec_deg=dec_deg,
        index_29=int(Positions.of(ra_deg, dec_deg).index_29[0]),
        detection=own,
        history=tuple(replace(d, source_id=f"77{d.source_id}") for d in alert.history),
    )
    private = AUDIENCES.of_alert(moved)
    return replace(delivery, key=private.object_id, value=to_json(private))
