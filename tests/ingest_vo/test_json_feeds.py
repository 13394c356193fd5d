import base64
import gzip
import json
from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from correlator.errors import MalformedNoticeError
from correlator.event import event_of
from correlator.joint import joint_events
from correlator.notice import Messenger
from correlator.policy import Policy
from ingest_vo import systematics
from ingest_vo.reader import to_notice
from skymaps.healpix import Positions
from tests.ingest_vo.notice_factory import GCN, T0, T0_UNIX_S, gcn, igwn, multi_order_map


def read(packet):
    return to_notice(packet, "p")


# --- IGWN --------------------------------------------------------------------------------------


def test_an_alert_carries_its_map():
    notice = read(igwn())
    assert notice.event_key == "lvk:S240115k"
    assert (notice.source, notice.mission, notice.notice_type) == ("igwn", "LVK", "PRELIMINARY")
    assert notice.localization.kind == "map"
    assert notice.far_hz == 1e-8
    assert notice.classification == (("BBH", 0.97), ("Terrestrial", 0.03))
    assert (notice.is_significant, notice.is_burst, notice.is_test) == (True, True, False)
    assert notice.sequence == notice.notice_unix_s


def test_the_same_alert_sent_again_is_another_notice():
    again = igwn().replace(b"09:30:04Z", b"09:35:05Z")
    assert read(igwn()).notice_id != read(again).notice_id
    assert read(igwn()).sequence < read(again).sequence


def test_a_retraction_has_no_event_and_no_place():
    notice = read(igwn(alert_type="RETRACTION", event=None))
    assert notice.is_retraction
    assert (notice.event_unix_s, notice.localization, notice.localization_rank) == (None, None, -1)


def test_a_burst_has_no_classes_and_may_have_no_distance():
    notice = read(igwn(group="Burst", classification={}, significant=False))
    assert notice.classification == ()
    assert (notice.is_significant, notice.is_burst) == (False, None)


def coincident(**found):
    return json.dumps(json.loads(igwn()) | {"external_coinc": found}).encode()


def test_a_coincident_burst_is_cited_and_changes_nothing_of_the_merger():
    """As LVK's public alerts have it: the burst's own notice brings its place and time."""
    ivorn = f"{GCN}Fermi#GBM_Gnd_Pos_2024-01-15T09:25:52.9_727029942_0-1"
    bomb = base64.b64encode(gzip.compress(bytes(10**6))).decode()
    packet = coincident(gcn_notice_id=727029942, ivorn=ivorn, observatory="Fermi", search="GRB",
                        time_difference=1.7, time_coincidence_far=1e-12,
                        time_sky_position_coincidence_far=1e-14, combined_skymap=bomb)  # fmt: skip
    notice, alone = read(packet), read(igwn())
    assert notice.supersedes == (ivorn,)
    assert replace(notice, supersedes=(), content_sha256=alone.content_sha256) == alone


@pytest.mark.parametrize(
    ("packet", "rule"),
    [
        (igwn().replace(b'"event"', b'"external_coinc": [1], "event"'), "must be an object"),
        (coincident(ivorn=5), "ivorn must be a text"),
    ],
)
def test_a_broken_coincidence_is_refused_by_name(packet, rule):
    with pytest.raises(MalformedNoticeError, match=rule):
        read(packet)


@pytest.mark.parametrize("kind", ["EARLYWARNING", "PRELIMINARY", "INITIAL", "UPDATE"])
def test_every_alert_type_is_read(kind):
    assert read(igwn(alert_type=kind)).notice_type == kind


@pytest.mark.parametrize(
    ("name", "mock"), [("MS240115k", True), ("TS240115k", True), ("S240115k", False)]
)
def test_mocks_are_known_by_their_name_alone(name, mock):
    notice = read(igwn(name))
    assert notice.is_test is mock
    assert notice.role == ("test" if mock else "observation")


@pytest.mark.parametrize(
    ("packet", "rule"),
    [
        (igwn(event=None), "only a RETRACTION"),
        (igwn("G298048"), "superevent_id must be like"),
        (igwn("S240115k; DROP TABLE"), "superevent_id must be like"),
        (igwn(alert_type="what is this"), "alert_type must be a word"),
        (igwn(skymap="not base64!"), "skymap must be base64"),
        (igwn(skymap=base64.b64encode(b"x" * 5000).decode()), "skymap: "),
        (igwn(time=None), "event.time must be present"),
        (igwn(time=5), "time must be a text"),
        (igwn(far="often"), "far must be a number"),
        (igwn(far=True), "far must be a number"),
        (igwn(far=-1.0), "FAR must not be negative"),
        (igwn(classification=[1]), "classification must be an object"),
        (igwn(significant="yes"), "significant must be true or false"),
    ],
)
def test_a_broken_alert_is_refused_by_name(packet, rule):
    with pytest.raises(MalformedNoticeError, match=rule):
        read(packet)


# --- GCN schema --------------------------------------------------------------------------------

EP = {"alert_datetime": None, "instrument": "WXT", "ra": 238.247, "dec": 44.964,
      "ra_dec_error": 0.051, "image_snr": 9.6, "id": ["01709260122"]}  # fmt: skip


def test_einstein_probe_leaves_much_unsaid():
    notice = read(gcn("einstein_probe/wxt/alert", **EP))
    assert notice.event_key == "einstein-probe-wxt:01709260122"
    assert (notice.mission, notice.instrument, notice.messenger) == (
        "Einstein Probe", "WXT", Messenger.X_RAY,
    )  # fmt: skip
    assert (notice.significance, notice.significance_kind) == (9.6, "image_snr")
    assert notice.localization.level == 0.9
    assert notice.localization.includes_systematics
    assert notice.event_end_unix_s - notice.event_unix_s == pytest.approx(1200.0, abs=1e-6)
    assert notice.notice_unix_s is None


def test_an_event_without_any_id_is_called_by_its_time():
    assert read(gcn("einstein_probe/wxt/alert", **EP | {"id": None})).event_id.startswith("2026-")


def test_an_icecube_alert_says_what_its_radius_means():
    packet = gcn(mission="IceCube", ra=345.82, dec=9.01, ra_dec_error=0.5, record_number=1,
                 containment_probability=0.68, systematic_included=True, far=8e-8, p_astro=0.34,
                 alert_type="update", healpix_url="https://roc.example/x.fits.gz")  # fmt: skip
    notice = read(packet)
    assert notice.event_key == "icecube:137840_57034692"
    assert (notice.localization.level, notice.localization.includes_systematics) == (0.68, True)
    assert (notice.far_hz, notice.sequence, notice.notice_type) == (8e-8, 1.0, "update")
    assert notice.skymap_url == "https://roc.example/x.fits.gz"
    assert notice.event_unix_s == pytest.approx(T0_UNIX_S, abs=1e-6)


@pytest.mark.parametrize(
    ("error", "radius_deg"),
    [
        (0.5, 0.5),
        ([0.016, 0.02], 0.02),  # DSA-110
        ([0.504, 0.599, 0], 0.599),  # CHIME
        ([0.3], 0.3),
        ([0.3, 0.3, 12], 0.3),
        ([2.0, 0.05, 12], 2.0),
        ([0.3, 0.0, 12], 0.3),
        (-1, None),
        (0, None),
    ],
)
def test_a_radius_and_axes_of_unclear_order_are_the_circle_about_them(error, radius_deg):
    notice = read(gcn("chime/frb", ra=10.0, dec=20.0, ra_dec_error=error))
    found = None if notice.localization is None else notice.localization.radius_deg
    assert found == radius_deg


@pytest.mark.parametrize("error", [[0.4, 0.1, 153], [0.4, 0.1]])
def test_an_ellipse_is_one(error):
    notice = read(gcn("maxi/gsc.unknown", ra=346.56, dec=18.61, ra_dec_error=error))
    assert notice.localization.kind == "map"
    assert notice.localization.area_deg2(0.9) == pytest.approx(np.pi * 0.04, rel=0.01)
    # 0.3 deg from the middle, along the major axis and across it.
    centre = SkyCoord(346.56, 18.61, unit="deg")
    angle = (error[2] if len(error) == 3 else 0.0) + np.array([0.0, 180.0, 90.0, 270.0])
    places = centre.directional_offset_by(angle * u.deg, 0.3 * u.deg)
    inside = notice.localization.match(Positions.of(places.ra.deg, places.dec.deg)).inside(0.9)
    assert inside.tolist() == [True, True, False, False]


def test_a_rectangle_is_one():
    corners = [[359.0, -0.2], [1.0, -0.2], [1.0, 0.2], [359.0, 0.2]]
    packet = gcn("maxi/gsc.unknown", ra=0.0, dec=0.0, rectangular_error_corners=corners,
                 containment_probability=0.68)  # fmt: skip
    place = read(packet).localization
    assert place.area_deg2(0.68) == pytest.approx(0.8, rel=0.02)
    density = place.match(Positions.of([0.0, 0.9, 359.1, 0.0, 0.0], [0.0, 0.1, -0.1, 0.17, 0.23]))
    share = density.probdensity_per_sr / place.probdensity_per_sr.max()
    assert share[:4] == pytest.approx(1.0)
    assert share[4] < 0.5


def test_a_rectangle_that_is_none_is_the_circle_about_it():
    corners = [[359.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
    notice = read(gcn("maxi/gsc.unknown", ra=0.0, dec=0.0, rectangular_error_corners=corners))
    assert notice.localization.radius_deg == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("stub", ["stuff", "hhhh...", "H4sIAAAAAAAAAC.......", ""])
def test_a_stub_of_a_map_is_no_map(stub):
    notice = read(gcn("swift/bat/Guano", healpix_file=stub, ra=1.0, dec=2.0, ra_dec_error=0.5))
    assert notice.localization.kind == "circle"


def test_an_embedded_map_wins_over_the_circle():
    content = base64.b64encode(multi_order_map()).decode()
    notice = read(gcn("swift/bat/Guano", healpix_file=content, ra=1.0, dec=2.0, ra_dec_error=0.5))
    assert notice.localization.kind == "map"


@pytest.mark.parametrize(
    ("fields", "is_test", "role"),
    [
        ({}, False, "observation"),
        ({"alert_tense": "current"}, False, "observation"),
        ({"alert_tense": "archival"}, False, "observation"),
        ({"alert_tense": "test"}, True, "test"),
        ({"alert_tense": "injection"}, True, "test"),
        ({"alert_tense": "commanded"}, True, "test"),
        ({"alert_tense": "planned"}, False, "prediction"),
        ({"id": ["99999"]}, True, "test"),
        ({"id": None, "ref_ID": "MS230914ak"}, True, "test"),
    ],
)
def test_the_tense_tells_tests_and_its_absence_is_the_present(fields, is_test, role):
    notice = read(gcn(**fields))
    assert (notice.is_test, notice.role) == (is_test, role)


def test_the_stages_of_gbm_in_json_rank_as_in_xml():
    stages = ("INITIAL_ALERT", "FLIGHT_POSITION", "GROUND_POSITION", "FINAL_POSITION")
    place = {"ra": 1.0, "dec": 2.0, "ra_dec_error": 3.0, "id": ["745121685", "bn240812094"]}
    notices = [read(gcn("fermi/gbm/trigger", subtype=stage, **place)) for stage in stages]
    assert [n.localization_rank for n in notices] == [0, 10, 20, 30]
    assert {n.event_key for n in notices} == {"fermi-gbm:745121685"}
    assert notices[2].localization.systematics == systematics.GBM_GROUND.systematics


@pytest.mark.parametrize(
    ("classes", "is_burst"),
    [
        ({"GRB": 1}, True),
        ({"GRB": 0.85, "GENERIC_SGR": 0.14}, True),
        ({"BELOW_HORIZON": 1}, False),
        ({"UNRELIABLE_LOCATION": 1}, None),
        ({"GRB": None}, None),
        ({}, None),
    ],
)
def test_the_likeliest_class_decides(classes, is_burst):
    assert read(gcn("swift/bat/Guano", classification=classes)).is_burst is is_burst


def test_the_flare_of_a_known_source_is_no_burst():
    notice = read(gcn("maxi/gsc.known", id="0858800020", event_name="Swift J1858.6-0814"))
    assert (notice.is_burst, notice.localization_rank) == (False, -1)


def test_a_retraction_needs_no_time():
    notice = read(gcn("chime/frb", alert_type="retraction", trigger_time=None))
    assert (notice.is_retraction, notice.event_unix_s) == (True, None)


def test_an_observation_gives_the_interval_of_its_event():
    span = {"observation_start": "2025-11-20T00:00:00.0", "observation_stop": "2025-11-21T00:00:00"}
    notice = read(gcn("fermi/lat/flare", trigger_time=None, id=None, event_name="OQ 334", **span))
    assert notice.event_end_unix_s - notice.event_unix_s == 86_400.0
    assert notice.event_id == "OQ 334"


def test_a_mission_without_a_row_is_read_by_the_core_schema():
    packet = json.dumps({"mission": "CALET", "instrument": "GBM", "id": [1399729386],
                         "trigger_time": "2024-05-14T13:49:42.620Z"}).encode()  # fmt: skip
    notice = read(packet)
    assert notice.event_key == "calet-gbm:1399729386"


@pytest.mark.parametrize(
    ("packet", "rule"),
    [
        (b'{"$schema": "https://json-schema.org/draft/2020-12/schema"}', "schema is not"),
        (b'{"$schema": ".../gcn/circulars.schema.json", "circularId": 1}', "circular is not"),
        (b'{"circularId": 1, "subject": "GRB"}', "circular is not"),
        (gcn("core/Alert", trigger_time=None, id=None), "heartbeat"),
        (gcn("heasarc/archive_alert"), "the opening of an archive"),
        (b"{}", "must name its mission"),
        (b'{"ra": 1, "dec": 2}', "must name its mission"),
        (gcn(id=None, trigger_time=None), "must have an id"),
        (gcn(trigger_time=None), "trigger_time or an observation_start"),
        (gcn(trigger_time="soon"), "ISO 8601"),
        (gcn(ra=361, dec=0, ra_dec_error=1), "RA must lie in"),
        (gcn(ra=1, dec=-91, ra_dec_error=1), "dec must lie in"),
        (gcn(ra=1, dec=0, ra_dec_error=-5), "error radius"),
        (gcn(ra=1, dec=0, ra_dec_error="wide"), "ra_dec_error must be a number"),
        (gcn(ra=1, dec=0, ra_dec_error=1, containment_probability=90), "containment level"),
        (gcn(ra="1h", dec=0), "ra must be a number"),
        (gcn(id=[1.5]), "id must hold texts"),
        (gcn(id=["\u0000"]), "printable"),
        (gcn(id=[""]), "must not be empty"),
        (gcn(alert_tense=5), "alert_tense must be a text"),
        (gcn("maxi/gsc.unknown", ra=1, dec=1, rectangular_error_corners=[[1]]), "must hold pairs"),
        (gcn(healpix_file="!" * 5000), "healpix_file must be base64"),
        (gcn(healpix_file=base64.b64encode(b"x" * 5000).decode()), "healpix_file must be FITS"),
    ],
)  # fmt: skip
def test_json_that_is_no_sound_notice_is_refused_by_name(packet, rule):
    with pytest.raises(MalformedNoticeError, match=rule):
        read(packet)


def test_a_search_about_a_merger_is_no_neutrino_of_its_own():
    """Its T0 is the merger's: it would be coincident with each merger, found or not."""
    search = read(gcn("icecube/lvk_nu_track_search", id=None, ref_ID="S240115k", pval_generic=0.02,
                      trigger_time="2024-01-15T09:25:51.123Z"))  # fmt: skip
    assert search.event_key == "icecube-lvk-search:S240115k"
    assert (search.is_burst, search.supersedes) == (False, ("S240115k",))
    merger, policy = event_of([read(igwn())]), Policy()
    assert joint_events([merger, event_of([search])], policy) == []
    # The same at the same time, as an alert of IceCube's own.
    alert = read(gcn(trigger_time="2024-01-15T09:25:51.123Z"))
    assert len(joint_events([merger, event_of([alert])], policy)) == 1


def test_guano_names_the_event_that_it_follows_up():
    packet = gcn("swift/bat/guano", follow_up_event="Fermi 694215970", classification={"GRB": 1.0})
    assert (read(packet).supersedes, read(packet).is_burst) == (("Fermi 694215970",), True)


NEUTRINO = {"id": "km3.234.1", "ra": 13.8, "dec": 18.6}


def multiplet(*times):
    details = [NEUTRINO | ({} if time is None else {"trigger_time": time}) for time in times]
    return gcn("km3net/alert", id="2", ra=13.81, dec=18.85, ra_dec_error=0.41,
               event_details=details)  # fmt: skip


@pytest.mark.parametrize(
    ("times", "end_s"),
    [
        ([f"{T0}Z", "2026-05-13T11:00:31.70Z"], 2 * 86_400.0),
        (["2026-05-25T11:00:31.70Z"], 14 * 86_400.0),
        ([f"{T0}Z"], None),
        ([None], None),
        ([], None),
    ],
)
def test_a_multiplet_lasts_from_its_first_to_its_last_neutrino(times, end_s):
    notice = read(multiplet(*times))
    assert notice.event_unix_s == pytest.approx(T0_UNIX_S, abs=1e-6)
    assert (notice.event_end_unix_s is None) == (end_s is None)
    if end_s is not None:
        assert notice.event_end_unix_s - notice.event_unix_s == pytest.approx(end_s, abs=1e-6)


def test_a_neutrino_before_the_time_of_its_alert_begins_the_interval():
    notice = read(multiplet("2026-05-10T11:00:31.70Z"))
    assert notice.event_end_unix_s == pytest.approx(T0_UNIX_S, abs=1e-6)
    assert notice.event_unix_s == pytest.approx(T0_UNIX_S - 86_400.0, abs=1e-6)


@pytest.mark.parametrize(
    ("packet", "rule"),
    [
        (multiplet("2026-05-25T11:00:31.80Z"), "the neutrinos of a multiplet must lie within"),
        (multiplet("soon"), "trigger_time must be an ISO 8601"),
        (gcn("km3net/alert", event_details={}), "event_details must be a list"),
        (gcn("km3net/alert", event_details=[1]), "event_details must hold objects"),
    ],
)
def test_a_broken_multiplet_is_refused_by_name(packet, rule):
    with pytest.raises(MalformedNoticeError, match=rule):
        read(packet)
