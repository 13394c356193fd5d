"""What packets say that they report, and what becomes of it in the event and in the join."""

import itertools
from dataclasses import replace

import pytest
from pydantic import ValidationError

from correlator.coincidence import Miss, admission
from correlator.event import EventState, event_of
from correlator.nature import BURSTS, DRILLS, NO_BURSTS, Nature, Verdict, foremost, is_burst
from correlator.policy import Policy
from correlator.service.settings import Settings
from correlator.wire import EventRecord, event_of_record, of_json, record_of_event, to_json
from tests.builders import a_circle, a_notice

POLICY = Policy()
GRB = Verdict(Nature.GRB, "Most_Likely_Index")
TGF = Verdict(Nature.TGF, "Most_Likely_Index")
RETRACTED = Verdict(Nature.RETRACTED, "alert_type")
MOCK = Verdict(Nature.MOCK, "superevent_id")


def a_notice_of(name, rank, *verdicts, **other):
    return replace(a_notice(name, localization_rank=rank, **other), verdicts=verdicts)


def test_every_nature_is_a_burst_none_or_open():
    open_ones = set(Nature) - BURSTS - NO_BURSTS - DRILLS - {Nature.RETRACTED}
    assert open_ones == {Nature.SGR}
    assert BURSTS.isdisjoint(NO_BURSTS)


@pytest.mark.parametrize(
    ("nature", "expected"),
    [(Nature.GRB, True), (Nature.GW, True), (Nature.SGR, None), (Nature.TGF, False)],
)
def test_what_is_a_burst(nature, expected):
    assert is_burst(Verdict(nature, "f")) is expected
    assert is_burst(None) is None


def test_a_drill_overrides_a_retraction_and_a_retraction_all_else():
    assert foremost([GRB, RETRACTED, MOCK]) == MOCK
    assert foremost([GRB, RETRACTED]) == RETRACTED
    assert foremost([]) is None


def test_the_class_of_an_early_notice_is_carried_over_in_any_order():
    notices = [
        a_notice_of("flt-1", 10, GRB, sequence=1.0),
        a_notice_of("flt-2", 10, TGF, sequence=2.0),
        a_notice_of("gnd", 20),
        a_notice_of("fin", 30),
    ]
    for order in itertools.permutations(notices):
        event = event_of(order)
        assert event.verdicts == (TGF,)
        assert event.is_burst is False
        assert event.localization_notice_id == "fin"
        assert admission(event, POLICY) is Miss.NOT_A_BURST


def test_a_retracted_event_says_so_and_still_says_what_it_was():
    event = event_of(
        [a_notice_of("fin", 30, GRB), a_notice_of("gone", -1, RETRACTED, instrument=None)]
    )
    assert event.state is EventState.RETRACTED
    assert event.verdicts == (RETRACTED, GRB)


def test_what_one_instrument_takes_back_does_not_count_while_another_stands():
    event = event_of(
        [
            a_notice_of("grm", 0, TGF, instrument="GRM"),
            a_notice_of("eclairs", 10, GRB, instrument="ECLAIRs"),
            a_notice_of("gone", -1, RETRACTED, instrument="GRM"),
        ]
    )
    assert event.verdicts == (GRB,)


def test_a_mock_reaches_the_join_with_the_tests_only_and_a_flare_of_a_mock_never():
    mock = event_of([a_notice_of("m", 10, MOCK, GRB)])
    flare = event_of([a_notice_of("m", 10, MOCK, Verdict(Nature.SOLAR_FLARE, "f"))])
    everything = Policy(include_tests=True)
    assert admission(mock, POLICY) is Miss.NOT_LIVE
    assert admission(mock, everything) is None
    assert admission(flare, everything) is Miss.NOT_A_BURST


def test_a_mock_that_is_taken_back_is_out_of_the_join_as_a_real_event_is():
    gone = a_notice_of("gone", -1, MOCK, RETRACTED, instrument=None)
    event = event_of([a_notice_of("m", 10, MOCK, GRB), gone])
    assert (event.state, event.is_retracted) == (EventState.TEST, True)
    assert admission(event, Policy(include_tests=True)) is Miss.NOT_LIVE


def test_the_setting_takes_natures_of_the_sky_only():
    assert Settings(kept_out=["tgf"]).policy().kept_out == {Nature.TGF}
    for nature in ("mock", "test", "retracted"):
        with pytest.raises(ValidationError, match=nature):
            Settings(kept_out=[nature])


@pytest.mark.parametrize("nature", sorted(set(Nature) - DRILLS - {Nature.RETRACTED}))
def test_the_policy_says_what_is_kept_out(nature):
    event = event_of([a_notice_of("n", 10, Verdict(nature, "f"))])
    assert (admission(event, POLICY) is None) == (nature not in NO_BURSTS)
    assert admission(event, Policy(kept_out=frozenset())) is None
    assert admission(event, Policy(kept_out=frozenset({nature}))) is Miss.NOT_A_BURST


def test_the_verdicts_travel_and_a_record_from_before_them_is_read():
    event = event_of([a_notice_of("n", 10, TGF)])
    data = to_json(record_of_event(event))
    assert event_of_record(of_json(EventRecord, data), a_circle()).verdicts == (TGF,)
    old = data.replace(to_json(event.verdicts), b"[]").replace(b',"verdicts":[]', b"")
    assert b"verdicts" not in old
    record = of_json(EventRecord, old)
    assert record.verdicts == ()
    assert admission(event_of_record(record, a_circle()), POLICY) is Miss.NOT_A_BURST
