"""Objects and coincidences in SkyPortal's words, as values: what is known, and what is null."""

import math

import healpy
import numpy as np
import pytest
from ligo.skymap.distance import parameters_to_moments

from correlator.alert import Detection, Quality, Surroundings
from correlator.policy import DAY_S
from correlator.service.skyportal_row import (
    alert_row,
    annotation_of,
    event_name_of,
    jd_of,
    latest_between,
    light_curve,
    summary_row,
    unix_s_of,
)
from skymaps.skymap import SkyMap
from tests.builders import (
    DEC_DEG,
    RA_DEG,
    T0_UNIX_S,
    a_circle,
    a_coincidence,
    a_detection,
    a_pair,
    a_summary,
    an_alert,
    an_object,
)

EARLY, LATE = T0_UNIX_S + 0.2 * DAY_S, T0_UNIX_S + 5.0 * DAY_S


def an_alert_with(alert_id, when, real_bogus, asteroid_arcsec):
    near = Surroundings("(1) Ceres", asteroid_arcsec, star_score=0.1, star_sep_arcsec=9.0)
    quality = Quality(real_bogus=real_bogus)
    return an_alert(alert_id, time_unix_s=when, quality=quality, surroundings=near)


TWICE = an_object(an_alert_with("200", EARLY, 0.7, 20.0), an_alert_with("300", LATE, 0.99, 12.0))


def test_what_is_of_an_image_goes_with_its_own_detection_only():
    last = alert_row(TWICE, latest_between(TWICE, -math.inf, math.inf))["candidate"]
    first = alert_row(TWICE, latest_between(TWICE, -math.inf, jd_of(LATE) - 1.0))["candidate"]
    assert (last["candid"], first["candid"]) == (300, 200)
    assert (last["drb"], last["ssdistnr"], last["ssnamenr"]) == (0.99, 12.0, "(1) Ceres")
    assert (first["drb"], first["ssdistnr"], first["ssnamenr"]) == (None, None, None)
    for row in (first, last):  # of the place
        assert (row["sgscore1"], row["distpsnr1"], row["ssmagnr"]) == (0.1, 9.0, None)
    assert (first["ndethist"], last["ndethist"]) == (2, 4)
    assert first["jdstarthist"] == last["jdstarthist"] == jd_of(EARLY - 0.1 * DAY_S)


def test_the_survey_knows_an_earlier_beginning():
    began = T0_UNIX_S - 100.0 * DAY_S
    obj = an_object(an_alert(survey_first_unix_s=began))
    row = alert_row(obj, obj.positive[-1])
    assert row["candidate"]["jdstarthist"] == jd_of(began)
    said = annotation_of(a_coincidence(), row["candidate"], None)
    assert said["age"] == pytest.approx(100.2, abs=1e-4)


def test_what_is_fainter_than_the_template_is_no_alert_and_no_point():
    faint = Detection("9", LATE, "r", -500.0, 10.0)
    obj = an_object(an_alert(history=(a_detection("1", EARLY),), detection=faint, time_unix_s=LATE))
    assert latest_between(obj, -math.inf, math.inf).source_id == "1"
    assert latest_between(obj, jd_of(EARLY) + 0.01, math.inf) is None
    assert len(light_curve(obj)["prv_candidates"]) == 1
    # It is a detection of the object all the same.
    assert alert_row(obj, obj.positive[-1])["candidate"]["ndethist"] == 1


@pytest.mark.parametrize(
    ("said", "number"),
    [("12", 12), (str(2**63 - 1), 2**63 - 1), (str(2**63), None), ("12a", None), ("-1", None),
     ("9" * 400, None), ("²", None), ("", None)],
)  # fmt: skip
def test_ids_of_alerts_are_whole_numbers_or_null(said, number):
    obj = an_object(an_alert(said, detection=a_detection(said), history=()))
    assert alert_row(obj, obj.positive[-1])["candid"] == number


def test_a_map_with_distances_says_how_far_the_event_is_there():
    n = 12
    mu = np.linspace(40.0, 150.0, n)
    sigma = np.full(n, 25.0)
    map_3d = SkyMap.from_uniq(
        np.arange(4, 4 + n), np.linspace(1.0, 2.0, n), mu, sigma, np.full(n, 1e-5)
    )
    candidate = summary_row(a_pair())["candidate"]
    said = annotation_of(a_coincidence(separation_deg=None), candidate, map_3d)
    cell = healpy.ang2pix(1, candidate["ra"], candidate["dec"], nest=True, lonlat=True)
    mean, std, _ = parameters_to_moments(mu[cell], sigma[cell])
    assert said["dist_mean"] == pytest.approx(float(mean), abs=0.005)
    assert said["dist_std"] == pytest.approx(float(std), abs=0.005)
    assert (said["distance_arcmin"], said["distance_ratio"]) == (None, None)
    flat = SkyMap.from_uniq(np.arange(4, 4 + n), np.linspace(1.0, 2.0, n))
    assert annotation_of(a_coincidence(), candidate, flat)["dist_mean"] is None
    assert annotation_of(a_coincidence(), candidate, None)["dist_std"] is None


def test_what_the_evidence_knows_stands_for_an_object_that_is_gone():
    pair = a_pair(object=a_summary(real_bogus=0.4), prior_activity_days=3.0)
    row = summary_row(pair)
    assert (row["objectId"], row["survey"], row["candid"]) == ("ZTF25aaaaaaa", "ZTF", None)
    said = annotation_of(
        a_coincidence(prior_activity_days=3.0, separation_deg=0.1), row["candidate"], a_circle()
    )
    assert (said["drb"], said["age"], said["ndethist"]) == (0.4, None, None)
    assert (said["prior_activity"], said["distance_arcmin"], said["distance_ratio"]) == (
        True,
        6.0,
        0.05,
    )
    assert (row["ra"], row["dec"]) == (RA_DEG, DEC_DEG + 0.1)


@pytest.mark.parametrize(
    ("event_key", "name"),
    [("lvk:S240115k", "S240115k"), ("fermi-gbm:781692805", "781692805"),
     ("test:lvk:MS240115k", "test:lvk:MS240115k"), ("joint:abc", "joint:abc")],
)  # fmt: skip
def test_events_are_filed_under_the_missions_id(event_key, name):
    assert event_name_of(event_key) == name


def test_julian_dates_come_back():
    for unix_s in (T0_UNIX_S, T0_UNIX_S + 0.123456, 0.0):
        assert unix_s_of(jd_of(unix_s)) == pytest.approx(unix_s, abs=5e-5)
    assert jd_of(0.0) == 2_440_587.5
