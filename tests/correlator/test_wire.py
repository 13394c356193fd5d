"""Alerts off the wire, many at once: what one reading says, the other says too."""

import dataclasses
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator import wire
from correlator.alert import Alert, Detection, ForcedMeasurement, Limit, Quality, Surroundings
from correlator.crossmatch import CatalogAnswer, CatalogTag, SkyClass
from correlator.errors import MalformedPacketError
from correlator.object import OpticalObject, object_of
from correlator.wire import (
    EventRecord,
    PairRecord,
    alerts_of_json,
    event_of_record,
    of_json,
    record_of_event,
    to_json,
)
from tests.builders import a_pair_record, an_alert, an_event

TIME = 1_700_000_000.0
SAID = to_json(
    an_alert(
        quality=Quality(real_bogus=0.9, n_bad_pixels=0, flags=("a", "b")),
        surroundings=Surroundings(solar_system_name="2010AB", star_score=0.5),
        tags=(
            CatalogAnswer.of(
                "gaia",
                [CatalogTag("gaia", "3f9a", "1", 1.0, 2.0, 0.5, SkyClass.STAR, "S", (("z", 1.0),))],
                "3f9a",
            ),
            CatalogAnswer.unknown("vsx", "its file is away"),
        ),
        forced=(ForcedMeasurement("7", TIME, "g", -12.5, 3.0),),
    )
).decode()


def read(kind, *data):
    """The alerts as text, to the last bit, or the error."""
    try:
        if kind == "one":
            return [repr(of_json(Alert, d, "name")) for d in data]
        return [repr(a) for a in alerts_of_json([(d, "name") for d in data])]
    except MalformedPacketError as error:
        return str(error)


def assert_read_alike(*data):
    assert read("many", *data) == read("one", *data)


floats = (
    st.floats()
    | st.sampled_from([0.0, -0.0, 5e-324, 1e31, 1e-31, 1.1e31, 631_152_000.0, 4_102_444_800.0])
    | st.integers(-(2**70), 2**70)
)
texts = st.text(max_size=5) | st.sampled_from(["", " ", "g", "r\x7f", "é", "x" * 450, "x" * 1001])
odd = st.none() | st.booleans() | floats | texts | st.lists(st.none(), max_size=1)
moments = st.floats(6e8, 4.2e9)


@st.composite
def documents(draw):
    """An alert's JSON with a few of its values, at any depth, set to something else."""
    said = json.loads(SAID)
    for _ in range(draw(st.integers(0, 3))):
        at = said
        while True:
            keys = sorted(at) if isinstance(at, dict) else range(len(at))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and at[key] and draw(st.integers(0, 4)):
                at = at[key]
                continue
            what = draw(st.integers(0, 5))
            if what == 0 and isinstance(at, dict):
                del at[key]
            elif what == 1 and isinstance(at, dict):
                at[draw(texts)] = draw(odd)
            elif what == 2:
                at[key] = draw(odd)
            elif isinstance(at[key], int | float):
                at[key] = draw(floats | moments)
            elif isinstance(at[key], str):
                at[key] = draw(texts)
            break
    return json.dumps(said, ensure_ascii=draw(st.booleans()), separators=(",", ":")).encode()


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(documents())
def test_changed_alerts_are_read_or_refused_alike(data):
    assert_read_alike(data)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, len(SAID)), st.binary(max_size=3), st.integers(0, 4))
def test_broken_bytes_are_read_or_refused_alike(place, put, cut):
    data = SAID.encode()
    assert_read_alike(data[:place] + put + data[place + cut :])


finite = st.floats(-1e30, 1e30)
detections = st.builds(
    Detection,
    st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1),
    st.floats(7e8, 4e9),
    st.sampled_from(["g", "r", "", "ζ"]),
    finite,
    st.none() | st.floats(1e-30, 1e30),
)
names = st.sampled_from(["gaia", "vsx", "glade", "ö"])
values = st.lists(st.tuples(names, finite), max_size=12).map(tuple)
kinds = st.none() | st.sampled_from(SkyClass)
tags = st.builds(
    CatalogTag, names, names, names, finite, finite, finite, kinds, st.none() | names, values
)
forced = st.builds(
    ForcedMeasurement,
    st.text("f0123", min_size=1),
    st.floats(7e8, 4e9),
    st.sampled_from("gr"),
    finite,
    st.floats(1e-30, 1e30),
)
limits = st.builds(Limit, st.floats(7e8, 4e9), st.sampled_from("gr"), finite, finite)
alerts = st.builds(
    an_alert,
    detection=detections,
    history=st.lists(detections, max_size=4).map(tuple),
    limits=st.lists(limits, max_size=4).map(tuple),
    forced=st.lists(forced, max_size=4).map(tuple),
    exposure_s=st.none() | finite,
    survey_first_unix_s=st.none() | st.floats(7e8, 4e9),
    quality=st.builds(
        Quality,
        real_bogus=st.none() | finite,
        n_bad_pixels=st.none() | st.integers(-(2**63), 2**63 - 1),
        flags=st.lists(st.text(max_size=3).filter(lambda t: "\x00" not in t)).map(tuple),
    ),
    tags=st.lists(
        st.builds(CatalogAnswer.of, names, st.lists(tags, max_size=4), st.none() | names)
        | st.builds(CatalogAnswer.unknown, names, names),
        max_size=9,
    ).map(tuple),
)


@settings(deadline=None)
@given(st.lists(alerts, max_size=5))
def test_alerts_come_back_as_they_were(some):
    data = [(to_json(alert), "name") for alert in some]
    back = alerts_of_json(data)
    assert [repr(alert) for alert in back] == [repr(alert) for alert in some]


NUMBER = '"exposure_s":30.0'
UNKNOWN = [
    *("1", '"a"', "01", "[1,]", '"\\q"', '"\x01"', '"é"', "nul", "NaN", "1e999", "-", "{1:2}"),
    *("9" * 4299, "9" * 4301, "[" * 100 + "]" * 100, "[" * 250 + "]" * 250, "[" * 9000),
    '{"a":' * 250 + "1" + "}" * 250,
    '{"a":[' * 90 + "1" + "]}" * 90,
    '{"a":[' * 120 + "1" + "]}" * 120,
    '"\\ud800"',
]
CASES = [
    *[SAID.replace(NUMBER, f'{NUMBER},"unknown":{value}') for value in UNKNOWN],
    *[SAID.replace(NUMBER, f'{NUMBER},"exposure_s":{value}') for value in ("40.0", '"x"')],
    *[
        SAID.replace(NUMBER, f'"exposure_s":{value}')
        for value in ("1e400", "NaN", "1" * 400, "1" * 5000, "true", "1.", "-0", "1e-400", "null")
    ],
    *[
        SAID.replace('"n_bad_pixels":0', f'"n_bad_pixels":{value}')
        for value in (2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**30, "1.0", "true", '"1"')
    ],
    *[
        SAID.replace(old, new)
        for old, new in (
            ('"band":"r"', '"band":"' + "r" * 1000 + '"'),
            ('"band":"r"', '"band":"' + "r" * 1001 + '"'),
            ('"solar_system_name":"2010AB"', '"solar_system_name":"' + "x" * 1001 + '"'),
            ('"flags":["a","b"]', '"flags":["' + "x" * 1001 + '"]'),
            ('"flags":["a","b"]', '"flags":[]'),
            ('"flags":["a","b"]', '"flags":["\\u0000"]'),
            ('"survey":"ztf"', '"survey":" "'),
            ('"survey":"ztf"', '"survey":"z f"'),
            ('"survey":"ztf"', '"survey":"z\\u0074f"'),
            ('"survey":"ztf"', '"survey":"' + "z" * 451 + '"'),
            (',"limits":', ',"limitz":'),
            ('"limits":[', '"limits":null,"more":['),
        )
    ],
    *("", "null", "[]", f"[{SAID}]", SAID + SAID, SAID + " \n", "\ufeff" + SAID, SAID[:-1]),
]


@pytest.mark.parametrize("said", CASES, ids=range(len(CASES)))
def test_an_odd_alert_is_read_or_refused_alike(said):
    assert_read_alike(said.encode())


def test_bytes_that_are_no_text_are_refused_where_nobody_looks():
    assert_read_alike(
        SAID.replace(NUMBER, f'{NUMBER},"unknown":"?"').encode().replace(b"?", b"\xff")
    )


def test_the_first_that_is_no_alert_is_named():
    good = SAID.encode()
    with pytest.raises(MalformedPacketError, match="second: "):
        alerts_of_json([(good, "first"), (b"{}", "second"), (b"", "third")])


def test_an_alert_with_a_long_history_is_read_alike():
    alert = an_alert()
    past = tuple(replace(alert.detection, source_id=str(n)) for n in range(300))
    data = to_json(replace(alert, history=past))
    assert len(data) > 4300
    assert_read_alike(data)


def test_an_alert_of_before_there_was_forced_photometry_is_read():
    alert = an_alert()
    said = to_json(alert)
    before = said.replace(b',"forced":[]', b"")
    assert len(before) < len(said)
    assert_read_alike(before)
    assert of_json(Alert, before) == alert
    assert wire._alert_at_once(before) == alert


def test_an_object_of_before_there_was_forced_photometry_is_read():
    obj = object_of(an_alert())
    said = to_json(obj)
    before = said.replace(b',"forced":[]', b"")
    assert len(before) < len(said)
    assert of_json(OpticalObject, before) == obj


FORCED = '"forced_id":"7"', '"flux_njy":-12.5', '"flux_err_njy":3.0', f'"time_unix_s":{TIME}'


@pytest.mark.parametrize(
    ("said", "bad"),
    [
        (FORCED[0], '"forced_id":""'),
        (FORCED[0], '"forced_id":" "'),
        (FORCED[0], '"forced_id":"' + "7" * 451 + '"'),
        (FORCED[1], '"flux_njy":-1.1e31'),
        (FORCED[1], '"flux_njy":null'),
        (FORCED[2], '"flux_err_njy":0.0'),
        (FORCED[2], '"flux_err_njy":null'),
        (FORCED[2], '"flux_err_njy":1e32'),
        (FORCED[3], '"time_unix_s":6e8'),
    ],
)
def test_forced_photometry_that_cannot_be_is_refused(said, bad):
    changed = SAID.replace(said, bad)
    assert changed != SAID
    assert_read_alike(changed.encode())
    with pytest.raises(MalformedPacketError):
        of_json(Alert, changed.encode(), "name")


@pytest.mark.parametrize("n_history", [0, 30, 300])
def test_the_quick_reading_takes_what_we_write(n_history):
    alert = an_alert()
    past = tuple(replace(alert.detection, source_id=str(n)) for n in range(n_history))
    assert wire._alert_at_once(to_json(replace(alert, history=past))) is not None


def test_a_number_of_numpys_is_written_as_what_it_is():
    alert = an_alert()
    said = replace(alert, ra_deg=np.float64(alert.ra_deg), index_29=np.int64(alert.index_29))
    assert to_json(said) == to_json(alert)


def test_what_has_no_form_is_refused():
    with pytest.raises(TypeError, match="a object has no canonical JSON"):
        to_json(replace(an_alert(), ra_deg=object()))


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_comes_back_to_the_last_bit(value):
    assert json.loads(to_json(value)) == value
    assert math.copysign(1.0, json.loads(to_json(value))) == math.copysign(1.0, value)


@pytest.mark.parametrize(
    ("name", "is_read"),
    [
        ("ZTF\\u0000", True),  # six letters, as a packet may have them
        ("ZTF\\\\u0000", True),
        ("ZTF\0", False),
        ("ZTF\\\0", False),
        ("ZTF\0\\u0000", False),
    ],
)
def test_a_nul_is_refused_and_its_letters_are_not(name, is_read):
    alert = replace(an_alert(), object_id=name)
    data = to_json(alert)
    assert_read_alike(data)
    if is_read:
        assert of_json(Alert, data) == alert
    else:
        with pytest.raises(MalformedPacketError, match="no NUL in a Alert"):
            of_json(Alert, data)


@pytest.mark.parametrize("kind", sorted(wire._AUDIENCE_LAST, key=str))
def test_the_audience_is_last_where_it_is_looked_for_last(kind):
    *_, last = dataclasses.fields(kind)
    assert last.name == "audience"
    assert to_json(an_alert()) == wire._ENCODER.encode(an_alert()).replace(wire._OF_ALL, b"")


def test_what_is_public_says_nothing_of_audiences_and_what_is_not_comes_back():
    for made in (an_alert(), object_of(an_alert()), record_of_event(an_event()), a_pair_record()):
        data = to_json(made)
        assert b"audience" not in data
        assert of_json(type(made), data) == made
    tricky = an_alert(schema_version='4.02,"audience":[]')
    assert of_json(Alert, to_json(tricky)) == tricky
    private = an_alert(audience=("ep", "lsst"))
    assert to_json(private).endswith(b',"audience":["ep","lsst"]}')
    assert alerts_of_json([(to_json(private), "name")]) == [private]
    event, pair = an_event(audience=("ep",)), a_pair_record(audience=("ep",))
    assert of_json(EventRecord, to_json(record_of_event(event))).audience == ("ep",)
    assert event_of_record(record_of_event(event), event.localization).audience == ("ep",)
    assert of_json(PairRecord, to_json(pair)) == pair


@pytest.mark.parametrize("said", [("lsst", "ep"), ("ep", "ep"), ("EP",), ("",), ("a b",)])
def test_an_audience_that_is_none_is_refused(said):
    alert = replace(an_alert(), audience=said)
    with pytest.raises(MalformedPacketError, match="tags of an audience"):
        of_json(Alert, to_json(alert), "name")
    assert_read_alike(to_json(alert))
    with pytest.raises(MalformedPacketError, match="tags of an audience"):
        of_json(EventRecord, to_json(replace(record_of_event(an_event()), audience=said)))


def test_the_audience_of_a_pair_is_that_of_its_evidence():
    pair = replace(a_pair_record(audience=("ep",)), audience=())
    with pytest.raises(MalformedPacketError, match="evidence of the same pair"):
        of_json(PairRecord, to_json(pair))
