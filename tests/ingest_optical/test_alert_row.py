import json

import pytest

from correlator.service.alert_row import alert_row
from ingest_optical.ztf import to_alert
from tests.ingest_optical.packet_factory import ztf_non_detection, ztf_record

JD = 2460325.0
"""2024-01-15T12:00 UTC."""


def row(past=(), **candidate):
    return alert_row(to_alert(ztf_record(past, jd=JD, **candidate), "p"))


def test_a_row_says_what_was_understood_as_json():
    told = row(jdstarthist=JD - 3.0)
    assert json.loads(json.dumps(told)) == told
    assert told == {
        "survey": "ztf",
        "schema_version": "4.02",
        "alert_id": "2570575813315015014",
        "object_id": "ZTF24aaaaaaa",
        "time": "2024-01-15T12:00:15.000000Z",
        "exposure_s": 30.0,
        "ra_deg": 265.7776592,
        "dec_deg": -1.4986583,
        "band": "r",
        "mag_ab": pytest.approx(18.0),
        "mag_err_ab": pytest.approx(0.1),
        "flux_njy": pytest.approx(10 ** (0.4 * 13.4)),
        "flux_err_njy": pytest.approx(0.1 * 10 ** (0.4 * 13.4) / 1.0857362),
        "is_positive": True,
        "n_history": 0,
        "n_limits": 0,
        "n_forced": 0,
        "first_detection_time": "2024-01-15T12:00:15.000000Z",
        "survey_first_time": "2024-01-12T12:00:00.000000Z",
        "last_limit_before": None,
        "real_bogus": 0.99,
        "solar_system_name": None,
        "solar_system_sep_arcsec": None,
        "star_score": 0.2,
        "star_sep_arcsec": 7.5,
        "gaia_sep_arcsec": 12.0,
        "rejections": [],
    }


def test_the_first_detection_is_the_first_positive_one():
    past = [
        {"jd": JD - 3.0, "candid": 1, "isdiffpos": "f"},
        {"jd": JD - 2.0, "candid": 2},
        {"jd": JD - 1.0, "candid": 3},
    ]
    assert row(past)["first_detection_time"].startswith("2024-01-13T12:00:15.0000")
    assert row(past[:1], isdiffpos="f")["first_detection_time"] is None


def test_the_limit_before_is_the_last_one_before_the_first_detection():
    past = [
        ztf_non_detection(JD - 4.0, diffmaglim=19.0),
        ztf_non_detection(JD - 3.0, diffmaglim=20.0),
        {"jd": JD - 2.0, "candid": 2},
        ztf_non_detection(JD - 1.0, diffmaglim=21.0),
    ]
    limit = row(past)["last_limit_before"]
    assert limit.pop("time").startswith("2024-01-12T12:00:15")
    assert limit == {"band": "g", "mag_ab": 20.0, "n_sigma": 5.0}
    assert row(past[:2], isdiffpos="f")["last_limit_before"] is None


def test_a_negative_detection_has_a_flux_and_no_magnitude():
    told = row(isdiffpos="f")
    assert told["mag_ab"] is None
    assert told["mag_err_ab"] is None
    assert told["flux_njy"] < 0.0
    assert not told["is_positive"]


def test_the_reasons_are_those_of_the_default_gate():
    assert row(rb=0.2, nbad=1)["rejections"] == ["low_real_bogus_forest", "bad_pixels"]
