"""Packed designations and dates; the examples are those of the Minor Planet Center's pages."""

import pytest

from storage.orbits.packed import unpacked_mjd, unpacked_name


@pytest.mark.parametrize(
    ("packed", "name"),
    [
        ("00001  ", "1"),
        ("03202", "3202"),
        ("50000", "50000"),
        ("A0345", "100345"),
        ("a0017", "360017"),
        ("K3289", "203289"),
        ("z9999", "619999"),
        ("~0000", "620000"),
        ("~000z", "620061"),
        ("~AZaz", "3140113"),
        ("~zzzz", "15396335"),
        ("J95X00A", "1995 XA"),
        ("J95X01L", "1995 XL1"),
        ("J95F13B", "1995 FB13"),
        ("J98SA8Q", "1998 SQ108"),
        ("J98SC7V", "1998 SV127"),
        ("K07Tf8A", "2007 TA418"),
        ("PLS2040", "2040 P-L"),
        ("T1S3138", "3138 T-1"),
        ("T3S4101", "4101 T-3"),
        ("_QC0000", "2026 CA620"),
        ("_QC0aEM", "2026 CZ6190"),
        ("_QCzzzz", "2026 CL591673"),
    ],
)
def test_names(packed, name):
    assert unpacked_name(packed) == name


@pytest.mark.parametrize(
    "packed",
    ["", "123", "0000!", "!0001", "J95I00A", "L95X00A", "J9XX00A", "J95X00I", "J95X0A0",
     "_QI0000", "_!C0000", "_QC00!0", "PLSABCD", "~00!0", "00001A", "K13G59Rx"],
)  # fmt: skip
def test_what_is_no_name_is_refused(packed):
    with pytest.raises(ValueError):  # noqa: PT011 - which rule it breaks, the caller says
        unpacked_name(packed)


@pytest.mark.parametrize(
    ("packed", "mjd"),
    [
        ("J9611", 50083.0),  # 1996-01-01
        ("J961A", 50092.0),  # 1996-01-10
        ("J969U", 50356.0),  # 1996-09-30
        ("J96A1", 50357.0),  # 1996-10-01
        ("K01AM", 52204.0),  # 2001-10-22
        ("I58BH", 0.0),  # 1858-11-17
    ],
)
def test_dates(packed, mjd):
    assert unpacked_mjd(packed) == mjd


@pytest.mark.parametrize("packed", ["K2500", "K25D1", "K252U", "L2511", "K25!1", "K2511 ", "2511"])
def test_what_is_no_date_is_refused(packed):
    with pytest.raises(ValueError):  # noqa: PT011
        unpacked_mjd(packed)
