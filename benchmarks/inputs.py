"""What the benchmarks read: a simulated night, and real packets where there are some."""

from __future__ import annotations

import base64
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path

import orjson

from correlator.errors import ConfigurationError, MalformedAlertError
from correlator.service.archive import Archive, Delivery
from correlator.simulation.night import NightConfig, simulate_night
from correlator.simulation.notices import SimulatedNotice
from correlator.simulation.plan import plan_night
from correlator.wire import to_json
from ingest_optical.decoder import Rejected, admit, decode_prefix
from ingest_optical.packets import RawPacket, read_packets
from streams.topics import NOTICES_RAW, OPTICAL_ALERTS

_NIGHT = NightConfig(seed=1)
"""Its notices are the same for any number of alerts."""

_MORE = 1.7
"""Alerts to simulate for each that shall pass the gate, of which two in three do."""


def simulated_ztf(n_packets: int) -> list[RawPacket]:
    """The first containers of a night, so many, each with one ZTF alert."""
    alerts = (p for p in simulate_night(_NIGHT) if p.form == "alert")
    return [RawPacket(p.name, "ztf", p.data) for p in islice(alerts, n_packets)]


def real_ztf(real_data: Path) -> list[RawPacket]:
    """Containers with one real ZTF alert.

    Raises
    ------
    ConfigurationError
        The folder has none.
    """
    folder = real_data / "optical" / "ztf"
    packets = [p for p in read_packets(folder) if _is_ours(p)] if folder.is_dir() else []
    if not packets:
        raise ConfigurationError(f"{folder} must hold real packets, and holds none")
    return packets


def gw_map(real_data: Path | None) -> bytes:
    """Multi-order FITS file of 19,200 cells, a real one where there is one."""
    files = sorted(real_data.glob("notices/gw/**/*.multiorder.fits")) if real_data else []
    if files:
        return files[0].read_bytes()
    alert = next(n for n in _notices() if n.name.endswith("_PRELIMINARY.json"))
    return base64.b64decode(orjson.loads(alert.data)["event"]["skymap"])


def voevents() -> dict[str, bytes]:
    """The night's notices in XML by name."""
    return {n.name: n.data for n in _notices() if n.name.endswith(".xml")}


def slim_night(n_slim: int) -> Archive:
    """So many gated alerts, and all notices, ready to be delivered."""
    archive = Archive()
    for packet in simulate_night(replace(_NIGHT, n_alerts=int(_MORE * n_slim))):
        if packet.form == "notice":
            said = packet.time_unix_s, NOTICES_RAW.name, packet.name, packet.record
            archive.n_notices += 1
        else:
            alert = admit(RawPacket(packet.name, "ztf", packet.data))
            if isinstance(alert, Rejected) or archive.n_alerts == n_slim:
                continue
            said = alert.time_unix_s, OPTICAL_ALERTS.name, alert.object_id, to_json(alert)
            archive.n_alerts += 1
        archive.deliveries.append(Delivery(*said))
    return archive


@cache
def _notices() -> tuple[SimulatedNotice, ...]:
    return tuple(notice for event in plan_night(_NIGHT).events for notice in event.notices)


def _is_ours(packet: RawPacket) -> bool:
    """Whether ZTF sends such a packet; brokers' own forms are something else."""
    if not packet.data.startswith(b"Obj\x01"):
        return False
    try:
        return decode_prefix(packet).survey == "ztf"
    except MalformedAlertError:
        return False
