import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.errors import MalformedNoticeError
from ingest_vo import rules
from ingest_vo.voevent import read_voevent
from ingest_vo.voevent_xml import MAX_DEPTH, MAX_XML_BYTES
from tests.ingest_vo.notice_factory import T0_UNIX_S, voevent


def test_a_packet_gives_its_standard_elements():
    packet = read_voevent(
        voevent(
            params={"TrigID": 7, "Empty": " "},
            groups={"Flags": {"Near_Bright_Star": "true"}, "Other": {"Near_Bright_Star": "false"}},
            cites={"ivo://a/b#c": "supersedes"},
        ),
        "p",
    )

    assert packet.authority == "nasa.gsfc.gcn/Fermi"
    assert (packet.ra_deg, packet.dec_deg, packet.radius_deg) == (120.5, -30.25, 5.0)
    assert packet.time_unix_s == pytest.approx(T0_UNIX_S, abs=1e-6)
    assert packet.whole_number("TrigID") == 7
    assert packet.text("Empty") is None
    assert packet.groups["Other"]["Near_Bright_Star"] == "false"
    assert packet.text("Near_Bright_Star") == "true"
    assert packet.citations == (("supersedes", "ivo://a/b#c"),)


def test_a_redump_without_namespaces_reads_the_same():
    assert read_voevent(voevent(namespace=False), "p").ra_deg == 120.5


def test_coordinates_of_version_1_1_have_a_namespace_of_their_own():
    old = voevent().replace(b"<ObsDataLocation>", b'<ObsDataLocation xmlns="http://stc/v1.30">')
    assert read_voevent(old, "p").dec_deg == -30.25


def test_the_position_of_the_observatory_is_not_that_of_the_event():
    site = (
        b"<ObservatoryLocation><Position3D><Value3><C1>1</C1><C2>2</C2></Value3></Position3D>"
        b"</ObservatoryLocation><ObservationLocation>"
    )
    packet = read_voevent(voevent().replace(b"<ObservationLocation>", site), "p")
    assert (packet.ra_deg, packet.dec_deg) == (120.5, -30.25)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((0, 0, 0), (None, None, None)),
        (("0.0000", "0.0000", "360.0000"), (None, None, None)),
        ((0, 0, None), (None, None, None)),
        ((0, 0, 5), (0.0, 0.0, 5.0)),
        ((0, 4.3526, 0), (0.0, 4.3526, None)),
        ((171.5, -40.9, "-1.0000"), (171.5, -40.9, None)),
        ((10, 20, None), (10.0, 20.0, None)),
        ((360, 90, 180), (0.0, 90.0, 180.0)),
        (None, (None, None, None)),
    ],
)
def test_a_place_that_says_nothing_is_none(place, expected):
    packet = read_voevent(voevent(place=place), "p")
    assert (packet.ra_deg, packet.dec_deg, packet.radius_deg) == expected


@pytest.mark.parametrize(
    ("unit", "expected_deg"),
    [("deg", 3.0), ("deg-deg", 3.0), ("arcmin", 0.05), ("arcsec", 3.0 / 3600.0)],
)
def test_a_radius_has_the_unit_it_names(unit, expected_deg):
    packet = read_voevent(voevent(place=(10, 20, 3), unit=unit), "p")
    assert packet.radius_deg == pytest.approx(expected_deg, rel=1e-12)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        ({"place": (-0.001, 0, 1)}, "RA must lie in"),
        ({"place": (360.001, 0, 1)}, "RA must lie in"),
        ({"place": (10, 90.001, 1)}, "dec must lie in"),
        ({"place": ("nan", 0, 1)}, "RA must be a number"),
        ({"place": ("1e999", 0, 1)}, "RA must be finite"),
        ({"place": ("1_0", 0, 1)}, "RA must be a number"),
        ({"place": (10, 20, -2)}, "error radius must lie in"),
        ({"place": (10, 20, 180.1)}, "error radius must lie in"),
        ({"place": (10, 20, 1), "unit": "rad"}, "unit of a radius"),
        ({"system": "UTC-FK4-GEO"}, "ICRS or FK5"),
        ({"system": "TT-ICRS-GEO"}, "times must be UTC"),
        ({"time": "2026-01--9130T00:00:00.00"}, "ISO 8601"),
        ({"time": "2026-02-30T00:00:00"}, "date that exists"),
        ({"time": "1989-12-31T23:59:59"}, "1990 to 2100"),
        ({"time": "2100-01-01T00:00:00"}, "1990 to 2100"),
        ({"time": "yesterday"}, "ISO 8601"),
        ({"date": "today"}, "Who/Date"),
        ({"role": "joke"}, "role must be one of"),
        ({"ivorn": ""}, "ivorn must not be empty"),
        ({"ivorn": "http://x#y"}, "begin with ivo://"),
        ({"ivorn": "ivo://x#" + "y" * 500}, "printable"),
        ({"cites": {"ivo://x" * 100: "followup"}}, "a cited ivorn"),
    ],
)
def test_nonsense_is_refused_by_name(broken, rule):
    with pytest.raises(MalformedNoticeError, match=rule) as refused:
        read_voevent(voevent(**broken), "topic[3]@17")
    assert refused.value.packet == "topic[3]@17"


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;">]><VOEvent ivorn="ivo://x#&c;" role="test">&c;</VOEvent>"""

XXE = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>
<VOEvent ivorn="ivo://x#y" role="test"><Who>&f;</Who></VOEvent>"""


@pytest.mark.parametrize(
    ("packet", "rule"),
    [
        (LAUGHS, "DTD or an entity"),
        (XXE, "DTD or an entity"),
        (b'<!DOCTYPE VOEvent SYSTEM "http://example.org/x.dtd"><VOEvent/>', "DTD or an entity"),
        (LAUGHS.decode().encode("utf-16"), "in UTF-8"),
        (b'<?xml version="1.0" encoding="UTF-7"?><VOEvent/>', "in UTF-8"),
        (b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1), "elements deep"),
        (b"<a>" * 100_000, "well-formed"),
        (b'<VOEvent ivorn="' + b"x" * MAX_XML_BYTES + b'"/>', "at most"),
        (b"<html><body/></html>", "root of an XML notice must be VOEvent"),
        (b"<VOEvent>&undefined;</VOEvent>", "well-formed"),
        (b"<", "well-formed"),
        (b'<VOEvent><:Param/><a xmlns="rel"/></VOEvent>', "must be well-formed"),
        (b'<?xml version="1.0" encoding="martian"?><VOEvent/>', "in UTF-8"),
    ],
)
def test_hostile_xml_is_refused_before_it_can_act(packet, rule):
    with pytest.raises(MalformedNoticeError, match=rule):
        read_voevent(packet, "p")


MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2099, 12, 31))  # noqa: DTZ001


@given(MOMENTS, st.sampled_from(["", "Z", "+00:00"]), st.sampled_from("T "))
def test_a_time_reads_as_what_was_written(moment, offset, separator):
    text = moment.isoformat(sep=separator) + offset
    expected = (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(
        seconds=1
    )
    assert rules.unix_s_of("p", "t", text) == pytest.approx(expected, abs=5e-7)


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_an_offset_is_subtracted(moment, minutes):
    sign = "-" if minutes < 0 else "+"
    text = f"{moment.isoformat()}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    try:
        found = rules.unix_s_of("p", "t", text)
    except MalformedNoticeError:  # pushed out of 1990 to 2100
        assert moment.year in (1990, 2099)
        return
    at_greenwich = rules.unix_s_of("p", "t", moment.isoformat())
    assert found == pytest.approx(at_greenwich - 60.0 * minutes, abs=1e-6)


def test_a_leap_second_is_the_first_of_the_next_day():
    leap = rules.unix_s_of("p", "t", "2016-12-31T23:59:60.5Z")
    assert leap == rules.unix_s_of("p", "t", "2017-01-01T00:00:00.5Z")


@given(st.floats(0.0, 360.0), st.floats(-90.0, 90.0))
def test_every_place_of_the_sky_is_accepted(ra_deg, dec_deg):
    ra, dec = rules.position_of("p", ra_deg, dec_deg)
    assert 0.0 <= ra < 360.0
    assert dec == dec_deg
    assert math.isclose(math.cos(math.radians(ra)), math.cos(math.radians(ra_deg)), abs_tol=1e-9)
