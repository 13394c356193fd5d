"""Every real packet: understood, or refused for the reason that it deserves."""

import csv
import json
import re
from collections import Counter

import pytest
import voeventparse

from correlator.errors import MalformedNoticeError
from correlator.service.notice_row import notice_row
from ingest_vo import rules
from ingest_vo.reader import to_notice
from ingest_vo.voevent import read_voevent
from skymaps.healpix import separation_deg

pytestmark = pytest.mark.real_data

OBSERVATION_TIMES = ("XRT_Pos", "UVOT_Pos", "mxt-", "Point_Dir", "Actual_Point_Dir")
"""Types whose ISOTime (event_time of the manifest) is their observation's and not T0."""


@pytest.fixture(scope="module")
def manifest(real_data):
    with (real_data / "notices" / "MANIFEST.csv").open() as lines:
        return {row["path"]: row for row in csv.DictReader(lines)}


@pytest.fixture(scope="module")
def outcomes(real_data, manifest):
    """Notice or error of each file; any other exception fails here."""
    found = {}
    for path in manifest:
        try:
            found[path] = to_notice((real_data / "notices" / path).read_bytes(), path)
        except MalformedNoticeError as error:
            found[path] = error
    return found


def test_every_packet_is_understood_or_refused_by_name(outcomes):
    refused = {p: o for p, o in outcomes.items() if isinstance(o, MalformedNoticeError)}
    assert len(outcomes) >= 600
    assert len(outcomes) - len(refused) >= 500
    assert all(error.packet == path for path, error in refused.items())


def test_all_voevents_are_understood(outcomes, manifest):
    refused = [
        str(outcomes[path])
        for path, row in manifest.items()
        if row["format"].startswith("VOEvent") and isinstance(outcomes[path], MalformedNoticeError)
    ]
    assert refused == []


def test_what_is_refused_is_what_is_no_notice(outcomes):
    reasons = Counter(o.rule for o in outcomes.values() if isinstance(o, MalformedNoticeError))
    expected = {
        "a sky map names no event", "a compressed file is not", "the binary form of a GCN notice",
        "a fragment of the core schema", "the opening of an archive", "a circular is not",
        "alert_type must be present", "must name its mission",
    }  # fmt: skip
    assert all(any(start in rule for start in expected) for rule in reasons), reasons


@pytest.mark.parametrize(
    ("mission", "least"),
    [("Fermi", 300), ("Swift", 38), ("SVOM", 65), ("LVK", 36), ("Einstein Probe", 14),
     ("IceCube", 17), ("INTEGRAL", 7), ("KM3NeT", 4), ("ANTARES", 3), ("MAXI", 9)],
)  # fmt: skip
def test_the_missions_are_spelled_as_in_the_manifest(outcomes, mission, least):
    counts = Counter(getattr(o, "mission", None) for o in outcomes.values())
    assert counts[mission] >= least


def test_ids_and_missions_are_those_of_the_manifest(outcomes, manifest):
    for path, notice in outcomes.items():
        row = manifest[path]
        if isinstance(notice, MalformedNoticeError):
            continue
        if notice.source == "voevent":
            assert notice.notice_id == row["id_or_ivorn"], path
        if row["format"].startswith(("VOEvent", "JSON igwn")) and row["mission"] != "other":
            assert notice.mission == row["mission"], path


def test_times_are_those_of_the_manifest_where_that_is_t0(outcomes, manifest):
    compared = 0
    for path, notice in outcomes.items():
        stated = manifest[path]["event_time"]
        if isinstance(notice, MalformedNoticeError) or notice.event_unix_s is None or not stated:
            continue
        if notice.mission == "SVOM" or notice.notice_type.startswith(OBSERVATION_TIMES):
            continue
        assert notice.event_unix_s == pytest.approx(rules.unix_s_of(path, "t", stated), abs=1e-5)
        compared += 1
    assert compared > 380


def test_no_observation_is_taken_for_t0(outcomes):
    for path, notice in outcomes.items():
        if not isinstance(notice, MalformedNoticeError) and re.search(
            "^(XRT|UVOT)_Pos", notice.notice_type
        ):
            assert notice.event_unix_s is None, path


def test_every_svom_t0_lies_within_a_minute_and_a_half_of_its_window(outcomes, real_data):
    """Alert_Seq_T0 where there is one; GRM's window end equals it in all packets with both."""
    compared = 0
    for path, notice in outcomes.items():
        if not path.startswith("svom/grm/") or notice.is_retraction:
            continue
        packet = read_voevent((real_data / "notices" / path).read_bytes(), path)
        assert notice.event_unix_s == pytest.approx(packet.time("Time_Window_End"), abs=1e-6)
        compared += 1
    assert compared > 20


def test_a_row_of_every_notice_is_json(outcomes):
    for notice in outcomes.values():
        if not isinstance(notice, MalformedNoticeError):
            json.dumps(notice_row(notice), allow_nan=False)


def test_tests_and_mocks_never_pass_for_real(outcomes, manifest):
    for path, notice in outcomes.items():
        if not isinstance(notice, MalformedNoticeError) and manifest[path]["role"] == "test":
            assert notice.is_test, path


def test_one_gbm_trigger_keeps_its_id_over_all_stages(outcomes):
    stages = {}
    for notice in outcomes.values():
        if getattr(notice, "stream", None) == "fermi-gbm":
            stages.setdefault(notice.event_id, set()).add(notice.notice_type)
    full = {"GBM_Alert", "GBM_Flt_Pos", "GBM_Gnd_Pos", "GBM_Fin_Pos"}
    assert sum(full <= seen for seen in stages.values()) >= 15


def test_the_real_night_has_the_ids_of_its_table(real_data):
    night = real_data / "nights" / "2024-01-15"
    with (night / "NOTICES.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 62
    for row in rows:
        notice = to_notice((night / "notices" / row["file"]).read_bytes(), row["file"])
        # The collector took the refined INTEGRAL notice for an event of its own.
        expected = "10472" if row["trigger_id"] == "76008" else row["trigger_id"]
        assert notice.event_id == expected, row["file"]
        assert not notice.is_test
        if notice.event_unix_s is not None:
            assert notice.event_unix_s == pytest.approx(
                rules.unix_s_of("p", "t", row["trigger_time_utc"]), abs=1e-5
            )


def test_integral_and_gbm_of_the_real_night_keep_their_measured_distance(real_data):
    """GRB 240115: INTEGRAL 10472 is 17.5 s after GBM 727029942."""
    folder = real_data / "nights" / "2024-01-15" / "notices"
    times = {
        n.event_key: n.event_unix_s
        for n in (to_notice(p.read_bytes(), p.name) for p in sorted(folder.iterdir()))
        if n.notice_type in ("Wakeup_Pos", "GBM_Fin_Pos")
    }
    assert times["integral:10472"] - times["fermi-gbm:727029942"] == pytest.approx(17.47, abs=0.01)


def test_voevent_parse_reads_the_same(outcomes, manifest, real_data):
    compared = 0
    for path, row in manifest.items():
        if not row["format"].startswith("VOEvent"):
            continue
        content = (real_data / "notices" / path).read_bytes()
        try:
            theirs = voeventparse.loads(content)
        except ValueError:  # it reads neither version 1.1 nor a root without a namespace
            continue
        ours = read_voevent(content, path)
        assert ours.ivorn == theirs.attrib["ivorn"]
        assert ours.role == theirs.attrib["role"]
        for name, said in voeventparse.get_toplevel_params(theirs).items():
            assert (ours.text(name) or "") == (said.get("value") or "").strip(), (path, name)
        if ours.time_unix_s is not None:
            moment = voeventparse.get_event_time_as_utc(theirs)
            assert ours.time_unix_s == pytest.approx(moment.timestamp(), abs=1e-5)
        if ours.radius_deg is not None and not path.startswith("antares/"):
            place = voeventparse.get_event_position(theirs)
            assert (ours.ra_deg, ours.dec_deg, ours.radius_deg) == (place.ra, place.dec, place.err)
        compared += 1
    assert compared > 380


def test_no_map_or_schema_of_the_gcn_repository_passes_for_a_notice(real_data):
    schemas = sorted((real_data / "gcn-schema").rglob("*.schema.json"))
    assert len(schemas) > 20
    for path in schemas:
        with pytest.raises(MalformedNoticeError):
            to_notice(path.read_bytes(), path.name)


def test_every_example_of_a_mission_schema_is_a_notice(real_data):
    root = real_data / "gcn-schema" / "gcn" / "notices"
    missions = [p for p in sorted(root.rglob("*.example.json"))
                if p.relative_to(root).parts[0] not in ("core", "heasarc")]  # fmt: skip
    assert len(missions) > 30
    for path in missions:
        assert to_notice(path.read_bytes(), path.name).source == "gcn"


def test_two_thirds_of_flight_positions_hold_the_final_one(outcomes):
    """The measurement behind GBM_FLIGHT: the radius holds the core, and no radius the tail."""
    last, final = {}, {}
    for notice in outcomes.values():
        if getattr(notice, "stream", None) != "fermi-gbm" or notice.localization is None:
            continue
        if notice.notice_type == "GBM_Flt_Pos":
            held = last.setdefault(notice.event_id, notice)
            last[notice.event_id] = max(held, notice, key=lambda n: n.sequence)
        elif notice.notice_type == "GBM_Fin_Pos":
            final[notice.event_id] = notice
    shifts = []
    for event_id in last.keys() & final.keys():
        flight, fin = last[event_id].localization, final[event_id].localization
        place = fin.ra_deg, fin.dec_deg
        separation = float(separation_deg(*place, flight.ra_deg, flight.dec_deg)[0])
        shifts.append((separation, flight.radius_deg))
    inside = sum(shift < radius for shift, radius in shifts) / len(shifts)
    assert len(shifts) >= 25
    assert 0.55 < inside < 0.80
    assert sum(shift > 30.0 for shift, _ in shifts) >= 3
