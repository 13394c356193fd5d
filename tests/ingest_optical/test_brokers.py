"""Alerts as brokers send them on: Babamul's Avro of ZTF, Lasair's JSON of Rubin."""

import dataclasses
import json
import statistics

import fastavro
import orjson
import pytest
from astropy.time import Time

from correlator.alert import flux_of_mag, mag_of_flux
from correlator.errors import MalformedAlertError
from correlator.object import apply_alert, object_of
from ingest_optical import babamul, json_text
from ingest_optical.decoder import decode, decode_prefix
from ingest_optical.packets import RawPacket, read_packets
from tests.ingest_optical.packet_factory import (
    LSST_SOURCE,
    ZTF_CANDIDATE,
    babamul_packet,
    babamul_record,
    lasair_object,
)

BABAMUL = "optical/brokers/skyportal_cassettes/babamul_alert.avro"
LASAIR = "optical/lsst/lasair/170019695454847192_object.json"
JD = ZTF_CANDIDATE["jd"]


def row(jd, mag_ab=19.0, band="r", sign=1.0, snr=10.0):
    flux = sign * flux_of_mag(mag_ab) / babamul.NJY_A_UNIT
    return {"jd": jd, "psfFlux": flux, "psfFluxErr": abs(flux) / snr, "band": band}


def babamul_alert(past=(), limits=(), **candidate):
    record = babamul_record(past, limits, **candidate)
    return babamul.to_first_look(record, "p").with_past(record, None)


def test_a_candidate_of_babamul_is_one_of_ztf_and_its_fluxes_become_nanojansky():
    alert = babamul_alert(past=[row(JD - 1.0, 19.0, "g"), row(JD - 2.0, 20.0, "i", -1.0)])
    assert (alert.survey, alert.schema_version) == ("ztf", "babamul")
    assert alert.detection.is_positive
    assert not babamul_alert(isdiffpos=False).detection.is_positive
    assert [d.band for d in alert.history] == ["i", "g"]
    fading, rising = alert.history
    assert rising.flux_njy == pytest.approx(flux_of_mag(19.0))
    assert fading.flux_njy == pytest.approx(-flux_of_mag(20.0))
    assert fading.flux_err_njy == pytest.approx(flux_of_mag(20.0) / 10.0)
    assert alert.time_unix_s - rising.time_unix_s == pytest.approx(86_400.0, abs=1e-3)


def test_a_packet_of_babamul_is_known_by_its_name():
    alert = decode(babamul_packet(), max_points=None)
    assert (alert.schema_version, len(alert.history), len(alert.limits)) == ("babamul", 1, 1)
    assert decode_prefix(babamul_packet()) == dataclasses.replace(alert, history=(), limits=())


def test_the_own_detection_is_no_earlier_one():
    mag_ab, fid = ZTF_CANDIDATE["magpsf"], ZTF_CANDIDATE["fid"]
    own = row(JD, mag_ab, {1: "g", 2: "r", 3: "i"}[fid])
    assert (
        babamul_alert(past=[own, row(JD - 1.0)]).history == babamul_alert([row(JD - 1.0)]).history
    )


def test_a_detection_has_one_name_in_every_alert_of_its_object():
    """No earlier detection has an id; named by its alert's, it would count twice."""
    first = babamul_alert(jd=JD - 1.0, candid=7, fid=2)
    second = babamul_alert(past=[row(JD - 1.0, ZTF_CANDIDATE["magpsf"], "r")])
    assert len(apply_alert(object_of(first), second).detections) == 2


def test_a_non_detection_has_a_limit_of_five_of_its_errors():
    (limit,) = babamul_alert(limits=[{**row(JD - 3.0, 19.0, snr=5.0), "band": "g"}]).limits
    assert limit.mag_ab == pytest.approx(19.0)
    assert (limit.n_sigma, limit.band) == (5.0, "g")


FORCED = [
    row(JD - 1.0, 19.0),  # of the image of the earlier detection
    row(JD - 2.0, 20.0, "g", snr=2.9),
    row(JD - 3.0, 20.0, "g", -1.0, snr=5.0),
    {**row(JD - 4.0), "psfFlux": None},
    {**row(JD - 5.0), "psfFluxErr": 0.0},
]


@pytest.mark.parametrize(("max_points", "days"), [(128, [3.0]), (None, [3.0, 2.0, 1.0])])
def test_the_forced_photometry_of_babamul_is_told_where_nothing_else_says_it(max_points, days):
    record = {**babamul_record([row(JD - 1.0)], ()), "fp_hists": FORCED}
    alert = babamul.to_first_look(record, "p").with_past(record, max_points)
    seen = [(alert.time_unix_s - f.time_unix_s) / 86_400.0 for f in alert.forced]
    assert seen == pytest.approx(days, abs=1e-6)
    assert alert.forced[0].flux_njy == pytest.approx(-flux_of_mag(20.0))
    assert alert.forced[0].snr == pytest.approx(-5.0)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"psfFlux": flux_of_mag(ZTF_CANDIDATE["magpsf"])}, "psfFlux must be the flux of magpsf"),
        ({"psfFlux": None}, "psfFlux must be known"),
        ({"past": [{**row(JD - 1.0), "band": "z"}]}, "band must be one of g r i"),
        ({"past": [{**row(JD - 1.0), "psfFlux": None}]}, "psfFlux must be known"),
        ({"limits": [{**row(JD - 1.0), "psfFluxErr": 0.0}]}, "psfFluxErr must be positive"),
        ({"limits": [{**row(JD - 1.0), "jd": 0.0}]}, r"jd must lie in 1990\.\.2100"),
    ],
)
def test_what_cannot_be_is_named(values, rule):
    with pytest.raises(MalformedAlertError, match=f"p: {rule}"):
        babamul_alert(**values)


@pytest.mark.real_data
def test_a_real_alert_of_babamul_says_what_its_magnitudes_say(real_data):
    (packet,) = read_packets(real_data / BABAMUL)
    with (real_data / BABAMUL).open("rb") as file:
        (record,) = fastavro.reader(file)
    alert, candidate = decode(packet, max_points=None), record["candidate"]
    assert (alert.alert_id, alert.object_id) == ("3458293962815015016", "ZTF26aauybpk")
    assert alert.detection.mag_ab == pytest.approx(candidate["magpsf"], abs=1e-6)
    assert (len(alert.history), len(alert.limits)) == (65 - 1, 52)
    # BOOM's own magnitudes of the same light curve.
    for band, peak in record["properties"]["photstats"].items():
        if peak is not None:
            of_band = [d for d in alert.history if d.band == band and d.is_positive]
            brightest = max(of_band, key=lambda d: d.flux_njy)
            assert brightest.mag_ab == pytest.approx(peak["peak_mag"], abs=1e-4)
            assert brightest.mag_err_ab == pytest.approx(peak["peak_mag_err"], rel=1e-3)
    # Of the images with a detection, the forced flux says the same.
    by_name = {d.source_id: d.flux_njy for d in alert.history}
    both = [f.flux_njy / by_name[f.forced_id] for f in alert.forced if f.forced_id in by_name]
    assert (len(alert.forced), len(both)) == (114, 64)
    assert statistics.median(both) == pytest.approx(1.0, abs=0.02)
    # Images reach 19 to 21 mag; one in cloud, or in the Moon's light, less.
    assert all(15.0 < limit.mag_ab < 21.5 for limit in alert.limits)
    # `jdstarthist` is the beginning of the exposure of the first one.
    assert alert.history[0].time_unix_s - alert.survey_first_unix_s == pytest.approx(15.0)
    alone = dataclasses.replace(alert, history=(), limits=(), forced=())
    assert decode_prefix(packet) == alone


@pytest.mark.real_data
def test_a_real_object_of_lasair_is_its_newest_source(real_data):
    (packet,) = read_packets(real_data / LASAIR)
    said = json.loads((real_data / LASAIR).read_text())
    alert, newest = decode(packet), said["diaSourcesList"][0]
    assert (alert.survey, alert.schema_version) == ("lsst", "lasair")
    assert alert.alert_id == str(newest["diaSourceId"]) == "170085659581087766"
    assert alert.object_id == str(said["diaObjectId"])
    assert (alert.ra_deg, alert.dec_deg) == (newest["ra"], newest["decl"])
    assert alert.detection.flux_njy == newest["psfFlux"]
    # Lasair's own `latestUtc` is Rubin's TAI.
    naive = Time(said["lasairData"]["latestUtc"], scale="utc").unix
    assert 0.0 <= alert.time_unix_s + 37.0 - naive < 1.0
    earlier = [str(source["diaSourceId"]) for source in said["diaSourcesList"][1:]]
    assert [d.source_id for d in alert.history] == earlier[::-1]
    assert alert.survey_first_unix_s == alert.history[0].time_unix_s
    assert alert.limits == ()  # each forced source is of a visit with a source
    assert alert.quality.real_bogus == newest["reliability"]
    prefix = decode_prefix(packet)
    assert prefix == dataclasses.replace(alert, history=(), survey_first_unix_s=None)


def lasair(*sources, **more):
    return RawPacket("p", None, orjson.dumps(lasair_object(*sources, **more)))


def test_the_newest_source_of_a_lasair_object_is_the_alert_in_any_order():
    mjd_tai = LSST_SOURCE["midpointMjdTai"]
    old = {"diaSourceId": 5, "midpointMjdTai": mjd_tai - 1.0}
    for packet in (lasair({}, old), lasair(old, {})):
        alert = decode(packet)
        assert alert.alert_id == str(LSST_SOURCE["diaSourceId"])
        assert [d.source_id for d in alert.history] == ["5"]


def test_forced_photometry_of_lasair_makes_limits():
    forced = {"midpointMjdTai": LSST_SOURCE["midpointMjdTai"] - 1.0, "band": "r", "visit": 3}
    forced |= {"psfFlux": 1.0, "psfFluxErr": 100.0}
    (limit,) = decode(lasair({}, diaForcedSourcesList=[forced])).limits
    assert limit.mag_ab == pytest.approx(mag_of_flux(300.0))


@pytest.mark.parametrize(
    ("packet", "rule"),
    [
        (lasair(), "diaSourcesList must hold a source"),
        (RawPacket("p", None, b'{"diaSourcesList": 3}'), "diaSourcesList must be an array"),
        (lasair({"midpointMjdTai": None}), "midpointMjdTai must be known"),
        (lasair({}, diaForcedSourcesList=[1]), "diaForcedSourcesList must be an array of records"),
    ],
)
def test_a_lasair_object_that_cannot_be_is_named(packet, rule):
    for understand in (decode, decode_prefix):
        with pytest.raises(MalformedAlertError, match=f"p: {rule}"):
            understand(packet)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a": NaN, "b": [NaN,NaN], "c": 1}', {"a": None, "b": [None, None], "c": 1}),
        (b'{"NaN": "NaN, \\"NaN", "b": NaN}', {"NaN": 'NaN, "NaN', "b": None}),
        (b'{"a": "\\\\", "b": NaN}', {"a": "\\", "b": None}),
        (b"NaN", None),
    ],
)
def test_nan_is_nothing_outside_of_texts(data, expected):
    assert json_text.loads(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"{NaN",
        b'{"a": -NaN}',
        b'{"a": NaNa}',
        b'{"a": Infinity, "b": NaN}',
        b'{"a": NaN, "b": "' + b'\\"' * 300_000,  # a text without an end, looked at once
        b"[" + b"NaN," * json_text.MAX_NANS + b"NaN]",
        b"[NaN" + b" " * json_text.MAX_BYTES + b"]",
    ],
)
def test_other_things_that_json_has_not_are_refused(data):
    with pytest.raises(json_text.JSONDecodeError):
        json_text.loads(data)
