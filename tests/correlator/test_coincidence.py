"""The pair's evidence and why there is none."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.coincidence import Miss, correlate, correlate_many
from correlator.event import apply_notice
from correlator.notice import Messenger
from correlator.object import object_of
from correlator.pair import PairEvidence, coincidence_id
from correlator.policy import DAY_S, EventClass, Policy
from skymaps.shapes import Circle, SystematicComponent
from skymaps.skymap import SkyMap
from tests.builders import a_notice, an_alert
from tests.skymaps.sky_factory import random_map

T0 = 1_700_000_000.0
POLICY = Policy()
GND = (SystematicComponent(0.804, 3.72), SystematicComponent(0.196, 13.7))


def an_event(**changes):
    said = {
        "messenger": Messenger.GAMMA_RAY,
        "event_unix_s": T0,
        "is_burst": True,
        "localization": Circle(150.0, 20.0, 1.0, 0.9, True, (), "test"),
    } | changes
    return apply_notice(None, a_notice(**said))


def an_object(after_t0_s=3600.0, ra_deg=150.0, dec_deg=20.0, **changes):
    own = replace(an_alert().detection, time_unix_s=T0 + after_t0_s, flux_njy=20_000.0)
    fields = {"history": (), "limits": (), "ra_deg": ra_deg, "dec_deg": dec_deg} | changes
    return object_of(an_alert(detection=own, **fields))


def test_the_terms_are_the_formulas_of_the_design():
    pair = correlate(an_object(), an_event(), POLICY)
    assert isinstance(pair, PairEvidence)
    sigma_rad = math.radians(1.0) / math.sqrt(-2 * math.log(0.1))
    peak_per_sr = 1.0 / (2 * math.pi * sigma_rad**2)
    assert pair.s_sky == pytest.approx(math.log(peak_per_sr * 4 * math.pi), abs=1e-3)
    # Without a limit the onset is assumed to lie in the 3 d before the detection, an hour after
    # T0: the falling kernel integrates to 1 - exp(-1/24) of its norm over that hour.
    norm = 1 - math.exp(-3)
    expected = 3 * DAY_S * (1 - math.exp(-1 / 24)) / norm / (3 * DAY_S)
    assert pair.s_time == pytest.approx(math.log(expected))
    assert pair.log_lr == pytest.approx(pair.s_sky + pair.s_time)
    assert (pair.s_distance, pair.s_light, pair.s_context) == (None, None, None)
    assert pair.delta_t_s == pytest.approx(3600.0)
    assert pair.separation_deg == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("obj", "event", "miss"),
    [
        (an_object(ra_deg=170.0), an_event(), Miss.OUTSIDE_REGION),
        (an_object(after_t0_s=-3600.0), an_event(), Miss.NOTHING_SINCE),
        (an_object(after_t0_s=20 * DAY_S), an_event(), Miss.OUTSIDE_WINDOW),
        (an_object(), an_event(is_burst=False), Miss.NOT_A_BURST),
        (an_object(), an_event(is_retraction=True, instrument=None), Miss.NOT_LIVE),
        (an_object(), an_event(is_test=True), Miss.NOT_LIVE),
        (an_object(), an_event(localization=None), Miss.NO_LOCALIZATION),
        (an_object(), an_event(event_unix_s=None), Miss.NO_TIME),
        (an_object(), an_event(messenger=Messenger.RADIO), Miss.NO_CLASS),
    ],
)
def test_a_miss_says_why(obj, event, miss):
    assert correlate(obj, event, POLICY) is miss


def exactly(result):
    """Every bit of a result: the shortest text of a float tells it from all others."""
    return repr(result)


def a_map():
    uniq, density, _ = random_map(5)
    return SkyMap.from_uniq(uniq, density)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.builds(
            an_object,
            st.sampled_from([-100.0, -60.0, 0.0]) | st.floats(-1e5, 4e5),
            st.floats(146.0, 154.0),
            st.floats(17.0, 23.0),
        ),
        max_size=25,
    ),
    st.sampled_from(
        [
            {},
            {"localization": Circle(150.0, 20.0, 1.0, 0.9, False, GND, "test")},
            {"localization": a_map(), "event_end_unix_s": T0 + 60.0},
            {"messenger": Messenger.NEUTRINO},
            {"is_test": True},
        ]
    ),
)
def test_many_objects_at_once_have_what_each_has_alone(objects, changes):
    event = an_event(**changes)
    together = correlate_many(objects, event, POLICY)
    assert [exactly(r) for r in together] == [
        exactly(correlate(obj, event, POLICY)) for obj in objects
    ]


def test_the_law_of_many_objects_has_pairs_and_misses():
    objects = [
        an_object(after_s, ra_deg)
        for after_s in (-3600.0, 60.0, 3600.0, 20 * DAY_S)
        for ra_deg in (149.9, 150.0, 150.5, 170.0)
    ]
    results = correlate_many(objects, an_event(), POLICY)
    assert sum(isinstance(r, PairEvidence) for r in results) == 6
    assert {r for r in results if isinstance(r, Miss)} == {
        Miss.NOTHING_SINCE,
        Miss.OUTSIDE_REGION,
        Miss.OUTSIDE_WINDOW,
    }
    assert correlate_many([], an_event(), POLICY) == []


def test_tests_reach_the_join_only_when_asked_for():
    policy = Policy(include_tests=True)
    assert isinstance(correlate(an_object(), an_event(is_test=True), policy), PairEvidence)


def test_prior_activity_is_a_term_that_stays_visible():
    pair = correlate(an_object(survey_first_unix_s=T0 - 100 * DAY_S), an_event(), POLICY)
    assert isinstance(pair, PairEvidence)
    assert pair.prior_activity_days == pytest.approx(100.0)
    assert pair.s_prior_activity == POLICY.prior_activity_log_lr[EventClass.GRB]


def test_the_id_of_a_pair_depends_on_both_and_on_nothing_else():
    ids = {coincidence_id(e, o) for e in ("lvk:S1", "lvk:S2") for o in ("ztf:a", "ztf:b")}
    assert len(ids) == 4
    assert coincidence_id("lvk:S1", "ztf:a") in ids
