import math

import pytest

from correlator.errors import MalformedAlertError
from ingest_optical.fields import Fields


def field(value):
    return Fields({"x": value}, "packet 1", unknown=-999.0)


@pytest.mark.parametrize("value", [None, math.nan, -999.0, -999])
def test_every_spelling_of_unknown_is_none(value):
    assert field(value).number("x") is None
    assert field(value).integer("x") is None


def test_an_absent_field_is_unknown():
    nothing = Fields({}, "packet 1")
    assert nothing.number("x") is None
    assert nothing.integer("x") is None
    assert nothing.text("x") is None
    assert nothing.record("x") is None
    assert nothing.rows("x") == []


def test_the_sentinel_of_one_survey_is_a_number_of_another():
    assert Fields({"x": -999.0}, "packet 1").number("x") == -999.0


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 2570575813315015014, 0])
def test_a_64_bit_integer_keeps_every_digit(value):
    assert field(value).integer("x") == value


@pytest.mark.parametrize("value", ["1.0", True, [], {}, math.inf, -math.inf, 10**400])
def test_what_is_no_finite_number_is_malformed(value):
    with pytest.raises(MalformedAlertError, match="packet 1: x must be"):
        field(value).number("x")


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 1.5, 2.57e18, "1", False, math.inf])
def test_what_is_no_exact_64_bit_integer_is_malformed(value):
    with pytest.raises(MalformedAlertError, match="x must"):
        field(value).integer("x")


@pytest.mark.parametrize("value", [None, math.nan])
def test_an_alert_cannot_do_without_a_known_number(value):
    with pytest.raises(MalformedAlertError, match="x must be known"):
        field(value).known_number("x")


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (Fields.text, 3),
        (Fields.record, [1]),
        (Fields.rows, {"a": 1}),
        (Fields.rows, [1]),
        (Fields.rows, [None]),
    ],
)
def test_a_field_of_another_kind_is_malformed(read, value):
    with pytest.raises(MalformedAlertError, match="x must be"):
        read(field(value), "x")
