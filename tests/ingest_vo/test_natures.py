"""What each feed's packets say that they report, and in which of their fields."""

import csv
import re
from collections import Counter

import pytest

from correlator.errors import MalformedNoticeError
from correlator.nature import Nature, foremost
from ingest_vo.reader import to_notice
from ingest_vo.voevent import read_voevent
from tests.ingest_vo.notice_factory import GCN, T0, gbm, gcn, igwn, svom, swift, voevent

SAVED = {"GRB_Identified": "true", "Point_Source": "true"}


def lvc(params, **other):
    return voevent("ivo://gwnet/LVC#S190425z-1-Initial", params=params, place=None, **other)


def maxi(kind):
    return voevent(f"{GCN}MAXI#{kind}_{T0}_1_1-2", params={"TrigID": 1})


@pytest.mark.parametrize(
    ("packet", "nature", "field"),
    [
        (gbm("Flt_Pos", 111, params={"Most_Likely_Index": 4}), "grb", "Most_Likely_Index"),
        (gbm("Flt_Pos", 111, params={"Most_Likely_Index": 5}), "sgr", "Most_Likely_Index"),
        (gbm("Flt_Pos", 111, params={"Most_Likely_Index": 19}), "tgf", "Most_Likely_Index"),
        (gbm("Flt_Pos", 111, params={"Most_Likely_Index": 2}), "particles", "Most_Likely_Index"),
        (gbm("Flt_Pos", 111, params={"Most_Likely_Index": 1}), None, None),
        (gbm("Fin_Pos", 115, params={"Long_short": "Short"}), "grb", "Long_short"),
        (gbm("Gnd_Pos", 112, params={"Long_short": "Short"}), None, None),
        (gbm("Flt_Pos", 111, params={"TrigID": 99999}), "test", "TrigID"),
        (gbm("Flt_Pos", 111, role="test"), "test", "role"),
        (swift("BAT_GRB_Pos", 61, params=SAVED), "grb", "GRB_Identified"),
        (swift("BAT_GRB_Pos", 61, params=SAVED | {"Target_in_Gnd_Catalog": "true"}),
         "known-source", "Target_in_Gnd_Catalog"),
        (swift("BAT_GRB_Pos", 61, params=SAVED | {"StarTrack_Lost_Lock": "true"}),
         "no-burst", "StarTrack_Lost_Lock"),
        (swift("BAT_GRB_Pos", 61, params=SAVED | {"Test_Submission": "true"}),
         "test", "Test_Submission"),
        (swift("BAT_Known_Pos", 141), "known-source", "Packet_Type"),
        (swift("BAT_GRB_Pos", 61), None, None),
        (swift("Point_Dir", 83, role="utility"), "pointing", "role"),
        (svom("eclairs-wakeup", 202), "grb", "Packet_Type"),
        (svom("eclairs-catalog", 203), "known-source", "Packet_Type"),
        (svom("grm-trigger", 201, params={"Time_Window_End": T0}), None, None),
        (svom("retraction", 219), "retracted", "Packet_Type"),
        (svom("retraction", 219, cites={"ivo://org.svom/fsc#1": "retraction"}),
         "retracted", "Citations"),
        (igwn(), "gw", "significant"),
        (igwn(significant=False), None, None),
        (igwn("MS240115k"), "mock", "superevent_id"),
        (igwn("TS240115k"), "test", "superevent_id"),
        (igwn("S240115k", "RETRACTION", event=None), "retracted", "alert_type"),
        (igwn("MS240115k", "RETRACTION", event=None), "mock", "superevent_id"),
        (lvc({"GraceID": "S190425z", "Packet_Type": 151}), "gw", "Packet_Type"),
        (lvc({"GraceID": "S190425z", "Packet_Type": 150, "Significant": 1}), "gw", "Significant"),
        (lvc({"GraceID": "S190425z", "Packet_Type": 150, "Significant": 0}), None, None),
        (lvc({"GraceID": "S190425z", "Packet_Type": 164}), "retracted", "Packet_Type"),
        (lvc({"GraceID": "MS190425z", "Packet_Type": 151}, role="test"), "mock", "GraceID"),
        (maxi("Known_source"), "known-source", "ivorn"),
        (maxi("Unknown_source"), None, None),
        (voevent(f"{GCN}INTEGRAL#Wakeup_Pos_{T0}_1", params={"TrigID": 7, "Packet_Type": 53}),
         "grb", "Packet_Type"),
        (voevent(f"{GCN}INTEGRAL#Weak_Pos_{T0}_1", params={"TrigID": 7, "Packet_Type": 56}),
         None, None),
        (gcn("swift/bat/guano", classification={"GRB": 0.8, "SF": 0.2}), "grb", "classification"),
        (gcn("swift/bat/guano", classification={"GRB": 0.2, "SF": 0.8}),
         "solar-flare", "classification"),
        (gcn("maxi/gsc.known"), "known-source", "$schema"),
        (gcn(alert_tense="injection"), "test", "alert_tense"),
        (gcn(alert_type="retraction"), "retracted", "alert_type"),
        (gcn(id=["99999"]), "test", "id"),
        (gcn("icecube/lvk_nu_track_search", ref_ID="MS260605l"), "mock", "ref_ID"),
        (gcn("km3net/alert", ref_ID="TXS 0506+056"), None, None),
        (gcn("km3net/alert", ref_ID="M31"), None, None),
        (voevent("ivo://x/y#q1", params={"Alert_Tense": "commanded"}), "test", "Alert_Tense"),
        (gcn(), None, None),
    ],
)  # fmt: skip
def test_a_packet_says_what_it_reports_in_a_field(packet, nature, field):
    said = foremost(to_notice(packet, "p").verdicts)
    assert (said and str(said.nature), said and said.field) == (nature, field)


@pytest.fixture(scope="module")
def real(real_data):
    """Path, packet and notice of each real packet that is one."""
    folder, found = real_data / "notices", []
    with (folder / "MANIFEST.csv").open() as lines:
        for row in csv.DictReader(lines):
            content = (folder / row["path"]).read_bytes()
            try:
                found.append((row, content, to_notice(content, row["path"])))
            except MalformedNoticeError:
                continue
    return found


@pytest.mark.real_data
def test_the_flight_positions_of_2026_are_what_their_index_says(real):
    """Counted in the text of the packets, by no reader: less than half of them are bursts."""
    counts, in_text = Counter(), Counter()
    for row, content, notice in real:
        if row["path"].startswith("fermi/kafka2026/fermi_gbm_flt_pos/"):
            said = foremost(notice.verdicts)
            counts[None if said is None else str(said.nature)] += 1
            (index,) = re.findall(rb'name="Most_Likely_Index"\s+value="(\d+)"', content)
            in_text[int(index)] += 1
    assert in_text == {1: 18, 3: 7, 4: 32, 8: 6, 19: 11}
    expected = {None: 18, "below-horizon": 7, "grb": 32, "solar-flare": 6, "tgf": 11}
    assert counts == expected


@pytest.mark.real_data
def test_a_field_that_is_named_is_in_the_packet(real):
    """But for what no single Param holds: role, ivorn and citations."""
    outside = {"role", "ivorn", "Citations"}
    named = Counter()
    for row, content, notice in real:
        for said in notice.verdicts:
            named[str(said.nature)] += 1
            if notice.source == "voevent" and said.field not in outside:
                packet = read_voevent(content, row["path"])
                everywhere = (packet.params, *packet.groups.values())
                assert any(said.field in group for group in everywhere), row["path"]
            elif notice.source != "voevent":
                nested = b'"%s"' % said.field.encode()
                assert nested in content, row["path"]
    assert set(named) >= {str(n) for n in Nature} - {"sgr"}
