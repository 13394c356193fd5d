import gzip
import json
import tracemalloc
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.errors import MalformedNoticeError
from correlator.notice import Notice
from ingest_vo.reader import MAX_PACKET_BYTES, to_notice
from tests.ingest_vo.notice_factory import gbm, gcn, igwn, multi_order_map, svom, swift, voevent


def test_the_content_decides_and_never_the_name():
    """GraceDB writes JSON into files called .xml."""
    assert to_notice(igwn(), "MS220722v.xml").source == "igwn"
    assert to_notice(voevent(params={"TrigID": 1}), "alert.json").source == "voevent"


def test_a_byte_order_mark_and_leading_space_do_no_harm():
    mark = b"\xef\xbb\xbf"
    assert to_notice(mark + b"\n " + igwn(), "p").event_id == "S240115k"
    assert to_notice(mark + voevent(params={"TrigID": 1}), "p").event_id == "1"


def test_equal_ids_with_other_content_have_other_hashes():
    one, other = (to_notice(voevent(params={"TrigID": 1, "X": x}), "p") for x in (1, 2))
    assert one.notice_id == other.notice_id
    assert one.content_sha256 != other.content_sha256


@pytest.mark.parametrize(
    ("packet", "rule"),
    [
        (b"", "must not be empty"),
        (b" \n", "must not be empty"),
        (multi_order_map(), "a sky map names no event"),
        (gzip.compress(igwn()), "compressed file"),
        (bytes(range(32)) * 5, "binary form of a GCN notice"),
        (b"TITLE:           GCN/FERMI NOTICE", "e-mail form"),
        (b"hello", "VOEvent XML or a JSON object"),
        (b"[]", "must be one object"),
        (b"[1, 2", "well-formed"),
        (b'{"a": NaN}', "well-formed"),
        (b"[" * 100_000, "well-formed"),
        (b"\xff\xfe<\x00V\x00", "VOEvent XML or a JSON object"),
        (b" " * (MAX_PACKET_BYTES + 1), "at most"),
    ],
)
def test_what_is_no_notice_is_refused_by_name(packet, rule):
    with pytest.raises(MalformedNoticeError, match=rule) as refused:
        to_notice(packet, "topic[0]@5")
    assert str(refused.value).startswith("topic[0]@5: ")


def test_an_attribute_of_100_mb_costs_no_memory():
    packet = b'<VOEvent role="test" ivorn="ivo://x#' + b"y" * 100_000_000 + b'"/>'
    tracemalloc.start()
    with pytest.raises(MalformedNoticeError, match="at most"):
        to_notice(packet, "p")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


SEEDS = (
    gbm("Fin_Pos", 115, groups={"Trigger_ID": {"Long_short": "Long"}}),
    swift("BAT_GRB_Pos", 61, params={"Trig_Index": 20000, "Integ_Time": 64}),
    svom("eclairs-wakeup", 202, params={"SNR": 9, "Alert_Seq_T0": "2026-05-11T11:00:31.249Z"}),
    voevent("ivo://nasa.gsfc.gcn/AMON#ICECUBE_GOLD_Event1", params={"run_id": 1, "event_id": 2}),
    voevent("ivo://gwnet/LVC#S190814bv-1-X", params={"GraceID": "S190814bv", "FAR": "1e-9"}),
    igwn(),
    gcn(ra=1.0, dec=2.0, ra_dec_error=[0.1, 0.2, 3], classification={"GRB": 1}),
)


def understood_or_refused(packet: bytes) -> bool:
    try:
        return isinstance(to_notice(packet, "fuzz"), Notice)
    except MalformedNoticeError as refused:
        return refused.packet == "fuzz"


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_flipped_bytes_are_understood_or_refused(seed, flips):
    packet = bytearray(seed)
    for place, value in flips:
        packet[place % len(packet)] = value
    assert understood_or_refused(bytes(packet))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SEEDS), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_packet_with_a_piece_cut_out_is_understood_or_refused(seed, start, length):
    start %= len(seed)
    assert understood_or_refused(seed[:start] + seed[start + length % 400 :])


HOSTILE_TEXTS = st.one_of(
    st.text(max_size=20).filter(lambda t: t.isprintable()),
    st.sampled_from(["", "nan", "-1", "1e309", "٣", "9" * 6000, "0x10", "true", "2026", " "]),
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["Packet_Type", "TrigID", "Sequence_Num", "Most_Likely_Index", "Burst_Id",
                     "Trig_Index", "SNR", "FAR", "Rev", "Alert_Seq_T0", "Burst_TJD", "GraceID",
                     "LocationMap_URL", "Long_short", "src_error_90"]),
    HOSTILE_TEXTS,
    st.sampled_from([s.decode() for s in SEEDS if s.startswith(b"<")]),
)  # fmt: skip
def test_any_value_of_a_param_is_understood_or_refused(param, value, seed):
    said = f"<What><Param name={quoteattr(param)} value={quoteattr(value)}/>"
    assert understood_or_refused(seed.replace("<What>", said, 1).encode())


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["id", "ra", "dec", "ra_dec_error", "trigger_time", "classification", "far",
                     "record_number", "healpix_file", "containment_probability", "mission",
                     "alert_type", "event", "superevent_id", "rectangular_error_corners",
                     "subtype", "$schema", "instrument", "ref_ID"]),
    JSON_VALUES,
    st.sampled_from(["fermi/gbm/trigger", "einstein_probe/wxt/alert", "maxi/gsc.unknown", "new/x"]),
)  # fmt: skip
def test_any_value_of_a_field_is_understood_or_refused(field, value, schema):
    fields = json.loads(gcn(schema, ra=1.0, dec=2.0, ra_dec_error=0.1)) | {field: value}
    assert understood_or_refused(json.dumps(fields).encode())
