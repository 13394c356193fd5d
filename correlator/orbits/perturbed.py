"""The Sun and eight planets: where a body really goes, by REBOUND's integrator IAS15.

The planets begin at each epoch where ERFA has them (Simon et al. 1994), Earth and Moon as one; the
bodies have no mass. Neither relativity, nor asteroids as attractors, nor what gas does to comets
is in it. What that costs beside real places: docs/science/solar-system.md.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType
from typing import Any

import erfa
import numpy as np

from correlator.errors import ConfigurationError
from correlator.orbits.elements import MJD_ZERO_JD, SUN_GM, Orbits
from correlator.orbits.kepler import States, two_body_states

INVERSE_MASSES = (
    6.0236e6,
    4.085_237_19e5,
    328_900.5596,
    3.098_703_59e6,
    1.047_348_644e3,
    3.497_901_8e3,
    2.290_298e4,
    1.941_226e4,
)
"""Sun over planet, Mercury to Neptune, Earth with Moon (IAU 2009, Luzum et al. 2011)."""

_N_MASSIVE = 1 + len(INVERSE_MASSES)

SOFTENING_AU = 1e-5
"""Masses are not points but 1,500 km wide, so that what falls into a planet takes no smaller steps
without end. At 1 au it is 1e-10 of the Sun's pull: 0.3 mas in 700 d."""

_FIRST_STEP_D = 1.0
"""IAS15 finds its own; this is where it begins to look."""


def perturbed_states(orbits: Orbits, mjd_tdb: float) -> States:
    """States of orbits after the planets have acted from each one's epoch on.

    Those of one epoch are integrated together and share their steps, so that the last digits (some
    1e-12) depend on who else is there; :func:`perturbed_state` does not.

    Parameters
    ----------
    orbits
        ``n`` of them, of any epochs.
    mjd_tdb
        When [MJD, TDB].

    Raises
    ------
    ConfigurationError
        REBOUND is not installed.
    """
    begin = two_body_states(orbits, orbits.epoch_mjd_tdb)
    position, velocity = np.empty_like(begin.position_au), np.empty_like(begin.velocity_au_d)
    epochs, group = np.unique(orbits.epoch_mjd_tdb, return_inverse=True)
    for number, epoch in enumerate(epochs):
        rows = np.flatnonzero(group == number)
        end = _integrated(begin.take(rows), float(epoch), mjd_tdb)
        position[rows], velocity[rows] = end.position_au, end.velocity_au_d
    return States(position, velocity)


def perturbed_state(orbits: Orbits, row: int, mjd_tdb: float) -> States:
    """As :func:`perturbed_states`, of one orbit alone: a function of it and the time only."""
    return perturbed_states(orbits.take([row]), mjd_tdb)


def _integrated(states: States, from_mjd_tdb: float, to_mjd_tdb: float) -> States:
    simulation = _rebound().Simulation()
    simulation.G = SUN_GM
    simulation.softening = SOFTENING_AU
    masses, begin = _massive(from_mjd_tdb)
    xyz = np.concatenate([begin.position_au, states.position_au])
    vxvyvz = np.concatenate([begin.velocity_au_d, states.velocity_au_d])
    n = len(xyz)
    _fill(simulation, masses, n)
    simulation.set_serialized_particle_data(xyz=xyz, vxvyvz=vxvyvz)
    simulation.N_active = _N_MASSIVE
    simulation.t = from_mjd_tdb
    simulation.dt = _FIRST_STEP_D if to_mjd_tdb >= from_mjd_tdb else -_FIRST_STEP_D
    simulation.integrate(to_mjd_tdb)
    simulation.serialize_particle_data(xyz=xyz, vxvyvz=vxvyvz)
    return States(xyz[_N_MASSIVE:] - xyz[0], vxvyvz[_N_MASSIVE:] - vxvyvz[0])


def _fill(simulation: Any, masses: tuple[float, ...], n: int) -> None:
    for mass in masses:
        simulation.add(m=mass)
    for _ in range(n - len(masses)):
        simulation.add(m=0.0)


@lru_cache(maxsize=64)
def _massive(mjd_tdb: float) -> tuple[tuple[float, ...], States]:
    """Masses [Sun] and heliocentric states of Sun and planets; nobody writes into them."""
    places, velocities = [np.zeros(3)], [np.zeros(3)]
    for number in range(1, _N_MASSIVE):
        state = erfa.plan94(MJD_ZERO_JD, mjd_tdb, number)
        places.append(np.array(state["p"]))
        velocities.append(np.array(state["v"]))
    masses = (1.0, *(1.0 / inverse for inverse in INVERSE_MASSES))
    return masses, States(np.array(places), np.array(velocities))


def check_installed() -> None:
    """Refuse to begin what could not be finished.

    Raises
    ------
    ConfigurationError
        REBOUND is not installed.
    """
    _rebound()


def _rebound() -> ModuleType:
    try:
        import rebound
    except ImportError as error:
        raise ConfigurationError(
            "orbits: places of asteroids need the package rebound: "
            "pip install multimessenger-correlator[orbits]"
        ) from error
    module: ModuleType = rebound
    return module
