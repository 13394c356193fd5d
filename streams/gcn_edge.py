"""The edge to GCN: notices onto the disk, then to our broker; a heartbeat that is missed."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from correlator.audience import Audience
from correlator.wire import to_json
from streams.audiences import audience_of_topic
from streams.edge_outbox import Letter, Outbox
from streams.edge_source import Slot
from streams.gcn_settings import GCN_HEARTBEAT
from streams.gcn_source import GcnSource
from streams.heartbeat import Heartbeat
from streams.silence import Life, SilenceWatch
from streams.spool import Arrival, Spool, SpoolError
from streams.spool_drain import SpoolDrain
from streams.topics import HEARTBEAT

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GcnEdgeSettings:
    """How the edge works.

    Attributes
    ----------
    name
        Of this process, in heartbeats.
    most_spool_bytes
        Disk that waiting packets may take before the reading pauses [bytes].
    silent_after_s
        Longest silence of GCN's heartbeat, which has one record a second, that is not told of [s];
        None where the broker has no heartbeat.
    renew_after_s
        After that silence the client is made anew [s]: one whose token was refused may stay silent
        for ever. GCN asks for few connections, so not often.
    batch_size
        Most packets put onto the disk at once.
    commit_interval_s
        How often GCN hears what we have [s]: what a crash lets be read again.
    drain_within_s
        How long the end waits for our broker [s]; what it has not taken waits on the disk.
    stats_interval_s
        How often the log says what went through [s].
    audiences
        Who may read the notices of a topic, by its name or a pattern that begins with ``^``; of
        a topic that several name, whoever belongs to all of them.
    """

    name: str
    most_spool_bytes: int = 2 * 2**30
    silent_after_s: float | None = 60.0
    renew_after_s: float = 300.0
    batch_size: int = 50
    commit_interval_s: float = 1.0
    drain_within_s: float = 5.0
    stats_interval_s: float = 30.0
    audiences: Mapping[str, Audience] = field(default_factory=dict)


@dataclass(slots=True)
class GcnEdgeStats:
    """How many of what went through."""

    by_topic: dict[str, int] = field(default_factory=dict)
    n_spooled: int = 0
    n_bytes: int = 0
    n_heartbeats: int = 0
    n_renewals: int = 0


class GcnEdge:
    """Reads, spools, commits what is on the disk, and sends that to our broker.

    The steps are in the order of safety: a crash between any two of them loses nothing, and at
    worst repeats; the store knows a notice again by its id and content.

    Parameters
    ----------
    settings
        How to work.
    source
        Makes a source; its argument is what to do when partitions are taken away.
    spool
        Where packets wait; of this process alone.
    outbox
        Our broker.
    now
        The time of day [s since the Unix epoch].
    clock
        What intervals are measured by [s].
    """

    def __init__(
        self,
        settings: GcnEdgeSettings,
        source: Callable[[Callable[[], object]], GcnSource],
        spool: Spool,
        outbox: Outbox,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._make_source = source
        self._spool = spool
        self._outbox = outbox
        self._drain = SpoolDrain(spool, outbox)
        self._now, self._clock = now, clock
        self._n_left = len(spool)
        self._safe: dict[Slot, int] = {}
        self._positions: dict[Slot, int] = {}
        self._last_record_unix_s: float | None = None
        self._is_over = self._is_full = self._is_busy = self._is_silent = False
        at_s = clock()
        self._due = dict.fromkeys((self._commit, self._beat), at_s)
        self._due[self._say_stats] = at_s + settings.stats_interval_s
        self._watch = self._new_watch(at_s)
        self.stats = GcnEdgeStats()
        self._source = source(self._finish)

    @property
    def n_waiting(self) -> int:
        """Packets on the disk that our broker does not have yet."""
        return self._n_left + self.stats.n_spooled - self._drain.n_sent

    def run(self, is_told_to_stop: Callable[[], bool]) -> bool:
        """Work until told to stop; whether everything that was read is committed.

        Raises
        ------
        SourceError, OutboxError
            One of the brokers cannot be used any more.
        SpoolError
            The disk does not take a packet, or does not give it back; nothing of it is committed.
        """
        try:
            while not is_told_to_stop():
                self._turn()
            is_all = self._finish()
            self._drain.drained(self._settings.drain_within_s)
            log.info("gcn_edge_ends", left_on_disk=self.n_waiting)
            return is_all
        except sqlite3.Error as error:
            raise SpoolError(self._spool.path, error) from error
        finally:
            self._is_over = True
            self._source.close()

    def take(self, messages: list[Any]) -> None:
        """Put the notices among some records onto the disk; then, and only then, they are safe."""
        if not messages:
            return
        now_unix_s = self._now()
        notices = [m for m in messages if m.topic() != GCN_HEARTBEAT]
        self.stats.n_heartbeats += len(messages) - len(notices)
        if self._watch is not None:
            self._watch.hear(self._clock())
        if not notices:
            return
        audiences = self._settings.audiences
        arrivals = [
            _arrival(message, now_unix_s, audience_of_topic(message.topic(), audiences))
            for message in notices
        ]
        self._spool.put(arrivals)
        for message, arrival in zip(notices, arrivals, strict=True):
            self._safe[message.topic(), message.partition()] = message.offset() + 1
            self._count(message.topic(), len(arrival.packet))
        self._last_record_unix_s = now_unix_s

    def _turn(self) -> None:
        settings = self._settings
        self._source.follow(self._now())
        self._note_room()
        self._source.hold(self._is_full)
        self.take(self._source.read(settings.batch_size, 0.0 if self._is_busy else 0.1))
        self._is_busy = self._drain.pump()
        self._look_for_life()
        at_s = self._clock()
        for act, every_s in (
            (self._commit, settings.commit_interval_s),
            (self._beat, 1.0),
            (self._say_stats, settings.stats_interval_s),
        ):
            if at_s >= self._due[act]:
                act()
                self._due[act] = at_s + every_s

    def _count(self, topic: str, n_bytes: int) -> None:
        by_topic = self.stats.by_topic
        by_topic[topic] = by_topic.get(topic, 0) + 1
        self.stats.n_spooled += 1
        self.stats.n_bytes += n_bytes

    def _note_room(self) -> None:
        is_full = self._spool.used_bytes >= self._settings.most_spool_bytes
        if is_full and not self._is_full:
            log.warning("spool_full", waiting=self.n_waiting, most=self._settings.most_spool_bytes)
        elif self._is_full and not is_full:
            log.info("spool_has_room", waiting=self.n_waiting)
        self._is_full = is_full

    # -- the heartbeat that we hear ----------------------------------------------------------------

    def _new_watch(self, at_s: float) -> SilenceWatch | None:
        settings = self._settings
        if settings.silent_after_s is None:
            return None
        return SilenceWatch(settings.silent_after_s, settings.renew_after_s, at_s)

    def _look_for_life(self) -> None:
        if self._watch is None:
            return
        at_s = self._clock()
        if not self._source.hears_heartbeat:
            self._watch.hear(at_s)
        life = self._watch.life(at_s)
        is_silent = life is not Life.ALIVE
        if is_silent and not self._is_silent:
            log.warning("gcn_silent", silent_s=round(self._watch.silent_s(at_s)))
        elif self._is_silent and not is_silent:
            log.info("gcn_heard_again")
        self._is_silent = is_silent
        if life is Life.LOST:
            self._renew(self._watch)

    def _renew(self, watch: SilenceWatch) -> None:
        log.warning("source_renewed", silent_s=round(watch.silent_s(self._clock())))
        self.stats.n_renewals += 1
        self._source.give_up()
        self._source = self._make_source(self._finish)
        watch.renew(self._clock())

    # -- what we say -------------------------------------------------------------------------------

    def _commit(self, is_last: bool = False) -> bool:
        safe, self._safe = self._safe, {}
        self._positions |= safe
        return self._source.commit(safe, is_last)

    def _finish(self) -> bool:
        """Commit everything that is on the disk; whether GCN took all of it."""
        return not self._is_over and self._commit(is_last=True)

    def _beat(self) -> None:
        heartbeat = Heartbeat(
            source=self._settings.name,
            time_unix_s=self._now(),
            last_record_unix_s=self._last_record_unix_s,
            positions={
                f"{topic}/{n}": at for (topic, n), at in self._source.owned(self._positions)
            },
            pending=self.n_waiting,
            is_idle=self._source.is_at_end and not self._safe and not self.n_waiting,
            complaint=self._complaint(),
        )
        self._outbox.tell(Letter(HEARTBEAT.name, heartbeat.source.encode(), to_json(heartbeat)))

    def _complaint(self) -> str | None:
        said = []
        if self._is_silent and self._watch is not None:
            said.append(f"GCN is silent for {self._watch.silent_s(self._clock()):.0f} s")
        if self._is_full:
            said.append(f"the spool is full, {self.n_waiting} packets wait for our broker")
        return "; ".join(said) or None

    def _say_stats(self) -> None:
        stats = self.stats
        log.info(
            "gcn_stats",
            topics=stats.by_topic,
            megabytes=round(stats.n_bytes / 1e6, 1),
            heartbeats=stats.n_heartbeats,
            sent=self._drain.n_sent,
            waiting=self.n_waiting,
            refused=self._outbox.n_refused,
        )


def _arrival(message: Any, now_unix_s: float, audience: Audience) -> Arrival:
    # A record without bytes is kept as an empty packet, and refused as one.
    name = f"{message.topic()}/{message.partition()}@{message.offset()}"
    return Arrival(name, message.value() or b"", now_unix_s, audience)
