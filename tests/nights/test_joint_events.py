"""Every real notice folded into events: which are one burst, against a list made by hand."""

import csv
from collections import defaultdict

import pytest

from correlator.errors import MalformedNoticeError
from correlator.event import event_of
from correlator.joint import joint_events
from correlator.policy import Policy
from ingest_vo.reader import to_notice

pytestmark = pytest.mark.real_data

ONE_EVENT = "76008"
"""INTEGRAL's 76008 = 65536 + 10472: the same event as 10472."""

SAME_SERIES = {"793795104", "793795080"}
"""Two triggers of Fermi LAT, 19 s apart; its mission has looked, so they are not joined."""


@pytest.fixture(scope="module")
def found(real_data):
    notices = defaultdict(list)
    with (real_data / "notices" / "MANIFEST.csv").open() as lines:
        for row in csv.DictReader(lines):
            try:
                packet = (real_data / "notices" / row["path"]).read_bytes()
                notice = to_notice(packet, row["path"])
            except MalformedNoticeError:
                continue
            notices[notice.event_key].append(notice)
    return joint_events([event_of(some) for some in notices.values()], Policy())


def triggers(joint):
    return frozenset(key.rpartition(":")[2] for key in joint.event_keys)


def test_the_pairs_of_the_list_are_joint_events_and_no_others_are(real_data, found):
    with (real_data / "truth" / "cross_mission_coincidences.csv").open() as lines:
        listed = {frozenset((r["trigger_a"], r["trigger_b"])) for r in csv.DictReader(lines)}
    assert len(listed) == 17
    expected = {pair for pair in listed if ONE_EVENT not in pair and pair != SAME_SERIES}
    assert {triggers(joint) for joint in found} == expected


def test_places_that_agree_make_a_chance_pair_rarer(found):
    by_trigger = {min(triggers(joint)): joint for joint in found}
    for joint in found:
        (link,) = joint.links
        assert link.i_omega is None or link.i_omega > 1.0
        assert (joint.localization is None) == (link.i_omega is None)
    # ECLAIRs lies 17.5 deg from the centre of GBM's circle of 10.4 deg, whose tail still likes it.
    assert by_trigger["800126028"].links[0].i_omega == pytest.approx(7.85, rel=0.01)
    assert by_trigger["800190036"].links[0].i_omega > 1000.0
