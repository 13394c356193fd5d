import math
from datetime import UTC, datetime

import pytest

from correlator.alert import Limit, flux_of_mag
from correlator.errors import MalformedAlertError
from ingest_optical.ztf import to_alert
from tests.ingest_optical.packet_factory import ztf_non_detection, ztf_record

JD = 2460325.0
"""2024-01-15T12:00 UTC."""

NOON_UNIX_S = datetime(2024, 1, 15, 12, tzinfo=UTC).timestamp()


def alert(past=(), **candidate):
    return to_alert(ztf_record(past, jd=JD, **candidate), "p")


@pytest.mark.parametrize(
    ("exptime", "mid_s", "exposure_s"),
    [(30.0, 15.0, 30.0), (240.0, 120.0, 240.0), (None, 15.0, None), (-999.0, 15.0, None)],
)
def test_the_time_is_the_middle_of_an_exposure_that_starts_at_jd(exptime, mid_s, exposure_s):
    told = alert(exptime=exptime)
    assert told.time_unix_s - NOON_UNIX_S == pytest.approx(mid_s, abs=1e-4)
    assert told.exposure_s == exposure_s


def test_an_old_packet_without_the_field_has_a_standard_exposure():
    record = ztf_record(jd=JD)
    del record["candidate"]["exptime"]
    told = to_alert(record, "p")
    assert told.time_unix_s - NOON_UNIX_S == pytest.approx(15.0, abs=1e-4)
    assert told.exposure_s is None


@pytest.mark.parametrize(
    ("spelling", "sign"),
    [
        *(("t", 1), ("1", 1), (1, 1), (True, 1), ("T", 1), ("true", 1)),
        *(("f", -1), ("0", -1), (0, -1), (False, -1), ("F", -1), ("false", -1)),
    ],
)
def test_every_spelling_of_the_sign_is_understood(spelling, sign):
    detection = alert(isdiffpos=spelling, magpsf=18.0).detection
    assert detection.flux_njy == sign * flux_of_mag(18.0)
    assert alert(past=[{"isdiffpos": spelling}]).history[0].is_positive == (sign > 0)


@pytest.mark.parametrize("spelling", [None, "", "maybe", 2, -1])
def test_an_unknown_sign_is_malformed(spelling):
    with pytest.raises(MalformedAlertError, match="isdiffpos"):
        alert(isdiffpos=spelling)


def test_the_magnitude_comes_back_from_the_flux():
    detection = alert(magpsf=19.37, sigmapsf=0.12, isdiffpos="t").detection
    assert detection.mag_ab == pytest.approx(19.37, abs=1e-9)
    assert detection.mag_err_ab == pytest.approx(0.12, abs=1e-9)


@pytest.mark.parametrize("sentinel", [-999.0, None, math.nan])
def test_sentinels_are_unknown(sentinel):
    names = ("drb", "rb", "ssdistnr", "sgscore1", "distpsnr1", "neargaia", "fwhm", "sigmapsf")
    told = alert(**dict.fromkeys(names, sentinel), ssnamenr="null", jdstarthist=sentinel)
    assert told.quality.real_bogus is None
    assert told.quality.real_bogus_forest is None
    assert told.quality.fwhm_px is None
    assert told.detection.flux_err_njy is None
    assert told.survey_first_unix_s is None
    near = told.surroundings
    assert (near.solar_system_name, near.solar_system_sep_arcsec) == (None, None)
    assert (near.star_score, near.star_sep_arcsec, near.gaia_sep_arcsec) == (None, None, None)


def test_a_known_asteroid_keeps_its_name_and_distance():
    near = alert(ssnamenr="2013 GR59", ssdistnr=0.0).surroundings
    assert (near.solar_system_name, near.solar_system_sep_arcsec) == ("2013 GR59", 0.0)


def test_the_forest_score_stands_in_for_a_missing_network_score():
    assert alert(drb=None, rb=0.7).quality.real_bogus == 0.7
    quality = alert(drb=0.9, rb=0.7).quality
    assert (quality.real_bogus, quality.real_bogus_forest) == (0.9, 0.7)


@pytest.mark.parametrize(("fid", "band"), [(1, "g"), (2, "r"), (3, "i")])
def test_each_filter_is_a_band(fid, band):
    assert alert(fid=fid).detection.band == band


def test_the_past_splits_into_detections_and_limits_in_time_order():
    told = alert(
        past=[
            {"jd": JD - 1.0, "candid": 11},
            ztf_non_detection(JD - 2.0),
            {"jd": JD - 3.0, "candid": 12},
            ztf_non_detection(JD - 4.0, diffmaglim=19.5),
        ]
    )
    assert [d.source_id for d in told.history] == ["12", "11"]
    assert told.limits == (
        Limit(pytest.approx(NOON_UNIX_S - 4 * 86_400 + 15, abs=1e-3), "g", 19.5, 5.0),
        Limit(pytest.approx(NOON_UNIX_S - 2 * 86_400 + 15, abs=1e-3), "g", 20.1, 5.0),
    )


def test_the_past_never_holds_the_own_detection_and_no_source_twice():
    own = 2570575813315015014
    told = alert(past=[{"candid": own}, {"candid": 11}, {"candid": 11}, {"candid": float(own)}])
    assert [d.source_id for d in told.history] == ["11"]


def test_an_id_that_went_through_a_float_is_marked_as_inexact():
    """Tables made with pandas carry such ids: 2570575813315015014 reads ...014848."""
    told = alert(past=[{"candid": 2570000000000000000.0}])
    assert told.history[0].source_id == "~2570000000000000000"


@pytest.mark.parametrize("diffmaglim", [None, -999.0, math.nan, 0.0, -3.0])
def test_a_non_detection_without_depth_is_no_limit(diffmaglim):
    assert alert(past=[ztf_non_detection(JD - 1, diffmaglim=diffmaglim)]).limits == ()


def test_a_packet_may_have_no_past():
    record = ztf_record()
    record["prv_candidates"] = None
    assert to_alert(record, "p").history == ()


def test_the_survey_first_time_is_its_julian_date_as_it_is():
    assert alert(jdstarthist=JD - 2.0).survey_first_unix_s == NOON_UNIX_S - 2 * 86_400


def test_a_flat_row_of_the_portal_is_the_same_alert():
    record = ztf_record(jd=JD)
    flat = {f"i:{name}": value for name, value in record["candidate"].items()}
    flat |= {"i:objectId": record["objectId"], "i:schemavsn": 3.3, "d:roid": 0, "b:cutout": None}
    told, expected = to_alert(flat, "p"), to_alert(record, "p")
    assert told.schema_version == "3.3"
    assert told.detection == expected.detection
    assert told.surroundings == expected.surroundings
    assert told.quality == expected.quality


def test_the_position_is_the_candidates_not_a_joined_notices():
    record = {**ztf_record(jd=JD, ra=10.0, dec=20.0), "ra": 193.1, "dec": -29.54}
    told = to_alert(record, "p")
    assert (told.ra_deg, told.dec_deg) == (10.0, 20.0)


def test_the_version_of_the_schema_stands_in_for_that_of_the_record():
    record = {**ztf_record(), "schemavsn": None}
    assert to_alert(record, "p", "1.8").schema_version == "1.8"
    with pytest.raises(MalformedAlertError, match="schemavsn"):
        to_alert(record, "p")


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"ra": 361.0}, r"ra must lie in \[0, 360\]"),
        ({"dec": -90.001}, r"ra must lie in .* dec in \[-90, 90\]"),
        ({"dec": None}, "dec must be known"),
        ({"jd": -999.0}, "jd must be known"),
        ({"jd": 60325.0}, "jd must lie in 1990..2100"),
        ({"jdstarthist": 1.0}, "jdstarthist must lie in"),
        ({"fid": 4}, "fid must be 1, 2 or 3"),
        ({"magpsf": math.nan}, "magpsf must be known"),
        ({"magpsf": -1e9}, r"magpsf must lie in \(0, 40\)"),
        ({"candid": None}, "objectId and candid"),
        ({"rb": "high"}, "rb must be a number"),
    ],
)
def test_what_an_alert_cannot_do_without_is_named(values, rule):
    record = ztf_record(**{"jd": JD, **values})
    with pytest.raises(MalformedAlertError, match=f"night/7: {rule}"):
        to_alert(record, "night/7")


def test_a_record_without_a_candidate_is_malformed():
    with pytest.raises(MalformedAlertError, match="candidate must be known"):
        to_alert({"objectId": "ZTF24aaaaaaa", "candid": 1}, "p")
