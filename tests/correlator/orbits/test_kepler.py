"""Two bodies, against REBOUND's own solver of Kepler's equation, and Barker's for the parabola."""

import numpy as np
import pytest
import rebound
from hypothesis import assume, example, given
from hypothesis import strategies as st

from correlator.orbits.elements import SUN_GM, Orbits, perihelion_of_mean_anomaly
from correlator.orbits.ephemeris import seen
from correlator.orbits.kepler import OBLIQUITY_RAD, two_body_states
from correlator.orbits.observers import observer_at
from correlator.visibility import SITES
from tests.correlator.orbits.build import EPOCH_MJD, EPOCH_UNIX_S, orbit


def rebounds(one, mjd_tdb):
    """Place and velocity by REBOUND's conversion of elements, turned to the equator."""
    simulation = rebound.Simulation()
    simulation.G = SUN_GM
    simulation.add(m=1.0)
    a = one.perihelion_au / (1.0 - one.eccentricity)
    mean_motion = np.sqrt(SUN_GM / abs(a) ** 3)
    simulation.add(
        a=a,
        e=one.eccentricity,
        inc=np.radians(one.inclination_deg),
        Omega=np.radians(one.node_deg),
        omega=np.radians(one.argument_deg),
        M=mean_motion * (mjd_tdb - one.perihelion_mjd_tdb),
    )
    body = simulation.particles[1]
    c, s = np.cos(OBLIQUITY_RAD), np.sin(OBLIQUITY_RAD)
    turn = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    return turn @ body.xyz, turn @ body.vxyz


@given(
    q=st.floats(0.05, 40.0),
    e=st.one_of(st.floats(0.0, 0.97), st.floats(1.03, 3.5)),
    angles=st.tuples(st.floats(0.0, 180.0), st.floats(0.0, 360.0), st.floats(0.0, 360.0)),
    since_d=st.floats(-4000.0, 4000.0),
)
@example(q=1.0, e=0.0, angles=(0.0, 0.0, 0.0), since_d=0.0)
@example(q=2.2, e=0.12, angles=(180.0, 0.0, 360.0), since_d=3000.0)
def test_a_body_is_where_rebound_has_it(q, e, angles, since_d):
    assume(e < 1.0 or abs(since_d) > 0.01)  # REBOUND has NaN for a hyperbola at perihelion
    one = orbit(
        perihelion_au=q,
        eccentricity=e,
        inclination_deg=angles[0],
        node_deg=angles[1],
        argument_deg=angles[2],
        perihelion_mjd_tdb=EPOCH_MJD - since_d,
    )
    ours = two_body_states(Orbits.of([one]), EPOCH_MJD)
    place, velocity = rebounds(one, EPOCH_MJD)
    scale = np.linalg.norm(place)
    # The phase is a difference of times of 61,000 d: 7e-12 d, near the Sun 1e-11 of the radius.
    assert np.linalg.norm(ours.position_au[0] - place) < 1e-8 * scale
    assert np.linalg.norm(ours.velocity_au_d[0] - velocity) < 1e-8 * np.linalg.norm(velocity)


@given(q=st.floats(0.05, 10.0), since_d=st.floats(-3000.0, 3000.0))
def test_a_parabola_obeys_barker(q, since_d):
    one = orbit(perihelion_au=q, eccentricity=1.0, perihelion_mjd_tdb=EPOCH_MJD - since_d)
    place = two_body_states(Orbits.of([one]), EPOCH_MJD).position_au[0]
    r = np.linalg.norm(place)
    d = np.sign(since_d) * np.sqrt(max(r / q - 1.0, 0.0))  # tangent of half the true anomaly
    took_d = np.sqrt(2.0 * q**3 / SUN_GM) * (d + d**3 / 3.0)
    assert took_d == pytest.approx(since_d, rel=1e-6, abs=1e-4)


@given(e=st.floats(0.9999, 1.0001), since_d=st.floats(-2000.0, 2000.0))
def test_what_is_almost_a_parabola_lies_beside_it(e, since_d):
    """The closed forms lose everything here: the semimajor axis is 10,000 q."""
    near, exact = (
        orbit(perihelion_au=1.0, eccentricity=x, perihelion_mjd_tdb=EPOCH_MJD - since_d)
        for x in (e, 1.0)
    )
    places = two_body_states(Orbits.of([near, exact]), EPOCH_MJD).position_au
    assert np.linalg.norm(places[0] - places[1]) < 2e-3 * np.linalg.norm(places[1])


def test_each_orbit_may_have_its_own_time():
    one, other = orbit(), orbit(perihelion_au=0.4, eccentricity=0.7)
    both = Orbits.of([one, other])
    at = two_body_states(both, np.array([EPOCH_MJD, EPOCH_MJD + 5.0]))
    assert (at.position_au[0] == two_body_states(both, EPOCH_MJD).position_au[0]).all()
    assert (at.position_au[1] == two_body_states(both, EPOCH_MJD + 5.0).position_au[1]).all()


@given(
    st.builds(
        orbit,
        perihelion_au=st.floats(1e-3, 1e5),
        eccentricity=st.floats(0.0, 1e3) | st.floats(0.99, 1.01),
        inclination_deg=st.floats(0.0, 180.0),
        node_deg=st.floats(-360.0, 360.0),
        argument_deg=st.floats(-360.0, 360.0),
        perihelion_mjd_tdb=st.floats(EPOCH_MJD - 1e9, EPOCH_MJD + 1e9),
    )
)
def test_whatever_keeps_the_rules_is_somewhere(one):
    """One body that is nowhere would end the search of all."""
    assert one.broken_rule is None
    observer = observer_at(SITES["rubin"], EPOCH_UNIX_S)
    states = two_body_states(Orbits.of([one]), observer.mjd_tdb)
    there = seen(states, observer.mjd_tdb, observer)
    assert np.isfinite(there.direction).all()
    assert np.isfinite(there.motion_arcsec_per_h).all()


@pytest.mark.parametrize("mean_anomaly_deg", [0.0, 10.0, 179.9, 180.1, 359.0])
def test_a_mean_anomaly_says_when_the_nearest_perihelion_is(mean_anomaly_deg):
    period_d = 2.0 * np.pi * np.sqrt(2.5**3 / SUN_GM)
    perihelion = perihelion_of_mean_anomaly(EPOCH_MJD, 2.5, mean_anomaly_deg)
    assert abs(EPOCH_MJD - perihelion) <= period_d / 2.0
    turns = (EPOCH_MJD - perihelion) / period_d - mean_anomaly_deg / 360.0
    assert turns == pytest.approx(round(turns), abs=1e-9)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({}, None),
        ({"perihelion_au": 0.0}, "perihelion distance must lie in 0.001..100,000 au"),
        ({"perihelion_au": float("nan")}, "perihelion distance must lie in 0.001..100,000 au"),
        ({"eccentricity": -0.1}, "eccentricity must lie in 0..1000"),
        ({"inclination_deg": 181.0}, "inclination must lie in [0, 180] deg"),
        ({"node_deg": float("inf")}, "node must lie in [-360, 360] deg"),
        ({"argument_deg": 361.0}, "argument of perihelion must lie in [-360, 360] deg"),
        ({"perihelion_mjd_tdb": float("nan")}, "perihelion must lie within 1e9 d of the epoch"),
        ({"h_mag": float("nan")}, "H must lie in [-50, 50]"),
        ({"epoch_mjd_tdb": 2_461_000.5}, "epoch must lie in 1800..2200"),
    ],
)
def test_elements_keep_rules(changed, rule):
    broken = orbit(**changed).broken_rule
    assert (broken and broken[0]) == rule
