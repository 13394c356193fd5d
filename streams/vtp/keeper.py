"""Packets onto the disk, those that came before left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from correlator.audience import PUBLIC, Audience
from streams.spool import Arrival, Spool
from streams.vtp.seen import SeenPackets, digest_of


class Keeper:
    """Puts packets into a spool, then remembers them: in that order, whatever happens in between.

    A crash between the two lets a packet come twice.

    Parameters
    ----------
    spool
        Where the packets go.
    seen
        What came before.
    now
        The clock [s since the Unix epoch].
    audience
        Who may read the packets.
    """

    def __init__(
        self,
        spool: Spool,
        seen: SeenPackets,
        now: Callable[[], float] = time.time,
        audience: Audience = PUBLIC,
    ) -> None:
        self._spool = spool
        self._seen = seen
        self._now = now
        self._audience = audience

    def keep(self, packets: Sequence[tuple[str, bytes]]) -> list[bool]:
        """Keep packets, each given by its name and bytes; whether each is one that is new.

        All that are new are on the disk when this returns, or none of them.

        Raises
        ------
        sqlite3.Error
            The spool does not take them.
        """
        digests = [digest_of(packet) for _, packet in packets]
        known = self._seen.known(digests)
        new: dict[bytes, tuple[str, bytes]] = {}
        is_new = []
        for digest, packet in zip(digests, packets, strict=True):
            is_new.append(digest not in known and digest not in new)
            if is_new[-1]:
                new[digest] = packet
        if new:
            now = self._now()
            audience = self._audience
            self._spool.put(Arrival(name, packet, now, audience) for name, packet in new.values())
            self._seen.add(new, now)
        return is_new
