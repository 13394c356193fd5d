"""Rubin's alerts as brokers pass them on without ids: Babamul's Avro, Lasair's filter topics."""

import dataclasses
import json
import math

import orjson
import pytest
from astropy.time import Time

from correlator.alert import ForcedMeasurement, Limit, mag_of_flux
from correlator.errors import MalformedAlertError
from correlator.object import apply_alert, object_of
from correlator.wire import alerts_of_json, of_json, to_json
from ingest_optical.decoder import admit, decode, decode_prefix, look_at
from ingest_optical.packets import RawPacket, read_packets
from tests.ingest_optical.packet_factory import LSST_SOURCE, container, lasair_object

MJD_TAI = LSST_SOURCE["midpointMjdTai"]
JD = float(Time(MJD_TAI, format="mjd", scale="tai").utc.jd)
UNIX_S = Time(MJD_TAI, format="mjd", scale="tai").unix

BAND = {"type": "enum", "name": "Band", "symbols": ["g", "r", "i", "z", "y", "u"]}


def record_type(name, **fields):
    kinds = [{"name": field, "type": kind} for field, kind in fields.items()]
    return {"type": "record", "name": name, "fields": kinds}


CANDIDATE = record_type(
    "LsstCandidate",
    diaSourceId="long",
    visit="long",
    detector="int",
    diaObjectId=["null", "long"],
    ssObjectId=["null", "long"],
    midpointMjdTai="double",
    ra="double",
    dec="double",
    isNegative=["null", "boolean"],
    snr=["null", "float"],
    psfFlux=["null", "float"],
    psfFluxErr=["null", "float"],
    reliability=["null", "float"],
    band=["null", BAND],
    isDipole=["null", "boolean"],
    objectId="string",
    jd="double",
    magpsf="float",
    isdiffpos="boolean",
    jdstarthist=["null", "double"],
)
SCHEMA = record_type(
    "BabamulLsstAlert",
    candid="long",
    objectId="string",
    candidate=CANDIDATE,
    prv_candidates={
        "type": "array",
        "items": record_type(
            "AlertPhotometry",
            jd="double",
            psfFlux=["null", "double"],
            psfFluxErr="double",
            band="Band",
            ra="double",
            dec="double",
        ),
    },
    fp_hists={
        "type": "array",
        "items": record_type(
            "ForcedPhotometry",
            jd="double",
            psfFlux=["null", "double"],
            psfFluxErr="double",
            band="Band",
        ),
    },
    properties=record_type("LsstAlertProperties", rock="boolean"),
)


def row(days, flux_njy=500.0, error_njy=50.0, band="r", **more):
    return {"jd": JD - days, "psfFlux": flux_njy, "psfFluxErr": error_njy, "band": band, **more}


def babamul(past=(), forced=(), codec="null", **candidate):
    own = {**LSST_SOURCE, "objectId": str(LSST_SOURCE["diaObjectId"]), "jd": JD, **candidate}
    own = {"magpsf": 20.0, "isdiffpos": True, "isDipole": False, "jdstarthist": None, **own}
    record = {
        "candid": own["diaSourceId"],
        "objectId": own["objectId"],
        "candidate": own,
        "prv_candidates": [{"ra": own["ra"], "dec": own["dec"], **p} for p in past],
        "fp_hists": list(forced),
        "properties": {"rock": False},
    }
    return RawPacket("p", None, container([record], SCHEMA, codec))


OWN_ROW = row(0.0, LSST_SOURCE["psfFlux"], LSST_SOURCE["psfFluxErr"], LSST_SOURCE["band"])


@pytest.mark.parametrize("codec", ["null", "snappy"])
def test_a_candidate_of_babamul_is_a_source_of_rubins(codec):
    packet = babamul([row(2.0, -300.0, band="g"), row(1.0), OWN_ROW], codec=codec)
    alert = decode(packet)
    assert (alert.survey, alert.schema_version) == ("lsst", "babamul")
    assert alert.alert_id == str(LSST_SOURCE["diaSourceId"])
    assert alert.object_id == str(LSST_SOURCE["diaObjectId"])
    assert (alert.ra_deg, alert.dec_deg) == (LSST_SOURCE["ra"], LSST_SOURCE["dec"])
    assert (alert.detection.flux_njy, alert.detection.flux_err_njy) == (5000.0, 250.0)
    assert alert.time_unix_s == pytest.approx(UNIX_S, abs=1e-3)
    assert alert.quality.real_bogus == pytest.approx(0.9)
    assert alert.quality.flags == ()
    assert [(d.band, d.flux_njy) for d in alert.history] == [("g", -300.0), ("r", 500.0)]
    assert alert.time_unix_s - alert.history[1].time_unix_s == pytest.approx(86_400.0, abs=1e-3)
    assert decode_prefix(packet) == dataclasses.replace(alert, history=(), limits=(), forced=())
    assert admit(packet) == alert
    assert alerts_of_json([(to_json(alert), "a")]) == [alert]


def test_an_asteroid_of_babamuls_is_one_of_rubins():
    alert = decode(babamul(diaObjectId=None, ssObjectId=42, objectId="sso42"))
    assert alert.object_id == "sso42"
    assert alert.surroundings.solar_system_name == "42"


def test_what_babamul_names_as_the_beginning_is_the_surveys():
    alert = decode(babamul(jdstarthist=JD - 3.0))
    expected = alert.time_unix_s - 3.0 * 86_400.0
    assert alert.survey_first_unix_s == pytest.approx(expected, abs=1e-3)
    assert decode(babamul(jdstarthist=0.0)).survey_first_unix_s is None


FORCED = [
    row(5.0, 149.0),  # below 3 sigma: a limit
    row(4.0, 400.0, band="g"),  # above, without a source
    row(1.0, 510.0),  # where there was a source
    row(3.0, None),
    row(0.5, -400.0, band="z"),
]


def test_forced_photometry_of_babamuls_is_told_as_rubins_own_is():
    packet = babamul([row(1.0)], FORCED)
    alert, whole = decode(packet), decode(packet, max_points=None)
    (limit,) = alert.limits
    at = pytest.approx(alert.time_unix_s - 5.0 * 86_400.0, abs=1e-3)
    assert limit == Limit(at, "r", mag_of_flux(150.0), 3.0)
    assert [(f.band, f.flux_njy) for f in alert.forced] == [("g", 400.0), ("z", -400.0)]
    assert [f.flux_njy for f in whole.forced] == [149.0, 400.0, 510.0, -400.0]
    assert whole.limits == alert.limits


def test_a_measurement_has_one_name_in_every_alert_of_its_object():
    first = decode(babamul(diaSourceId=7, jd=JD - 1.0, midpointMjdTai=MJD_TAI - 1.0, band="r"))
    second = decode(babamul([row(1.0, 5000.0, 250.0), OWN_ROW], FORCED[:2]))
    third = decode(babamul([row(1.0, 5000.0, 250.0), OWN_ROW], FORCED[1:2]))
    obj = apply_alert(apply_alert(object_of(first), second), third)
    assert len(obj.detections) == 2
    assert len(obj.forced) == 1


@pytest.mark.parametrize(
    ("packet", "rule"),
    [
        (babamul(jd=JD + 37.0 / 86_400.0), "jd must be the moment of midpointMjdTai in UTC"),
        (babamul([{**OWN_ROW, "psfFlux": 5e9}]), "psfFlux of prv_candidates must be that of"),
        (babamul(band=None), "band must be one of u g r i z y"),
        (babamul(psfFlux=None), "psfFlux must be known"),
        (babamul([row(1.0, None)]), "psfFlux must be known"),
        (babamul([row(1.0, math.inf)]), "psfFlux must be finite"),
        (babamul([row(JD)]), r"jd must lie in 1990\.\.2100"),
        (babamul(diaObjectId=None), "diaObjectId or ssObjectId must be known"),
    ],
)
def test_an_alert_of_babamuls_that_cannot_be_is_named(packet, rule):
    with pytest.raises(MalformedAlertError, match=f"p: {rule}"):
        decode(packet)


SAID = {"diaObjectId": LSST_SOURCE["diaObjectId"], "UTC": "2026-01-29 11:40:14"}
PLACE = {"ra": 53.1, "decl": -29.65}


def lite_row(days, flux_njy=5000.0, error_njy=250.0, band="i", **more):
    measured = {"psfFlux": flux_njy, "psfFluxErr": error_njy, "band": band}
    return {**measured, "midpointMjdTai": MJD_TAI - days, "reliability": 0.7, **more}


def lite(*sources, forced=(), **said):
    light_curve = {"diaSourcesList": list(sources), "diaForcedSourcesList": list(forced)}
    return topic(**{**PLACE, **said, "alert": light_curve})


def topic(**said):
    return RawPacket("p", None, orjson.dumps({**SAID, **said}))


def test_a_lite_light_curve_is_an_alert_at_the_objects_place():
    packet = lite(lite_row(0.0), lite_row(1.0, -300.0, 50.0, "r"))
    alert = decode(packet)
    assert (alert.survey, alert.schema_version) == ("lsst", "lasair")
    assert alert.object_id == str(LSST_SOURCE["diaObjectId"])
    assert alert.alert_id == f"{LSST_SOURCE['diaObjectId']}@{MJD_TAI:.6f}i"
    assert (alert.ra_deg, alert.dec_deg) == (53.1, -29.65)
    assert alert.time_unix_s == pytest.approx(UNIX_S, abs=1e-5)
    assert alert.quality.real_bogus == 0.7
    assert [(d.band, d.flux_njy) for d in alert.history] == [("r", -300.0)]
    assert decode_prefix(packet) == dataclasses.replace(alert, history=())
    assert admit(packet) == alert
    assert of_json(type(alert), to_json(alert)) == alert


def test_the_newest_source_of_a_lite_light_curve_is_the_alert_and_names_last():
    first, second = decode(lite(lite_row(1.0))), decode(lite(lite_row(1.0), lite_row(0.0)))
    assert first.alert_id != second.alert_id
    assert len(apply_alert(object_of(first), second).detections) == 2


def test_forced_photometry_of_a_lite_light_curve_is_told_as_rubins_own_is():
    forced = [lite_row(2.0, 149.0, 50.0), lite_row(1.5, 400.0, 50.0), lite_row(0.0, 5010.0)]
    alert = decode(lite(lite_row(0.0), forced=forced))
    assert [limit.mag_ab for limit in alert.limits] == [mag_of_flux(150.0)]
    at = pytest.approx(alert.time_unix_s - 1.5 * 86_400.0, abs=1e-5)
    assert alert.forced == (ForcedMeasurement(f"{MJD_TAI - 1.5:.6f}i", at, "i", 400.0, 50.0),)


def test_a_full_light_curve_is_the_object_that_lasair_tells_elsewhere():
    old = {"diaSourceId": 5, "midpointMjdTai": MJD_TAI - 1.0}
    plain = lasair_object({}, old)
    alone = decode(RawPacket("p", None, orjson.dumps(plain)))
    assert decode(topic(alert=plain)) == alone
    assert alone.alert_id == str(LSST_SOURCE["diaSourceId"])


LITE = {"diaSourcesList": [lite_row(0.0)], "diaForcedSourcesList": []}


@pytest.mark.parametrize(
    ("packet", "rule"),
    [
        (topic(**PLACE), "a filter of Lasair's must send its light curve, lite or full"),
        (topic(**PLACE, alert=None), "a filter of Lasair's must send its light curve"),
        (topic(**PLACE, alert=3), "alert must be a record"),
        (topic(**PLACE, alert={}), "diaSourcesList must be an array of records"),
        (topic(**PLACE, alert={"diaSourcesList": [1]}), "diaSourcesList must be an array of"),
        (lite(), "diaSourcesList must hold a source"),
        (topic(alert=LITE), "a filter of Lasair's with a lite light curve must select diaObjectId"),
        (topic(alert=LITE, ra=1.0), "a filter of Lasair's with a lite light curve must select"),
        (lite(lite_row(0.0), ra=400.0), r"ra must lie in \[0, 360\]"),
        (lite(lite_row(0.0, band="x")), "band must be one of"),
        (lite(lite_row(0.0), lite_row(1.0, None)), "psfFlux must be known"),
        (lite(lite_row(0.0, midpointMjdTai=None)), "midpointMjdTai must be known"),
        (lite(lite_row(0.0), diaObjectId=0), "diaObjectId or ssObjectId must be known"),
    ],
)
def test_a_record_of_a_filters_topic_that_cannot_be_is_named(packet, rule):
    with pytest.raises(MalformedAlertError, match=f"p: {rule}"):
        decode(packet)


@pytest.mark.real_data
def test_real_records_of_a_filters_topic_are_their_newest_sources(real_data):
    """Half of a real topic's records have the full light curve, half the columns alone."""
    path = real_data / "optical/lsst/lasair/lvra_20260205_073301.json"
    said = [row["alert"] for row in json.loads(path.read_text()) if "alert" in row]
    told, refused = [], []
    for packet in read_packets(path):
        try:
            told.append(decode(packet))
        except MalformedAlertError as problem:
            refused.append(problem.rule)
    assert refused == ["a filter of Lasair's must send its light curve, lite or full"] * 32
    assert len(told) == len(said) == 32
    for alert, light_curve in zip(told, said, strict=True):
        sources = sorted(light_curve["diaSourcesList"], key=lambda s: s["midpointMjdTai"])
        assert alert.alert_id == str(sources[-1]["diaSourceId"])
        assert alert.object_id == str(light_curve["diaObject"]["diaObjectId"])
        assert (alert.ra_deg, alert.dec_deg) == (sources[-1]["ra"], sources[-1]["decl"])
        assert alert.detection.flux_njy == sources[-1]["psfFlux"]
        earlier = [str(source["diaSourceId"]) for source in sources[:-1]]
        assert [d.source_id for d in alert.history] == earlier


def test_an_image_is_named_where_the_record_names_it():
    """As the edge counts exposures: a lite light curve does not say which image it was."""
    said, unsaid = look_at(babamul()), look_at(lite(lite_row(0.0)))
    assert said.image_id == f"{LSST_SOURCE['visit']}/{LSST_SOURCE['detector']}"
    assert unsaid.image_id is None
    for look in (said, unsaid):
        assert look.image.band == "i"
        assert look.image.time_unix_s == pytest.approx(UNIX_S, abs=1e-5)


def test_a_file_with_a_record_of_a_topic_is_read(tmp_path):
    path = tmp_path / "record.json"
    path.write_bytes(lite(lite_row(0.0)).data)
    (packet,) = read_packets(path)
    assert decode(packet).schema_version == "lasair"
