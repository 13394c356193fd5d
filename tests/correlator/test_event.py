"""The reducer: a function of the set of notices."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.event import EventState, apply_notice, event_of
from correlator.notice import Messenger
from correlator.policy import EventClass
from skymaps.shapes import Circle
from tests.builders import a_notice


def circle(ra_deg: float) -> Circle:
    return Circle(ra_deg, 10.0, 5.0, 0.68, False, (), "test")


FLT = a_notice(notice_id="flt", localization=circle(1.0), localization_rank=10, sequence=45.0,
               is_burst=True)  # fmt: skip
GND = a_notice(notice_id="gnd", localization=circle(2.0), localization_rank=20, is_burst=None)
FIN = a_notice(notice_id="fin", localization=circle(3.0), localization_rank=30, is_burst=None)
ALERT = a_notice(notice_id="alert", localization=None, localization_rank=0, is_burst=None)


def folded(notices):
    event = None
    for notice in notices:
        event = apply_notice(event, notice)
    return event


def test_every_order_of_arrival_ends_in_the_same_event():
    orders = {repr(folded(order)) for order in itertools.permutations([ALERT, FLT, GND, FIN])}
    assert len(orders) == 1


@given(st.lists(st.sampled_from([ALERT, FLT, GND, FIN]), min_size=1, max_size=12))
def test_repeats_and_order_do_not_count(notices):
    assert folded(notices) == event_of(set(notices))
    assert folded(notices).version == len(set(notices))


@given(
    st.lists(
        st.tuples(st.sampled_from([ALERT, FLT, GND]), st.sampled_from([(), ("ep",), ("svom",)])),
        min_size=1,
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_an_event_is_for_whoever_may_read_all_its_notices_by_all_streams(said, random):
    notices = [replace(notice, audience=audience) for notice, audience in said]
    event = folded(notices)
    assert set(event.audience) == {tag for notice in notices for tag in notice.audience}
    assert event.version == len({n.notice_id for n in notices}) + len(event.audience)
    random.shuffle(notices)
    assert folded(notices) == event == event_of(notices)


def test_a_late_flight_position_does_not_replace_the_final_one():
    event = folded([FIN, FLT])
    assert event.localization == circle(3.0)
    assert event.localization_notice_id == "fin"


def test_the_verdict_of_an_earlier_stage_is_carried_over():
    not_a_burst = a_notice(notice_id="tgf", localization_rank=10, is_burst=False)
    assert folded([not_a_burst, FIN]).is_burst is False


@pytest.mark.parametrize("first", [True, False])
def test_a_retraction_holds_whenever_it_comes(first):
    retraction = a_notice(
        notice_id="ret", is_retraction=True, localization_rank=-1, instrument=None
    )
    notices = [retraction, FIN] if first else [FIN, retraction]
    assert folded(notices).state is EventState.RETRACTED


def test_a_retraction_takes_back_only_its_own_instrument():
    grm = a_notice(notice_id="grm", instrument="GRM", localization=None)
    eclairs = a_notice(notice_id="ecl", instrument="ECLAIRs", localization=circle(7.0))
    gone = a_notice(notice_id="grm-ret", instrument="GRM", is_retraction=True)
    event = folded([grm, gone, eclairs])
    assert event.state is EventState.LIVE
    assert event.localization == circle(7.0)


def test_a_test_is_no_notice_of_the_event_whose_id_it_borrows():
    test = a_notice(notice_id="t", is_test=True)
    assert folded([test]).state is EventState.TEST
    with pytest.raises(ValueError, match="not"):
        apply_notice(folded([FIN]), test)


@pytest.mark.parametrize("x_ray_first", [True, False])
def test_a_burst_stays_one_when_its_x_ray_position_comes(x_ray_first):
    x_ray = a_notice("mxt", messenger=Messenger.X_RAY, localization_rank=40)
    event = folded([x_ray, FIN] if x_ray_first else [FIN, x_ray])
    assert event.event_class is EventClass.GRB


def test_a_notice_of_another_event_is_refused():
    with pytest.raises(ValueError, match="not"):
        apply_notice(folded([FIN]), a_notice(notice_id="x", event_id="other"))


@pytest.mark.parametrize(
    ("messenger", "classification", "significant", "expected"),
    [
        (Messenger.GRAVITATIONAL_WAVE, (("BNS", 0.9),), True, EventClass.GW_CBC),
        (Messenger.GRAVITATIONAL_WAVE, (), True, EventClass.GW_BURST),
        (Messenger.GRAVITATIONAL_WAVE, (("BBH", 0.1),), False, EventClass.GW_SUBTHRESHOLD),
        (Messenger.NEUTRINO, (), None, EventClass.NEUTRINO),
        (Messenger.GAMMA_RAY, (), None, EventClass.GRB),
        (Messenger.X_RAY, (), None, EventClass.X_RAY_TRANSIENT),
        (Messenger.RADIO, (), None, None),
    ],
)
def test_the_class_follows_from_messenger_and_flags(
    messenger, classification, significant, expected
):
    notice = a_notice(
        messenger=messenger, classification=classification, is_significant=significant
    )
    assert folded([notice]).event_class is expected
