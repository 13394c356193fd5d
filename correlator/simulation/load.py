"""A load night: a seeded stream of slim alerts and raw notices, as the topics would carry it.

It is made for the engine, not for the science: everything that may happen to a record happens in
it. Alerts and notices come twice, late and out of order, and now and then under the same id with
other bytes; events are updated, retracted, mocked, and close in the middle of the night.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from correlator.errors import ConfigurationError
from correlator.simulation.load_events import LoadEvent, load_events
from correlator.simulation.load_sky import NIGHT_S, LoadKind, LoadSky, draw_sky, object_id
from correlator.simulation.notices import SimulatedNotice
from correlator.wire import to_json
from streams.topics import NOTICES_RAW, OPTICAL_ALERTS

RECORDS_FILE, TRUTH_FILE = "load.records", "truth.json"

NIGHT_HOUR_UTC = 3
"""Hour at which the night begins."""

LEAST_ALERTS, ALERTS_PER_NOTICE = 1_000, 20
"""The least number of alerts, and the least number for a notice: room for what is injected."""

REPEATED, LATE, CHANGED = 0.01, 0.02, 1e-4
"""Shares of the alerts that come twice, that come late, and whose id comes with other content."""

LATEST_S = 3_600.0
"""How much later a late or repeated record comes, at most [s]."""

_NOTICE_REPEATED, _NOTICE_LATE, _NOTICE_CHANGED = 4, 7, 11
"""Each so-manieth notice comes twice, comes late, or comes again with other bytes."""

_DESCRIPTION = b"A simulated packet, not sent by any mission."

_EVENTS, _SKY, _ORDER = 51, 52, 53
"""Streams of random numbers, so that one does not shift another."""


class LoadRecord(NamedTuple):
    """One record to be produced: when it is delivered, where, under which key."""

    time_unix_s: float
    topic: str
    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class LoadConfig:
    """What to make.

    Attributes
    ----------
    seed
        Everything follows from it: the same seed gives the same bytes.
    n_alerts, n_notices
        Distinct records; those that come again come on top.
    order_seed
        Permutes the delivery; None for the order of the times.

    Raises
    ------
    ConfigurationError
        A negative seed, no notice, or too few alerts to hold what the events bring.
    """

    seed: int = 1
    n_alerts: int = 200_000
    n_notices: int = 40
    night_date: date = date(2026, 3, 15)
    order_seed: int | None = None

    def __post_init__(self) -> None:
        if min(self.seed, self.order_seed or 0) < 0:
            raise ConfigurationError(f"a seed must not be negative, got {self.seed}")
        if self.n_notices < 1:
            raise ConfigurationError(f"a load night must have a notice, got {self.n_notices}")
        least = max(LEAST_ALERTS, ALERTS_PER_NOTICE * self.n_notices)
        if self.n_alerts < least:
            raise ConfigurationError(
                f"with {self.n_notices} notices at least {least} alerts, got {self.n_alerts}"
            )

    @property
    def start_unix_s(self) -> float:
        """Beginning of the night [s since the Unix epoch]."""
        return datetime.combine(self.night_date, time(NIGHT_HOUR_UTC), UTC).timestamp()


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """A drawn night: all of it but the bytes of the alerts, which are made as they are asked for.

    Attributes
    ----------
    notices
        Deliveries of notices: each packet with the moment at which it comes.
    time_unix_s, alert_at
        Deliveries of alerts: when, and which alert; shape ``(n,)``.
    is_changed
        Whether it is the alert's id with other content, shape ``(n,)``.
    """

    config: LoadConfig
    events: tuple[LoadEvent, ...]
    sky: LoadSky
    notices: tuple[tuple[float, SimulatedNotice], ...]
    time_unix_s: NDArray[np.float64]
    alert_at: NDArray[np.int64]
    is_changed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.notices) + len(self.alert_at)

    def records(self) -> Iterator[LoadRecord]:
        """The records in the order of their delivery."""
        n_notices = len(self.notices)
        when = np.concatenate([[t for t, _ in self.notices], self.time_unix_s])
        order = np.argsort(when, kind="stable")
        if self.config.order_seed is not None:
            np.random.default_rng([self.config.order_seed, _ORDER]).shuffle(order)
        for at in order.tolist():
            yield self._alert(at - n_notices) if at >= n_notices else self._notice(at)

    def _notice(self, at: int) -> LoadRecord:
        when, notice = self.notices[at]
        return LoadRecord(when, NOTICES_RAW.name, notice.name, notice.data)

    def _alert(self, at: int) -> LoadRecord:
        alert = self.sky.alert(int(self.alert_at[at]), changed=bool(self.is_changed[at]))
        when = float(self.time_unix_s[at])
        return LoadRecord(when, OPTICAL_ALERTS.name, alert.object_id, to_json(alert))


def plan_load(config: LoadConfig) -> LoadPlan:
    """Draw a load night."""
    start = config.start_unix_s
    rng = np.random.default_rng([config.seed, _EVENTS])
    events = load_events(start, NIGHT_S, config.n_notices, rng)
    notices = _notice_deliveries(events, rng)
    rng = np.random.default_rng([config.seed, _SKY])
    sky = draw_sky(config.n_alerts, start, events, rng)
    return LoadPlan(config, events, sky, notices, *_alert_deliveries(sky, rng))


def write_load(config: LoadConfig, folder: Path) -> dict[str, Any]:
    """Write a load night into a folder: its records, and what is known of it, which is returned.

    A record is a line ``[time, topic, key, length of the value]`` as JSON, then the value and a
    newline: read with a `correlator.service.load_night.LoadNight`.

    Raises
    ------
    ConfigurationError
        The folder already holds something.
    OSError
        A file cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty: a load night wants a folder of its own")
    folder.mkdir(parents=True, exist_ok=True)
    plan = plan_load(config)
    n_bytes = 0
    with (folder / RECORDS_FILE).open("wb", buffering=1 << 20) as file:
        for when, topic, key, value in plan.records():
            n_bytes += file.write(orjson.dumps([when, topic, key, len(value)]) + b"\n")
            n_bytes += file.write(value + b"\n")
    truth = truth_of(plan) | {"n_bytes": n_bytes}
    (folder / TRUTH_FILE).write_bytes(orjson.dumps(truth, option=orjson.OPT_INDENT_2))
    return truth


def truth_of(plan: LoadPlan) -> dict[str, Any]:
    """What is known of a load night: what it holds, which events, which objects are theirs."""
    config, sky = plan.config, plan.sky
    injected = iter(range(sky.n_injected))
    kinds = Counter(LoadKind(k).name.lower() for k in sky.kind.tolist())
    return {
        "seed": config.seed,
        "order_seed": config.order_seed,
        "night_date": config.night_date.isoformat(),
        "n_records": len(plan),
        "n_alerts": config.n_alerts,
        "n_alerts_again": len(plan.alert_at) - config.n_alerts,
        "n_alerts_changed": int(plan.is_changed.sum()),
        "n_objects": len(sky.kind),
        "n_notices": config.n_notices,
        "n_notices_again": len(plan.notices) - config.n_notices,
        "latest_unix_s": max(float(plan.time_unix_s.max()), *(t for t, _ in plan.notices)),
        "objects_by_kind": dict(sorted(kinds.items())),
        "events": [
            {
                "kind": event.sky.kind,
                **asdict(event.sky.name),
                "t0_unix_s": event.sky.t0_unix_s,
                "n_notices": len(event.sky.notices),
                "objects": [object_id(next(injected)) for _ in range(event.n_injected)],
            }
            for event in plan.events
        ],
    }


def _notice_deliveries(
    events: tuple[LoadEvent, ...], rng: np.random.Generator
) -> tuple[tuple[float, SimulatedNotice], ...]:
    """Each notice once, and some of them late, again, or again with other bytes."""
    deliveries = []
    sent = [(notice, event.shift_s) for event in events for notice in event.sky.notices]
    for n, (notice, shift_s) in enumerate(sent, start=1):
        first = notice.sent_unix_s + shift_s
        if n % _NOTICE_LATE == 0:
            first += float(rng.uniform(0.0, LATEST_S))
        deliveries.append((first, notice))
        if n % _NOTICE_REPEATED == 0:
            deliveries.append((first + float(rng.uniform(0.0, LATEST_S)), notice))
        if n % _NOTICE_CHANGED == 0 and _DESCRIPTION in notice.data:
            again = notice.data.replace(_DESCRIPTION, _DESCRIPTION + b" Sent again.")
            when = first + float(rng.uniform(0.0, LATEST_S))
            deliveries.append((when, replace(notice, data=again)))
    return tuple(deliveries)


def _alert_deliveries(
    sky: LoadSky, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """When each alert comes, and those that come again: as they were, or changed."""
    n = len(sky.owner)
    late = rng.random(n) < LATE
    first = sky.time_unix_s + np.where(late, rng.uniform(0.0, LATEST_S, n), 0.0)
    again = np.flatnonzero(rng.random(n) < REPEATED)
    # What is injected makes the coincidences, so that one alert of each of its objects changes.
    changed = np.unique(
        np.concatenate([sky.begins[: sky.n_injected] + 1, np.flatnonzero(rng.random(n) < CHANGED)])
    )
    at = np.concatenate([np.arange(n), again, changed])
    delay_s = np.concatenate([np.zeros(n), rng.uniform(0.0, LATEST_S, len(again) + len(changed))])
    is_changed = np.arange(len(at)) >= n + len(again)
    return first[at] + delay_s, at, is_changed
