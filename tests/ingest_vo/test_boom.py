"""Lists of optical objects that another broker found near events: read, and never joined."""

import json

import pytest

from correlator.coincidence import Miss, admission
from correlator.errors import MalformedNoticeError
from correlator.event import event_of
from correlator.joint import joint_events
from correlator.notice import Messenger
from correlator.policy import Policy
from ingest_vo.reader import to_notice
from tests.ingest_vo.notice_factory import igwn

SCHEMA = "https://gcn.nasa.gov/schema/main/gcn/notices/boom/alert.schema.json"


def target(name="ZTF25acffkdr", *claims, **other):
    said = [{"ref_type": kind, "ref_ID": event_id} for kind, event_id in claims]
    place = {"ra": 150.175649, "dec": 15.2832185}
    return {"event_name": name, "gcn_crossmatch": said, **place, **other}


def boom(*targets, **other):
    said = {"$schema": SCHEMA, "mission": "Boom", "alert_datetime": "2025-11-30T10:28:57Z"}
    return json.dumps(said | {"data": {"targets": targets, "photometry": []}} | other).encode()


def read(packet):
    return to_notice(packet, "p")


def test_it_is_keyed_by_its_object_and_cites_the_events_that_it_is_claimed_for():
    claims = ("GW", "S251117bs"), ("GRB", "GRB 251117A")
    notice = read(boom(target("ZTF25acffkdr", *claims, classification_scores={"Type II": 0.9})))
    assert notice.event_key == "boom:ZTF25acffkdr"
    assert (notice.mission, notice.messenger) == ("BOOM", Messenger.OPTICAL)
    assert notice.supersedes == ("GRB 251117A", "S251117bs")
    assert notice.classification == (("Type II", 0.9),)
    assert (notice.event_unix_s, notice.localization, notice.is_test) == (None, None, False)


def test_several_objects_are_named_together():
    notice = read(boom(target("ZTF25b", ("GW", "S1")), target("ZTF25a", ("GW", "S1"))))
    assert notice.event_id == "ZTF25a,ZTF25b"
    assert notice.supersedes == ("S1",)


def test_a_stated_radius_is_a_circle_that_never_wins():
    notice = read(boom(target(ra_dec_error=0.001)))
    assert (notice.localization.radius_deg, notice.localization_rank) == (0.001, -1)


@pytest.mark.parametrize(
    ("claims", "tense", "is_test"),
    [
        ([("GW", "MS251117b")], None, True),
        ([("GW", "MS251117b"), ("GW", "S251117bs")], None, False),
        ([("X-ray", "MAXI J1820")], None, False),
        ([("GW", "S251117bs")], "test", True),
        ([], None, False),
    ],
)
def test_it_is_a_drill_if_all_that_it_is_about_are(claims, tense, is_test):
    other = {} if tense is None else {"alert_tense": tense}
    assert read(boom(target("ZTF25a", *claims), **other)).is_test is is_test


def test_it_joins_nothing_whatever_the_policy_lets_in():
    event = event_of([read(boom(target("ZTF25a", ("GW", "S240115k"), ra_dec_error=0.001)))])
    everything = Policy(kept_out=frozenset(), include_tests=True)
    assert admission(event, Policy()) is Miss.NOT_A_BURST
    assert admission(event, everything) is Miss.NO_CLASS
    assert joint_events([event, event_of([read(igwn())])], everything) == []


@pytest.mark.parametrize(
    ("packet", "rule"),
    [
        (boom(), "must hold a target"),
        (boom(data=None), "must hold a target"),
        (boom("ZTF25a"), "targets must hold objects"),
        (boom(data={"targets": {}}), "targets must be a list"),
        (boom({"ra": 1.0, "dec": 2.0}), "must have an event_name"),
        (boom(target(dec=91.0)), "dec must lie in"),
        (boom(target(ra_dec_error=-3.0)), "an error radius must lie in"),
        (boom(target(classification_scores={"SN": 1.5})), "SN must be a probability"),
        (boom(target(gcn_crossmatch=[{"ref_ID": 5}])), "ref_ID must be a text"),
        (boom(*(target(f"ZTF25aaaaa{n}") for n in range(30))), "the names of the targets must be"),
        (boom(*(target() for _ in range(1001))), "targets must hold at most 1000"),
        (boom(target(), alert_datetime=None), "alert_datetime must be present"),
    ],
)
def test_a_broken_list_is_refused_by_name(packet, rule):
    with pytest.raises(MalformedNoticeError, match=rule):
        read(packet)
