"""The edge: a survey's packets in; slim alerts, exposures and dead letters out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from correlator.alert import Alert
from correlator.audience import PUBLIC, Audience
from correlator.errors import MalformedAlertError
from correlator.wire import to_json
from ingest_optical.decoder import (
    Rejected,
    SchemaOfId,
    admit_looked_at,
    look_at,
    self_describing,
)
from ingest_optical.exposures import ExposureLog
from ingest_optical.first_look import FirstLook, place
from ingest_optical.lsst_schemas import schema_of_id
from ingest_optical.packets import RawPacket
from ingest_optical.quality import DEFAULT_CUTS, QualityCuts, rejections
from storage.catalogs.tagger import Tag, untagged
from streams.audiences import headers_of_audience
from streams.edge_outbox import Letter, Outbox, Span, dead_letter
from streams.edge_sinks import NightSink, RawSink
from streams.edge_source import Slot, Source
from streams.heartbeat import Heartbeat
from streams.records import Record
from streams.topics import EXPOSURES, HEARTBEAT, OPTICAL_ALERTS

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """How an edge works.

    Attributes
    ----------
    name
        Of this process, in heartbeats.
    survey
        ``ztf`` or ``lsst``.
    cuts
        Gate of each survey.
    audience
        Who may read these alerts, and all that is made of them.
    batch_size
        Most packets taken at once: few, so that they are still in the processor's cache when they
        are looked at (a tenth of the time).
    commit_interval_s
        Packets of so long are committed together: what a crash lets be read again [s].
    most_waiting, most_waiting_bytes
        Records that may wait for their acknowledgement before the reading pauses: their number,
        and their size [bytes].
    drain_within_s
        How long the last acknowledgements are waited for, at the end and when partitions go to
        another reader [s].
    stats_interval_s
        How often the log says what went through [s].
    """

    name: str
    survey: str
    cuts: Mapping[str, QualityCuts] = field(default_factory=lambda: DEFAULT_CUTS)
    audience: Audience = PUBLIC
    batch_size: int = 50
    commit_interval_s: float = 1.0
    most_waiting: int = 20_000
    most_waiting_bytes: int = 64 * 2**20
    drain_within_s: float = 20.0
    stats_interval_s: float = 30.0


@dataclass(slots=True)
class EdgeStats:
    """How many of what went through."""

    n_packets: int = 0
    n_bytes: int = 0
    n_admitted: int = 0
    n_dead_letters: int = 0
    n_without_image: int = 0
    rejected: dict[str, int] = field(default_factory=dict)


class _Taken:
    """A packet on its way through an edge, with what each step found."""

    __slots__ = ("alert", "look", "packet", "reasons", "record", "slim")

    packet: RawPacket
    look: FirstLook
    alert: Alert
    slim: bytes

    def __init__(self, message: Any) -> None:
        self.record = Record(
            message.value() or b"",
            message.key(),
            message.topic(),
            message.partition(),
            message.offset(),
        )
        self.reasons: tuple[str, ...] = ()

    @property
    def slot(self) -> Slot:
        """Topic and partition."""
        return self.record.topic, self.record.partition


class Edge:
    """Reads, looks, gates, decodes, sends; commits what our broker and the disk have.

    Parameters
    ----------
    settings
        How to work.
    source
        Makes the consumer; its argument is what to do when partitions are taken away.
    outbox
        Our broker.
    schemas
        Where the schemas of Confluent-framed packets come from.
    archive
        Where the packets of admitted alerts are kept; None to keep none.
    now
        The clock [s since the Unix epoch].
    tag
        Gives alerts what catalogues have near them; it must never wait.
    nights
        Where every alert is kept, with what the gate said of it; None to keep none. It asks of a
        rejected alert all that stands before its past, so one that says something impossible there
        is buried.
    """

    def __init__(
        self,
        settings: EdgeSettings,
        source: Callable[[Callable[[], object]], Source],
        outbox: Outbox,
        schemas: SchemaOfId = schema_of_id,
        archive: RawSink | None = None,
        now: Callable[[], float] = time.time,
        tag: Tag = untagged,
        nights: NightSink | None = None,
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self._tag = tag
        self._schemas = schemas
        self._archive = archive
        self._nights = nights
        self._now = now
        self._exposures = ExposureLog()
        self._span = Span()
        self._closed: deque[Span] = deque()
        self._positions: dict[Slot, int] = {}
        self._last_record_unix_s: float | None = None
        self._is_over = False
        self.stats = EdgeStats()
        self._source = source(self._finish)

    def run(self, is_told_to_stop: Callable[[], bool]) -> bool:
        """Work until told to stop; whether everything that was read is safe and committed.

        Raises
        ------
        SourceError, OutboxError
            One of the brokers cannot be used any more.
        OSError
            One of the archives cannot be written.
        """
        settings = self._settings
        commit_at = beat_at = time.monotonic()
        stats_at = beat_at + settings.stats_interval_s
        try:
            while not is_told_to_stop():
                self._source.follow(self._now())
                is_full = self._is_full()
                self._source.hold(is_full)
                self.take(self._source.read(settings.batch_size, 0.1))
                self._outbox.pump(0.1 if is_full else 0.0)
                now = time.monotonic()
                if now >= commit_at:
                    self._commit()
                    commit_at = now + settings.commit_interval_s
                if now >= beat_at:
                    self._beat()
                    beat_at = now + 1.0
                if now >= stats_at:
                    self._say_stats()
                    stats_at = now + settings.stats_interval_s
            return self._finish()
        finally:
            self._is_over = True
            self._source.close()

    def take(self, messages: list[Any]) -> None:
        """Look at each packet, and send what follows from it.

        Step by step for all of them: so the code of a step stays in the processor's cache (a
        twelfth of the time).
        """
        if not messages:
            return
        taken = every = [_Taken(message) for message in messages]
        for step in (self._look, self._judge):
            taken = self._well(step, taken)
        place([each.look for each in taken if self._is_placed(each)])
        taken = self._well(self._admit, taken)
        self._tag_all([each for each in taken if not each.reasons])
        for step in (self._send, self._keep, self._note):
            taken = self._well(step, taken)
        self._span.positions.update((each.slot, each.record.offset + 1) for each in every)
        self.stats.n_packets += len(every)
        self._last_record_unix_s = self._now()

    def _well(self, step: Callable[[_Taken], None], taken: list[_Taken]) -> list[_Taken]:
        """Take a step with each packet; those with which it went well, the others are buried."""
        well = []
        for each in taken:
            try:
                step(each)
            except MalformedAlertError as error:
                self._bury(each.record, error)
            else:
                well.append(each)
        return well

    def _look(self, taken: _Taken) -> None:
        data, _, topic, partition, offset, _ = taken.record
        self.stats.n_bytes += len(data)
        name = f"{topic}/{partition}@{offset}"
        taken.packet = RawPacket(name, self._settings.survey, data)
        taken.look = look_at(taken.packet, self._schemas)

    def _judge(self, taken: _Taken) -> None:
        look = taken.look
        taken.reasons = rejections(look, self._settings.cuts[look.survey])
        if self._is_placed(taken):
            _ = look.position_deg  # one that is impossible must not hold up the others

    def _is_placed(self, taken: _Taken) -> bool:
        """Whether somebody asks where it is."""
        return self._nights is not None or not taken.reasons

    def _admit(self, taken: _Taken) -> None:
        if taken.reasons:
            return
        packet = taken.packet
        alert = admit_looked_at(packet, taken.look, self._settings.cuts, self._schemas)
        if isinstance(alert, Rejected):
            taken.reasons = alert.reasons
        else:
            taken.alert = alert

    def _tag_all(self, admitted: list[_Taken]) -> None:
        tagged = self._tag([each.alert for each in admitted])
        for each, alert in zip(admitted, tagged, strict=True):
            each.alert = self._for_readers(alert)

    def _for_readers(self, alert: Alert) -> Alert:
        audience = self._settings.audience
        return replace(alert, audience=audience) if audience else alert

    def _send(self, taken: _Taken) -> None:
        if taken.reasons:
            return
        packet, alert = taken.packet, taken.alert
        letter = Letter(OPTICAL_ALERTS.name, alert.object_id.encode(), to_json(alert))
        if letter.size > OPTICAL_ALERTS.max_message_bytes:
            rule = f"a slim alert must have at most {OPTICAL_ALERTS.max_message_bytes} bytes"
            raise MalformedAlertError(packet.name, rule, letter.size)
        if self._archive is not None:
            raw = self_describing(packet, self._schemas)
            self._archive.append(alert, raw, taken.slot, taken.record.offset)
        self._outbox.send(letter, self._span)
        taken.slim = letter.value
        self.stats.n_admitted += 1

    def _keep(self, taken: _Taken) -> None:
        if self._nights is None:
            return
        if taken.reasons:
            self._nights.add(self._for_readers(taken.look.to_alert()), taken.reasons, None)
        else:
            self._nights.add(taken.alert, (), taken.slim)

    def _note(self, taken: _Taken) -> None:
        if not self._exposures.note(taken.look, is_passed=not taken.reasons):
            self.stats.n_without_image += 1
        rejected = self.stats.rejected
        for reason in taken.reasons:
            rejected[reason] = rejected.get(reason, 0) + 1

    def _bury(self, record: Record, error: MalformedAlertError) -> None:
        said = {
            "source": record.topic,
            "name": record.name,
            "rule": error.rule,
            "reason": str(error),
        }
        if record.key is not None:
            said["key"] = record.key.decode(errors="replace")
        audience = headers_of_audience(self._settings.audience)
        self._outbox.send(dead_letter(said, record.value, audience), self._span)
        self.stats.n_dead_letters += 1

    def _is_full(self) -> bool:
        waiting, settings = self._outbox, self._settings
        return (
            waiting.n_waiting >= settings.most_waiting
            or waiting.waiting_bytes >= settings.most_waiting_bytes
        )

    def _commit(self, is_last: bool = False) -> bool:
        """Close the span under way, and commit the spans before which nothing waits.

        Whether that was everything.
        """
        for exposure in self._exposures.empty():
            key = exposure.survey.encode()
            self._outbox.send(Letter(EXPOSURES.name, key, to_json(exposure)), self._span)
        if self._span.positions:
            self._closed.append(self._span)
            self._span = Span()
        if is_last:
            self._outbox.drained(self._settings.drain_within_s)
        safe: dict[Slot, int] = {}
        while self._closed and not self._closed[0].n_waiting:
            safe |= self._closed.popleft().positions
        if safe:
            self._sync()
        self._positions |= safe
        return self._source.commit(safe, is_last) and not self._closed

    def _sync(self) -> None:
        for sink in (self._archive, self._nights):
            if sink is not None:
                sink.sync()

    def _finish(self) -> bool:
        """Make everything that was read safe, and commit it; whether all of it is."""
        if self._is_over:  # leaving the group gives its partitions back
            return False
        is_all = self._commit(is_last=True)
        if not is_all:
            log.warning("not_committed", n_waiting=self._outbox.n_waiting)
        return is_all

    def _beat(self) -> None:
        pending = self._outbox.n_waiting
        heartbeat = Heartbeat(
            source=self._settings.name,
            time_unix_s=self._now(),
            last_record_unix_s=self._last_record_unix_s,
            positions={
                f"{topic}/{n}": at for (topic, n), at in self._source.owned(self._positions)
            },
            pending=pending,
            is_idle=self._source.is_at_end and not self._closed and not self._span.positions,
        )
        self._outbox.tell(Letter(HEARTBEAT.name, heartbeat.source.encode(), to_json(heartbeat)))

    def _say_stats(self) -> None:
        stats = self.stats
        log.info(
            "edge_stats",
            survey=self._settings.survey,
            packets=stats.n_packets,
            megabytes=round(stats.n_bytes / 1e6),
            admitted=stats.n_admitted,
            rejected=stats.rejected,
            dead_letters=stats.n_dead_letters + self._outbox.n_refused,
            without_image=stats.n_without_image,
            waiting=self._outbox.n_waiting,
        )
