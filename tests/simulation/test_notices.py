"""Notices are well-formed, are understood by our readers, and are honest about their errors."""

import math
from collections import Counter

import numpy as np
import orjson
import pytest
from lxml import etree
from scipy.stats import kstest

from correlator.simulation.ephemeris import angle_deg
from correlator.simulation.fermi import FINAL_SYSTEMATICS, long_burst_notices
from correlator.simulation.gwalerts import superevent_id
from correlator.simulation.notices import Burst, iso, mission_elapsed_s, truncated_julian
from correlator.simulation.scatter import within_mixture, within_r90
from correlator.simulation.svom import svom_notices
from correlator.simulation.swift import swift_notices
from ingest_vo.reader import to_notice
from skymaps.healpix import Positions
from skymaps.shapes import Circle, SystematicComponent

T0 = 1_776_744_801.17
"""2026-04-21T04:13:21.17, of the real trigger 798437606."""
BURST = Burst(T0, 191.9, -14.2, 20.0)


def packets_of_three_missions(seed=1):
    rng = np.random.default_rng(seed)
    for made in (
        svom_notices(BURST, 5, rng),
        long_burst_notices(BURST, rng),
        swift_notices(BURST, 1_450_000, rng),
    ):
        yield from made[1]


@pytest.fixture(scope="module")
def truth(night_folder):
    return orjson.loads((night_folder / "truth.json").read_bytes())


@pytest.fixture(scope="module")
def understood(night_folder):
    files = sorted((night_folder / "notices").iterdir())
    return {f.name: to_notice(f.read_bytes(), f.name) for f in files}


def test_ids_of_a_trigger_are_those_that_the_mission_would_give():
    assert mission_elapsed_s(T0) == 798_437_606
    day, second = truncated_julian(T0)
    assert day == 21_151
    assert second == pytest.approx(15_201.17)
    assert iso(T0, 2) == "2026-04-21T04:13:21.17"
    assert iso(T0, 0) == "2026-04-21T04:13:21"


@pytest.mark.parametrize(
    ("serial", "letters"), [(0, "a"), (25, "z"), (26, "aa"), (51, "az"), (702, "aaa")]
)
def test_superevents_of_a_day_are_lettered_as_lvk_does(serial, letters):
    assert superevent_id(T0, serial) == f"S260421{letters}"


def test_the_xml_is_a_voevent_with_unnamespaced_children():
    for notice in packets_of_three_missions():
        root = etree.fromstring(notice.data)
        assert root.tag == "{http://www.ivoa.net/xml/VOEvent/v2.0}VOEvent"
        assert root.get("role") == "observation"
        assert [c.tag for c in root][:4] == ["Who", "What", "WhereWhen", "How"]
        assert "simulated" in root.findtext("Who/Author/shortName")


REAL_TWINS = {
    "svom_sb26042105_eclairs-wakeup": "svom/eclairs/eclairs_319.xml",
    "svom_sb26042105_slewing": "svom/eclairs/eclairs_320.xml",
    "svom_sb26042105_mxt-initial_qf4": "svom/mxt/mxt_52.xml",
    "fermi_798437606_GBM_Alert": "fermi/kafka2026/fermi_gbm_alert/fermi_gbm_alert_3973.xml",
    "fermi_798437606_GBM_Flt_Pos": "fermi/kafka2026/fermi_gbm_flt_pos/fermi_gbm_flt_pos_8522.xml",
    "fermi_798437606_GBM_Gnd_Pos": "fermi/kafka2026/fermi_gbm_gnd_pos/fermi_gbm_gnd_pos_1869.xml",
    "fermi_798437606_GBM_Fin_Pos": "fermi/kafka2026/fermi_gbm_fin_pos/fermi_gbm_fin_pos_1047.xml",
    "swift_1450000_BAT": "swift/fink_raw_event/BAT_GRB_Pos_1208389-262.xml",
    "swift_1450000_XRT": "swift/fink_raw_event/XRT_Pos_1208389-303.xml",
}


@pytest.mark.real_data
def test_elements_and_params_are_a_part_of_those_in_real_packets(real_data):
    for notice in packets_of_three_missions():
        stem = notice.name.partition("_")[2].removesuffix(".xml")
        real = names_in((real_data / "notices" / REAL_TWINS[stem]).read_bytes())
        # Elements that VOEvent allows and that one mission or the other leaves out.
        assert names_in(notice.data) - real <= {"Description", "shortName", "title"}, stem


def names_in(packet):
    root = etree.fromstring(packet)
    tags = {etree.QName(e).localname for e in root.iter() if isinstance(e.tag, str)}
    return tags | {f"Param {p.get('name')}" for p in root.iter("Param")}


def test_every_notice_of_the_night_is_understood_as_what_it_is(understood):
    said = Counter((n.mission, n.instrument, n.notice_type) for n in understood.values())
    assert said == {
        ("LVK", None, "PRELIMINARY"): 5, ("LVK", None, "INITIAL"): 1,
        ("LVK", None, "UPDATE"): 1, ("LVK", None, "RETRACTION"): 1,
        ("SVOM", "ECLAIRs", "eclairs-wakeup"): 1, ("SVOM", "ECLAIRs", "slewing"): 1,
        ("SVOM", "MXT", "mxt-initial_qf4"): 1,
        ("Fermi", "GBM", "GBM_Alert"): 2, ("Fermi", "GBM", "GBM_Flt_Pos"): 2,
        ("Fermi", "GBM", "GBM_Gnd_Pos"): 1, ("Fermi", "GBM", "GBM_Fin_Pos"): 1,
        ("Swift", "BAT", "BAT_GRB_Pos"): 1, ("Swift", "XRT", "XRT_Pos"): 1,
    }  # fmt: skip


def test_every_notice_has_the_time_and_the_id_of_its_event(truth, understood):
    for event in truth["events"]:
        for name in event["notices"]:
            notice = understood[name]
            assert notice.event_id == event["event_id"]
            assert notice.mission == event["mission"]
            if notice.event_unix_s is not None:
                assert notice.event_unix_s == pytest.approx(event["t0_unix_s"], abs=0.011)


def test_tests_retractions_and_flashes_are_told_apart(truth, understood):
    by_kind = {e["kind"]: [understood[n] for n in e["notices"]] for e in truth["events"]}
    assert all(n.is_test for n in by_kind["mock"])
    assert not any(n.is_test for kind, ns in by_kind.items() for n in ns if kind != "mock")
    assert [n.is_retraction for n in by_kind["retracted-candidate"]] == [False, True]
    assert [n.is_significant for n in by_kind["bbh-candidate"]] == [False, False]
    assert by_kind["terrestrial-flash"][-1].is_burst is False
    assert all(n.is_burst for n in by_kind["bns-merger"])


def test_the_truth_lies_inside_its_own_regions(truth, understood):
    n = 0
    for event in truth["events"]:
        for name in event["notices"]:
            localization = understood[name].localization
            if localization is not None and event["ra_deg"] is not None:
                n += 1
                place = Positions.of(event["ra_deg"], event["dec_deg"])
                assert localization.match(place).inside(0.999)[0], name
    assert n >= 10


def test_the_merger_is_a_nearby_one_of_a_few_hundred_square_degrees(truth, understood):
    merger = next(e for e in truth["events"] if e["kind"] == "bns-merger")
    first, second, update = (understood[name].localization for name in merger["notices"])
    assert 90.0 < first.area_deg2(0.9) < 310.0
    assert first.sha256 == second.sha256 != update.sha256
    assert update.area_deg2(0.9) < first.area_deg2(0.9)
    assert update.has_distance
    kilonova = next(c for c in truth["counterparts"] if c["kind"] == "kilonova")
    distance = first.distance_at(Positions.of(kilonova["ra_deg"], kilonova["dec_deg"]))
    pull = (kilonova["light_curve"]["distance_mpc"] - distance.mu_mpc[0]) / distance.sigma_mpc[0]
    assert abs(pull) < 4.0


def test_errors_within_an_r90_have_uniform_credible_levels():
    rng = np.random.default_rng(8)
    drawn = np.array([within_r90(120.0, 50.0, 0.1, rng) for _ in range(500)])
    circle = Circle(120.0, 50.0, 0.1, 0.9, True)
    level = circle.match(Positions.of(drawn[:, 0], drawn[:, 1])).credible_level
    assert kstest(level, "uniform").pvalue > 0.01


def test_errors_of_a_mixture_have_uniform_credible_levels():
    rng = np.random.default_rng(8)
    drawn = np.array([within_mixture(120.0, 50.0, 2.5, FINAL_SYSTEMATICS, rng) for _ in range(500)])
    parts = tuple(SystematicComponent(*part) for part in FINAL_SYSTEMATICS)
    circle = Circle(120.0, 50.0, 2.5, 0.68, False, parts)
    level = circle.match(Positions.of(drawn[:, 0], drawn[:, 1])).credible_level
    assert kstest(level, "uniform").pvalue > 0.01


def test_a_wide_error_stays_on_the_sphere():
    rng = np.random.default_rng(8)
    drawn = np.array([within_mixture(0.0, 80.0, 4.0, ((1.0, 55.6),), rng) for _ in range(300)])
    assert (np.abs(drawn[:, 1]) <= 90.0).all()
    assert ((drawn[:, 0] >= 0.0) & (drawn[:, 0] < 360.0)).all()
    apart = angle_deg(drawn[:, 0], drawn[:, 1], 0.0, 80.0)
    share = float((apart < math.hypot(4.0, 55.6)).mean())
    assert share == pytest.approx(0.68, abs=0.08)
