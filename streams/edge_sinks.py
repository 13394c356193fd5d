"""Where an edge keeps what went through it, besides our broker."""

from __future__ import annotations

from typing import Protocol

from correlator.alert import Alert
from ingest_optical.packets import RawPacket
from streams.edge_source import Slot


class RawSink(Protocol):
    """Where the packets of admitted alerts are kept."""

    def append(self, alert: Alert, packet: RawPacket, slot: Slot, offset: int) -> None:
        """Keep a packet."""

    def sync(self) -> None:
        """Return when everything that was kept outlasts a power cut."""


class NightSink(Protocol):
    """Where every alert that was understood is kept, with what the gate said of it."""

    def add(self, alert: Alert, reasons: tuple[str, ...], slim: bytes | None) -> None:
        """Keep an alert.

        Parameters
        ----------
        alert
            In full if it passed; else without its past.
        reasons
            Why the gate rejected it; none if it passed.
        slim
            Canonical JSON of an alert that passed.
        """

    def sync(self) -> None:
        """Return when everything that was kept outlasts a power cut."""
