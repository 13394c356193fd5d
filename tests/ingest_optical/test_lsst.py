import dataclasses
import math

import pytest
from astropy.time import Time

from correlator.alert import ForcedMeasurement, Limit, mag_of_flux
from correlator.errors import MalformedAlertError
from ingest_optical.decoder import decode, decode_prefix
from ingest_optical.lsst import to_alert
from ingest_optical.lsst_schemas import schema_json
from ingest_optical.packets import RawPacket
from tests.ingest_optical.packet_factory import LSST_SOURCE, lsst_confluent_packet, lsst_record

MJD_TAI = LSST_SOURCE["midpointMjdTai"]


def alert(**values):
    return to_alert(lsst_record(**values), "p", "10.0")


@pytest.mark.parametrize("schema_id", [900, 1000, 1100, 1101])
def test_each_registry_id_is_read_with_the_schema_that_wrote_it(schema_id):
    record = lsst_record(past=[{"midpointMjdTai": MJD_TAI - 1.0}], exposureTime=30.0)
    packet = lsst_confluent_packet(schema_id, record)
    told = decode(packet)
    assert told.schema_version == f"{schema_id // 100}.{schema_id % 100}"
    assert (told.ra_deg, told.dec_deg) == (LSST_SOURCE["ra"], LSST_SOURCE["dec"])
    assert told.alert_id == str(LSST_SOURCE["diaSourceId"])
    assert told.object_id == str(LSST_SOURCE["diaObjectId"])
    assert told.exposure_s == (30.0 if schema_id == 1101 else None)
    assert [d.source_id for d in told.history] == ["1"]
    assert decode_prefix(packet) == dataclasses.replace(told, history=())


def test_a_packet_read_with_a_neighbouring_schema_is_refused():
    """11.1 inserts exposureTime in the middle of diaSource: 11.0 would read wrong values."""
    packet = lsst_confluent_packet(1101, lsst_record(exposureTime=30.0))
    mislabelled = dataclasses.replace(packet, data=b"\0\0\0\x04\x4c" + packet.data[5:])
    with pytest.raises(MalformedAlertError):
        decode(mislabelled)


@pytest.mark.parametrize("schema_id", [0, 1, 102, 300, 601, 999, 1199, 4711, 2**32 - 1])
def test_an_unknown_schema_id_is_named(schema_id):
    packet = RawPacket("lsst-alerts-v11/0/5", None, b"\0" + schema_id.to_bytes(4, "big") + b"x")
    with pytest.raises(MalformedAlertError, match=f"lsst-alerts-v11/0/5: .*got {schema_id}$"):
        decode(packet)


def test_a_schema_older_than_the_field_names_is_unknown():
    assert schema_json(6, 1) is None
    assert schema_json(7, 0) is not None


def test_the_time_is_the_middle_of_the_visit_in_utc():
    expected = Time(MJD_TAI, format="mjd", scale="tai").unix
    assert alert().time_unix_s == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("nothing", [0, None])
def test_a_null_id_and_a_zero_id_are_alike(nothing):
    assert alert(ssObjectId=nothing).object_id == str(LSST_SOURCE["diaObjectId"])
    told = alert(diaObjectId=nothing, ssObjectId=21164719561062738)
    assert told.object_id == "sso21164719561062738"
    with pytest.raises(MalformedAlertError, match="diaObjectId or ssObjectId"):
        alert(diaObjectId=nothing, ssObjectId=nothing)


def test_ids_keep_64_bits():
    told = alert(diaSourceId=2**63 - 1, diaObjectId=2**63 - 2)
    assert (told.alert_id, told.object_id) == (str(2**63 - 1), str(2**63 - 2))


def test_a_record_of_zeros_is_no_ephemeris():
    record = lsst_record()
    record["ssSource"] = {"ssObjectId": 0, "designation": "", "ephOffset": 0.0}
    record["diaObject"] = {"diaObjectId": 0, "firstDiaSourceMjdTai": 0.0}
    told = to_alert(record, "p", "10.0")
    assert told.surroundings.solar_system_name is None
    assert told.surroundings.solar_system_sep_arcsec is None
    assert told.survey_first_unix_s is None


def test_an_asteroid_has_its_designation_and_its_distance_to_the_ephemeris():
    record = lsst_record(diaObjectId=0, ssObjectId=21164719561062738)
    # The ephemeris' own number went through a float in some tables; ours is the source's.
    record["ssSource"] = {
        "ssObjectId": 2.1164719561062736e16,
        "designation": "2013 GR59",
        "ephOffset": 0.138,
    }
    told = to_alert(record, "p", "10.0")
    assert told.object_id == "sso21164719561062738"
    assert told.surroundings.solar_system_name == "2013 GR59"
    assert told.surroundings.solar_system_sep_arcsec == 0.138


def test_an_asteroid_without_ephemeris_is_named_by_its_number():
    near = alert(diaObjectId=0, ssObjectId=42).surroundings
    assert (near.solar_system_name, near.solar_system_sep_arcsec) == ("42", None)


def test_flags_that_are_set_are_listed_by_name():
    flags = {"isDipole": True, "shape_flag": True, "psfFlux_flag": False, "pixelFlags_cr": None}
    told = alert(**flags, dipoleFitAttempted=True)
    assert told.quality.flags == ("isDipole", "shape_flag")


def test_the_sign_is_that_of_the_flux_whatever_the_flag_says():
    assert not alert(psfFlux=-5.0, isNegative=False).detection.is_positive


def test_the_survey_first_time_is_used_once_rubin_fills_it():
    record = lsst_record()
    record["diaObject"] = {"firstDiaSourceMjdTai": MJD_TAI - 1.0}
    told = to_alert(record, "p", "11.1")
    assert told.time_unix_s - told.survey_first_unix_s == pytest.approx(86_400.0, abs=1e-5)


def test_the_past_is_in_order_without_the_own_source():
    past = [
        {"diaSourceId": 5, "midpointMjdTai": MJD_TAI - 1.0},
        {"diaSourceId": 6, "midpointMjdTai": MJD_TAI - 2.0},
        {"diaSourceId": LSST_SOURCE["diaSourceId"]},
        {"diaSourceId": 5, "midpointMjdTai": MJD_TAI - 1.0},
    ]
    assert [d.source_id for d in alert(past=past).history] == ["6", "5"]


@pytest.mark.parametrize(
    ("row", "is_limit"),
    [
        ({"psfFlux": 299.9, "psfFluxErr": 100.0}, True),
        ({"psfFlux": -299.9, "psfFluxErr": 100.0}, True),
        ({"psfFlux": 300.0, "psfFluxErr": 100.0}, False),
        # Much fainter than the template: a variable star, not an empty place.
        ({"psfFlux": -300.0, "psfFluxErr": 100.0}, False),
        ({"psfFlux": None, "psfFluxErr": 100.0}, False),
        ({"psfFlux": 1.0, "psfFluxErr": None}, False),
        ({"psfFlux": 1.0, "psfFluxErr": 0.0}, False),
        ({"psfFlux": math.nan, "psfFluxErr": 100.0}, False),
        ({"psfFlux": 1.0, "psfFluxErr": 100.0, "visit": LSST_SOURCE["visit"]}, False),
        ({"psfFlux": 1.0, "psfFluxErr": 100.0, "visit": 1}, False),  # visit of the earlier source
    ],
)
def test_forced_photometry_below_3_sigma_without_a_source_is_a_limit(row, is_limit):
    told = alert(past=[{}], forced=[row])
    expected = Limit(
        pytest.approx(told.time_unix_s - 86_400.0, abs=1e-5), "r", mag_of_flux(300.0), 3.0
    )
    assert told.limits == ((expected,) if is_limit else ())


DAY_BEFORE = pytest.approx(alert().time_unix_s - 86_400.0, abs=1e-5)


def forced_row(number, **values):
    row = {"diaForcedSourceId": number, "psfFlux": 300.0, "psfFluxErr": 100.0}
    return {**row, **values}


def forced_of(*rows, past=({},), max_points=128, **source):
    record = lsst_record(past=past, forced=rows, **source)
    return to_alert(record, "p", "10.0", max_points)


@pytest.mark.parametrize("flux_njy", [300.0, -300.0])
def test_forced_photometry_of_3_sigma_without_a_source_stays_what_it_is(flux_njy):
    told = forced_of(forced_row(7, psfFlux=flux_njy))
    assert told.forced == (ForcedMeasurement("7", DAY_BEFORE, "r", flux_njy, 100.0),)
    assert told.forced[0].snr == flux_njy / 100.0
    assert told.limits == ()
    assert len(told.history) == 1


SAID_ELSEWHERE = [
    forced_row(2, visit=1),  # the visit of the earlier source
    forced_row(3, visit=LSST_SOURCE["visit"]),
    forced_row(4, psfFlux=299.0),  # a limit
]


def test_what_a_source_or_a_limit_says_is_told_once_unless_all_is_wanted():
    rows = [forced_row(1), *SAID_ELSEWHERE]
    assert [f.forced_id for f in forced_of(*rows).forced] == ["1"]
    told = forced_of(*rows, max_points=None)
    assert [f.forced_id for f in told.forced] == ["1", "2", "3", "4"]
    assert len(told.limits) == 1


@pytest.mark.parametrize(
    "row",
    [
        forced_row(0),
        forced_row(None),
        forced_row(1, psfFlux=None),
        forced_row(1, psfFlux=math.nan),
        forced_row(1, psfFluxErr=None),
        forced_row(1, psfFluxErr=0.0),
        forced_row(1, band=None),
    ],
)
def test_a_row_without_id_flux_error_or_filter_is_no_forced_measurement(row):
    assert forced_of(row, max_points=None).forced == ()


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"midpointMjdTai": 0.0}, "midpointMjdTai must lie in 1990..2100"),
        ({"band": "w"}, "band must be one of u g r i z y"),
        ({"psfFlux": math.inf}, "psfFlux must be finite"),
        ({"diaForcedSourceId": "x"}, "diaForcedSourceId must be a number"),
        ({"visit": "x"}, "visit must be a number"),
    ],
)
def test_forced_photometry_that_cannot_be_is_named(values, rule):
    with pytest.raises(MalformedAlertError, match=rule):
        forced_of(forced_row(1, **values))


def test_the_newest_forced_photometry_of_a_month_is_kept():
    rows = [forced_row(n, midpointMjdTai=MJD_TAI - n, visit=100 + n) for n in range(1, 60)]
    kept = forced_of(*rows)
    assert [f.forced_id for f in kept.forced] == [str(n) for n in range(16, 0, -1)]
    sparse = [forced_row(n, midpointMjdTai=MJD_TAI - 5.0 * n, visit=100 + n) for n in range(1, 60)]
    assert [f.forced_id for f in forced_of(*sparse).forced] == ["6", "5", "4", "3", "2", "1"]
    assert len(forced_of(*rows, max_points=None).forced) == 59
    assert len(forced_of(*rows, max_points=3).forced) == 3
    assert forced_of(*rows, max_points=0).forced == ()


def test_forced_photometry_comes_in_order_and_once():
    rows = [
        forced_row(2, midpointMjdTai=MJD_TAI - 1.0),
        forced_row(1, midpointMjdTai=MJD_TAI - 2.0, visit=3),
        forced_row(2, midpointMjdTai=MJD_TAI - 1.0, psfFlux=400.0),
    ]
    told = forced_of(*rows).forced
    assert [(f.forced_id, f.flux_njy) for f in told] == [("1", 300.0), ("2", 400.0)]
    assert forced_of(*reversed(rows)).forced == told


def test_a_long_history_is_trimmed_unless_all_is_wanted():
    past = [{"diaSourceId": i + 1, "midpointMjdTai": MJD_TAI - 400.0 + i / 4} for i in range(1172)]
    record = lsst_record(past=past)
    kept = to_alert(record, "p", "10.0").history
    assert len(kept) == 128
    assert (kept[0].source_id, kept[-1].source_id) == ("1", "1172")
    assert len(to_alert(record, "p", "10.0", max_points=None).history) == 1172


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"diaSourceId": 0}, "diaSourceId must be known"),
        ({"diaSourceId": 1.7e17}, "diaSourceId must be an exact integer"),
        ({"psfFlux": None}, "psfFlux must be known"),
        ({"psfFlux": math.inf}, "psfFlux must be finite"),
        ({"band": "w"}, "band must be one of u g r i z y"),
        ({"band": None}, "band must be one of"),
        ({"midpointMjdTai": 0.0}, "midpointMjdTai must lie in 1990..2100"),
        ({"ra": -0.1}, r"ra must lie in \[0, 360\]"),
        ({"dec": None}, "dec must be known"),
    ],
)
def test_what_an_alert_cannot_do_without_is_named(values, rule):
    with pytest.raises(MalformedAlertError, match=f"p: {rule}"):
        alert(**values)


def test_a_record_without_a_source_is_malformed():
    with pytest.raises(MalformedAlertError, match="diaSource must be known"):
        to_alert({}, "p", "10.0")
