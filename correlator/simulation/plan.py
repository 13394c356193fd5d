"""The plan of a night: events, exposures around them, counterparts, densities of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import numpy as np

from correlator.errors import ConfigurationError
from correlator.simulation.background import (
    ALERT_SHARES,
    density_weight,
    draw_kind,
)
from correlator.simulation.cadence import (
    Exposure,
    FieldGrid,
    Night,
    night_of,
    past_visits,
    schedule,
)
from correlator.simulation.counterparts import (
    Counterpart,
    KilonovaModel,
    is_observable,
    sighting_of,
)
from correlator.simulation.population import Kind, Visits
from correlator.simulation.sightings import observe
from correlator.simulation.skyevents import (
    LocatedBurst,
    Merger,
    SkyEvent,
    burst_events,
    draw_burst,
    draw_merger,
    merger_event,
    other_events,
)

MAX_ATTEMPTS = 200
"""Draws of an event before giving up: one in two or three can be observed."""

_PILOT_EXPOSURES, _PILOT_SOURCES = 12, 400
_PILOT = 42


@dataclass(frozen=True, slots=True)
class NightConfig:
    """What to simulate.

    Attributes
    ----------
    seed
        Everything follows from it: the same seed gives the same bytes.
    n_alerts
        Expected number of alerts before any cut; the real one differs by Poisson noise.
    night_date
        UTC date of the night at Palomar.

    Raises
    ------
    ConfigurationError
        A seed that is negative, or no alert.
    """

    seed: int = 1
    n_alerts: int = 20_000
    night_date: date = date(2026, 3, 15)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigurationError(f"a seed must not be negative, got {self.seed}")
        if self.n_alerts < 1:
            raise ConfigurationError(f"a night must have an alert or more, got {self.n_alerts}")


@dataclass(frozen=True, slots=True)
class NightPlan:
    """Everything that is settled before the first packet; small, whatever the number of alerts.

    Attributes
    ----------
    visits
        Past and present visits of every field of the night.
    densities
        Mean number of sources of each kind in a field of weight 1.
    """

    config: NightConfig
    night: Night
    grid: FieldGrid
    exposures: tuple[Exposure, ...]
    visits: Mapping[int, Visits]
    densities: Mapping[Kind, float]
    counterparts: tuple[Counterpart, ...]
    events: tuple[SkyEvent, ...]


def plan_night(config: NightConfig) -> NightPlan:
    """Draw the events, schedule the exposures around them, settle the densities.

    Events are drawn anew until the survey sees both counterparts in g and r: positions and
    distances are those of the maps, given that the counterpart can be found at all.

    Raises
    ------
    ConfigurationError
        No such night was found: the date's nights are too short.
    """
    midnight = datetime.combine(config.night_date, time(), UTC).timestamp()
    night, grid, seed = night_of(midnight), FieldGrid.whole_sky(), config.seed
    merger_try = burst_try = 0
    for _ in range(MAX_ATTEMPTS):
        merger = draw_merger(night, grid, seed, merger_try)
        burst = draw_burst(night, grid, merger.requests, seed, burst_try)
        exposures = schedule(night, grid, [*merger.requests, *burst.requests], seed)
        visits = _visits_by_field(exposures, grid, night, seed)
        events = (merger_event(merger, seed), *burst_events(burst, seed))
        kilonova, afterglow = _kilonova(merger, events, grid), _afterglow(burst, events, grid)
        kilonova_seen = _is_seen(kilonova, grid, visits, seed)
        afterglow_seen = _is_seen(afterglow, grid, visits, seed)
        if kilonova_seen and afterglow_seen:
            densities = _densities(config, night, grid, exposures, visits)
            every = (*events, *other_events(night, seed))
            return NightPlan(
                config, night, grid, exposures, visits, densities, (kilonova, afterglow), every
            )
        merger_try += not kilonova_seen
        burst_try += not afterglow_seen
    raise ConfigurationError(f"no event of {config.night_date} can be observed from Palomar")


def _visits_by_field(
    exposures: Sequence[Exposure], grid: FieldGrid, night: Night, seed: int
) -> dict[int, Visits]:
    tonight: dict[int, list[Exposure]] = {}
    for exposure in exposures:
        tonight.setdefault(exposure.field, []).append(exposure)
    return {
        number: Visits.of(past_visits(grid.fields[number], grid, night, seed), those)
        for number, those in tonight.items()
    }


def _kilonova(merger: Merger, events: Sequence[SkyEvent], grid: FieldGrid) -> Counterpart:
    return Counterpart(
        kind="kilonova",
        case="kilonova",
        events=tuple(event.name for event in events if event.kind == "bns-merger"),
        t0_unix_s=merger.t0_unix_s,
        ra_deg=merger.ra_deg,
        dec_deg=merger.dec_deg,
        field=int(grid.numbers_of(merger.ra_deg, merger.dec_deg)[0]),
        model=KilonovaModel(merger.distance_mpc),
    )


def _afterglow(located: LocatedBurst, events: Sequence[SkyEvent], grid: FieldGrid) -> Counterpart:
    burst = located.burst
    return Counterpart(
        kind="afterglow",
        case="grb-afterglow",
        events=tuple(event.name for event in events if event.kind == "long-grb"),
        t0_unix_s=burst.t0_unix_s,
        ra_deg=burst.ra_deg,
        dec_deg=burst.dec_deg,
        field=int(grid.numbers_of(burst.ra_deg, burst.dec_deg)[0]),
        model=located.afterglow,
    )


def _is_seen(
    counterpart: Counterpart, grid: FieldGrid, visits: Mapping[int, Visits], seed: int
) -> bool:
    """Whether tonight detects it in g and r, after limits of earlier nights."""
    there = visits.get(counterpart.field)
    if there is None or there.n_past == 0:
        return False
    field = grid.fields[counterpart.field]
    return is_observable(sighting_of(counterpart, field, there, seed)[1], there)


def _densities(
    config: NightConfig,
    night: Night,
    grid: FieldGrid,
    exposures: Sequence[Exposure],
    visits: Mapping[int, Visits],
) -> dict[Kind, float]:
    """Sources of each kind in a field of weight 1 that give its share of the alerts.

    How many of the sources of a kind an exposure detects is counted on a few pilot exposures.
    """
    rng = np.random.default_rng([config.seed, _PILOT])
    pilots = [
        exposures[i] for i in np.linspace(0, len(exposures) - 1, _PILOT_EXPOSURES).astype(int)
    ]
    densities = {}
    for kind, share in ALERT_SHARES.items():
        weight = sum(density_weight(kind, grid.fields[e.field]) for e in exposures)
        found = 0
        for exposure in pilots:
            field, there = grid.fields[exposure.field], visits[exposure.field]
            sources = draw_kind(kind, _PILOT_SOURCES, field, there, night, rng)
            at = int(np.flatnonzero(there.start_unix_s == exposure.start_unix_s)[0])
            found += int(observe(sources, field, there, rng).is_detected[:, at].sum())
        yielded = max(found, 1) / (_PILOT_SOURCES * len(pilots))
        densities[kind] = config.n_alerts * share / (weight * yielded)
    return densities
