import json

from correlator.service.notice_row import notice_row
from correlator.service.times import iso_utc
from ingest_vo.reader import to_notice
from tests.ingest_vo.notice_factory import gbm, igwn, voevent

CONTRACT = [
    "source", "mission", "instrument", "notice_type", "notice_id", "event_id", "event_time",
    "notice_time", "role", "is_test", "is_retraction", "is_burst", "supersedes", "ra_deg",
    "dec_deg", "radius_deg", "radius_level", "radius_includes_systematics", "localization",
    "far_hz", "significance", "classification",
]  # fmt: skip


MORE = ["nature", "nature_field"]
"""What follows the keys of the contract."""


def row(packet):
    return json.loads(json.dumps(notice_row(to_notice(packet, "p"))))


def test_a_row_has_the_keys_of_the_contract_in_its_order():
    assert list(row(gbm("Flt_Pos", 111))) == CONTRACT + MORE


def test_the_row_of_a_circle_gives_its_centre():
    found = row(gbm("Fin_Pos", 115, params={"LocationMap_URL": "http://x/map.fits"}))
    assert (found["ra_deg"], found["dec_deg"], found["radius_deg"]) == (120.5, -30.25, 5.0)
    assert (found["radius_level"], found["radius_includes_systematics"]) == (0.68, False)
    assert found["event_time"] == "2026-05-11T11:00:31.700000Z"
    place = found["localization"]
    assert (place["kind"], place["n_rows"], place["has_distance"]) == ("circle", None, False)
    assert place["url"] == "http://x/map.fits"
    assert 100.0 < place["area_90_deg2"] < 1000.0


def test_a_flight_radius_is_reported_as_holding_systematics():
    assert row(gbm("Flt_Pos", 111))["radius_includes_systematics"] is True


def test_the_row_of_a_map_has_no_centre():
    found = row(igwn())
    assert (found["ra_deg"], found["radius_deg"], found["radius_level"]) == (None, None, None)
    place = found["localization"]
    assert (place["kind"], place["n_rows"], place["has_distance"]) == ("map", 12, False)
    assert 37_000.0 < place["area_90_deg2"] < 41_254.0
    assert found["classification"] == {"BBH": 0.97, "Terrestrial": 0.03}


def test_a_notice_without_a_place_has_no_localization():
    assert row(gbm("Alert", 110, place=(0, 0, 0)))["localization"] is None
    assert row(igwn(alert_type="RETRACTION", event=None))["event_time"] is None


def test_a_notice_that_only_names_a_map_gives_its_url():
    params = {"GraceID": "S190814bv", "skymap_fits": "https://gracedb.example/b.fits"}
    place = row(voevent("ivo://gwnet/LVC#S190814bv-1-X", params=params, place=None))["localization"]
    assert (place["kind"], place["url"]) == (None, "https://gracedb.example/b.fits")


def test_a_time_keeps_its_microseconds():
    assert iso_utc(1_705_337_137.620_001) == "2024-01-15T16:45:37.620001Z"
    assert iso_utc(None) is None
