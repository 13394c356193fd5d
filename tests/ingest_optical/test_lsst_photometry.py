"""Rubin's measurements: the quick way and the careful one say the same."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.errors import MalformedAlertError
from ingest_optical.fields import Fields
from ingest_optical.lsst import to_first_look
from ingest_optical.lsst_photometry import SOURCE_FIELDS, _detection, usual_detection
from tests.ingest_optical.packet_factory import LSST_SOURCE, lsst_record

odd = st.sampled_from(
    [None, 0, 1, True, False, "", "r", " r", "x", math.nan, math.inf, -1.0, 0.0, 1e-7, 1e31, 2**63]
)
VALUES = {
    "diaSourceId": st.integers(-1, 2**63) | odd,
    "diaObjectId": st.integers(-1, 2**63) | odd,
    "ssObjectId": st.integers(-1, 2**63) | odd,
    "midpointMjdTai": st.floats(47_892.0, 88_070.0) | odd,
    "band": st.sampled_from("ugrizyx") | odd,
    "psfFlux": st.floats(-1e5, 1e5) | odd,
    "psfFluxErr": st.floats(0.0, 1e5) | odd,
    "ra": st.floats(-1.0, 361.0) | odd,
    "dec": st.floats(-91.0, 91.0) | odd,
}
changes = st.fixed_dictionaries({}, optional=VALUES)


def carefully(row):
    try:
        return _detection(Fields(row, "p"))
    except MalformedAlertError as error:
        return error.rule


@settings(max_examples=400)
@given(changes)
def test_what_is_read_quickly_is_what_is_read_carefully(changed):
    row = {**LSST_SOURCE, **changed}
    quick = usual_detection(*map(row.get, SOURCE_FIELDS))
    assert quick is None or quick == carefully(row)


def test_a_usual_source_is_read_quickly():
    quick = usual_detection(*map(LSST_SOURCE.get, SOURCE_FIELDS))
    assert quick is not None
    assert quick == carefully(LSST_SOURCE)


SAID = ("alert_id", "object_id", "position_deg", "detection")


def said_of(look):
    """What a look says of itself, or the rule that it breaks."""
    said = []
    for name in SAID:
        try:
            said.append(getattr(look, name))
        except MalformedAlertError as error:
            said.append(error.rule)
    return said


@settings(max_examples=200)
@given(changes)
def test_a_look_says_the_same_whether_it_was_read_at_once_or_not(changed):
    one, other = (to_first_look(lsst_record(**changed), "p", "10.0") for _ in range(2))
    one._read_at_once()
    assert said_of(one) == said_of(other)


@settings(max_examples=100)
@given(st.sampled_from([0, None, 1, 2**62, 0.0, 5.0, math.nan]))
def test_an_object_is_linked_unless_its_number_is_nothing(number):
    look = to_first_look(lsst_record(ssObjectId=number), "p", "10.0")
    whole = look.with_past({}, None)
    assert whole.surroundings == look.surroundings
