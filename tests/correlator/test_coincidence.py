"""The pair's evidence and why there is none."""

import math
from dataclasses import replace

import pytest

from correlator.coincidence import Miss, PairEvidence, coincidence_id, correlate
from correlator.event import apply_notice
from correlator.notice import Messenger
from correlator.object import object_of
from correlator.policy import DAY_S, EventClass, Policy
from skymaps.shapes import Circle
from tests.builders import a_notice, an_alert

T0 = 1_700_000_000.0
POLICY = Policy()


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
