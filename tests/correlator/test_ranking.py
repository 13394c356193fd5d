"""Ranking, priority and target lists."""

import math
from dataclasses import replace

import orjson
import pytest

from correlator.alert import Surroundings
from correlator.event import apply_notice
from correlator.light import Rate
from correlator.notice import Messenger
from correlator.pair import ObjectSummary, PairEvidence, coincidence_id
from correlator.policy import DAY_S, EventClass, Policy
from correlator.priority import Visibility, priority
from correlator.ranking import Coincidence, EventFacts, rank_event
from correlator.rules import rejections
from correlator.target import target_list
from correlator.wire import of_json, to_json
from tests.builders import a_notice

T0 = 1_700_000_000.0
POLICY = Policy()
CASES = {case.name: case for case in POLICY.cases}
EVENT = apply_notice(
    None,
    a_notice(
        messenger=Messenger.GRAVITATIONAL_WAVE,
        event_unix_s=T0,
        is_significant=True,
        classification=(("BNS", 0.9), ("Terrestrial", 0.1)),
    ),
)


def a_pair(name: str = "ztf:a", log_lr: float = 3.0, **changes) -> PairEvidence:
    of_object = {
        f: changes.pop(f) for f in list(changes) if f in ObjectSummary.__dataclass_fields__
    }
    summary = ObjectSummary(10.0, 20.0, 3, DAY_S, 20.0, "g", T0 + 2 * DAY_S, None, 0.9,
                            Surroundings())  # fmt: skip
    pair = PairEvidence(
        coincidence_id=coincidence_id(EVENT.event_key, name),
        event_key=EVENT.event_key,
        event_class=EventClass.GW_CBC,
        object_key=name,
        event_version=1,
        object_version=1,
        event_unix_s=T0,
        localization_sha256="0",
        delta_t_s=3600.0,
        onset_earliest_s=-3600.0,
        onset_latest_s=3600.0,
        onset_is_assumed=False,
        prior_activity_days=None,
        credible_level=0.2,
        cell_probability=0.001,
        probdensity_per_sr=10.0,
        separation_deg=None,
        s_sky=log_lr,
        s_time=0.0,
        s_prior_activity=0.0,
        log_lr=log_lr,
        object=replace(summary, **of_object),
    )
    return replace(pair, **changes)


@pytest.mark.parametrize(
    ("pair", "reasons"),
    [
        (a_pair(), ()),
        (a_pair(n_detections=1), ("too_few_detections",)),
        (a_pair(span_s=100.0), ("detections_too_close_in_time",)),
        (a_pair(log_lr=-0.1), ("evidence_too_low",)),
        (a_pair(prior_activity_days=3.0), ("prior_activity",)),
        (a_pair(surroundings=Surroundings(solar_system_sep_arcsec=4.0)),
         ("known_solar_system_object",)),
        (a_pair(surroundings=Surroundings(solar_system_sep_arcsec=6.0)), ()),
        (a_pair(surroundings=Surroundings("2013 GR59", None)), ("known_solar_system_object",)),
        (a_pair(surroundings=Surroundings(star_sep_arcsec=1.0, star_score=0.9)),
         ("star_at_the_place",)),
        (a_pair(surroundings=Surroundings(star_sep_arcsec=1.0, star_score=0.1)), ()),
        (a_pair(surroundings=Surroundings(star_sep_arcsec=1.0)), ()),
    ],
)  # fmt: skip
def test_a_rule_that_keeps_a_candidate_out_is_named(pair, reasons):
    assert rejections(pair, CASES["kilonova"], POLICY) == reasons


def test_prior_activity_is_no_veto_for_a_neutrino():
    pair = a_pair(prior_activity_days=3.0)
    assert rejections(pair, CASES["neutrino-counterpart"], POLICY) == ()


def test_a_ranking_does_not_depend_on_the_order_of_its_pairs():
    pairs = [a_pair("ztf:a", 1.0), a_pair("ztf:b", 5.0), a_pair("ztf:c", 5.0), a_pair("ztf:d", 9.0)]
    forth = rank_event(EVENT, pairs, POLICY, T0 + DAY_S)
    back = rank_event(EVENT, reversed(pairs), POLICY, T0 + DAY_S)
    assert forth == back
    assert [c.object_key for c in forth.candidates] == ["ztf:d", "ztf:b", "ztf:c", "ztf:a"]
    assert [c.rank for c in forth.coincidences] == [1, 2, 3, 4]


def test_the_priority_is_the_sum_of_terms_that_say_why():
    fading = a_pair(rate=Rate("g", 0.6, 0.1, 3))
    got = priority(fading, EVENT.classification, CASES["kilonova"], POLICY, T0 + 3 * DAY_S)
    by_name = {t.name: t for t in got.terms}
    assert by_name["evidence"].ln_factor == 3.0
    assert by_name["value"].ln_factor == pytest.approx(math.log(3.0))
    assert by_name["fade"].ln_factor == pytest.approx(math.log(3.0))
    assert by_name["age"].ln_factor == pytest.approx(-1.0)
    assert by_name["visibility"].ln_factor == 0.0
    assert got.value == pytest.approx(sum(t.ln_factor for t in got.terms))
    assert all(t.reason for t in got.terms)


@pytest.mark.parametrize("rate", [Rate("g", 0.6, 0.5, 2), Rate("g", -0.6, 0.1, 2), None])
def test_what_does_not_fade_significantly_is_not_urgent(rate):
    got = priority(a_pair(rate=rate), (), CASES["kilonova"], POLICY, T0)
    assert next(t.ln_factor for t in got.terms if t.name == "fade") == 0.0


def test_a_target_below_the_horizon_sinks_and_stays():
    low = Visibility("palomar", 0.0, 10.0, 90.0)
    seen = Visibility("palomar", 6.0, 70.0, 90.0)
    pairs = [a_pair("ztf:a", 5.0), a_pair("ztf:b", 4.0)]
    ranking = rank_event(EVENT, pairs, POLICY, T0, {"ztf:a": low, "ztf:b": seen})
    targets = target_list(CASES["kilonova"], ranking.coincidences)
    assert [t.object_key for t in targets] == ["ztf:b", "ztf:a"]


def test_an_object_of_two_events_stands_once_for_its_best():
    other = replace(EVENT, event_key="lvk:other")
    weak = replace(a_pair("ztf:a", 1.0), event_key="lvk:other")
    rankings = [
        rank_event(EVENT, [a_pair("ztf:a", 4.0)], POLICY, T0),
        rank_event(other, [weak], POLICY, T0),
    ]
    (target,) = target_list(CASES["kilonova"], [c for r in rankings for c in r.coincidences])
    assert target.coincidence.pair.event_key == EVENT.event_key
    assert target.rank == 1


def test_a_coincidence_carries_what_its_event_says_of_itself():
    (found,) = rank_event(EVENT, [a_pair()], POLICY, T0).coincidences
    assert found.event == EventFacts(
        mission=EVENT.mission,
        messenger=Messenger.GRAVITATIONAL_WAVE,
        far_hz=None,
        significance=None,
        significance_kind=None,
        is_significant=True,
        classification=(("BNS", 0.9), ("Terrestrial", 0.1)),
    )
    assert of_json(Coincidence, to_json(found)) == found
    # A record of a release that did not say.
    old = orjson.loads(to_json(found))
    del old["event"]
    assert of_json(Coincidence, orjson.dumps(old)) == replace(found, event=None)
