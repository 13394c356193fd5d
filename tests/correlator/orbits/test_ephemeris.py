"""Places, motions and magnitudes of bodies, against what follows from their definitions."""

import numpy as np
import pytest

from correlator.orbits.elements import Orbits
from correlator.orbits.ephemeris import LIGHT_AU_D, direction_of, magnitudes, seen
from correlator.orbits.kepler import States, two_body_states
from correlator.orbits.observers import observer_at
from correlator.orbits.perturbed import (
    _integrated,
    _massive,
    perturbed_state,
    perturbed_states,
)
from correlator.visibility import SITES
from tests.correlator.orbits.build import EPOCH_MJD, EPOCH_UNIX_S, belt, orbit

RUBIN = SITES["rubin"]


def at(orbits, unix_s, states=two_body_states):
    observer = observer_at(RUBIN, unix_s)
    return seen(states(orbits, observer.mjd_tdb), observer.mjd_tdb, observer)


def test_a_body_is_seen_where_it_was_when_the_light_left():
    orbits, observer = belt(50), observer_at(RUBIN, EPOCH_UNIX_S)
    bodies = seen(two_body_states(orbits, observer.mjd_tdb), observer.mjd_tdb, observer)
    left = observer.mjd_tdb - bodies.distance_au / LIGHT_AU_D
    away = two_body_states(orbits, left).position_au - observer.position_au
    directions = away / np.linalg.norm(away, axis=1)[:, None]
    assert np.abs(directions - bodies.direction).max() < 1e-11  # 2 micro-arcsec
    assert bodies.distance_au == pytest.approx(np.linalg.norm(away, axis=1), rel=1e-9)


def test_states_of_another_half_hour_do_as_well():
    orbits, observer = belt(50), observer_at(RUBIN, EPOCH_UNIX_S)
    now = seen(two_body_states(orbits, observer.mjd_tdb), observer.mjd_tdb, observer)
    earlier = observer.mjd_tdb - 0.5 / 24.0
    then = seen(two_body_states(orbits, earlier), earlier, observer)
    assert np.abs(now.direction - then.direction).max() * 206_265.0 < 1e-5


def test_motion_is_how_the_place_changes():
    orbits = belt(50)
    before, now, after = (at(orbits, EPOCH_UNIX_S + dt) for dt in (-600.0, 0.0, 600.0))
    east, north = now.motion_arcsec_per_h
    hours = 1200.0 / 3600.0
    ra = (after.ra_deg - before.ra_deg + 180.0) % 360.0 - 180.0
    moved_east = ra * np.cos(np.radians(now.dec_deg)) * 3600.0 / hours
    assert east == pytest.approx(moved_east, rel=2e-3, abs=0.01)
    assert north == pytest.approx((after.dec_deg - before.dec_deg) * 3600.0 / hours, abs=0.01)


def test_a_position_and_its_direction_say_the_same():
    bodies = at(belt(50), EPOCH_UNIX_S)
    for k in range(50):
        direction = direction_of(bodies.ra_deg[k], bodies.dec_deg[k])
        assert bodies.separation_arcsec(direction)[k] < 1e-9


def test_magnitudes_are_those_of_h_and_g():
    """In opposition H + 5 log(r delta); at 90 deg by Bowell's formula, worked out by hand."""
    orbits = Orbits.of([orbit(h_mag=15.0), orbit(h_mag=None), orbit(h_mag=15.0, g_slope=0.25)])
    observer = observer_at(RUBIN, EPOCH_UNIX_S)
    toward = observer.position_au / np.linalg.norm(observer.position_au)
    aside = np.cross(toward, [0.0, 0.0, 1.0])
    right_angle = observer.position_au + aside / np.linalg.norm(aside) * 1e-9
    still = np.zeros((3, 3))
    behind = seen(States(np.array([2.0 * toward] * 3), still), observer.mjd_tdb, observer)
    r = np.linalg.norm(observer.position_au)
    # What stands still is pulled for the light time, by 1e-9 au.
    expected = 15.0 + 5.0 * np.log10(2.0 * (2.0 - r))
    said = magnitudes(orbits, behind)
    assert said[[0, 2]] == pytest.approx([expected] * 2, abs=1e-3)
    assert np.isnan(said[1])
    beside = seen(States(np.array([right_angle] * 3), still), observer.mjd_tdb, observer)
    assert np.degrees(beside.phase_rad) == pytest.approx([90.0] * 3, abs=0.01)
    dimming = [
        0.85 * np.exp(-3.33) + 0.15 * np.exp(-1.87),
        0.75 * np.exp(-3.33) + 0.25 * np.exp(-1.87),
    ]
    expected = 15.0 + 5.0 * np.log10(r * 1e-9) - 2.5 * np.log10(dimming)
    assert magnitudes(orbits, beside)[[0, 2]] == pytest.approx(expected, abs=0.01)


def test_one_body_alone_goes_where_it_goes_among_others():
    orbits = belt(40)
    together = perturbed_states(orbits, EPOCH_MJD + 200.0)
    for row in (0, 7, 39):
        alone = perturbed_state(orbits, row, EPOCH_MJD + 200.0)
        assert np.abs(alone.position_au[0] - together.position_au[row]).max() < 1e-10


def test_bodies_of_several_epochs_are_brought_to_one_time():
    """The states of one epoch, made the elements of another, meet again."""
    early, late = belt(5, epoch_mjd=EPOCH_MJD), belt(5, seed=1, epoch_mjd=EPOCH_MJD + 40.0)
    columns = {
        name: np.concatenate([getattr(early, name), getattr(late, name)])
        for name in Orbits.__dataclass_fields__
        if name != "names"
    }
    both = Orbits(names=(*early.names, *late.names), **columns)
    at_once = perturbed_states(both, EPOCH_MJD + 20.0)
    apart = [perturbed_states(x, EPOCH_MJD + 20.0).position_au for x in (early, late)]
    assert np.abs(at_once.position_au - np.concatenate(apart)).max() < 1e-11


def test_before_the_epoch_is_as_good_as_after_it():
    """There and back again. At the other end the planets begin anew where ERFA has them, which for
    Jupiter is 71 arcsec, and so much of its pull, 4e-4, is not taken back."""
    orbits = belt(20)
    begin = two_body_states(orbits, EPOCH_MJD)
    for days in (200.0, -200.0):
        there = _integrated(begin, EPOCH_MJD, EPOCH_MJD + days)
        back = _integrated(there, EPOCH_MJD + days, EPOCH_MJD)
        alone = two_body_states(orbits, EPOCH_MJD + days)
        pulled_au = np.abs(there.position_au - alone.position_au).max()
        assert pulled_au > 1e-5
        assert np.abs(back.position_au - begin.position_au).max() < 0.01 * pulled_au


def test_at_the_epoch_the_planets_have_done_nothing():
    orbits = belt(5)
    done = perturbed_states(orbits, EPOCH_MJD).position_au
    assert np.abs(done - two_body_states(orbits, EPOCH_MJD).position_au).max() < 1e-14


def test_what_falls_into_a_planet_comes_to_an_end():
    """At rest beside Earth and Moon: it falls in again and again, and takes finite steps."""
    _, massive = _massive(EPOCH_MJD)
    place = massive.position_au[3] + [1e-3, 0.0, 0.0]
    begin = States(place[None], massive.velocity_au_d[3][None])
    end = _integrated(begin, EPOCH_MJD, EPOCH_MJD + 20.0)
    earth = _integrated(States(massive.position_au[3:4], massive.velocity_au_d[3:4]),
                        EPOCH_MJD, EPOCH_MJD + 20.0)  # fmt: skip
    assert np.linalg.norm(end.position_au - earth.position_au) < 0.01
