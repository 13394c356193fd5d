"""Injected counterparts: what shines, of which event, where, and what the survey makes of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from correlator.simulation import surroundings
from correlator.simulation.cadence import EXPOSURE_S, Field, G, R
from correlator.simulation.ephemeris import DAY_S
from correlator.simulation.lightcurves import afterglow_mag, flux_of, kilonova_mag
from correlator.simulation.notices import utc
from correlator.simulation.packets import object_ids
from correlator.simulation.population import Kind, Population, Visits
from correlator.simulation.sightings import Sightings, observe

Floats = NDArray[np.float64]

_COUNTERPART = 31
"""Stream of random numbers of the injected sources."""


@dataclass(frozen=True, slots=True)
class KilonovaModel:
    """AT2017gfo at another distance."""

    distance_mpc: float

    def mag(self, days: ArrayLike, fid: ArrayLike) -> Floats:
        """Magnitude some days after the merger."""
        return kilonova_mag(days, fid, self.distance_mpc)


@dataclass(frozen=True, slots=True)
class AfterglowModel:
    """Power law in time and frequency."""

    mag_r_1h: float
    decay: float
    spectral_index: float

    def mag(self, days: ArrayLike, fid: ArrayLike) -> Floats:
        """Magnitude some days after the burst."""
        return afterglow_mag(days, fid, self.mag_r_1h, self.decay, self.spectral_index)


@dataclass(frozen=True, slots=True)
class EventName:
    """A mission and its id of an event."""

    mission: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Counterpart:
    """One injected source.

    Attributes
    ----------
    case
        Science case whose list it should lead: ``kilonova``, ``grb-afterglow``.
    events
        The events that it belongs to, the best localized first.
    """

    kind: str
    case: str
    events: tuple[EventName, ...]
    t0_unix_s: float
    ra_deg: float
    dec_deg: float
    field: int
    model: KilonovaModel | AfterglowModel

    def object_id(self, first_unix_s: float) -> str:
        """Survey's id, given its first detection: counterparts are the first of their field."""
        year = np.array([utc(first_unix_s).year % 100])
        return str(object_ids(self.field, np.array([0]), year)[0].decode())

    def parameters(self) -> dict[str, float]:
        """Parameters of the light curve."""
        return asdict(self.model)

    def mags_at(self, visits: Visits) -> Floats:
        """True magnitude at the middle of each visit; inf before T0."""
        middle = visits.start_unix_s + 0.5 * EXPOSURE_S
        return self.model.mag((middle - self.t0_unix_s) / DAY_S, visits.fid)


def sighting_of(
    counterpart: Counterpart, field: Field, visits: Visits, seed: int
) -> tuple[Population, Sightings]:
    """The counterpart as a source of its field, measured like every other transient.

    Its random numbers are its own, so that the background around it changes nothing.
    """
    rng = np.random.default_rng([seed, _COUNTERPART, field.number])
    population = Population.of(
        Kind.COUNTERPART,
        np.array([counterpart.ra_deg]),
        np.array([counterpart.dec_deg]),
        flux_of(counterpart.mags_at(visits))[None, :],
        surroundings.of_transients(1, rng),
    )
    return population, observe(population, field, visits, rng)


def is_observable(seen: Sightings, visits: Visits) -> bool:
    """Whether tonight gives detections in g and in r."""
    tonight = np.flatnonzero(seen.is_detected[0])
    return {G, R} <= set(visits.fid[tonight].tolist())
