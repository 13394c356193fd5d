"""Sources put into simulated nights to see who finds them: AT2017gfo and ten afterglows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from correlator.simulation import surroundings
from correlator.simulation.cadence import EXPOSURE_S, Field
from correlator.simulation.counterparts import AfterglowModel, KilonovaModel
from correlator.simulation.ephemeris import DAY_S
from correlator.simulation.lightcurves import flux_of, kilonova_mag
from correlator.simulation.population import Kind, Population, Visits

Floats = NDArray[np.float64]
DISTANCES_MPC = (40, 60, 80, 100, 120, 160, 200)
"""Distances of AT2017gfo; its redshift stays below 0.05, and no K correction is made."""

STRETCHES = (0.5, 2.0)
STRETCHED_MPC = 80
"""Kilonovae that are no AT2017gfo: twice as fast and half as fast, at one distance."""

N_AFTERGLOWS = 10

AFTERGLOW_SEED = 2017
"""The ten afterglows are the same in every campaign."""

PEAK_MAG_R_1000S, SPREAD_MAG = 19.5, 4.7
"""R magnitude of an afterglow 1,000 s after its burst: most often 19.5, and brighter than 22.1 for
71 % (Akerlof & Swan 2007, ApJ 671, 1868), which a Gaussian of this width gives."""

DECAY = 0.5, 1.5
"""Decay indices before the jet break (Kann et al. 2010), of equal chance; no break is made."""

_SPECTRAL_PER_DECAY = 2.0 / 3.0
"""Spectral index over decay index: slow cooling below the cooling break in a uniform medium (Sari,
Piran & Narayan 1998: alpha = 3/2 beta)."""

_PLACES = 81


@dataclass(frozen=True, slots=True)
class StretchedKilonova:
    """AT2017gfo with another clock."""

    distance_mpc: float
    stretch: float

    def mag(self, days: ArrayLike, fid: ArrayLike) -> Floats:
        """Magnitude some days after the merger."""
        return kilonova_mag(np.asarray(days) / self.stretch, fid, self.distance_mpc)


Model = KilonovaModel | StretchedKilonova | AfterglowModel


@dataclass(frozen=True, slots=True)
class Injected:
    """The injected sources of one field.

    Attributes
    ----------
    labels
        What each is: ``at2017gfo-100mpc``, ``stretched-2.0``, ``afterglow-3``; of length ``n``.
    t0_unix_s
        When it began, shape ``(n,)`` [s since the Unix epoch].
    population
        The ``n`` sources.
    """

    labels: tuple[str, ...]
    t0_unix_s: Floats
    population: Population


def afterglows() -> tuple[AfterglowModel, ...]:
    """The ten afterglows."""
    rng = np.random.default_rng(AFTERGLOW_SEED)
    mags = rng.normal(PEAK_MAG_R_1000S, SPREAD_MAG, N_AFTERGLOWS)
    decays = rng.uniform(*DECAY, N_AFTERGLOWS)
    to_1h = 2.5 * decays * np.log10(3.6)
    rows = zip((mags + to_1h).tolist(), decays.tolist(), strict=True)
    return tuple(AfterglowModel(mag, a, _SPECTRAL_PER_DECAY * a) for mag, a in rows)


def models() -> dict[str, Model]:
    """Every injected light curve by its label."""
    found: dict[str, Model] = {f"at2017gfo-{d}mpc": KilonovaModel(float(d)) for d in DISTANCES_MPC}
    found |= {f"stretched-{s}": StretchedKilonova(float(STRETCHED_MPC), s) for s in STRETCHES}
    return found | {f"afterglow-{i}": model for i, model in enumerate(afterglows())}


def inject(
    field: Field, visits: Visits, last_t0_unix_s: float, each: int, seed: int
) -> Injected | None:
    """``each`` sources of every kind at random places of a field; None of none.

    Each begins in the day before ``last_t0_unix_s``. Its random numbers are its own, so that the
    background around it changes nothing.
    """
    if each == 0:
        return None
    rng = np.random.default_rng([seed, _PLACES, field.number])
    kinds = [(label, model) for label, model in models().items() for _ in range(each)]
    t0 = last_t0_unix_s - DAY_S * rng.random(len(kinds))
    lo, hi = np.sin(np.radians([field.dec_lo_deg, field.dec_hi_deg]))
    ra = rng.uniform(field.ra_lo_deg, field.ra_hi_deg, len(kinds))
    dec = np.degrees(np.arcsin(rng.uniform(lo, hi, len(kinds))))
    flux = np.stack(list(_fluxes([model for _, model in kinds], visits, t0)))
    near = surroundings.of_transients(len(kinds), rng)
    population = Population.of(Kind.COUNTERPART, ra, dec, flux, near)
    return Injected(tuple(label for label, _ in kinds), t0, population)


def _fluxes(those: list[Model], visits: Visits, t0_unix_s: Floats) -> Iterator[Floats]:
    middle = visits.start_unix_s + 0.5 * EXPOSURE_S
    for model, t0 in zip(those, t0_unix_s.tolist(), strict=True):
        yield flux_of(model.mag((middle - t0) / DAY_S, visits.fid))
