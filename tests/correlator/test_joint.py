"""Joint events: a function of the set of events, with RAVEN's rates."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.coincidence import Miss, correlate
from correlator.event import EventState
from correlator.joint import joint_events, link_of, targeted_far_hz, untargeted_far_hz
from correlator.notice import Messenger
from correlator.policy import DAY_S, EventClass, Policy
from skymaps.healpix import Positions
from skymaps.overlap import overlap
from tests.builders import DEC_DEG, RA_DEG, T0_UNIX_S, a_circle, an_event, an_object

POLICY = Policy()
RULES = POLICY.joint
YEAR_S = 365.25 * DAY_S


def gbm(event_id="781692805", at=0.0, **other):
    return an_event(event_id=event_id, event_unix_s=T0_UNIX_S + at, **other)


def swift(at=0.5, event_id="1208389", **other):
    more = {"mission": "Swift", "instrument": "BAT", "stream": "swift"} | other
    return an_event(event_id=event_id, event_unix_s=T0_UNIX_S + at, **more)


def merger(at=-1.7, event_id="S251009x", **other):
    more = {
        "mission": "LVK",
        "stream": "lvk",
        "messenger": Messenger.GRAVITATIONAL_WAVE,
        "is_burst": None,
        "classification": (("BNS", 0.98), ("Terrestrial", 0.02)),
        "is_significant": True,
    }
    return an_event(event_id=event_id, event_unix_s=T0_UNIX_S + at, **(more | other))


def neutrino(at=10.0, event_id="140000", **other):
    more = {"mission": "IceCube", "stream": "icecube", "messenger": Messenger.NEUTRINO}
    return an_event(event_id=event_id, event_unix_s=T0_UNIX_S + at, **(more | other))


def test_two_missions_that_saw_one_burst_are_a_joint_event():
    (joint,) = joint_events([gbm(), swift()], POLICY)
    assert joint.event_keys == ("fermi-gbm:781692805", "swift:1208389")
    assert joint.joint_id == "joint:fermi-gbm:781692805"
    assert joint.aliases == ("joint:swift:1208389",)
    (link,) = joint.links
    assert link.delta_t_s == 0.5
    assert link.i_omega == overlap(a_circle(), a_circle())
    by_hand = 120.0 * (236 / YEAR_S) * (65 / YEAR_S) / link.i_omega
    assert link.far_hz == joint.far_hz == pytest.approx(by_hand, rel=1e-12)
    assert not link.is_targeted
    assert joint.localization.area_deg2(0.9) < a_circle().area_deg2(0.9)


CHAIN = [merger(), gbm(), swift(), neutrino(), gbm("1", at=4000.0), swift(4001.0, "2")]


@given(st.permutations(CHAIN), st.lists(st.sampled_from(CHAIN), max_size=3))
@settings(deadline=None, max_examples=30)
def test_neither_order_nor_repeats_count(events, again):
    distinct = {event.event_key: event for event in [*events, *again]}
    assert joint_events(distinct.values(), POLICY) == joint_events(CHAIN, POLICY)


def test_what_hangs_together_is_one_event_of_its_earliest_member():
    second, first = joint_events(CHAIN, POLICY)  # by id
    assert first.event_keys == (
        "lvk:S251009x",
        "fermi-gbm:781692805",
        "swift:1208389",
        "icecube:140000",
    )
    assert len(first.links) == 6
    assert second.event_keys == ("fermi-gbm:1", "swift:2")


def test_a_member_that_is_retracted_leaves_and_one_that_comes_changes_the_id():
    later = [gbm(), swift()]
    (before,) = joint_events(later, POLICY)
    (after,) = joint_events([merger(), *later], POLICY)
    assert after.joint_id == "joint:lvk:S251009x"
    assert before.joint_id in after.aliases
    gone = replace(merger(), state=EventState.RETRACTED)
    assert joint_events([gone, *later], POLICY) == [before]
    assert joint_events([gbm(), replace(swift(), state=EventState.TEST)], POLICY) == []
    assert joint_events([gbm(), swift(is_burst=False)], POLICY) == []


@pytest.mark.parametrize(
    ("a", "b", "is_joined"),
    [
        (merger(0.0), gbm(at=5.0), True),
        (merger(0.0), gbm(at=5.1), False),
        (merger(0.0), gbm(at=-1.0), True),
        (merger(0.0), gbm(at=-1.1), False),
        (merger(0.0, classification=()), gbm(at=600.0), True),
        (merger(0.0, classification=()), gbm(at=-61.0), False),
        (merger(0.0), neutrino(at=-500.0), True),
        (merger(0.0), neutrino(at=501.0), False),
        (gbm(), neutrino(at=500.0), True),
        (gbm(), swift(at=-60.0), True),
        (gbm(), swift(at=60.5), False),
        (merger(), merger(0.0, "S251009y"), False),  # no window
        (gbm(), gbm("2", at=1.0), False),  # one series
        (neutrino(), swift(messenger=Messenger.RADIO), False),
    ],
)
def test_windows_count_from_the_right_side(a, b, is_joined):
    assert (link_of(a, b, RULES) is not None) == is_joined
    assert link_of(a, b, RULES) == link_of(b, a, RULES)


def test_an_interval_of_times_meets_a_window_that_some_of_its_moments_meet():
    image = swift(at=-300.0, event_end_unix_s=T0_UNIX_S - 20.0)
    assert link_of(image, gbm(), RULES) is not None
    assert link_of(swift(at=-300.0), gbm(), RULES) is None
    (joint,) = joint_events([gbm(), image], POLICY)
    assert joint.joint_id == "joint:swift:1208389"


def test_places_that_do_not_agree_are_two_bursts():
    assert joint_events([gbm(), swift(localization=a_circle(ra_deg=170.0))], POLICY) == []


def test_without_a_place_only_the_times_speak():
    (joint,) = joint_events([gbm(), swift(localization=None)], POLICY)
    assert joint.links[0].i_omega is None
    assert joint.localization is None
    assert joint.far_hz == pytest.approx(120.0 * 236 * 65 / YEAR_S**2)


def test_of_a_confident_side_its_astrophysical_rate_counts():
    """Not its FAR: S241125n was published as 1 in 1e3 yr and restated as 1 in 6 yr (GCN 38356)."""
    sure = merger(far_hz=1e-20)
    link = link_of(sure, gbm(), RULES)
    by_hand = 6.0 / (3.0 * DAY_S) * 236 / YEAR_S / link.i_omega
    assert link.far_hz == pytest.approx(by_hand, rel=1e-12)
    assert link == link_of(merger(far_hz=None), gbm(), RULES)


def test_of_a_sub_threshold_alert_its_own_far_counts():
    weak = merger(is_significant=False, far_hz=1e-6)
    link = link_of(weak, gbm(), RULES)
    assert link.is_targeted
    rate = 236 / YEAR_S
    z, most = 6.0 * 1e-6 * rate, 6.0 * (2.0 / DAY_S) * rate
    by_hand = z * (1.0 + math.log(most / z)) / link.i_omega
    assert link.far_hz == pytest.approx(by_hand, rel=1e-12)


@given(st.floats(1e-12, 1e-2), st.floats(1e-12, 1e-2), st.floats(1e-9, 1e-3), st.floats(1e-9, 1e-3))
def test_a_targeted_far_lies_between_z_and_its_largest(a_hz, b_hz, most_a_hz, most_b_hz):
    found = targeted_far_hz(10.0, (a_hz, b_hz), (most_a_hz, most_b_hz), None)
    most = untargeted_far_hz(10.0, most_a_hz, most_b_hz, None)
    assert min(10.0 * a_hz * b_hz, most) * (1 - 1e-12) <= found <= most * (1 + 1e-12)


def test_a_far_of_zero_stays_zero():
    assert targeted_far_hz(10.0, (0.0, 1e-6), (1e-5, 1e-5), 2.0) == 0.0


# -- what a joint event is to the join ------------------------------------------------------------


def test_a_joint_event_is_of_the_class_that_is_worth_most_under_its_own_id():
    (joint,) = joint_events([merger(), gbm(), neutrino()], POLICY)
    event = joint.event
    assert event.event_key == joint.joint_id == "joint:lvk:S251009x"
    assert event.event_class is EventClass.GW_CBC
    assert event.mission == "Fermi+IceCube+LVK"
    assert event.event_unix_s == merger().event_unix_s
    assert event.version == 3
    assert event.far_hz == joint.far_hz
    assert event.classification == merger().classification
    assert event.localization is joint.localization


def test_a_merger_leads_a_burst_that_is_worth_as_much_also_from_behind():
    assert POLICY.values[EventClass.GW_CBC] == POLICY.values[EventClass.GRB]
    (joint,) = joint_events([gbm(), merger(at=0.5)], POLICY)
    assert joint.joint_id == "joint:fermi-gbm:781692805"
    assert joint.lead_key == "lvk:S251009x"
    assert joint.event.event_class is EventClass.GW_CBC


def test_of_one_localization_nothing_is_combined():
    (joint,) = joint_events([gbm(), swift(localization=None)], POLICY)
    assert joint.event.localization is None
    assert joint.event.log_overlap is None
    obj = an_object(time_unix_s=T0_UNIX_S + 0.2 * DAY_S)
    assert correlate(obj, joint.event, POLICY) is Miss.NO_LOCALIZATION


@given(
    st.tuples(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5)),
    st.tuples(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0)),
)
@settings(deadline=None, max_examples=20)
def test_the_evidence_of_the_place_is_the_sum_of_what_each_member_says(place, other):
    """ln p1 4 pi + ln p2 4 pi = ln p12 4 pi + ln I, whatever the place."""
    events = [
        gbm(localization=a_circle(radius_deg=4.0)),
        swift(localization=a_circle(RA_DEG + other[0], DEC_DEG + other[1], 3.0)),
        merger(localization=a_circle(RA_DEG, DEC_DEG + 0.5, 5.0)),
    ]
    (joint,) = joint_events(events, POLICY)
    assert len(joint.event_keys) == 3
    places = Positions.of(RA_DEG + place[0], DEC_DEG + place[1])
    says = [math.log(e.localization.match(places).probdensity_per_sr[0]) for e in events]
    together = math.log(joint.localization.match(places).probdensity_per_sr[0])
    full_sky = math.log(4.0 * math.pi)
    # The cells of the product are finite: a percent or two of the density.
    wanted = sum(says) + 3.0 * full_sky
    assert together + full_sky + joint.event.log_overlap == pytest.approx(wanted, abs=0.2)


def test_three_that_agree_are_better_evidence_than_any_two():
    events = [merger(), gbm()]
    (joint,) = joint_events(events, POLICY)
    obj = an_object(time_unix_s=T0_UNIX_S + 0.2 * DAY_S)
    three = correlate(obj, joint.event, POLICY)
    two = [correlate(obj, event, POLICY) for event in events]
    assert three.s_joint == joint.event.log_overlap
    assert three.log_lr == three.s_sky + three.s_time + three.s_prior_activity + three.s_joint
    assert three.log_lr > max(pair.log_lr for pair in two)
    assert all(pair.s_joint is None for pair in two)


def test_an_interval_of_t0_that_is_too_long_counts_as_far_as_the_rules_say():
    long = RULES.longest_event_s + 1.0
    slow = gbm(event_end_unix_s=T0_UNIX_S + 10.0 * long)
    assert link_of(slow, swift(at=long - 2.0), RULES)
    assert link_of(slow, swift(at=long + 61.0), RULES) is None
