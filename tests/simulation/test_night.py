"""The stream and the files of a whole night."""

import hashlib
import tracemalloc
from itertools import islice

import numpy as np
import orjson
import pytest

from correlator.errors import ConfigurationError
from correlator.simulation.archive import write_night
from correlator.simulation.background import ALERT_SHARES
from correlator.simulation.lightcurves import afterglow_mag, kilonova_mag
from correlator.simulation.night import NightConfig, simulate_night
from correlator.simulation.plan import plan_night
from ingest_optical.decoder import decode
from ingest_optical.packets import RawPacket, read_packets

from .conftest import CONFIG

DAY_S = 86_400.0


@pytest.fixture(scope="module")
def truth(night_folder):
    return orjson.loads((night_folder / "truth.json").read_bytes())


@pytest.fixture(scope="module")
def alerts(night_folder):
    return [decode(packet, max_points=None) for packet in read_packets(night_folder / "alerts")]


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_the_same_seed_writes_the_same_bytes(night_folder, tmp_path):
    write_night(CONFIG, tmp_path / "again")
    assert digests(tmp_path / "again") == digests(night_folder)


@pytest.mark.slow
def test_another_seed_is_another_night():
    one, two = (
        [p.record for p in islice(simulate_night(NightConfig(seed=s, n_alerts=500)), 50)]
        for s in (1, 2)
    )
    assert not set(one) & set(two)


def test_the_stream_is_in_the_order_of_time(streamed):
    times = [packet.time_unix_s for packet in streamed]
    assert len(times) > 2_000
    assert times == sorted(times)


def test_a_streamed_alert_is_the_packet_of_the_files(streamed, alerts):
    streamed = [p for p in streamed if p.form == "alert"]
    assert [p.name for p in streamed] == [a.alert_id for a in alerts]
    middle = streamed[len(streamed) // 2]
    decoded = decode(RawPacket(middle.name, "ztf", middle.data), max_points=None)
    assert decoded == alerts[len(streamed) // 2]
    assert decoded.time_unix_s == pytest.approx(middle.time_unix_s, abs=1e-3)


def test_the_number_of_alerts_and_of_each_kind_is_the_one_asked_for(streamed):
    kinds = [p.kind for p in streamed if p.form == "alert"]
    assert len(kinds) == pytest.approx(CONFIG.n_alerts, rel=0.1)
    for kind, share in ALERT_SHARES.items():
        expected = share * CONFIG.n_alerts
        # A source gives an alert at each visit, and the pilot's yield has an error of its own.
        assert kinds.count(kind.name.lower()) == pytest.approx(
            expected, abs=0.15 * expected + 6.0 * np.sqrt(expected)
        ), kind


def test_the_counterparts_of_a_seed_do_not_depend_on_the_background(plan):
    small = plan_night(NightConfig(seed=5, n_alerts=200))
    assert small.counterparts == plan.counterparts
    assert small.exposures == plan.exposures


def streamed_peak_bytes(n_alerts, at_most=None):
    stream = simulate_night(NightConfig(seed=5, n_alerts=n_alerts))
    next(stream)
    tracemalloc.start()
    try:
        n = sum(1 for _ in islice(stream, at_most))
        return n, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_is_that_of_an_exposure_not_of_the_night():
    n, peak = streamed_peak_bytes(1_000_000, at_most=6_000)
    assert n == 6_000
    assert peak < 150e6


@pytest.mark.slow
def test_fifty_thousand_alerts_stream_through_twenty_megabytes():
    n, peak = streamed_peak_bytes(50_000)
    assert n > 45_000
    assert peak < 20e6


def test_the_folder_must_be_empty(night_folder):
    with pytest.raises(ConfigurationError, match="is not empty"):
        write_night(CONFIG, night_folder)


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"n_alerts": 0}])
def test_a_night_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigurationError):
        NightConfig(**wrong)


def test_the_counterparts_are_seen_in_both_bands_after_their_event_and_never_before(truth, alerts):
    for counterpart in truth["counterparts"]:
        own = [a for a in alerts if a.object_id == counterpart["object_id"]]
        assert len(own) == len(counterpart["detections"]) >= 2
        assert {a.detection.band for a in own} == {"g", "r"}
        last = max(own, key=lambda a: a.time_unix_s)
        seen = (*last.history, last.detection)
        assert min(d.time_unix_s for d in seen) > counterpart["t0_unix_s"]
        assert last.survey_first_unix_s > counterpart["t0_unix_s"]
        before = [x for x in last.limits if x.time_unix_s < counterpart["t0_unix_s"]]
        assert len(before) > 5
        assert seen[-1].time_unix_s - seen[0].time_unix_s > 0.01 * DAY_S


def test_the_measured_light_curves_follow_their_models(truth, alerts):
    for counterpart in truth["counterparts"]:
        own = [a for a in alerts if a.object_id == counterpart["object_id"]]
        for detection in (a.detection for a in own):
            days = (detection.time_unix_s - counterpart["t0_unix_s"]) / DAY_S
            fid = {"g": 1, "r": 2}[detection.band]
            curve = counterpart["light_curve"]
            mag = kilonova_mag if counterpart["kind"] == "kilonova" else afterglow_mag
            expected = mag(days, fid, **curve)
            assert abs(detection.mag_ab - expected) < 5.0 * detection.mag_err_ab


def test_truth_names_the_events_and_cases_that_the_lists_use(truth):
    assert [(c["kind"], c["case"], c["mission"]) for c in truth["counterparts"]] == [
        ("kilonova", "kilonova", "LVK"),
        ("afterglow", "grb-afterglow", "SVOM"),
    ]
    known = {(e["mission"], e["event_id"]) for e in truth["events"]}
    for counterpart in truth["counterparts"]:
        assert {(e["mission"], e["event_id"]) for e in counterpart["events"]} <= known


def test_the_injected_sources_look_like_other_transients(truth, alerts):
    injected = {c["object_id"] for c in truth["counterparts"]}
    own = [a for a in alerts if a.object_id in injected]
    assert {a.schema_version for a in alerts} == {"4.02"}
    assert all(0.0 < a.quality.real_bogus_forest <= 1.0 for a in own)
    assert all(a.surroundings.solar_system_name is None for a in own)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_any_seed_gives_a_night_with_two_observable_counterparts(seed):
    plan = plan_night(NightConfig(seed=seed, n_alerts=1_000))
    names = [e.name.event_id for e in plan.events]
    assert len(set(names)) == len(names)
    assert len({c.field for c in plan.counterparts}) == 2
