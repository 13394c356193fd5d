import pytest

from correlator.errors import MalformedNoticeError
from correlator.notice import Messenger
from ingest_vo import systematics
from ingest_vo.reader import to_notice
from tests.ingest_vo.notice_factory import GCN, T0, T0_UNIX_S, gbm, svom, swift, voevent


def read(packet):
    return to_notice(packet, "p")


# --- Fermi -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "is_burst", "name"),
    [
        (1, None, "UNRELIABLE_LOCATION"),
        (2, False, "LOCAL_PARTICLES"),
        (3, False, "BELOW_HORIZON"),
        (4, True, "GRB"),
        (5, None, "GENERIC_SGR"),
        (7, False, "DISTANT_PARTICLES"),
        (8, False, "SOLAR_FLARE"),
        (19, False, "TGF"),
        (42, None, "42"),
    ],
)
def test_a_flight_position_of_gbm_says_what_it_takes_the_trigger_for(index, is_burst, name):
    params = {"Most_Likely_Index": index, "Most_Likely_Prob": 72, "Def_NOT_a_GRB": "false"}
    notice = read(gbm("Flt_Pos", 111, params=params))
    assert notice.is_burst is is_burst
    assert notice.classification == ((name, 0.72),)


def test_gbm_ranks_final_over_ground_over_flight_and_alert_last():
    ranks = [
        read(gbm(kind, number)).localization_rank
        for kind, number in (("Fin_Pos", 115), ("Gnd_Pos", 112), ("Flt_Pos", 111), ("Alert", 110))
    ]
    assert ranks == [30, 20, 10, 0]


def test_successive_flight_positions_are_ordered_by_their_own_number():
    first, second = (
        read(gbm("Flt_Pos", 111, params={"Sequence_Num": n})).sequence for n in (44, 60)
    )
    assert first < second


def test_a_gbm_alert_has_a_time_and_no_place():
    notice = read(gbm("Alert", 110, place=(0, 0, 0), params={"Trig_Signif": 4.7}))
    assert notice.localization is None
    assert notice.event_unix_s == pytest.approx(T0_UNIX_S, abs=1e-6)
    assert (notice.significance, notice.significance_kind) == (4.7, "Trig_Signif")
    assert notice.event_key == "fermi-gbm:800190036"


@pytest.mark.parametrize(
    ("kind", "number", "flags", "meaning"),
    [
        ("Flt_Pos", 111, {}, systematics.GBM_FLIGHT),
        ("Gnd_Pos", 112, {"Long_short": "Long"}, systematics.GBM_GROUND),
        ("Fin_Pos", 115, {"Human_generated": "true"}, systematics.GBM_FINAL_HUMAN),
        ("Fin_Pos", 115, {"Long_short": "Long"}, systematics.GBM_FINAL_ROBOTIC_LONG),
        ("Fin_Pos", 115, {"Long_short": "Short"}, systematics.GBM_FINAL_ROBOTIC_SHORT),
        ("Fin_Pos", 115, {"Long_short": "unknown"}, systematics.GBM_FINAL_ROBOTIC),
    ],
)
def test_each_stage_of_gbm_has_its_own_systematics(kind, number, flags, meaning):
    circle = read(gbm(kind, number, groups={"Trigger_ID": flags})).localization
    assert circle.systematics == meaning.systematics
    assert (circle.level, circle.includes_systematics) == (0.68, False)


def test_only_a_final_position_with_a_duration_class_is_called_a_burst():
    group = {"Trigger_ID": {"Long_short": "Long"}}
    assert read(gbm("Fin_Pos", 115, groups=group)).is_burst is True
    assert read(gbm("Gnd_Pos", 112, groups=group)).is_burst is None
    assert read(gbm("Fin_Pos", 115)).is_burst is None


def test_the_map_of_a_final_position_stands_beside_the_picture_it_names():
    folder = "http://heasarc.example/2026/bn260402956/quicklook"
    url = f"{folder}/glg_locplot_all_bn260402956.png"
    notice = read(gbm("Fin_Pos", 115, params={"LocationMap_URL": url}))
    assert notice.skymap_url == f"{folder}/glg_healpix_all_bn260402956.fit"


def test_a_ground_position_names_its_map():
    url = "http://gcn.example/gbm_gnd_loc_map_791916611.fits"
    assert read(gbm("Gnd_Pos", 112, params={"LocationMap_URL": url})).skymap_url == url


def test_the_type_of_a_final_position_has_no_underscore_before_its_date():
    packet = voevent(f"{GCN}Fermi#GBM_Fin_Pos{T0}_1_0-545", params={"TrigID": 1})
    assert read(packet).notice_type == "GBM_Fin_Pos"


def test_tests_that_share_an_id_are_events_of_their_own():
    one, other = (
        read(voevent(f"{GCN}Fermi#GBM_Test_Pos_{day}T17:32:23.00_099999_1-692", role="test",
                     params={"Packet_Type": 119, "TrigID": 99999}))
        for day in ("2019-12-01", "2019-12-02")
    )  # fmt: skip
    assert one.is_test
    assert one.event_id != other.event_id


def test_a_subthreshold_trigger_has_ids_and_a_stream_of_its_own():
    params = {"Packet_Type": 131, "Trans_Num": 578679123, "Reliability": 8}
    notice = read(voevent(f"{GCN}Fermi#GBM_SubThresh_{T0}_578679123_0-520", params=params))
    assert notice.event_key == "fermi-gbm-subthreshold:578679123"
    assert (notice.significance, notice.significance_kind) == (8.0, "Reliability")


def test_a_lat_packet_with_a_broken_clock_knows_its_minute_only():
    """LAT_Initial_Pos_2026-01--9130T00:00:00.00: Burst_TJD 11910, ISOTime without seconds."""
    ivorn = f"{GCN}Fermi#LAT_Initial_Pos_2026-01--9130T00:00:00.00_793795104_0-086"
    params = {"Packet_Type": 120, "TrigID": 793795104, "Burst_TJD": 11910, "Burst_SOD": "0.00"}
    notice = read(voevent(ivorn, params=params, time="2026-02-26T10:38:00"))
    assert notice.notice_type == "LAT_Initial_Pos"
    assert notice.event_key == "fermi-lat:793795104"
    assert notice.event_end_unix_s - notice.event_unix_s == 60.0


def test_a_lat_packet_with_a_sound_clock_knows_its_t0():
    params = {"Packet_Type": 128, "TrigID": 1, "Burst_TJD": 21097, "Burst_SOD": "38298.84"}
    ivorn = f"{GCN}Fermi#LAT_Offline_Pos_2026-02-26T10:38:18.84_793795080-0-190"
    notice = read(voevent(ivorn, params=params, time="2026-02-26T10:38:18.84"))
    assert notice.event_end_unix_s is None


def test_the_flare_of_a_source_that_lat_monitors_is_no_burst():
    params = {"Packet_Type": 125, "TrigID": 5, "SourceName": "0FGLJ1641.4+3939_86400.png"}
    notice = read(voevent(f"{GCN}Fermi#LAT_Monitor_{T0}_5-0-102", params=params))
    assert notice.is_burst is False
    assert notice.localization_rank == -1
    assert notice.classification == (("0FGLJ1641.4+3939", None),)


# --- Swift -------------------------------------------------------------------------------------

IDENTIFIED = {"GRB_Identified": "true", "Point_Source": "true"}


@pytest.mark.parametrize(
    ("flags", "is_burst"),
    [
        (IDENTIFIED, True),
        (IDENTIFIED | {"StarTrack_Lost_Lock": "true"}, False),
        (IDENTIFIED | {"Target_in_Gnd_Catalog": "true"}, False),
        (IDENTIFIED | {"Target_in_Flt_Catalog": "true"}, False),
        (IDENTIFIED | {"Def_NOT_a_GRB": "true"}, False),
        (IDENTIFIED | {"VERY_Lo_Image_Signif": "true"}, None),
        ({"GRB_Identified": "true", "Point_Source": "false"}, None),
        ({"GRB_Identified": "false", "Point_Source": "true"}, None),
        ({}, None),
    ],
)
def test_a_bat_position_is_a_burst_only_if_its_flags_say_so(flags, is_burst):
    notice = read(swift("BAT_GRB_Pos", 61, groups={"Solution_Status": flags}))
    assert notice.is_burst is is_burst
    assert {name for name, _ in notice.classification} == {
        flag for flag, value in flags.items() if value == "true"
    }


def test_swift_ranks_uvot_over_xrt_over_bat_over_quicklook():
    kinds = (("UVOT_Pos", 81), ("XRT_Pos", 67), ("BAT_GRB_Pos", 61), ("BAT_QuickLook_Pos", 97))
    ranks = [read(swift(kind, number)).localization_rank for kind, number in kinds]
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == 4


@pytest.mark.parametrize(
    ("kind", "number", "messenger"),
    [("XRT_Pos", 67, Messenger.X_RAY), ("UVOT_Pos", 81, Messenger.OPTICAL)],
)
def test_the_time_of_an_observation_is_not_t0(kind, number, messenger):
    notice = read(swift(kind, number))
    assert notice.event_unix_s is None
    assert notice.messenger is messenger
    assert notice.localization is not None


def test_an_image_trigger_has_an_interval_for_its_t0():
    params = {"Trig_Index": 20000, "Integ_Time": "64.000", "Rate_Signif": "0.00"}
    notice = read(swift("BAT_GRB_Pos", 61, params=params | {"Image_Signif": "7.74"}))
    assert notice.event_end_unix_s - notice.event_unix_s == pytest.approx(64.0, abs=1e-6)
    assert (notice.significance, notice.significance_kind) == (7.74, "Image_Signif")


def test_a_rate_trigger_has_a_moment_for_its_t0():
    params = {"Trig_Index": 121, "Integ_Time": "0.512", "Rate_Signif": "74.00"}
    notice = read(swift("BAT_GRB_Pos", 61, params=params))
    assert notice.event_end_unix_s is None
    assert notice.significance_kind == "Rate_Signif"


@pytest.mark.parametrize(("kind", "number"), [("FOM_Obs", 65), ("BAT_Lightcurve", 63)])
def test_where_swift_may_look_is_no_localization(kind, number):
    assert read(swift(kind, number, place=(10, 20, 0.05))).localization is None


def test_a_pointing_is_a_utility_in_a_stream_of_its_own():
    packet = voevent(f"{GCN}SWIFT#Point_Dir_{T0}_1023458943-887", role="utility",
                     params={"Packet_Type": 83, "TrigID": 48767}, place=(11, -72, 0))  # fmt: skip
    notice = read(packet)
    assert (notice.role, notice.is_burst, notice.is_test) == ("utility", False, False)
    assert notice.stream == "swift-pointing"
    assert notice.localization is None


def test_a_known_source_may_have_a_negative_id_and_must_not_win():
    packet = voevent(f"{GCN}SWIFT#BAT_Known_Pos_-2032248730-862",
                     params={"Packet_Type": 141, "TrigID": -2032248730},
                     place=(1, 2, 0.0666))  # fmt: skip
    notice = read(packet)
    assert notice.event_key == "swift-known-source:-2032248730"
    assert (notice.is_burst, notice.localization_rank) == (False, -1)
    assert notice.notice_type == "BAT_Known_Pos"


def test_a_centroid_on_a_cosmic_ray_must_not_win():
    notice = read(swift("XRT_Pos", 67, groups={"Solution_Status": {"Cosmic_Ray": "true"}}))
    assert notice.localization_rank == -1


def test_a_submitted_test_is_a_test_whatever_its_role():
    notice = read(swift("BAT_GRB_Pos", 61, groups={"Solution_Status": {"Test_Submission": "true"}}))
    assert (notice.role, notice.is_test) == ("observation", True)


# --- SVOM --------------------------------------------------------------------------------------

WINDOW = {
    "Time_Window_Start": "2026-05-11T11:00:30.700Z",
    "Time_Window_End": "2026-05-11T11:00:31.700Z",
}
STATED = {"Alert_Seq_T0": "2026-05-11T11:00:31.249Z"}


@pytest.mark.parametrize(
    ("kind", "number", "params", "t0_offset_s", "length_s"),
    [
        ("grm-trigger", 201, WINDOW, 0.0, None),
        ("grm-trigger", 201, WINDOW | STATED, -0.451, None),
        ("eclairs-wakeup", 202, WINDOW | {"Trigger_Type": "IMT"}, -1.0, 1.0),
        ("eclairs-wakeup", 202, WINDOW | STATED | {"Trigger_Type": "IMT"}, -0.451, 0.451),
        ("eclairs-wakeup", 202, WINDOW | STATED | {"Trigger_Type": "CRT"}, -0.451, None),
        ("eclairs-wakeup", 202, {}, 0.0, None),
        ("mxt-initial_qf4", 209, STATED, -0.451, None),
        ("mxt-initial_qf4", 209, {}, None, None),
    ],
)
def test_svom_has_its_t0_in_many_places(kind, number, params, t0_offset_s, length_s):
    notice = read(svom(kind, number, params=params))
    if t0_offset_s is None:
        assert notice.event_unix_s is None
        return
    assert notice.event_unix_s == pytest.approx(T0_UNIX_S + t0_offset_s, abs=1e-5)
    end = None if length_s is None else pytest.approx(notice.event_unix_s + length_s, abs=1e-5)
    assert notice.event_end_unix_s == end


def test_a_grm_position_is_never_used():
    assert read(svom("grm-trigger", 201, place=(171.5, -40.9, 20.0))).localization is None


def test_svom_ranks_vt_over_mxt_over_slewing_over_wakeup():
    kinds = (("vt", 211), ("mxt-update_qf2", 210), ("slewing", 204), ("eclairs-wakeup", 202))
    ranks = [read(svom(kind, number)).localization_rank for kind, number in kinds]
    assert ranks == [40, 30, 20, 10]


def test_a_catalogued_source_is_no_burst():
    notice = read(svom("eclairs-catalog", 203))
    assert (notice.is_burst, notice.localization_rank) == (False, -1)


def test_a_retraction_is_known_by_its_type_though_it_looks_like_an_observation():
    cited = "ivo://org.svom/fsc#sb26051102_grm-trigger"
    notice = read(
        svom("retraction", 219, params={"Instrument": "ECLAIRs"}, cites={cited: "retraction"})
    )
    assert notice.is_retraction
    assert (notice.role, notice.notice_type, notice.localization_rank) == (
        "observation", "retraction", -1,
    )  # fmt: skip
    assert notice.supersedes == (cited,)


@pytest.mark.parametrize(
    "packet",
    [voevent("ivo://org.svom/fsc#sb1_x", params={"Packet_Type": 202}), svom("future", 299)],
)
def test_an_svom_packet_without_an_id_or_of_an_unknown_type_is_refused(packet):
    with pytest.raises(MalformedNoticeError):
        read(packet)


# --- INTEGRAL, IceCube, LVC, others ------------------------------------------------------------


def test_wakeup_and_refined_of_integral_are_one_event():
    wakeup, refined = (
        read(voevent(f"{GCN}INTEGRAL#{kind}_010472-{n}-924",
                     params={"Packet_Type": number, "TrigID": trigger}))
        for kind, n, number, trigger in (
            ("Wakeup_Pos", 0, 53, 10472), ("Refined_Pos", 1, 54, 76008))
    )  # fmt: skip
    assert wakeup.event_key == refined.event_key == "integral:10472"
    assert refined.localization_rank > wakeup.localization_rank


def test_an_integral_test_may_claim_to_be_an_observation():
    packet = voevent(f"{GCN}INTEGRAL#Wakeup_Pos_000000-0-640",
                     params={"Packet_Type": 53, "TrigID": 0},
                     groups={"Test_mpos": {"Test_Notice": "true"}})  # fmt: skip
    notice = read(packet)
    assert (notice.role, notice.is_test) == ("observation", True)
    assert notice.event_id == "0:Wakeup_Pos_000000-0-640"


ICECUBE = {
    "Packet_Type": 173, "run_id": "134191", "event_id": "017593623", "Rev": 1, "FAR": "0.2894",
    "signalness": "0.8283", "src_error_90": "1.2199",
}  # fmt: skip


def test_an_icecube_track_has_its_rate_in_hertz_and_its_revision_for_order():
    ivorn = f"{GCN}AMON#ICECUBE_GOLD_Event{T0}_24_134191_017593623_1"
    flags = {"RADec_valid": "false", "Retraction": "false"}
    notice = read(voevent(ivorn, params=ICECUBE, groups={"Trigger_ID": flags}))
    assert notice.event_key == "icecube:134191_17593623"
    assert notice.far_hz == pytest.approx(0.2894 / 31_557_600.0, rel=1e-12)
    assert (notice.sequence, notice.notice_type) == (1.0, "ICECUBE_GOLD")
    assert notice.localization.radius_deg == 1.2199
    assert notice.localization.includes_systematics
    assert (notice.significance, notice.significance_kind) == (0.8283, "signalness")


def test_a_first_revision_of_icecube_is_statistical_and_a_retraction_is_seen():
    ivorn = f"{GCN}AMON#ICECUBE_GOLD_Event{T0}_24_134191_017593623_0"
    flags = {"Trigger_ID": {"Retraction": "true"}}
    notice = read(voevent(ivorn, params=ICECUBE | {"Rev": 0}, groups=flags))
    assert not notice.localization.includes_systematics
    assert (notice.is_retraction, notice.localization_rank) == (True, -1)


def test_an_icecube_id_that_did_not_fit_is_replaced_by_the_time():
    ivorn = f"{GCN}AMON#ICECUBE_HESE_Event{T0}_2147483647-644"
    notice = read(voevent(ivorn, params={"Packet_Type": 158, "TrigID": 2147483647}))
    assert notice.event_id == f"ICECUBE_HESE_Event{T0}"


def lvc(name, packet_type, **params):
    return voevent(f"ivo://gwnet/LVC#{name}-1-X", place=None,
                   params={"Packet_Type": packet_type, "GraceID": name} | params,
                   groups={"Classification": {"BNS": "0.9", "Terrestrial": "0.1"}})  # fmt: skip


def test_an_old_ligo_alert_names_its_map_and_classes():
    url = "https://gracedb.example/bayestar.multiorder.fits,1"
    notice = read(lvc("S190814bv", 152, FAR="2.0e-33", skymap_fits=url, AlertType="Update"))
    assert notice.event_key == "lvk:S190814bv"
    assert (notice.notice_type, notice.skymap_url, notice.localization) == ("UPDATE", url, None)
    assert notice.far_hz == 2.0e-33
    assert notice.classification == (("BNS", 0.9), ("Terrestrial", 0.1))


@pytest.mark.parametrize("name", ["MS190814bv", "TS190814bv", "M298048"])
def test_a_mock_is_known_by_its_first_letter(name):
    assert read(lvc(name, 150)).is_test


def test_an_old_ligo_retraction_may_call_itself_preliminary():
    notice = read(lvc("S190814bv", 164, AlertType="Preliminary"))
    assert (notice.is_retraction, notice.notice_type) == (True, "RETRACTION")


def test_a_map_that_cannot_be_fetched_is_no_url():
    assert read(lvc("S190814bv", 152, skymap_fits="data/LALInference.fits.gz")).skymap_url is None


def test_km3net_has_hertz_under_the_label_of_years():
    params = {"TrigID": 1, "FAR": "8.029e-08", "Alert_Type": "initial", "record_number": 1,
              "healpix_url": "https://opendata.km3net.de/"}  # fmt: skip
    notice = read(voevent("ivo://KM3NeT_Neutrino#KM3-240901A_1", params=params))
    assert (notice.mission, notice.messenger) == ("KM3NeT", Messenger.NEUTRINO)
    assert notice.far_hz == 8.029e-08
    assert notice.skymap_url is None


@pytest.mark.parametrize(
    ("ivorn", "mission", "kind"),
    [
        (f"{GCN}Antares_Alert#1364519891", "ANTARES", "Antares_Alert"),
        (f"{GCN}AGILE#A_Alert_{T0}_000000-053", "AGILE", "A_Alert"),
        (f"{GCN}KONUS#Lightcurve_{T0}_000001-877", "Konus", "Lightcurve"),
        (f"{GCN}SNEWS#Event{T0}_1000194-580", "SNEWS", "Event"),
        (f"{GCN}MAXI#Known_source_Pos_{T0}_8346898070-0-894", "MAXI", "Known_source_Pos"),
        ("ivo://org.example/new#thing-7", "new", "thing"),
    ],
)
def test_a_mission_without_a_feed_is_read_by_the_standard_elements(ivorn, mission, kind):
    notice = read(voevent(ivorn, params={"TrigID": 1234}))
    assert (notice.mission, notice.notice_type, notice.event_id) == (mission, kind, "1234")
    assert notice.event_unix_s == pytest.approx(T0_UNIX_S, abs=1e-6)


@pytest.mark.parametrize(
    ("packet", "rule"),
    [
        (voevent("ivo://org.example/new"), "must name its event"),
        (voevent("ivo://org.example/new#a", time=None), "must hold an ISOTime"),
        (gbm("Flt_Pos", 111, time=None), "must hold an ISOTime"),
        (gbm("Flt_Pos", 111, params={"TrigID": "abc"}), "TrigID must be a whole number"),
        (gbm("Flt_Pos", 111, params={"TrigID": "9" * 5000}), "TrigID must be a whole number"),
        (lvc("S190814bv", 152, FAR="-1"), "FAR must not be negative"),
    ],
)
def test_a_packet_without_a_usable_id_time_or_rate_is_refused(packet, rule):
    with pytest.raises(MalformedNoticeError, match=rule):
        read(packet)


def test_the_flight_radius_holds_the_core_of_the_systematics_and_not_the_tail():
    flight = read(gbm("Flt_Pos", 111)).localization
    ground = read(gbm("Gnd_Pos", 112)).localization
    assert systematics.holds_systematics(flight)
    assert not systematics.holds_systematics(ground)
    # The tail widens the outskirts, the core stays as published.
    assert flight.radius_at(0.5) < ground.radius_at(0.5)
    assert flight.radius_at(0.95) > 20.0 > ground.radius_at(0.95)


def test_a_multiplet_of_km3net_lasts_from_its_first_to_its_last_neutrino():
    groups = {f"Nu_Event_{n}": {"trigger_time": f"{day}T12:00:00.0Z", "ra": 13.8}
              for n, day in enumerate(["2026-05-11", "2026-05-14"], 1)}  # fmt: skip
    packet = voevent("ivo://KM3NeT_Neutrino#KM3-240901B_2", params={"TrigID": "2"}, groups=groups,
                     time="2026-05-11T12:00:00")  # fmt: skip
    notice = read(packet)
    assert notice.event_end_unix_s - notice.event_unix_s == 3 * 86_400.0
    with pytest.raises(MalformedNoticeError, match="neutrinos of a multiplet"):
        read(packet.replace(b"2026-05-14", b"2026-06-14"))


def test_a_bat_trigger_without_a_position_is_a_time_only():
    """Packet 62, of which no real one was to be had: what it repeats is no position of a burst."""
    notice = read(
        swift("BAT_GRB_Pos_NACK", 62, groups={"Solution_Status": {"Point_Source": "false"}})
    )
    assert notice.event_key == "swift:1208389"
    assert notice.event_unix_s == pytest.approx(T0_UNIX_S, abs=1e-6)
    assert (notice.localization, notice.is_burst, notice.instrument) == (None, None, "BAT")


@pytest.mark.parametrize(
    ("number", "kind"),
    [(150, "PRELIMINARY"), (151, "INITIAL"), (152, "UPDATE"), (163, "EARLYWARNING")],
)
def test_an_alert_of_ligo_is_called_by_its_packet_type(number, kind):
    params = {"GraceID": "S190425z", "Packet_Type": number, "AlertType": "Preliminary"}
    notice = read(voevent(f"ivo://gwnet/LVC#S190425z-1-{kind}", params=params, place=None))
    assert (notice.event_key, notice.notice_type) == ("lvk:S190425z", kind)
    assert (notice.is_retraction, notice.localization_rank) == (False, 10)
