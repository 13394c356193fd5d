"""A whole simulated night as one stream of packets by time, an exposure in memory at a time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from correlator.simulation.background import draw_background
from correlator.simulation.counterparts import sighting_of
from correlator.simulation.packets import alerts_of, container
from correlator.simulation.plan import NightConfig, NightPlan, plan_night
from correlator.simulation.population import Kind, Population
from correlator.simulation.sightings import Sightings, observe, together

__all__ = ["NightConfig", "SimulatedPacket", "packets_of", "simulate_night"]

_BACKGROUND = 41


@dataclass(frozen=True, slots=True)
class SimulatedPacket:
    """One packet of the night.

    Attributes
    ----------
    time_unix_s
        Middle of the exposure of an alert; when the mission says a notice.
    form
        ``alert`` or ``notice``.
    kind
        What is behind it: ``star``, ``bogus``, ``counterpart``, ...; ``notice`` for a notice.
    name
        ``candid`` of an alert, file name of a notice.
    record
        Bytes of a notice; Avro record of an alert, without its container.
    """

    time_unix_s: float
    form: str
    kind: str
    name: str
    record: bytes

    @property
    def data(self) -> bytes:
        """The packet as a subscriber gets it: an alert is a container with one record."""
        return container([self.record]) if self.form == "alert" else self.record


def simulate_night(config: NightConfig) -> Iterator[SimulatedPacket]:
    """The packets of a night by time.

    Raises
    ------
    ConfigurationError
        No event of that date can be observed.
    """
    yield from packets_of(plan_night(config))


def packets_of(plan: NightPlan) -> Iterator[SimulatedPacket]:
    """The packets of a planned night by time."""
    yield from heapq.merge(_alerts(plan), _notices(plan), key=lambda packet: packet.time_unix_s)


def _notices(plan: NightPlan) -> Iterator[SimulatedPacket]:
    notices = [notice for event in plan.events for notice in event.notices]
    for notice in sorted(notices, key=lambda n: (n.sent_unix_s, n.name)):
        yield SimulatedPacket(notice.sent_unix_s, "notice", "notice", notice.name, notice.data)


def _alerts(plan: NightPlan) -> Iterator[SimulatedPacket]:
    n_seen: dict[int, int] = {}
    for exposure in plan.exposures:
        number = exposure.field
        visits = plan.visits[number]
        at = visits.n_past + n_seen.get(number, 0)
        n_seen[number] = n_seen.get(number, 0) + 1
        population, seen = _sources(plan, number)
        rows = alerts_of(population, seen, number, visits, at, plan.night)
        kinds = population.kind[rows.source].tolist()
        for kind, candid, record in zip(kinds, rows.candid.tolist(), rows.records, strict=True):
            yield SimulatedPacket(
                exposure.mid_unix_s, "alert", Kind(kind).name.lower(), str(candid), record
            )


def _sources(plan: NightPlan, number: int) -> tuple[Population, Sightings]:
    """Everything in a field, drawn again at each visit rather than kept; injected sources first."""
    seed = plan.config.seed
    field, visits = plan.grid.fields[number], plan.visits[number]
    parts = [
        sighting_of(counterpart, field, visits, seed)
        for counterpart in plan.counterparts
        if counterpart.field == number
    ]
    rng = np.random.default_rng([seed, _BACKGROUND, number])
    background = draw_background(field, visits, plan.night, plan.densities, rng)
    return together([*parts, (background, observe(background, field, visits, rng))])
