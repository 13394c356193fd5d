"""What orbits say of an object: found, nothing there, or unknown with its reason."""

import dataclasses

import pytest

from correlator.crossmatch import AnswerState, placement
from correlator.object import apply_alert, object_of
from correlator.orbits.answers import KnownOrbits, asteroid_answer
from correlator.orbits.elements import Orbits
from correlator.orbits.ephemeris import seen
from correlator.orbits.observers import observer_at
from correlator.orbits.perturbed import perturbed_states
from correlator.orbits.search import MAX_EPOCH_AGE_D
from correlator.visibility import SITES
from tests.builders import a_detection, an_alert
from tests.correlator.orbits.build import EPOCH_MJD, EPOCH_UNIX_S, orbit

BODIES = Orbits.of([orbit("2001 AA1"), orbit("2001 AB1", node_deg=200.0, h_mag=None)])
KNOWN = KnownOrbits.of(BODIES, "0123456789ab")


def alert_of(row=0, alert_id="1", time_unix_s=EPOCH_UNIX_S, snr=20.0, **changed):
    """An alert of ZTF at the place of a body."""
    observer = observer_at(SITES["palomar"], time_unix_s)
    there = seen(perturbed_states(BODIES, observer.mjd_tdb), observer.mjd_tdb, observer)
    place = {"ra_deg": float(there.ra_deg[row]), "dec_deg": float(there.dec_deg[row])}
    own = a_detection(alert_id, time_unix_s, snr=snr)
    return an_alert(alert_id, time_unix_s=time_unix_s, **{**place, "detection": own, **changed})


def answer_of(alert, known=KNOWN):
    return asteroid_answer(object_of(alert), known)


def test_a_body_that_is_there_is_found_with_its_numbers():
    answer = answer_of(alert_of())
    (tag,) = answer.tags
    assert (tag.catalog, tag.version, tag.object_id) == ("orbits", "0123456789ab", "2001 AA1")
    assert tag.separation_arcsec < 1e-6
    assert [name for name, _ in tag.values] == sorted(name for name, _ in tag.values)
    assert tag.value("motion_arcsec_per_h") > 0.0
    assert tag.value("mag_v") > 16.0
    assert answer_of(alert_of(row=1)).tags[0].value("mag_v") is None


def test_a_body_that_is_there_makes_nothing_galactic_nor_extragalactic():
    assert placement([answer_of(alert_of())]).is_extragalactic is None


def test_where_none_is_there_is_nothing():
    answer = answer_of(alert_of(dec_deg=80.0))
    assert (answer.state, answer.version) == (AnswerState.NOTHING_THERE, "0123456789ab")


def test_the_time_is_that_of_the_position():
    """Of two alerts the better one has the position, whichever comes first."""
    better = alert_of(alert_id="1", snr=50.0)
    worse = alert_of(alert_id="2", time_unix_s=EPOCH_UNIX_S + 86_400.0, snr=5.0)
    for first, second in ((better, worse), (worse, better)):
        both = apply_alert(object_of(first), second)
        assert both.latest_alert_id == "2"
        assert asteroid_answer(both, KNOWN).state is AnswerState.FOUND


@pytest.mark.parametrize(
    ("obj", "known", "reason"),
    [
        (object_of(alert_of()), None, "no file of orbits"),
        (object_of(alert_of(survey="atlas")), KNOWN, "the site of survey atlas is not known"),
        (
            dataclasses.replace(object_of(alert_of()), position_alert_id="lost"),
            KNOWN,
            "the time of the position is not known",
        ),
        (object_of(alert_of()), KnownOrbits.of(Orbits.of([]), "0"), "0 of 0 orbits"),
        (
            object_of(alert_of(time_unix_s=EPOCH_UNIX_S + (MAX_EPOCH_AGE_D + 1.0) * 86_400.0)),
            KNOWN,
            "0 of 2 orbits have an epoch within 700 d",
        ),
    ],
)
def test_what_cannot_be_told_is_unknown(obj, known, reason):
    answer = asteroid_answer(obj, known)
    assert answer.state is AnswerState.UNKNOWN
    assert answer.reason.startswith(reason)


def test_a_few_old_orbits_do_not_silence_the_others():
    old = orbit("old", epoch_mjd_tdb=EPOCH_MJD - 2.0 * MAX_EPOCH_AGE_D)
    known = KnownOrbits.of(Orbits.of([orbit("2001 AA1"), old]), "0")
    assert answer_of(alert_of(), known).tags[0].object_id == "2001 AA1"
