"""A simulated night as files: alerts, notices and the truth beside them."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from correlator.errors import ConfigurationError
from correlator.simulation.cadence import EXPOSURE_S
from correlator.simulation.counterparts import Counterpart, sighting_of
from correlator.simulation.lightcurves import mag_of
from correlator.simulation.night import NightConfig, packets_of
from correlator.simulation.packets import container
from correlator.simulation.plan import NightPlan, plan_night
from correlator.simulation.skyevents import SkyEvent

PACKETS_PER_FILE = 1_000

_BANDS = {1: "g", 2: "r", 3: "i"}


@dataclass(frozen=True, slots=True)
class NightSummary:
    """What was written.

    Attributes
    ----------
    alerts_by_kind
        Number of alerts by what is behind them.
    counterparts
        Object id of each injected counterpart, by its kind.
    n_bytes
        Size of all files.
    """

    seed: int
    night_date: str
    n_exposures: int
    n_alerts: int
    n_notices: int
    n_files: int
    n_bytes: int
    alerts_by_kind: dict[str, int]
    counterparts: dict[str, str]

    def __str__(self) -> str:
        injected = ", ".join(f"{kind} {name}" for kind, name in self.counterparts.items())
        return (
            f"night of {self.night_date}, seed {self.seed}: {self.n_alerts} alerts of "
            f"{self.n_exposures} exposures and {self.n_notices} notices in {self.n_files} files "
            f"({self.n_bytes / 1e6:.1f} MB); injected {injected}"
        )


def write_night(config: NightConfig, folder: Path) -> NightSummary:
    """Simulate a night into ``alerts/``, ``notices/`` and ``truth.json`` of a folder.

    Raises
    ------
    ConfigurationError
        The folder already holds something, or no event of that date can be observed.
    OSError
        A file cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty: a night wants a folder of its own")
    plan = plan_night(config)
    for name in ("alerts", "notices"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    by_kind: Counter[str] = Counter()
    held: list[bytes] = []
    n_files = 0
    for packet in packets_of(plan):
        by_kind[packet.kind] += 1
        if packet.form == "notice":
            (folder / "notices" / packet.name).write_bytes(packet.record)
            continue
        held.append(packet.record)
        if len(held) == PACKETS_PER_FILE:
            n_files += 1
            _write_alerts(folder, plan, n_files, held)
            held.clear()
    if held:
        n_files += 1
        _write_alerts(folder, plan, n_files, held)
    truth = truth_of(plan, dict(by_kind))
    (folder / "truth.json").write_bytes(orjson.dumps(truth, option=orjson.OPT_INDENT_2))
    return _summary(plan, folder, by_kind, truth)


def truth_of(plan: NightPlan, packets_by_kind: dict[str, int]) -> dict[str, Any]:
    """What is known of the night: events, injected counterparts, numbers of alerts."""
    return {
        "seed": plan.config.seed,
        "n_alerts_expected": plan.config.n_alerts,
        "night_date": plan.config.night_date.isoformat(),
        "night": asdict(plan.night),
        "n_exposures": len(plan.exposures),
        "too_fields": sorted({e.field for e in plan.exposures if e.is_too}),
        "packets_by_kind": packets_by_kind,
        "counterparts": [_counterpart(plan, c) for c in plan.counterparts],
        "events": [_event(event) for event in plan.events],
    }


def _write_alerts(folder: Path, plan: NightPlan, number: int, records: list[bytes]) -> None:
    name = f"ztf_sim_{plan.config.night_date:%Y%m%d}_{number:04d}.avro"
    (folder / "alerts" / name).write_bytes(container(records))


def _counterpart(plan: NightPlan, counterpart: Counterpart) -> dict[str, Any]:
    visits = plan.visits[counterpart.field]
    field = plan.grid.fields[counterpart.field]
    _, seen = sighting_of(counterpart, field, visits, plan.config.seed)
    tonight = np.flatnonzero(seen.is_detected[0])
    true_mag = counterpart.mags_at(visits)
    first = float(visits.start_unix_s[np.argmax(seen.is_raw[0])])
    return {
        "kind": counterpart.kind,
        "case": counterpart.case,
        "object_id": counterpart.object_id(first),
        "mission": counterpart.events[0].mission,
        "event_id": counterpart.events[0].event_id,
        "events": [asdict(name) for name in counterpart.events],
        "t0_unix_s": counterpart.t0_unix_s,
        "ra_deg": counterpart.ra_deg,
        "dec_deg": counterpart.dec_deg,
        "field": counterpart.field,
        "light_curve": counterpart.parameters(),
        "detections": [
            {
                "mid_unix_s": float(visits.start_unix_s[at]) + 0.5 * EXPOSURE_S,
                "band": _BANDS[int(visits.fid[at])],
                "true_mag": float(true_mag[at]),
                "measured_mag": float(mag_of(seen.flux[0, at])),
                "real_bogus_forest": float(seen.real_bogus[0, at]),
            }
            for at in tonight
        ],
    }


def _event(event: SkyEvent) -> dict[str, Any]:
    return {
        "kind": event.kind,
        **asdict(event.name),
        "t0_unix_s": event.t0_unix_s,
        "ra_deg": event.ra_deg,
        "dec_deg": event.dec_deg,
        "notices": [notice.name for notice in event.notices],
    }


def _summary(
    plan: NightPlan, folder: Path, by_kind: Counter[str], truth: dict[str, Any]
) -> NightSummary:
    files = [path for path in folder.rglob("*") if path.is_file()]
    alerts = {kind: n for kind, n in sorted(by_kind.items()) if kind != "notice"}
    return NightSummary(
        seed=plan.config.seed,
        night_date=plan.config.night_date.isoformat(),
        n_exposures=len(plan.exposures),
        n_alerts=sum(alerts.values()),
        n_notices=by_kind["notice"],
        n_files=len(files),
        n_bytes=sum(path.stat().st_size for path in files),
        alerts_by_kind=alerts,
        counterparts={c["kind"]: c["object_id"] for c in truth["counterparts"]},
    )
