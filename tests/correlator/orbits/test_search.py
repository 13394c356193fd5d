"""Which bodies stand near a position: all of them, and only those."""

import sys

import numpy as np
import pytest

from correlator.errors import ConfigurationError
from correlator.orbits.elements import Orbits
from correlator.orbits.ephemeris import direction_of, seen
from correlator.orbits.kepler import two_body_states
from correlator.orbits.observers import observer_at
from correlator.orbits.perturbed import perturbed_states
from correlator.orbits.search import MAX_EPOCH_AGE_D, OrbitSky
from correlator.visibility import SITES
from tests.correlator.orbits.build import EPOCH_MJD, EPOCH_UNIX_S, belt, orbit

RUBIN = SITES["rubin"]
TIME_UNIX_S = EPOCH_UNIX_S + 150.0 * 86_400.0


@pytest.fixture(scope="module")
def bodies():
    """Two thousand bodies where the planets have brought them."""
    orbits, observer = belt(2000), observer_at(RUBIN, TIME_UNIX_S)
    states = perturbed_states(orbits, observer.mjd_tdb)
    return orbits, seen(states, observer.mjd_tdb, observer)


def test_those_near_are_found_and_no_others(bodies):
    orbits, there = bodies
    sky = OrbitSky(orbits, RUBIN)
    n_found = 0
    for row in range(0, 2000, 100):
        ra_deg, dec_deg = float(there.ra_deg[row]) + 0.1, float(there.dec_deg[row]) - 0.1
        separations = there.separation_arcsec(direction_of(ra_deg, dec_deg))
        expected = {name for name, sep in zip(orbits.names, separations, strict=True) if sep < 1800}
        found = sky.near(ra_deg, dec_deg, TIME_UNIX_S, 1800.0)
        assert {each.name for each in found} == expected
        assert [x.separation_arcsec for x in found] == sorted(x.separation_arcsec for x in found)
        n_found += len(found)
    assert n_found > 20


def test_a_body_is_found_at_its_place_at_any_moment_of_the_hour(bodies):
    orbits, _ = bodies
    sky = OrbitSky(orbits, RUBIN)
    for minutes in range(0, 60, 7):
        time_unix_s = TIME_UNIX_S // 3600.0 * 3600.0 + 60.0 * minutes
        observer = observer_at(RUBIN, time_unix_s)
        one = orbits.take([5])
        there = seen(perturbed_states(one, observer.mjd_tdb), observer.mjd_tdb, observer)
        found = sky.near(float(there.ra_deg[0]), float(there.dec_deg[0]), time_unix_s)
        assert [each.name for each in found] == ["5"]
        assert found[0].separation_arcsec < 1e-6
        assert found[0].epoch_age_d == pytest.approx(150.0, abs=0.1)
        assert found[0].distance_au == pytest.approx(float(there.distance_au[0]))


def test_what_passes_the_earth_is_found():
    """It moves degrees in a day, and an hour's tree of places would not hold it."""
    random = np.random.default_rng(3)
    close = Orbits.of(
        [
            orbit(
                f"close {k}",
                perihelion_au=random.uniform(0.8, 1.0),
                eccentricity=random.uniform(0.1, 0.5),
                inclination_deg=random.uniform(0.0, 3.0),
                node_deg=random.uniform(0.0, 360.0),
                perihelion_mjd_tdb=EPOCH_MJD + random.uniform(0.0, 300.0),
            )
            for k in range(5000)
        ]
    )
    observer = observer_at(RUBIN, TIME_UNIX_S)
    places = seen(two_body_states(close, observer.mjd_tdb), observer.mjd_tdb, observer)
    speeds = np.hypot(*places.motion_arcsec_per_h) / 150.0  # deg/d
    fastest = close.take([int(speeds.argmax())])
    assert speeds.max() > 5.0
    both = Orbits.of([orbit(), orbit("other", node_deg=200.0)])
    columns = {
        name: np.concatenate([getattr(both, name), getattr(fastest, name)])
        for name in Orbits.__dataclass_fields__
        if name != "names"
    }
    sky = OrbitSky(Orbits(names=(*both.names, *fastest.names), **columns), RUBIN)
    for minutes in (-29.0, 0.0, 29.0):
        time_unix_s = TIME_UNIX_S // 3600.0 * 3600.0 + 1800.0 + 60.0 * minutes
        observer = observer_at(RUBIN, time_unix_s)
        there = seen(perturbed_states(fastest, observer.mjd_tdb), observer.mjd_tdb, observer)
        found = sky.near(float(there.ra_deg[0]), float(there.dec_deg[0]), time_unix_s)
        assert [each.name for each in found] == list(fastest.names)


def test_an_answer_does_not_depend_on_the_other_orbits_nor_on_what_was_asked(bodies):
    orbits, there = bodies
    place = float(there.ra_deg[5]), float(there.dec_deg[5])
    whole, small = OrbitSky(orbits, RUBIN), OrbitSky(orbits.take([9, 5, 3]), RUBIN)
    first = whole.near(*place, TIME_UNIX_S)
    whole.near(place[0] + 0.5, place[1], TIME_UNIX_S, 1800.0)
    whole.near(*place, TIME_UNIX_S + 7200.0)
    assert first
    assert whole.near(*place, TIME_UNIX_S) == first == small.near(*place, TIME_UNIX_S)


def test_an_orbit_of_long_ago_is_not_searched():
    fresh, stale = orbit("fresh"), orbit("stale", epoch_mjd_tdb=EPOCH_MJD - MAX_EPOCH_AGE_D - 1.0)
    sky = OrbitSky(Orbits.of([stale, fresh]), RUBIN)
    assert sky.n_searched(EPOCH_UNIX_S) == 1
    observer = observer_at(RUBIN, EPOCH_UNIX_S)
    there = seen(perturbed_states(sky.orbits, observer.mjd_tdb), observer.mjd_tdb, observer)
    for row, expected in ((0, []), (1, ["fresh"])):
        found = sky.near(float(there.ra_deg[row]), float(there.dec_deg[row]), EPOCH_UNIX_S)
        assert [each.name for each in found] == expected


def test_no_orbits_are_near_nothing():
    assert OrbitSky(Orbits.of([]), RUBIN).near(10.0, 10.0, EPOCH_UNIX_S) == ()


def test_a_circle_is_at_most_half_a_degree():
    with pytest.raises(ValueError, match=r"radius must lie in \[0, 1800\] arcsec, got 1801"):
        OrbitSky(belt(2), RUBIN).near(0.0, 0.0, EPOCH_UNIX_S, 1801.0)


def test_without_rebound_it_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "rebound", None)
    with pytest.raises(
        ConfigurationError, match=r"pip install multimessenger-correlator\[orbits\]"
    ):
        OrbitSky(belt(1), RUBIN)


def test_a_body_without_h_has_no_magnitude():
    one = Orbits.of([orbit(h_mag=None)])
    observer = observer_at(RUBIN, EPOCH_UNIX_S)
    there = seen(perturbed_states(one, observer.mjd_tdb), observer.mjd_tdb, observer)
    (found,) = OrbitSky(one, RUBIN).near(
        float(there.ra_deg[0]), float(there.dec_deg[0]), EPOCH_UNIX_S
    )
    assert found.mag_v is None
    east, north = there.motion_arcsec_per_h
    assert found.motion_arcsec_per_h == pytest.approx(float(np.hypot(east[0], north[0])), rel=1e-6)
