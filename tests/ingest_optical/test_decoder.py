import dataclasses
from itertools import islice

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.alert import Alert
from correlator.errors import MalformedAlertError
from ingest_optical import decoder
from ingest_optical.decoder import (
    Rejected,
    admit,
    admit_looked_at,
    decode,
    decode_prefix,
    look_at,
)
from ingest_optical.first_look import place
from ingest_optical.packets import RawPacket, read_packets
from ingest_optical.quality import PRESETS
from tests.ingest_optical.packet_factory import (
    container,
    lsst_confluent_packet,
    lsst_json_packet,
    lsst_record,
    ztf_non_detection,
    ztf_packet,
    ztf_record,
    ztf_schema,
)

PAST = [{"candid": 11}, ztf_non_detection(2460320.6)]


def with_nothing_past(alert):
    return dataclasses.replace(alert, history=(), limits=())


def test_a_first_look_is_the_alert_without_its_past():
    packet = ztf_packet(past=PAST)
    whole = decode(packet)
    assert len(whole.history) == len(whole.limits) == 1
    assert decode_prefix(packet) == with_nothing_past(whole)


EVERYTHING = {"ztf": PRESETS["none"], "lsst": PRESETS["none"]}


@pytest.mark.parametrize(
    "packet",
    [
        ztf_packet(past=PAST),
        lsst_confluent_packet(1101, lsst_record(past=[{}], forced=[{}])),
        lsst_json_packet(),
    ],
)
def test_going_on_after_a_first_look_gives_the_whole_alert(packet):
    look = look_at(packet)
    assert admit_looked_at(packet, look, EVERYTHING) == decode(packet)
    place([look, look])
    assert admit_looked_at(packet, look, EVERYTHING) == decode(packet)


@pytest.mark.real_data
@pytest.mark.parametrize(("folder", "most"), [("ztf", 400), ("lsst", 60)])
def test_going_on_after_a_first_look_gives_the_whole_of_real_alerts(real_data, folder, most):
    n_gone_on_with = 0
    for packet in islice(read_packets(real_data / "optical" / folder), most):
        try:
            look, whole = look_at(packet), decode(packet)
        except MalformedAlertError:
            continue
        assert admit_looked_at(packet, look, EVERYTHING) == whole
        n_gone_on_with += look.reading is not None and look.reading.pattern is not None
    assert n_gone_on_with > 10


def test_what_is_broken_after_the_first_look_is_refused_when_it_is_gone_on_with():
    packet = ztf_packet(past=PAST)
    look = look_at(packet)
    assert look.reading is not None
    cut = dataclasses.replace(packet, data=packet.data[: look.reading.end + 3])
    look.reading = look.reading._replace(body=look.reading.body._replace(data=cut.data))
    with pytest.raises(MalformedAlertError, match="the body must follow its Avro schema"):
        admit_looked_at(cut, look, EVERYTHING)


def test_a_first_look_does_not_read_the_past():
    """A packet that breaks after the candidate still has a first look, and no more than that."""
    packet = ztf_packet(past=PAST)
    cut_at = packet.data.rindex(b"s" * 16) - 40
    data = packet.data[:cut_at] + b"\x7f" * 40 + packet.data[cut_at + 40 :]
    broken = dataclasses.replace(packet, data=data)
    assert decode_prefix(broken) == decode_prefix(packet)
    with pytest.raises(MalformedAlertError):
        decode(broken)


def test_an_alert_in_json_is_the_alert_in_avro():
    record = ztf_record(past=PAST)
    told = decode(RawPacket("a.json", None, orjson.dumps(record)))
    assert told == decode(ztf_packet(record))
    prefix = decode_prefix(RawPacket("a.json", None, orjson.dumps(record)))
    assert prefix == with_nothing_past(told)


def test_an_lsst_row_knows_its_schema():
    assert decode(lsst_json_packet()).schema_version == "10.0"
    bare = RawPacket("a.json", None, orjson.dumps(lsst_record()))
    assert decode(bare).schema_version == "unstated"


@pytest.mark.parametrize("name", ["elasticc.v0_9.alert", "lsst.v11_1.diaSource"])
def test_a_schema_that_only_looks_like_an_alert_is_refused(name):
    data = container([ztf_record()], ztf_schema(name=name))
    with pytest.raises(MalformedAlertError, match=f"must be an alert of ZTF or LSST, got '{name}'"):
        decode(RawPacket("p", None, data))


def test_a_packet_of_another_survey_than_its_topic_is_refused():
    packet = dataclasses.replace(ztf_packet(), survey="lsst")
    with pytest.raises(MalformedAlertError, match="must be of lsst, got 'ztf'"):
        decode(packet)


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "Avro or JSON"),
        (b"<xml/>", "Avro or JSON"),
        (b"{", "Avro or JSON"),
        (b"[1]", "must be an object"),
        (b'{"ivorn": 1}', "candidate, diaSource or diaSourcesList"),
        (b"\0\0", "Confluent"),
        (b"{" + b" " * 2**24, "at most"),
    ],
)
def test_bytes_that_are_no_packet_say_why(data, rule):
    with pytest.raises(MalformedAlertError, match=rule):
        decode(RawPacket("topic/3/99", None, data))


def test_a_file_without_packets_says_why():
    with pytest.raises(MalformedAlertError, match=r"a\.csv: must be Avro"):
        decode_prefix(RawPacket("a.csv", None, b"x,y", "must be Avro"))


def test_the_gate_lets_an_alert_through_with_its_past():
    admitted = admit(ztf_packet(past=PAST))
    assert isinstance(admitted, Alert)
    assert len(admitted.history) == 1


def test_the_gate_rejects_with_its_reasons_and_the_place():
    rejected = admit(ztf_packet(past=PAST, rb=0.3, nbad=2))
    assert isinstance(rejected, Rejected)
    assert rejected.reasons == ("low_real_bogus_forest", "bad_pixels")
    assert (rejected.survey, rejected.alert_id) == ("ztf", "2570575813315015014")
    assert rejected.alert.history == ()


def test_a_rejected_alert_costs_no_reading_of_its_past(monkeypatch):
    monkeypatch.setattr(decoder, "decode", pytest.fail)
    assert isinstance(admit(ztf_packet(rb=0.3)), Rejected)


def test_a_cut_on_what_stands_after_the_history_still_cuts():
    near = {"ssSource": {"designation": "2013 GR59", "ephOffset": 0.1}}
    record = {**lsst_record(diaObjectId=0, ssObjectId=42), **near}
    packet = RawPacket("a.json", None, orjson.dumps(record))
    rejected = admit(packet, {"lsst": PRESETS["fink-mm-prior"]})
    assert isinstance(rejected, Rejected)
    assert rejected.reasons == ("solar_system_object",)


def test_the_gate_can_be_chosen():
    cuts = {"ztf": PRESETS["none"], "lsst": PRESETS["none"]}
    assert isinstance(admit(ztf_packet(rb=0.3), cuts), Alert)
    assert isinstance(admit(lsst_json_packet(reliability=0.1), cuts), Alert)


SEEDS = [
    ztf_packet(past=PAST).data,
    container([ztf_record(past=PAST)], codec="deflate"),
    lsst_confluent_packet(1101, lsst_record(past=[{}], forced=[{}])).data,
    lsst_json_packet(past=[{}], forced=[{}]).data,
    orjson.dumps(ztf_record(past=PAST)),
]


def assert_alert_or_named_error(understand, packet):
    try:
        outcome = understand(packet)
    except MalformedAlertError as problem:
        outcome = problem
    if isinstance(outcome, Alert):
        assert -90.0 <= outcome.dec_deg <= 90.0
        assert outcome.object_id
    else:
        assert outcome.packet == packet.name
        assert outcome.rule


edits = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.integers(0, 12),
        st.binary(max_size=4) | st.sampled_from([b"\xff" * 9 + b"\x01", b"\xfe\xff\xff\xff\x7f"]),
    ),
    max_size=6,
)


@settings(max_examples=400)
@given(st.sampled_from(SEEDS), edits)
def test_a_damaged_packet_is_an_alert_or_a_named_error(seed, damage):
    data = bytearray(seed)
    for where, n_lost, inserted in damage:
        at = where % (len(data) + 1)
        data[at : at + n_lost] = inserted
    packet = RawPacket("damaged", None, bytes(data))
    for understand in (decode_prefix, decode):
        assert_alert_or_named_error(understand, packet)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=300)
@given(st.data())
def test_a_record_with_a_field_of_any_kind_is_an_alert_or_a_named_error(data):
    record = data.draw(
        st.sampled_from([ztf_record(past=PAST), lsst_record(past=[{}], forced=[{}])])
    )
    record = orjson.loads(orjson.dumps(record))
    inner = data.draw(st.sampled_from([r for r in _records(record) if r]))
    inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(json_values)
    packet = RawPacket("changed", None, orjson.dumps(record))
    for understand in (decode_prefix, decode):
        assert_alert_or_named_error(understand, packet)


def _records(record):
    yield record
    for value in record.values():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from _records(inner)
