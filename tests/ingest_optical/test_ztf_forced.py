"""The forced photometry of ZTF's schema 4."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.alert import ForcedMeasurement
from correlator.errors import MalformedAlertError
from ingest_optical.fields import Fields
from ingest_optical.ztf import to_alert
from ingest_optical.ztf_forced import _UNUSUAL, FORCED_FIELDS, _forced, _usual_forced
from ingest_optical.ztf_photometry import UNKNOWN
from tests.ingest_optical.packet_factory import ZTF_CANDIDATE, ztf_non_detection, ztf_record

JD = ZTF_CANDIDATE["jd"]
ROW = {
    "pid": 2569000000000,
    "jd": JD - 2.0,
    "exptime": 30.0,
    "fid": 1,
    "forcediffimflux": 100.0,
    "forcediffimfluxunc": 20.0,
    "magzpsci": 26.4,
    "procstatus": "0",
}


def told(*rows, past=(), max_points=128, **candidate):
    record = ztf_record(past=past, **candidate)
    record["fp_hists"] = [{**ROW, **row} for row in rows]
    return to_alert(record, "p", max_points=max_points)


def test_counts_become_fluxes_by_the_zero_point():
    alert = told({})
    (forced,) = alert.forced
    assert (forced.forced_id, forced.band) == ("2569000000000", "g")
    # 26.4 - 2.5 log10(100) = 21.4 mag, 10 mag above the magnitude of 1 nJy.
    assert forced.flux_njy == pytest.approx(1e4, rel=1e-12)
    assert forced.flux_err_njy == pytest.approx(2e3, rel=1e-12)
    assert forced.snr == pytest.approx(5.0)
    assert forced.time_unix_s == pytest.approx(alert.time_unix_s - 2.0 * 86_400.0, abs=1e-4)


def test_a_negative_flux_stays_negative():
    assert told({"forcediffimflux": -100.0}).forced[0].flux_njy == pytest.approx(-1e4)


def test_a_flux_of_999_counts_below_the_template_is_a_flux():
    assert told({"forcediffimflux": -999.0}).forced[0].snr == pytest.approx(-49.95)


def test_the_middle_is_half_an_exposure_after_the_beginning():
    thirty, long, unsaid = (told({"exptime": s}).forced[0].time_unix_s for s in (30.0, 240.0, None))
    assert long - thirty == pytest.approx(105.0, abs=1e-4)
    assert unsaid == thirty


@pytest.mark.parametrize(
    "row",
    [
        {"procstatus": "56"},
        {"procstatus": "0,57"},
        {"procstatus": None},
        {"forcediffimflux": -99999.0, "forcediffimfluxunc": -99999.0},
        {"forcediffimflux": None},
        {"forcediffimflux": math.nan},
        {"forcediffimfluxunc": None},
        {"forcediffimfluxunc": 0.0},
        {"magzpsci": None},
        {"magzpsci": -999.0},
        {"pid": None},
    ],
)
def test_what_has_a_warning_or_lacks_a_part_is_no_measurement(row):
    assert told(row, max_points=None).forced == ()


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"jd": 0.0}, "jd must lie in 1990..2100"),
        ({"jd": None}, "jd must be known"),
        ({"fid": 4}, "fid must be 1, 2 or 3"),
        ({"forcediffimflux": math.inf}, "forcediffimflux must be finite"),
        ({"forcediffimflux": 1e29}, "forcediffimflux must be at most"),
        ({"forcediffimflux": "x"}, "forcediffimflux must be a number"),
        ({"pid": 1.5}, "pid must be an exact integer"),
    ],
)
def test_what_cannot_be_is_named(row, rule):
    with pytest.raises(MalformedAlertError, match=rule):
        told(row)


def test_what_a_detection_or_a_limit_says_is_told_once_unless_all_is_wanted():
    rows = [
        {"pid": 1, "jd": JD - 3.0},
        {"pid": 2, "jd": JD - 1.0},  # an earlier detection of the same image
        {"pid": 3, "jd": JD},  # the alert's own
        {"pid": 4, "jd": JD - 4.0, "forcediffimflux": 59.0},  # below 3 sigma
        {"pid": 5, "jd": JD - 5.0},  # above it on an image without a detection
        {"pid": 6, "jd": JD - 40.0},  # too old for the join
    ]
    past = [{}, {**ztf_non_detection(JD - 5.0)}]
    assert [f.forced_id for f in told(*rows, past=past).forced] == ["5", "1"]
    whole = told(*rows, past=past, max_points=None)
    assert [f.forced_id for f in whole.forced] == ["6", "5", "4", "1", "2", "3"]
    assert told(*rows, past=past).limits == whole.limits


def test_a_packet_without_forced_photometry_has_none():
    record = ztf_record()
    assert to_alert(record, "p").forced == ()
    assert to_alert({**record, "fp_hists": None}, "p").forced == ()
    assert to_alert({**record, "fp_hists": []}, "p").forced == ()


def test_forced_photometry_that_is_no_array_is_refused():
    with pytest.raises(MalformedAlertError, match="fp_hists must be an array of records"):
        to_alert({**ztf_record(), "fp_hists": 3}, "p")


odd = st.sampled_from(
    [None, UNKNOWN, -999, 0, 1, True, "", "x", math.nan, math.inf, -1.0, 1e31, 2**63]
)
forced_changes = st.fixed_dictionaries(
    {},
    optional={
        "pid": st.integers(-1, 2**63) | odd,
        "jd": st.floats(2447892.0, 2488070.0) | odd,
        "exptime": st.none() | st.floats(0.0, 90_000.0) | odd,
        "fid": st.integers(0, 4) | odd,
        "forcediffimflux": st.floats(-1e6, 1e6) | st.just(-99999.0) | odd,
        "forcediffimfluxunc": st.floats(0.0, 1e3) | st.sampled_from([-99999.0, 1e-30]) | odd,
        "magzpsci": st.floats(-1.0, 41.0) | odd,
        "procstatus": st.sampled_from(["0", " 0", "56", "0,57"]) | odd,
    },
)


def forced_carefully(row):
    try:
        return _forced(Fields(row, "p", UNKNOWN), tuple(map(row.get, FORCED_FIELDS)))
    except MalformedAlertError as error:
        return error.rule


@settings(max_examples=600)
@given(forced_changes, st.sampled_from([0.0, 3.0]))
def test_forced_photometry_is_read_quickly_as_it_is_carefully(changes, least_snr):
    row = {**ROW, **changes}
    quick = _usual_forced(least_snr, *map(row.get, FORCED_FIELDS))
    careful = forced_carefully(row)
    if quick is _UNUSUAL:
        return
    if quick is None:
        # Not wanted, and not judged any further.
        assert not isinstance(careful, ForcedMeasurement) or abs(careful.snr) < least_snr
    else:
        assert quick == careful


def test_a_usual_forced_measurement_is_read_quickly():
    quick = _usual_forced(3.0, *map(ROW.get, FORCED_FIELDS))
    assert quick == forced_carefully(ROW)
    assert isinstance(quick, ForcedMeasurement)
