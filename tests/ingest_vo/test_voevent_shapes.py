"""A shape changes nothing but the time: what it says of a packet is what the XML reader says."""

import csv
import threading
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.errors import MalformedNoticeError
from ingest_vo.voevent_shapes import MAX_BYTES, MOST_OF_A_KIND, MOST_SHAPES, Shapes
from ingest_vo.voevent_xml import spelled_of_xml
from tests.ingest_vo.notice_factory import gbm, swift, voevent

END = b"</What>"

PACKETS = (
    gbm("Fin_Pos", 115, groups={"Trigger_ID": {"Long_short": "Long", "Def_NOT_a_GRB": "false"}}),
    gbm("Alert", 110, place=(0, 0, 0), params={"Text": "a &amp; b", "Empty": "", "Blank": " "}),
    swift("BAT_GRB_Pos", 61, cites={"ivo://x#1": "followup", "ivo://x#2": "supersedes"}),
    voevent(namespace=False, unit="deg-deg", date=None, params={"TrigID": 1, "Twice": 1}),
    voevent(params={"A": 1}).replace(END, b"<Param name='A' ucd='x value=\"3\"' value='4'/>" + END),
    voevent(params={"A": 1}).replace(END, b"<Param name='B'><Value>7</Value></Param>" + END),
)

NASTY = (
    "<", ">", "&", "'", '"', " ", "\t", "\n", "\r", "\0", "\x7f", "\xe9", "]]>", "<!--x-->", "<b/>",
    "&#65;", "&amp;", "&x;", "@@1@@", "/", "=", "-1", "", "nan", "<![CDATA[x]]>", "\ufeff",
)  # fmt: skip


def outcome(read, packet):
    try:
        return read(packet, "p")
    except MalformedNoticeError as error:
        return error.rule, error.value


@lru_cache
def taught(*packets):
    """Shapes that have learned packets, and learn nothing else."""
    shapes = Shapes(learn_every=1)
    for packet in packets:
        shapes.spelled(packet, "p")
    shapes._learn_every = 10**9
    return shapes


@pytest.mark.parametrize("packet", PACKETS)
def test_a_packet_that_comes_again_fits_its_own_shape(packet, monkeypatch):
    expected = spelled_of_xml(packet, "p")
    shapes = taught(packet)
    assert len(shapes) == 1
    monkeypatch.setattr("ingest_vo.voevent_shapes.spelled_of_xml", None)
    assert shapes.spelled(packet, "p") == expected


@pytest.mark.slow
@given(st.data())
@settings(max_examples=1500)
def test_whatever_is_changed_a_taught_reader_says_what_the_xml_reader_says(data):
    packet = data.draw(st.sampled_from(PACKETS))
    shapes = taught(packet)
    text = packet.decode()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        stop = min(len(text), at + data.draw(st.integers(0, 12)))
        new = data.draw(st.sampled_from(NASTY) | st.text(max_size=6))
        text = text[:at] + new + text[stop:]
    changed = text.encode(errors="replace")
    assert outcome(shapes.spelled, changed) == outcome(spelled_of_xml, changed)


@given(st.data())
@settings(max_examples=500)
def test_whatever_a_value_says_a_taught_reader_says_what_the_xml_reader_says(data):
    packet = data.draw(st.sampled_from(PACKETS))
    shapes = taught(packet)
    quoted = packet.decode().split('"')
    n = 2 * data.draw(st.integers(0, len(quoted) // 2 - 1)) + 1
    quoted[n] = data.draw(st.sampled_from(NASTY) | st.text("01aZ ._:;-+", max_size=20))
    changed = '"'.join(quoted).encode(errors="replace")
    assert outcome(shapes.spelled, changed) == outcome(spelled_of_xml, changed)


@pytest.mark.real_data
def test_every_real_packet_is_read_the_same_and_most_fit_a_shape(real_data):
    packets = []
    with (real_data / "notices" / "MANIFEST.csv").open() as lines:
        for row in csv.DictReader(lines):
            if row["format"].startswith("VOEvent"):
                packets.append((real_data / "notices" / row["path"]).read_bytes())
    shapes = taught(*packets)
    n_fit = 0
    for packet in packets:
        expected = outcome(spelled_of_xml, packet)
        assert outcome(shapes.spelled, packet) == expected
        text = packet.decode("latin-1")
        n_fit += any(s.spelled(text) == expected for each in shapes._kinds.values() for s in each)
    assert len(packets) > 380
    assert n_fit >= 400


def test_few_are_learned_from_and_few_are_kept():
    shapes = Shapes(learn_every=10)
    for n in range(95):
        shapes.spelled(voevent(f"ivo://x/{'abc'[n % 3]}#T_{n}", params={f"P{n}": 1}), "p")
    assert len(shapes) == 9
    shapes = Shapes(learn_every=1)
    for n in range(2 * MOST_OF_A_KIND):
        shapes.spelled(voevent("ivo://x/one#T_1", params={f"P{n}": 1}), "p")
    assert len(shapes) == MOST_OF_A_KIND
    for n in range(2 * MOST_SHAPES):
        name = "".join(chr(97 + int(d)) for d in str(n))
        shapes.spelled(voevent(f"ivo://x/{name}#T_1", params={"P": 1}), "p")
    assert len(shapes) <= MOST_SHAPES


MARKS = ("99", "0", "9" * 5000, "\u0663")


@pytest.mark.parametrize("number", MARKS, ids=["99", "0", "long", "arabic"])
def test_what_marks_a_wild_card_in_other_letters_is_no_mark(number):
    mark = f"&#64;&#64;{number}&#64;&#64;"
    packet = voevent(params={"A": 1}).replace(b'"1"', f'"{mark}"'.encode())
    shapes = Shapes(learn_every=1)
    for _ in range(3):
        assert outcome(shapes.spelled, packet) == outcome(spelled_of_xml, packet)


@pytest.mark.parametrize("before", ["\xef\xbb\xbf", "", " "])
@pytest.mark.parametrize("space", [" ", " " * 300, "\n"])
@pytest.mark.parametrize(
    "encoding", ["UTF-7", "HZ", "SHIFT_JIS", "ISO646-JP", "utf-16", "cp037", ""]
)
def test_an_encoding_in_which_ascii_is_not_itself_is_refused(before, space, encoding):
    declaration = f'{before}<?xml version="1.0"{space}encoding="{encoding}"?>'.encode("latin-1")
    packet = declaration + voevent(params={"A": 1}).partition(b"?>")[2]
    for _ in range(3):
        with pytest.raises(MalformedNoticeError, match="UTF-8, ASCII or ISO 8859-1"):
            taught(*PACKETS).spelled(packet, "p")


def test_an_entity_in_another_encoding_is_refused():
    hidden = (
        b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE VOEvent '
        b'[+ADwAIQ-ENTITY e "7"+AD4AXQA+-<VOEvent ivorn="ivo://a/b#1" role="test"><What>'
        b'<Param name="TrigID" value="4&e;"/></What></VOEvent>'
    )
    with pytest.raises(MalformedNoticeError, match="UTF-8, ASCII or ISO 8859-1"):
        spelled_of_xml(hidden, "p")


@pytest.mark.parametrize("encoding", ["UTF-8", "utf-8", "us-ascii", "iso-8859-1"])
def test_the_usual_encodings_are_read(encoding):
    packet = voevent(params={"A": 1}).replace(b"UTF-8", encoding.encode())
    assert spelled_of_xml(b"\xef\xbb\xbf" + packet, "p").params["A"] == "1"
    assert spelled_of_xml(packet.partition(b"?>")[2], "p").params["A"] == "1"


def test_a_packet_that_is_large_has_no_shape():
    shapes = taught(voevent(params={"P": "1" * MAX_BYTES}))
    assert len(shapes) == 0


def test_threads_may_learn_at_the_same_time():
    shapes, wrong = Shapes(learn_every=1), []

    def read():
        for packet in PACKETS * 20:
            if shapes.spelled(packet, "p") != spelled_of_xml(packet, "p"):
                wrong.append(packet)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
