"""Injections: known answers, nothing of the future, and a spoiled score that shows."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import orjson
import pytest
from click.testing import CliRunner

from benchmarks.injection_cuts import Cut, by_features, by_score, cuts_of, near_galaxy
from benchmarks.injection_models import model_cut
from benchmarks.injection_nights import (
    FieldResult,
    alerts_of,
    fields_of,
    known_by_night,
    looked_up,
)
from benchmarks.injection_peers import is_near_galaxy
from benchmarks.injection_tables import LABELS, rows_of, tables_of
from benchmarks.injections import Outcome, Tally, count_interval, evaluate, share_interval
from benchmarks.injections_command import injections_command, outcome_of
from correlator.alert import Surroundings
from correlator.simulation.campaign import CampaignConfig, packets_of_field, plan_campaign
from correlator.simulation.population import Kind
from tests.builders import an_alert
from tests.streams.onnx_factory import linear, put_model

CONFIG = CampaignConfig("ztf", n_fields=1, n_nights=6, alerts_per_visit=60, injections_each=3)


@pytest.fixture(scope="module")
def packets():
    campaign = plan_campaign(CONFIG)
    return packets_of_field(campaign, campaign.fields[0])


@pytest.fixture(scope="module")
def alerts(packets):
    return list(alerts_of(plan_campaign(CONFIG), packets))


@pytest.fixture(scope="module")
def field(packets, alerts):
    kinds = tuple(Kind(kind) for kind in packets.population.kind.tolist())
    return FieldResult(packets.labels, kinds, tuple(known_by_night(alerts)))


def evaluated(field, *cuts):
    return evaluate("ztf", CONFIG.n_nights, [field], cuts or cuts_of("ztf"))


def test_intervals_are_those_of_the_tables():
    assert share_interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert share_interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert share_interval(0, 0) == (0.0, 1.0)
    assert count_interval(0) == pytest.approx((0.0, 3.689), abs=1e-3)
    assert count_interval(10) == pytest.approx((4.795, 18.39), abs=1e-2)


def contents(known):
    """What a night knows, without the arrays that follow from it."""
    batch = known.batch
    return (
        *(known.night, known.sources, known.tonight, known.passed),
        *(batch.objects, batch.features, known.scores),
    )


def test_nothing_is_known_of_the_future(alerts, field):
    assert len(field.nights) > 1
    for known in field.nights:
        until = [a for a in alerts if a[0] <= known.night]
        *_, last = known_by_night(until)
        assert contents(last) == contents(known)
        newest = max(a.time_unix_s for _, _, a in until)
        for obj in known.batch.objects:
            assert obj.detections[-1].time_unix_s <= newest


def test_what_comes_later_changes_no_earlier_night(alerts, field):
    first = field.nights[0].night
    spoiled = [(n, s, a if n == first else replace(a, history=(), limits=())) for n, s, a in alerts]
    assert spoiled != alerts
    again = next(iter(known_by_night(spoiled)))
    assert contents(again) == contents(field.nights[0])


def test_nights_that_fall_are_refused():
    with pytest.raises(ValueError, match="night 1 after night 2"):
        list(known_by_night([(2, 0, an_alert()), (1, 0, an_alert())]))


def test_an_object_counts_from_the_night_it_passes_and_the_gate_is_the_service_s(field):
    outcome = evaluated(field)
    for label in LABELS:
        for night in range(2, CONFIG.n_nights + 1):
            for name in outcome.tallies:
                before = outcome.n_found(name, label, night - 1)
                assert before <= outcome.n_found(name, label, night) <= outcome.n_injected(label)
    for narrow, wide in (
        ("gate", "alert"),
        ("open-class", "gate"),
        ("kilonova", "open-class"),
        ("kilonova-2", "kilonova"),
        ("class-fast", "open-class"),
    ):
        assert outcome.n_false(narrow) <= outcome.n_false(wide)
        for label in LABELS:
            last = CONFIG.n_nights
            assert outcome.n_found(narrow, label, last) <= outcome.n_found(wide, label, last)
    n_rejected = outcome.n_false("alert") - outcome.n_false("gate")
    assert n_rejected[Kind.BOGUS] > 0.5 * outcome.n_false("alert")[Kind.BOGUS]


def test_the_numbers_of_a_hand_made_campaign():
    cut = Cut("score", "a number", lambda known: [], 1.0, is_graded=True)
    peer = Cut("peer", "another", lambda known: [], 1.0, is_ours=False)
    rows = [np.array([-np.inf, 2.0]), np.array([0.5, 0.5]), np.array([1.0, 1.0])]
    tally = Tally(cut, rows, [0.2, 3.0, 1.0, 0.9], [Kind.STAR, Kind.BOGUS, Kind.STAR, Kind.AGN])
    other = Tally(peer, [np.array([1.0, 1.0])] * 3, [1.0], [Kind.STAR])
    outcome = Outcome(
        "ztf",
        2,
        {"score": tally, "peer": other},
        ["at2017gfo-40mpc", "at2017gfo-40mpc", "afterglow-0"],
        Counter({Kind.STAR: 1_500, Kind.BOGUS: 500}),
    )
    assert outcome.factor == 500.0
    assert outcome.efficiency("score", "at2017gfo-40mpc", 1) == 0.0
    assert outcome.efficiency("score", "at2017gfo-40mpc", 2) == 0.5
    assert outcome.efficiency("score", "afterglow", 1) == 1.0
    assert outcome.efficiency("score", "at2017gfo-40mpc", 1, -math.inf) == 0.5, "no value yet"
    assert outcome.n_false("score") == Counter({Kind.BOGUS: 1, Kind.STAR: 1})
    assert outcome.threshold("score", 1) == math.nextafter(1.0, math.inf)
    assert outcome.threshold("score", 4) == -math.inf
    found = {row.name: row for row in rows_of(outcome)}
    assert found["injections-ztf-false-score"].value == 1_000.0
    equal = found["injections-ztf-at2017gfo-40mpc-score-as-peer"]
    assert (equal.value, equal.peer_value, equal.ratio) == (0.5, 1.0, 0.5)
    assert found["injections-ztf-afterglow-score-as-peer"].value == 0.0
    assert math.isnan(found["injections-ztf-at2017gfo-60mpc-score-as-peer"].value)


def test_a_spoiled_score_finds_less_at_the_same_cost():
    config = replace(CONFIG, survey="lsst", alerts_per_visit=200)

    def reversed_score(known):
        return [None if v is None else -v for v in by_score("kilonova")(known)]

    cuts = (
        Cut("right", "", by_score("kilonova"), 0.0, is_graded=True),
        Cut("wrong", "", reversed_score, 0.0, is_graded=True),
    )
    outcome = evaluate("lsst", config.n_nights, fields_of(plan_campaign(config)), cuts)
    assert outcome.tallies["right"].false_values
    right, wrong = (
        outcome.n_found(name, "at2017gfo", config.n_nights, outcome.threshold(name, 0))
        for name in ("right", "wrong")
    )
    assert wrong < right


def test_any_function_of_features_can_be_a_cut(field):
    def fading(features):
        return [f.fade_mag_per_day for f in features]

    cut = Cut("fading", "fade in mag/d", by_features(fading), 0.3, is_graded=True)
    outcome = evaluated(field, cut)
    found = outcome.tallies["fading"].best
    assert len(found) == len(field.labels)
    assert np.isfinite(found).any()


def test_a_host_can_be_asked_for(field):
    known = field.nights[0]
    everyone = near_galaxy(lambda known: [1.0] * len(known))(known)
    near = [is_near_galaxy(alerts[-1].surroundings) for alerts in known.tonight]
    assert [v == 1.0 for v in everyone] == near
    assert True in near
    assert False in near
    kinds = {field.kinds[source] for source, v in zip(known.sources, everyone, strict=True) if v}
    assert Kind.FLARE not in kinds


def test_a_model_of_the_folder_is_one_more_cut(field, tmp_path):
    folder = put_model(tmp_path, linear((-1.0,), 30.0))
    outcome = evaluated(field, model_cut(folder, 10.0))
    (name,) = outcome.tallies
    known = field.nights[-1]
    values = outcome.tallies[name].cut.judge(known)
    by_place = dict(zip(known.passed, known.batch.features, strict=True))
    told = {i: v for i, v in enumerate(values) if v is not None}
    assert told
    for i, value in told.items():
        assert value == pytest.approx(30.0 - by_place[i].last_mag_ab, rel=1e-6)


def test_the_same_seed_gives_the_same_numbers(field):
    again = list(rows_of(outcome_of(CONFIG)))
    assert orjson.dumps(again) == orjson.dumps(list(rows_of(evaluated(field))))


def test_the_stand_in_catalogue_is_deep_and_near(packets):
    population = packets.population
    stars = np.flatnonzero(population.kind == Kind.STAR)
    known = looked_up(an_alert(survey="lsst"), population, int(stars[0]))
    assert known.star_sep_arcsec == population.star_sep_arcsec[stars[0], 0]
    assert known.star_score == population.star_score[stars[0], 0]
    faint = replace(population, star_mag_r=np.full_like(population.star_mag_r, 23.5))
    hidden = looked_up(an_alert(survey="lsst"), faint, int(stars[0]))
    assert hidden == Surroundings(gaia_sep_arcsec=known.gaia_sep_arcsec)


@pytest.mark.parametrize("survey", ["ztf", "lsst"])
def test_the_command_prints_whole_rows(survey):
    arguments = ["--survey", survey, "--fields", "1", "--alerts", "20", "--each", "1", "--json"]
    done = CliRunner().invoke(injections_command, arguments)
    assert done.exit_code == 0, done.output
    rows = orjson.loads(done.stdout)
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names)
    for label in LABELS:
        assert f"injections-{survey}-{label}-kilonova-as-ztfrest" in names
    assert {"name", "value", "unit", "peer", "peer_value", "ratio", "bar"} < set(rows[0])


def test_tables_can_be_put_on_a_page(field):
    for table in tables_of(evaluated(field)):
        lines = table.as_markdown().splitlines()
        assert {line.count("|") for line in lines[2:]} == {len(table.columns) + 1}


@pytest.mark.slow
def test_a_small_injection_of_both_surveys_is_as_physics_has_it():
    found = {
        survey: outcome_of(CampaignConfig(survey, seed=2, n_fields=6, alerts_per_visit=300))
        for survey in ("ztf", "lsst")
    }
    for outcome in found.values():
        last = outcome.n_nights
        near, far = (outcome.efficiency("alert", f"at2017gfo-{d}mpc", last) for d in (40, 200))
        assert near > far
        assert outcome.n_false("gate").total() > 20 * outcome.n_false("kilonova").total() > 0
        for peer in (t.cut for t in outcome.tallies.values() if not t.cut.is_ours):
            n_gate = outcome.n_false("gate").total()
            assert outcome.n_false(peer.name).total() < 0.05 * n_gate
    ztf, lsst = (o.efficiency("alert", "at2017gfo-200mpc", o.n_nights) for o in found.values())
    assert lsst > ztf
