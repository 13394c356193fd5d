"""The quick way through a history says what the careful one says, or nothing."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.errors import MalformedAlertError
from ingest_optical.fields import Fields
from ingest_optical.ztf_photometry import _ROW, UNKNOWN, _looked_at_closely, _usual
from tests.ingest_optical.packet_factory import ZTF_CANDIDATE, ztf_non_detection

odd = st.sampled_from(
    [None, UNKNOWN, -999, 0, 1, True, "", "t", "f", "x", math.nan, math.inf, -1.0, 1e31, 2**63]
)
VALUES = {
    "jd": st.floats(2447892.0, 2488070.0) | odd,
    "fid": st.integers(0, 4) | odd,
    "candid": st.none() | st.integers(-1, 2**63) | odd,
    "exptime": st.none() | st.floats(0.0, 90_000.0) | odd,
    "diffmaglim": st.floats(-1.0, 41.0) | odd,
    "magpsf": st.floats(-1.0, 41.0) | odd,
    "sigmapsf": st.floats(0.0, 1.0) | odd,
    "isdiffpos": st.sampled_from(["t", "f", "1", "0", "T", "true", "false", " t"]) | odd,
}
rows = st.fixed_dictionaries({}, optional=VALUES)


def quickly(row):
    return _usual(*map(row.get, _ROW))


def carefully(row):
    try:
        return _looked_at_closely(Fields(row, "p", UNKNOWN), 77)
    except MalformedAlertError as error:
        return error.rule


@settings(max_examples=600)
@given(rows, st.booleans())
def test_what_is_read_quickly_is_what_is_read_carefully(changes, is_detection):
    usual = ZTF_CANDIDATE if is_detection else ztf_non_detection(2460320.6)
    row = {**usual, **changes}
    quick = quickly(row)
    assert quick is None or quick == carefully(row)


def test_a_usual_row_is_read_quickly():
    assert quickly(ZTF_CANDIDATE) == carefully(ZTF_CANDIDATE)
    assert quickly(ZTF_CANDIDATE) is not None
    assert quickly(ztf_non_detection(2460320.6)) is not None
