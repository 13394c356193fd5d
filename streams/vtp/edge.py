"""The edge of the VOEvent network: Comet's spool to ``notices.raw``, our VOEvents to Comet."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from correlator.wire import to_json
from streams.edge_outbox import Letter, Outbox
from streams.heartbeat import Heartbeat
from streams.spool_drain import SpoolDrain
from streams.topics import HEARTBEAT
from streams.vtp.child import Child
from streams.vtp.outlet import Outlet

log = structlog.get_logger(__name__)

_DRAIN_WITHIN_S = 5.0
"""How long the last acknowledgements are waited for [s]; what has none stays in the spool."""

_STATS_EVERY_S = 30.0


class VtpEdge:
    """Runs Comet and empties its spool.

    Parameters
    ----------
    name
        Of this process, in heartbeats.
    child
        Comet.
    drain
        From the spool to our broker.
    outbox
        Our broker.
    outlet
        Our VOEvents to Comet; None when we do not broadcast.
    now
        The clock [s since the Unix epoch].
    """

    def __init__(
        self,
        name: str,
        child: Child,
        drain: SpoolDrain,
        outbox: Outbox,
        outlet: Outlet | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._child = child
        self._drain = drain
        self._outbox = outbox
        self._outlet = outlet
        self._now = now
        self._last_record_unix_s: float | None = None

    def run(self, is_told_to_stop: Callable[[], bool]) -> bool:
        """Work until told to stop; whether Comet ended by itself.

        What it acknowledged and our broker does not have yet stays in the spool.

        Raises
        ------
        CometError, OutletError, OutboxError
            Comet, our VOEvents or our broker cannot be used any more.
        sqlite3.Error
            The spool cannot be read or written.
        """
        beat_at = time.monotonic()
        stats_at = beat_at + _STATS_EVERY_S
        try:
            if self._outlet is not None:
                self._outlet.start()
            is_busy = False
            while not is_told_to_stop():
                self._child.watch()
                if self._outlet is not None:
                    self._outlet.check()
                is_busy = self._drain.pump(0.0 if is_busy else 0.05)
                if is_busy:
                    self._last_record_unix_s = self._now()
                now = time.monotonic()
                if now >= beat_at:
                    self._beat()
                    beat_at = now + 1.0
                if now >= stats_at:
                    self._say_stats()
                    stats_at = now + _STATS_EVERY_S
        finally:
            is_well = self._stop()
        self._finish()
        return is_well

    def _stop(self) -> bool:
        if self._outlet is not None:
            self._outlet.stop()
        return self._child.stop()

    def _finish(self) -> None:
        """Send what came until the end."""
        until = time.monotonic() + _DRAIN_WITHIN_S
        while self._drain.n_waiting and time.monotonic() < until:
            self._drain.pump(0.05)
        n_left = self._drain.n_waiting
        self._say_stats()
        if n_left:
            log.warning("left_in_spool", n_packets=n_left)

    def _beat(self) -> None:
        outlet, pending = self._outlet, self._drain.n_waiting
        heartbeat = Heartbeat(
            source=self._name,
            time_unix_s=self._now(),
            last_record_unix_s=self._last_record_unix_s,
            positions={} if outlet is None else outlet.positions,
            pending=pending,
            is_idle=not pending and (outlet is None or outlet.is_at_end),
        )
        self._outbox.tell(Letter(HEARTBEAT.name, heartbeat.source.encode(), to_json(heartbeat)))

    def _say_stats(self) -> None:
        outlet = self._outlet
        log.info(
            "edge_stats",
            sent=self._drain.n_sent,
            in_spool=self._drain.n_waiting,
            comet_starts=self._child.n_starts,
            broadcast=0 if outlet is None else outlet.n_sent,
            dead_letters=0 if outlet is None else outlet.n_dead_letters,
        )
